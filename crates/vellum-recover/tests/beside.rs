//! Commits in the midst of a truncation, at a place of the test's choosing.

use std::fmt::{self, Debug, Formatter};
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use vellum_recover::log::{Bug, CrashDisk, File, LockGuard, Storage};
use vellum_recover::{Background, Durability, Options, Region, Restore, Store};

const PAGE: u64 = 4096;
const PAGES: u64 = 600;

type Hook = Box<dyn FnOnce() + Send>;

/// A disk that calls `hook` once, before the next write to a region's file.
#[derive(Clone)]
struct Hooked {
    disk: CrashDisk,
    hook: Arc<Mutex<Option<Hook>>>,
}

struct HookedFile {
    file: Arc<dyn File>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Debug for Hooked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

impl Debug for HookedFile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl Hooked {
    fn hooked(&self, name: &str, file: Arc<dyn File>) -> Arc<dyn File> {
        if !name.starts_with("region-") {
            return file;
        }
        Arc::new(HookedFile { file, hook: self.hook.clone() })
    }
}

impl Storage for Hooked {
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.hooked(name, self.disk.create(name)?))
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.hooked(name, self.disk.open(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
    fn lock(&self) -> io::Result<Box<dyn LockGuard>> {
        self.disk.lock()
    }
    fn place(&self) -> String {
        self.disk.place()
    }
}

impl File for HookedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buf)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        self.file.write_at(offset, bytes)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

fn options(planted: Option<Bug>) -> Options {
    let log = vellum_recover::log::Options { planted, ..Default::default() };
    Options { log, background: Background::Caller, ..Options::default() }
}

/// Writes `value` to these pages in one transaction.
fn put(
    store: &Store,
    region: &Region,
    pages: impl Iterator<Item = u64>,
    value: u8,
    how: Durability,
) {
    let mut transaction = store.begin(Restore::Yes);
    for page in pages {
        transaction.set_range(region, page * PAGE..page * PAGE + 8).unwrap().fill(value);
    }
    transaction.commit(how).unwrap();
}

/// A transaction that is committed, without a flush, between the first and the second group of pages
/// that a truncation copies, and changes a page of each: the second page is in its file and the first
/// is not, so the log must have both before. Whether some power cut leaves half of it.
fn half_is_left(planted: Option<Bug>) -> bool {
    let storage = Hooked { disk: CrashDisk::new(), hook: Arc::default() };
    let store = Arc::new(Store::open_in(Arc::new(storage.clone()), options(planted)).unwrap());
    let region = store.region("r", PAGES * PAGE).unwrap();
    put(&store, &region, 0..PAGES, 1, Durability::Flush);
    let ran = Arc::new(OnceLock::new());
    let (beside, of, done) = (store.clone(), region.clone(), ran.clone());
    *storage.hook.lock().unwrap() = Some(Box::new(move || {
        put(&beside, &of, [0, PAGES / 2].into_iter(), 2, Durability::NoFlush);
        done.set(()).unwrap();
    }));
    store.truncate().unwrap();
    assert!(ran.get().is_some(), "the truncation wrote pages");
    let mut half = false;
    for image in storage.disk.cuts().last().unwrap().images(50, 7) {
        let store = Store::open_in(Arc::new(image), options(None)).unwrap();
        let region = store.open_region("r").unwrap();
        let byte = |page: u64| region.read(page * PAGE..page * PAGE + 1).unwrap()[0];
        let (first, second) = (byte(0), byte(PAGES / 2));
        assert!((1..PAGES).all(|page| byte(page) >= 1), "what was promised is there");
        half |= first != second;
    }
    half
}

#[test]
fn a_file_is_never_ahead_of_the_log() {
    assert!(!half_is_left(None));
    assert!(half_is_left(Some(Bug::SkipLogBeforeFile)), "the test would notice");
}
