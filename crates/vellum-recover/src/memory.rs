//! Memory of this process that regions live in. The `unsafe` of declared regions is all here.

#![expect(unsafe_code, reason = "regions hand out slices of mapped memory under their range locks")]

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap,
};
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::ptr::{NonNull, null_mut};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Runs of pages that one call copies; Linux takes up to 1024 (`UIO_MAXIOV`).
const VECTOR: usize = 512;

/// Anonymous private memory, zero at first, page by page in existence once it is touched.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to the value alone, and no thread has a claim on it; who may access
// which part is the callers' business, stated at each accessor.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives no access but through the unsafe accessors.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes, rounded up to pages.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let len = len.max(1).next_multiple_of(PAGE);
        let (prot, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: a null hint lets the kernel choose a free place, so no existing mapping is hit.
        let base = unsafe { mmap_anonymous(null_mut(), len, prot, flags) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    /// Mapped bytes, a multiple of the page size.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Address of the first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn at(&self, range: &Range<usize>) -> (*mut u8, usize) {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        // SAFETY: the offset was checked to lie in the mapping, or one past its end.
        (unsafe { self.base.as_ptr().add(range.start) }, range.end - range.start)
    }

    /// The bytes of `range`.
    ///
    /// # Safety
    /// Nobody writes to the range, and no `&mut` to a part of it exists, while the slice lives.
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &[u8] {
        let (at, len) = self.at(&range);
        // SAFETY: inside the mapping, initialised (by zeros), and by contract not written to.
        unsafe { std::slice::from_raw_parts(at, len) }
    }

    /// The bytes of `range`, for writing.
    ///
    /// # Safety
    /// No other reference to a part of the range exists while the slice lives.
    #[expect(clippy::mut_from_ref, reason = "range locks give out disjoint parts")]
    pub(crate) unsafe fn slice_mut(&self, range: Range<usize>) -> &mut [u8] {
        let (at, len) = self.at(&range);
        // SAFETY: inside the mapping, initialised (by zeros), and by contract not aliased.
        unsafe { std::slice::from_raw_parts_mut(at, len) }
    }

    /// Copies bytes out by way of the kernel, whoever else may have a reference to them: each page
    /// is as it is at some instant during the call.
    pub(crate) fn copy_out(&self, start: usize, out: &mut [u8]) -> io::Result<()> {
        let (at, len) = self.at(&(start..start + out.len()));
        let remote = [RemoteIoVec { base: at as usize, len }];
        let read = process_vm_readv(Pid::this(), &mut [IoSliceMut::new(out)], &remote)?;
        if read == len { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// As [`Mapping::copy_out`] for many pages, in their order, with one call for [`VECTOR`] runs of
    /// neighbours.
    pub(crate) fn copy_out_pages(&self, pages: &[u64], out: &mut [u8]) -> io::Result<()> {
        let (mut pages, mut out) = (pages, out);
        let mut remote = Vec::with_capacity(VECTOR);
        while !pages.is_empty() {
            remote.clear();
            let mut count = 0;
            for run in pages.chunk_by(|one, next| one + 1 == *next).take(VECTOR) {
                let start = run[0] as usize * PAGE;
                let (at, len) = self.at(&(start..start + run.len() * PAGE));
                remote.push(RemoteIoVec { base: at as usize, len });
                count += run.len();
            }
            let (now, later) = std::mem::take(&mut out).split_at_mut(count * PAGE);
            let read = process_vm_readv(Pid::this(), &mut [IoSliceMut::new(now)], &remote)?;
            if read != now.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (pages, out) = (&pages[count..], later);
        }
        Ok(())
    }

    /// Gives the pages of `range` back: they are zero, or missing to a userfaultfd.
    ///
    /// # Safety
    /// Nobody has a reference to a part of the range.
    pub(crate) unsafe fn discard(&self, range: Range<usize>) -> io::Result<()> {
        let (at, len) = self.at(&range);
        // SAFETY: pages of this mapping, which by contract nobody looks at.
        Ok(unsafe { madvise(at.cast(), len, Advice::LinuxDontNeed) }?)
    }

    /// Makes every touch of the pages of `range` end in SIGSEGV.
    ///
    /// # Safety
    /// Nobody has a reference to a part of the range, and nobody will.
    pub(crate) unsafe fn forbid(&self, range: Range<usize>) -> io::Result<()> {
        let (at, len) = self.at(&range);
        // SAFETY: pages of this mapping, which by contract nobody may touch.
        Ok(unsafe { mprotect(at.cast(), len, MprotectFlags::empty()) }?)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this base and length, and dropping it means
        // that nobody can have a slice of it any more. Failing leaks it, which harms nobody.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
