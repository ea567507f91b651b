//! Mappings: reserved address space that ends with its owner.

// UNSAFETY: mapping and unmapping memory of this type's own.
#![expect(unsafe_code, reason = "mapping and unmapping memory of its own")]

use crate::{PAGE, Page};
use rustix::fd::AsFd;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use std::ptr::{NonNull, null_mut};

/// A mapping of whole pages.
#[derive(Debug)]
pub(super) struct Map {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory; who may touch what when is settled by its users.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Private memory.
    pub(super) fn private(pages: u32) -> rustix::io::Result<Self> {
        let len = pages as usize * PAGE;
        let (prot, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe { mmap_anonymous(null_mut(), len, prot, flags) }?;
        Self::of(base.cast(), len)
    }

    /// Memory that is shared with every other mapping of `file`.
    pub(super) fn shared(file: impl AsFd, pages: u32) -> rustix::io::Result<Self> {
        let len = pages as usize * PAGE;
        let (prot, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::NORESERVE);
        // SAFETY: as above; the file is in memory and is not truncated while it is mapped.
        let base = unsafe { mmap(null_mut(), len, prot, flags, file, 0) }?;
        Self::of(base.cast(), len)
    }

    fn of(base: *mut u8, len: usize) -> rustix::io::Result<Self> {
        let base = NonNull::new(base).ok_or(rustix::io::Errno::NOMEM)?;
        let map = Map { base, len };
        // SAFETY: advice about the mapping that was just made. Without it one page's fault would
        // bring 2 MiB; a kernel without huge pages refuses, which is as good.
        let _ = unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxNoHugepage) };
        // SAFETY: as above. A forked child would see zeros where pages are absent, since nobody
        // answers its faults; without the mapping it gets a segmentation fault.
        unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxDontFork) }?;
        Ok(map)
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The address of a page.
    pub(super) fn address(&self, page: u32) -> u64 {
        debug_assert!((page as usize) < self.len / PAGE);
        self.base.as_ptr().addr() as u64 + u64::from(page) * PAGE as u64
    }

    pub(super) fn page(&self, page: u32) -> *mut Page {
        assert!((page as usize) < self.len / PAGE, "page {page} is outside the mapping");
        // SAFETY: inside the mapping, as was just checked.
        unsafe { self.base.as_ptr().add(page as usize * PAGE).cast() }
    }

    /// Drops the content of pages from `first` on: absent, or zeros, from now on.
    pub(super) fn drop_pages(&self, first: u32, pages: u32) -> rustix::io::Result<()> {
        assert!((first as usize + pages as usize) <= self.len / PAGE, "outside the mapping");
        // SAFETY: inside the mapping; its content is this type's users' to drop.
        unsafe { madvise(self.page(first).cast(), pages as usize * PAGE, Advice::LinuxDontNeed) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nobody borrows from it any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
