//! A mapped file as byte-addressable memory: on a DAX file system (`MAP_SYNC`) by flushing cache
//! lines, without a system call; elsewhere by `msync`, which makes the same promises, slower.

#![expect(unsafe_code, reason = "loads and stores in a mapping of a file, and cache-line flushes")]

use rustix::fd::AsFd;
use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, msync, munmap};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::sync::{Mutex, PoisonError};
use vellum_log::ByteMemory;

use crate::memory::PAGE;

/// A file of a fixed size in memory. Nobody may shorten it meanwhile: the kernel would answer a
/// touch of what is gone with SIGBUS. The file is this process's alone while it is open.
#[derive(Debug)]
pub struct MappedFile {
    base: NonNull<u8>,
    len: usize,
    place: String,
    /// Stores reach the medium when their lines are flushed.
    dax: bool,
    /// To be synced at the next fence, where lines are not enough.
    flushed: Mutex<Vec<Range<u64>>>,
    /// Locked.
    _file: File,
}

// SAFETY: the mapping belongs to the value and lives as long; all access to it is atomic, and ranges
// are checked.
unsafe impl Send for MappedFile {}
// SAFETY: as above.
unsafe impl Sync for MappedFile {}

impl MappedFile {
    /// Opens the file at `path`, making it with `len` bytes (a multiple of 4096) where there is none.
    ///
    /// # Errors
    /// When it has another length, another process has it, or it can't be mapped.
    pub fn open(path: impl AsRef<Path>, len: u64) -> io::Result<Self> {
        let place = path.as_ref().display().to_string();
        let bad =
            |why: String| io::Error::new(io::ErrorKind::InvalidInput, format!("{place}: {why}"));
        let size = usize::try_from(len).ok().filter(|len| *len > 0 && len % PAGE == 0);
        let size = size.ok_or_else(|| bad(format!("{len} bytes are not a number of pages")))?;
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let why = format!("{place}: in use by another process");
                return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
        match file.metadata()?.len() {
            0 => {
                file.set_len(len)?;
                file.sync_all()?;
                let parent = path.as_ref().parent().filter(|dir| !dir.as_os_str().is_empty());
                File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
            }
            found if found != len => {
                return Err(bad(format!("it has {found} bytes, {len} were asked for")));
            }
            _ => {}
        }
        let sync = MapFlags::SHARED_VALIDATE | MapFlags::SYNC;
        let (base, dax) = match map(&file, size, sync) {
            Ok(base) if cfg!(target_arch = "x86_64") => (base, true),
            Ok(base) => (base, false),
            Err(_) => (map(&file, size, MapFlags::SHARED)?, false),
        };
        Ok(Self { base, len: size, place, dax, flushed: Mutex::default(), _file: file })
    }

    /// Whether durability is a matter of cache lines here.
    pub fn is_dax(&self) -> bool {
        self.dax
    }

    fn check(&self, range: &Range<u64>) -> io::Result<()> {
        if range.start > range.end || range.end > self.len as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Whoever uses the memory keeps writers of a range apart; should somebody not, bytes are mixed up
    /// and nothing worse.
    fn byte(&self, at: usize) -> &AtomicU8 {
        assert!(at < self.len);
        // SAFETY: inside the mapping, to which all access is atomic.
        unsafe { self.base.add(at).cast().as_ref() }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.len);
        // SAFETY: as above, and aligned, since the mapping is.
        unsafe { self.base.add(at).cast().as_ref() }
    }
}

/// The parts of `len` bytes from `at` on: up to a word's start, whole words, and the rest.
fn parts(at: usize, len: usize) -> (usize, usize) {
    let head = (at.next_multiple_of(8) - at).min(len);
    (head, head + (len - head) / 8 * 8)
}

