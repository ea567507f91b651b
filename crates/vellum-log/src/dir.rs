//! [`DirStorage`]: a directory of the host's file system.

mod direct;

use crate::storage::{File, LockGuard, Storage};
use direct::{BLOCK, Direct};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Files in one directory of the host; `sync` is `fdatasync`, `sync_dir` is `fsync` of the directory.
#[derive(Debug)]
pub struct DirStorage {
    path: PathBuf,
}

impl DirStorage {
    /// Uses the directory at `path`, creating it (not its parents) when it is missing.
    ///
    /// # Errors
    /// When the directory can neither be found nor made.
    pub fn new(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_path_buf();
        match fs::create_dir(&path) {
            Ok(()) => {
                if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                    fs::File::open(parent)?.sync_all()?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !path.is_dir() {
                    return Err(Errno::NOTDIR.into());
                }
            }
            Err(error) => return Err(error),
        }
        Ok(Self { path })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[derive(Debug)]
struct DirFile {
    file: fs::File,
    /// For durable writes of whole blocks, where the file system takes them; asked once.
    direct: OnceLock<Option<Direct>>,
}

impl DirFile {
    fn of(file: fs::File) -> Arc<dyn File> {
        Arc::new(Self { file, direct: OnceLock::new() })
    }

    fn direct(&self) -> Option<&Direct> {
        self.direct.get_or_init(|| Direct::of(&self.file)).as_ref()
    }
}

#[derive(Debug)]
struct DirLock(#[expect(dead_code, reason = "held for its drop")] fs::File);

impl LockGuard for DirLock {}

impl Storage for DirStorage {
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path.join(name))?;
        Ok(DirFile::of(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::File::options().read(true).write(true).open(self.path.join(name))?;
        Ok(DirFile::of(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    fn lock(&self) -> io::Result<Box<dyn LockGuard>> {
        // The directory itself is locked, so that a refused opener has written nothing.
        let dir = fs::File::open(&self.path)?;
        match dir.try_lock() {
            Ok(()) => Ok(Box::new(DirLock(dir))),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

impl File for DirFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn write_durably_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        let fits = direct::fits(offset, bytes.len());
        if let Some(direct) = self.direct().filter(|_| fits)
            && direct.write(offset, bytes)?
        {
            return Ok(());
        }
        // One call in place of two: the range alone is written back, and the same flush follows.
        while !bytes.is_empty() {
            let part = [io::IoSlice::new(bytes)];
            match pwritev2(&self.file, &part, offset, ReadWriteFlags::DSYNC) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    offset += count as u64;
                }
                Err(Errno::INTR) => {}
                // A file system that doesn't know the flag has written nothing.
                Err(Errno::OPNOTSUPP) => {
                    self.file.write_all_at(bytes, offset)?;
                    return self.file.sync_data();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn unit(&self) -> usize {
        if self.direct().is_some() { BLOCK } else { 1 }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        // What was read or written through the page cache would be in the way of whole blocks.
        if self.direct.get().is_some_and(Option::is_some) {
            Direct::uncache(&self.file);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_durably_see_each_others_bytes() {
        let home = tempfile::tempdir().unwrap();
        let storage = DirStorage::new(home.path()).unwrap();
        let file = storage.create("f").unwrap();
        let mut expected = vec![1; 4 * BLOCK];
        file.write_at(0, &expected).unwrap();
        for turn in 2..40_usize {
            // Whole blocks, parts of blocks, and more than goes past the page cache.
            let (at, len) = match turn % 4 {
                0 => (turn % 3 * BLOCK, BLOCK),
                1 => (turn * 61, 700),
                2 => (BLOCK, 2 * BLOCK),
                _ => (0, expected.len() + 20 * BLOCK),
            };
            let bytes = vec![turn as u8; len];
            file.write_durably_at(at as u64, &bytes).unwrap();
            expected.resize(expected.len().max(at + len), 0);
            expected[at..at + len].copy_from_slice(&bytes);
            let mut found = vec![0; expected.len()];
            file.read_at(0, &mut found).unwrap();
            assert!(found == expected, "turn {turn}");
        }
    }

    #[test]
    fn names_and_bytes_are_what_was_put_there() {
        let home = tempfile::tempdir().unwrap();
        let storage = DirStorage::new(home.path().join("s")).unwrap();
        let file = storage.create("b").unwrap();
        file.write_at(3, b"xyz").unwrap();
        file.sync().unwrap();
        file.write_durably_at(5, b"z!").unwrap();
        storage.create("a").unwrap();
        storage.rename("b", "c").unwrap();
        storage.sync_dir().unwrap();
        assert_eq!(storage.list().unwrap(), ["a", "c"]);
        let mut back = [9; 7];
        storage.open("c").unwrap().read_at(0, &mut back).unwrap();
        assert_eq!(&back, b"\0\0\0xyz!");
        assert_eq!(storage.create("a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(storage.open("z").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_named_as_such() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("f");
        fs::write(&path, b"mine").unwrap();
        assert_eq!(DirStorage::new(&path).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let home = tempfile::tempdir().unwrap();
        let one = DirStorage::new(home.path()).unwrap();
        let two = DirStorage::new(home.path()).unwrap();
        let held = one.lock().unwrap();
        assert_eq!(two.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        two.lock().unwrap();
    }
}
