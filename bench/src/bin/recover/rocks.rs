//! RocksDB, by the C interface of its shared library, where that is installed: building it would
//! take longer than all the rest.

#![expect(unsafe_code, reason = "calls into a C library")]

use crate::engines::{Engine, HISTORY, RECORD, RECORDS, Work};
use anyhow::{Context, Result, bail};
use libloading::{Library, Symbol};
use std::ffi::{CStr, CString, c_char, c_uchar, c_void};
use std::path::Path;
use std::ptr::null_mut;

/// A pointer to something of the library's own.
type Handle = *mut c_void;
type Open = unsafe extern "C" fn(Handle, *const c_char, *mut *mut c_char) -> Handle;
type Write = unsafe extern "C" fn(Handle, Handle, Handle, *mut *mut c_char);
type Put = unsafe extern "C" fn(Handle, *const c_char, usize, *const c_char, usize);

/// Names that Linux distributions give the library, newest first.
const NAMES: [&str; 6] = [
    "librocksdb.so",
    "librocksdb.so.10",
    "librocksdb.so.9",
    "librocksdb.so.8",
    "librocksdb.so.7.8",
    "librocksdb.so.6",
];

/// A database, opened with the defaults; each write is synced to the write-ahead log.
pub struct Rocks {
    database: Handle,
    sync: Handle,
    create: unsafe extern "C" fn() -> Handle,
    put: Put,
    write: Write,
    destroy: unsafe extern "C" fn(Handle),
    close: unsafe extern "C" fn(Handle),
    free: unsafe extern "C" fn(*mut c_void),
    /// Unloaded after the database is closed.
    _library: Library,
}

// SAFETY: RocksDB's handles may be used from any thread (its header says so), a batch is made,
// filled and destroyed by one thread, and the write options are not changed after `new`.
unsafe impl Sync for Rocks {}

fn symbol<T: Copy>(library: &Library, name: &str) -> Result<T> {
    // SAFETY: the callers name functions of `rocksdb/c.h` with the types that stand there.
    let found: Symbol<'_, T> = unsafe { library.get(name.as_bytes()) }
        .with_context(|| format!("the library has no `{name}`"))?;
    Ok(*found)
}

impl Rocks {
    /// `None` when there is no library.
    pub fn new(home: &Path) -> Result<Option<Self>> {
        // SAFETY: RocksDB's initialisers have no conditions.
        let library = NAMES.iter().find_map(|name| unsafe { Library::new(*name) }.ok());
        let Some(library) = library else { return Ok(None) };
        let options: unsafe extern "C" fn() -> Handle = symbol(&library, "rocksdb_options_create")?;
        let make: unsafe extern "C" fn(Handle, c_uchar) =
            symbol(&library, "rocksdb_options_set_create_if_missing")?;
        let write_options: unsafe extern "C" fn() -> Handle =
            symbol(&library, "rocksdb_writeoptions_create")?;
        let set_sync: unsafe extern "C" fn(Handle, c_uchar) =
            symbol(&library, "rocksdb_writeoptions_set_sync")?;
        let open: Open = symbol(&library, "rocksdb_open")?;
        let free = symbol(&library, "rocksdb_free")?;
        let path = CString::new(home.join("rocksdb").display().to_string())?;
        let mut error = null_mut();
        // SAFETY: the handles are what the library made one line earlier, the path ends with a
        // zero, and `error` takes a message or stays null. The options live as long as the process.
        let (database, sync) = unsafe {
            let options = options();
            make(options, 1);
            let sync = write_options();
            set_sync(sync, 1);
            (open(options, path.as_ptr(), &raw mut error), sync)
        };
        check(error, free)?;
        let rocks = Self {
            database,
            sync,
            create: symbol(&library, "rocksdb_writebatch_create")?,
            put: symbol(&library, "rocksdb_writebatch_put")?,
            write: symbol(&library, "rocksdb_write")?,
            destroy: symbol(&library, "rocksdb_writebatch_destroy")?,
            close: symbol(&library, "rocksdb_close")?,
            free,
            _library: library,
        };
        for record in 0..RECORDS / 1000 {
            let thousand = (record * 1000..(record + 1) * 1000).map(|key| (*b"a", key));
            rocks.batch(thousand, &[0; RECORD], None)?;
        }
        Ok(Some(rocks))
    }

    fn batch(
        &self,
        keys: impl Iterator<Item = ([u8; 1], u64)>,
        value: &[u8],
        history: Option<(u64, &[u8])>,
    ) -> Result<()> {
        let mut error = null_mut();
        // SAFETY: a batch of our own, keys and values that live during the calls (the library
        // copies them), and handles that live as long as `self`.
        unsafe {
            let batch = (self.create)();
            let put = |table: [u8; 1], key: u64, value: &[u8]| {
                let key = [&table[..], &key.to_be_bytes()[..]].concat();
                (self.put)(
                    batch,
                    key.as_ptr().cast(),
                    key.len(),
                    value.as_ptr().cast(),
                    value.len(),
                );
            };
            keys.for_each(|(table, key)| put(table, key, value));
            if let Some((key, value)) = history {
                put(*b"h", key, value);
            }
            (self.write)(self.database, self.sync, batch, &raw mut error);
            (self.destroy)(batch);
        }
        check(error, self.free)
    }
}

fn check(error: *mut c_char, free: unsafe extern "C" fn(*mut c_void)) -> Result<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the library's messages end with a zero, and are the caller's to free.
    let text = unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned();
    // SAFETY: as above; nothing refers to it any more.
    unsafe { free(error.cast()) };
    bail!("RocksDB: {text}")
}

impl Engine for Rocks {
    fn name(&self) -> &'static str {
        "RocksDB, WAL sync"
    }

    fn run(&self, work: &Work) -> Result<()> {
        let keys = work.records.into_iter().map(|key| (*b"a", key));
        self.batch(keys, &[work.value; RECORD], Some((work.entry, &[work.value; HISTORY])))
    }
}

impl Drop for Rocks {
    fn drop(&mut self) {
        // SAFETY: nobody uses the database any more, and the library is unloaded afterwards.
        unsafe { (self.close)(self.database) };
    }
}
