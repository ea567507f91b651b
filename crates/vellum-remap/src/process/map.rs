//! The mappings, and all of the crate's `unsafe` but that of [`super::uffd`]'s calls.
//!
//! Bytes of a mapping are only touched as atomics, since another process may touch them too; no
//! reference to plain bytes of one ever exists.

// UNSAFETY: mapping pages of a file, and access to what was mapped.
#![expect(unsafe_code, reason = "mmap and access to what it mapped")]

use super::uffd::Uffd;
use crate::{PAGE, SpaceError};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::ops::Range;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// A range of addresses of this process that is ours.
#[derive(Debug)]
pub(super) struct Map {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the range lives until `drop`, which needs exclusive ownership; all access is atomic.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

fn system(what: &'static str, at: u64) -> impl Fn(Errno) -> SpaceError {
    move |error| SpaceError::System { what, at, why: error.to_string() }
}

impl Map {
    /// All of a file's first `pages` pages, readable and writable.
    pub(super) fn whole(file: impl AsFd, pages: usize) -> Result<Map, SpaceError> {
        let bytes = pages * PAGE;
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let base = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), bytes, flags, MapFlags::SHARED, file, 0)
        };
        Map::of(base, bytes)
    }

    /// Addresses for `pages` pages, with nothing behind them.
    pub(super) fn reserve(pages: usize) -> Result<Map, SpaceError> {
        let bytes = pages * PAGE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: as above.
        let base = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::empty(), flags)
        };
        Map::of(base, bytes)
    }

    /// Addresses for `pages` pages of this process alone, in small pages.
    pub(super) fn private(pages: usize) -> Result<Map, SpaceError> {
        let bytes = pages * PAGE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as above.
        let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), bytes, prot, flags) };
        let map = Map::of(base, bytes)?;
        // SAFETY: the range is the mapping that was just made; the advice changes no content. A kernel
        // without large pages refuses it, and has small ones anyway.
        let _ = unsafe {
            rustix::mm::madvise(map.base.as_ptr().cast(), bytes, Advice::LinuxNoHugepage)
        };
        Ok(map)
    }

    /// Lets `uffd` take pages of the range away and put them back.
    pub(super) fn register(&self, uffd: &Uffd) -> rustix::io::Result<()> {
        // SAFETY: the range is ours, private, and without a reference into it.
        unsafe { uffd.register(self.base.as_ptr().addr() as u64, self.bytes as u64) }
    }

    /// Shows zeros at pages where there is nothing.
    pub(super) fn show_zeros(&self, uffd: &Uffd, pages: Range<usize>) -> rustix::io::Result<()> {
        assert!(pages.start <= pages.end && pages.end * PAGE <= self.bytes);
        let at = self.base.as_ptr().addr() + pages.start * PAGE;
        // SAFETY: inside the range, all of which is registered before anything is shown in it.
        unsafe { uffd.zeros(at as u64, pages.len()) }
    }

    /// Moves `count` pages to where there is nothing.
    pub(super) fn move_pages(
        &self,
        uffd: &Uffd,
        to: usize,
        from: usize,
        count: usize,
    ) -> Result<(), (Errno, usize)> {
        assert!((to.max(from) + count) * PAGE <= self.bytes);
        let at = |page: usize| (self.base.as_ptr().addr() + page * PAGE) as u64;
        // SAFETY: both are inside the range, to which no reference to plain bytes exists; whoever reads
        // one of the pages meanwhile gets a bus error, as the caller's documentation says.
        unsafe { uffd.move_pages(at(to), at(from), count) }
    }

    /// Gives pages back to the system: there is nothing there then.
    pub(super) fn forget(&self, page: usize, count: usize) -> rustix::io::Result<()> {
        assert!((page + count) * PAGE <= self.bytes);
        let at = self.address(page);
        // SAFETY: inside our range of private memory, and nobody counts on the pages' bytes any more.
        unsafe { rustix::mm::madvise(at.as_ptr().cast(), count * PAGE, Advice::LinuxDontNeed) }
    }

    fn of(
        base: rustix::io::Result<*mut core::ffi::c_void>,
        bytes: usize,
    ) -> Result<Map, SpaceError> {
        let base = base.map_err(system("mmap", 0))?;
        let base = NonNull::new(base.cast::<u8>()).expect("a mapping is never at address 0");
        Ok(Map { base, bytes })
    }

    /// Where a page is in this process.
    pub(super) fn address(&self, page: usize) -> NonNull<u8> {
        assert!((page + 1) * PAGE <= self.bytes, "page {page} is not of this mapping");
        // SAFETY: inside the range.
        unsafe { self.base.add(page * PAGE) }
    }

    /// Shows `count` pages of a file from `frame` on at `page`, in place of what was there.
    pub(super) fn show(
        &self,
        page: usize,
        file: impl AsFd,
        frame: usize,
        count: usize,
        writable: bool,
    ) -> Result<(), SpaceError> {
        let at = self.address(page);
        assert!((page + count) * PAGE <= self.bytes && count > 0);
        let prot = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        let flags = MapFlags::SHARED | MapFlags::FIXED | MapFlags::POPULATE;
        // SAFETY: the addresses are ours, and no reference to plain bytes of them exists. What stood
        // there stays in its file.
        let shown = unsafe {
            rustix::mm::mmap(
                at.as_ptr().cast(),
                count * PAGE,
                prot,
                flags,
                file,
                (frame * PAGE) as u64,
            )
        };
        shown.map(|_| ()).map_err(system("mmap", (page * PAGE) as u64))
    }

    /// Makes `count` pages writable, or not.
    pub(super) fn protect(
        &self,
        page: usize,
        count: usize,
        writable: bool,
    ) -> Result<(), SpaceError> {
        let at = self.address(page);
        assert!((page + count) * PAGE <= self.bytes && count > 0);
        let flags =
            if writable { MprotectFlags::READ | MprotectFlags::WRITE } else { MprotectFlags::READ };
        // SAFETY: the addresses are ours; a store through a stale pointer faults.
        let done = unsafe { rustix::mm::mprotect(at.as_ptr().cast(), count * PAGE, flags) };
        done.map_err(system("mprotect", (page * PAGE) as u64))
    }

    fn byte(&self, at: usize) -> &AtomicU8 {
        assert!(at < self.bytes);
        // SAFETY: inside the range, whose pages are there where this is used: in the arena's own view all
        // are, in private memory those of windows and those that are held.
        unsafe { self.base.add(at).cast().as_ref() }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.bytes);
        // SAFETY: as above, and aligned.
        unsafe { self.base.add(at).cast().as_ref() }
    }

    /// Copies bytes out of pages that are there.
    pub(super) fn read(&self, mut at: usize, out: &mut [u8]) {
        let mut rest = out;
        while !rest.is_empty() {
            if at.is_multiple_of(8) && rest.len() >= 8 {
                let (head, tail) = rest.split_at_mut(8);
                head.copy_from_slice(&self.word(at).load(Relaxed).to_ne_bytes());
                (at, rest) = (at + 8, tail);
            } else {
                rest[0] = self.byte(at).load(Relaxed);
                (at, rest) = (at + 1, &mut rest[1..]);
            }
        }
    }

    /// Copies bytes into pages that are there.
    pub(super) fn write(&self, mut at: usize, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if let (0, Some((word, tail))) = (at % 8, rest.split_first_chunk::<8>()) {
                self.word(at).store(u64::from_ne_bytes(*word), Relaxed);
                (at, rest) = (at + 8, tail);
            } else {
                self.byte(at).store(rest[0], Relaxed);
                (at, rest) = (at + 1, &rest[1..]);
            }
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the range is ours, and nobody can hold a reference into it any more.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of our own range");
    }
}