fn map(file: &File, len: usize, flags: MapFlags) -> io::Result<NonNull<u8>> {
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a null hint lets the kernel choose a free place, so no existing mapping is hit.
    let base = unsafe { mmap(null_mut(), len, prot, flags, file.as_fd(), 0) }?;
    NonNull::new(base.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

impl ByteMemory for MappedFile {
    fn size(&self) -> u64 {
        self.len as u64
    }

    fn load(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.check(&(at..at.saturating_add(out.len() as u64)))?;
        let at = at as usize;
        let (head, tail) = parts(at, out.len());
        let byte = |i: usize| self.byte(at + i).load(Relaxed);
        (0..head).chain(tail..out.len()).for_each(|i| out[i] = byte(i));
        for (i, word) in (head..).step_by(8).zip(out[head..tail].as_chunks_mut().0) {
            *word = self.word(at + i).load(Relaxed).to_ne_bytes();
        }
        Ok(())
    }

    fn store(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.check(&(at..at.saturating_add(bytes.len() as u64)))?;
        let at = at as usize;
        let (head, tail) = parts(at, bytes.len());
        (0..head).chain(tail..bytes.len()).for_each(|i| self.byte(at + i).store(bytes[i], Relaxed));
        for (i, word) in (head..).step_by(8).zip(bytes[head..tail].as_chunks().0) {
            self.word(at + i).store(u64::from_ne_bytes(*word), Relaxed);
        }
        Ok(())
    }

    fn flush(&self, range: Range<u64>) -> io::Result<()> {
        self.check(&range)?;
        if self.dax {
            #[cfg(target_arch = "x86_64")]
            for line in (range.start / 64 * 64..range.end).step_by(64) {
                // SAFETY: a line of the mapping; flushing changes no content.
                unsafe { std::arch::x86_64::_mm_clflush(self.base.as_ptr().add(line as usize)) };
            }
        } else {
            self.flushed.lock().unwrap_or_else(PoisonError::into_inner).push(range);
        }
        Ok(())
    }

    fn fence(&self) -> io::Result<()> {
        if self.dax {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a fence has no conditions.
            unsafe {
                std::arch::x86_64::_mm_sfence();
            }
            return Ok(());
        }
        let ranges =
            std::mem::take(&mut *self.flushed.lock().unwrap_or_else(PoisonError::into_inner));
        for range in ranges {
            let start = range.start as usize / PAGE * PAGE;
            let len = range.end as usize - start;
            // SAFETY: pages of this mapping; syncing changes no content.
            unsafe { msync(self.base.as_ptr().add(start).cast(), len, MsyncFlags::SYNC) }?;
        }
        Ok(())
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        // SAFETY: made by `open` with this base and length; no pointer into it is left. Failing
        // leaks it, which harms nobody.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Background, Durability, Options, Restore, Store};
    use std::sync::Arc;
    use vellum_log::ByteStorage;

    #[test]
    fn bytes_are_where_they_were_put_at_any_alignment() {
        let home = tempfile::tempdir().unwrap();
        let memory = MappedFile::open(home.path().join("memory"), 4096).unwrap();
        let mut model = vec![0; 4096];
        for (round, (at, len)) in
            (0..9).flat_map(|at| (0..30).map(move |len| (at, len))).enumerate()
        {
            let bytes: Vec<u8> = (0..len).map(|i| (round + i) as u8 | 1).collect();
            memory.store(at, &bytes).unwrap();
            model[at as usize..at as usize + len].copy_from_slice(&bytes);
            let mut out = vec![0; 40];
            for from in 0..9 {
                memory.load(from, &mut out).unwrap();
                assert_eq!(out, model[from as usize..from as usize + 40], "{at}, {len}");
            }
        }
        memory.store(4090, &[9; 6]).unwrap();
        assert!(memory.store(4090, &[9; 7]).is_err() && memory.load(u64::MAX, &mut [0]).is_err());
        let mut end = [0; 6];
        memory.load(4090, &mut end).unwrap();
        assert_eq!(end, [9; 6]);
    }

    #[test]
    fn a_store_in_a_mapped_file_is_there_when_the_file_is_mapped_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("memory");
        for turn in 0..3_u8 {
            let memory = Arc::new(MappedFile::open(&path, 8 << 20).unwrap());
            let storage = Arc::new(ByteStorage::open(memory).unwrap());
            let options = Options { background: Background::Caller, ..Options::default() };
            let store = Store::open_in(storage, options).unwrap();
            let region = store.region("r", 100_000).unwrap();
            assert_eq!(region.read(99_000..99_001).unwrap()[0], turn);
            let mut transaction = store.begin(Restore::Yes);
            transaction.set_range(&region, 99_000..99_001).unwrap()[0] = turn + 1;
            transaction.commit(Durability::Flush).unwrap();
            if turn == 1 {
                store.truncate().unwrap();
            }
        }
        let held = MappedFile::open(&path, 8 << 20).unwrap();
        let second = MappedFile::open(&path, 8 << 20).unwrap_err();
        assert!(second.to_string().contains("in use by another process"), "{second}");
        drop(held);
        let other = MappedFile::open(&path, 4 << 20).unwrap_err();
        assert!(other.to_string().contains("it has 8388608 bytes"), "{other}");
        assert!(MappedFile::open(&path, 100).is_err());
    }
}
