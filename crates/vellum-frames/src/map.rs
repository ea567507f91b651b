//! The one mapping behind a pool, and all of the crate's `unsafe`.
//!
//! Every access to the mapping's bytes is atomic (`Relaxed` for words, a compare-exchange where one
//! is asked for), because a running guest may touch the same bytes at the same time. No `&[u8]` of
//! the mapping ever exists, but for that of a frame that nobody has yet ([`Map::overwrite`]) or any more
//! ([`Map::withdrawn`]).

// UNSAFETY: mapping memory, and turning offsets that were checked against its length into atomics.
#![expect(unsafe_code, reason = "mmap and access to what it mapped")]

use crate::pool::{FreshFrame, Withdrawn};
use crate::{Error, FrameId, PAGE_SIZE};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create,
};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::ffi::c_void;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

const BOTH: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

fn refused(operation: &'static str, bytes: usize) -> impl Fn(rustix::io::Errno) -> Error {
    move |errno| Error::Os { operation, bytes: bytes as u64, source: errno.into() }
}

/// Address space, reserved at once and committed on first use.
///
/// Memory of the process alone comes in pieces of 2 MiB where the kernel has them: frames are handed out
/// in order, so little of a piece stays unused, and whoever goes over much memory, as harts, copies and
/// the search for equal pages do, waits far less for the host's own translations. A file in memory, which
/// another process can map too, mostly comes in small pages.
#[derive(Debug)]
pub(crate) struct Map {
    base: NonNull<u8>,
    bytes: usize,
    file: Option<OwnedFd>,
}

// SAFETY: the mapping lives until `drop`, which needs exclusive ownership; all access through `&Map`
// is atomic.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Memory of the process alone.
    pub(crate) fn private(frames: u32) -> Result<Self, Error> {
        let bytes = frames as usize * PAGE_SIZE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let base = unsafe { rustix::mm::mmap_anonymous(null_mut(), bytes, BOTH, flags) }
            .map_err(refused("mmap", bytes))?;
        // A kernel that has no large pages, or none to spare, gives small ones.
        // SAFETY: the range is the mapping that was just made; the advice changes no content.
        let _ = unsafe { rustix::mm::madvise(base, bytes, Advice::LinuxHugepage) };
        Ok(Map::of(base, bytes, None))
    }

    /// A file in memory, sealed at its size, so that nobody who has it can take pages away.
    pub(crate) fn shared(frames: u32) -> Result<Self, Error> {
        let bytes = frames as usize * PAGE_SIZE;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("vellum-frames", flags).map_err(refused("memfd_create", bytes))?;
        ftruncate(&file, bytes as u64).map_err(refused("ftruncate", bytes))?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .map_err(refused("sealing", bytes))?;
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: as for memory of the process alone; the file keeps its size.
        let base = unsafe { rustix::mm::mmap(null_mut(), bytes, BOTH, flags, &file, 0) }
            .map_err(refused("mmap", bytes))?;
        Ok(Map::of(base, bytes, Some(file)))
    }

    fn of(base: *mut c_void, bytes: usize, file: Option<OwnedFd>) -> Self {
        let base = NonNull::new(base.cast::<u8>()).expect("a mapping is never at address 0");
        // Whoever reads guest memory through host pointers made from integers relies on this.
        let _ = base.as_ptr().expose_provenance();
        Map { base, bytes, file }
    }

    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(OwnedFd::as_fd)
    }

    /// Gives the memory of `count` frames from `first` back; they read as zeros afterwards.
    pub(crate) fn punch(&self, first: FrameId, count: u32) -> Result<(), Error> {
        let (at, bytes) = (first.index() as usize * PAGE_SIZE, count as usize * PAGE_SIZE);
        assert!(at + bytes <= self.bytes, "frames of this pool");
        if let Some(file) = &self.file {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let punched = fallocate(file, hole, at as u64, bytes as u64);
            return punched.map_err(refused("hole punching", bytes));
        }
        // SAFETY: the range is inside the mapping, whose bytes are only ever read as atomics, or by who
        // has a frame to itself; these frames are free, and zeros are as good as what was there.
        let given = unsafe {
            rustix::mm::madvise(self.pointer(first).as_ptr().cast(), bytes, Advice::LinuxDontNeed)
        };
        given.map_err(refused("madvise", bytes))
    }

    #[inline]
    pub(crate) fn pointer(&self, frame: FrameId) -> NonNull<u8> {
        let at = frame.index() as usize * PAGE_SIZE;
        assert!(at < self.bytes, "{frame} is not of this pool");
        // SAFETY: `at` is inside the mapping.
        unsafe { self.base.add(at) }
    }

    /// All of a frame as atomic words.
    #[inline]
    pub(crate) fn words(&self, frame: FrameId) -> &[AtomicU64; PAGE_SIZE / 8] {
        // SAFETY: the frame lies inside the mapping (`pointer` checks), is aligned to its size, and
        // the mapping outlives `&self`; atomics may alias.
        unsafe { self.pointer(frame).cast().as_ref() }
    }

    #[inline]
    fn at<T>(&self, frame: FrameId, offset: usize) -> &T {
        assert!(offset.is_multiple_of(size_of::<T>()) && offset + size_of::<T>() <= PAGE_SIZE);
        // SAFETY: inside the frame and aligned (asserted); only used with atomic `T` below.
        unsafe { self.pointer(frame).add(offset).cast().as_ref() }
    }

    #[inline]
    pub(crate) fn u8(&self, frame: FrameId, offset: usize) -> &AtomicU8 {
        self.at(frame, offset)
    }

    #[inline]
    pub(crate) fn u16(&self, frame: FrameId, offset: usize) -> &AtomicU16 {
        self.at(frame, offset)
    }

    #[inline]
    pub(crate) fn u32(&self, frame: FrameId, offset: usize) -> &AtomicU32 {
        self.at(frame, offset)
    }

    #[inline]
    pub(crate) fn u64(&self, frame: FrameId, offset: usize) -> &AtomicU64 {
        self.at(frame, offset)
    }

    /// Has the processor fetch a line of 64 bytes of a frame, to be read soon or, with `WRITE`, to be
    /// written: it comes while whoever calls does other things. A hint; nothing but time depends on it.
    #[inline]
    pub(crate) fn prefetch_line<const WRITE: bool>(&self, frame: FrameId, line: usize) {
        let at = self.pointer(frame).as_ptr().wrapping_add(line % (PAGE_SIZE / 64) * 64);
        prefetch::<WRITE>(at);
    }

    /// Copies a whole frame out, as fast as memory is: words that are loaded one by one as atomics never
    /// go through the wide registers. Bytes that someone else writes meanwhile may be old or new.
    pub(crate) fn read_frame(&self, frame: FrameId, out: &mut [u8; PAGE_SIZE]) {
        let words = self.words(frame);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: reads the frame's bytes, which are in the mapping for as long as `words` is borrowed, and
        // writes those of `out`, which is borrowed exclusively. The compiler doesn't look inside, and what
        // the instructions do is what relaxed atomic loads of the bytes, in order, might do.
        unsafe {
            core::arch::asm!(
                "2:",
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}",
                "movups [{to} + 48], {d}",
                "add {from}, 64",
                "add {to}, 64",
                "dec {lines}",
                "jnz 2b",
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                from = inout(reg) words.as_ptr() => _,
                to = inout(reg) out.as_mut_ptr() => _,
                lines = inout(reg) PAGE_SIZE / 64 => _,
                options(nostack),
            );
        }
        #[cfg(not(target_arch = "x86_64"))]
        for (word, bytes) in words.iter().zip(out.as_chunks_mut::<8>().0) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
    }

    pub(crate) fn copy(&self, from: FrameId, to: FrameId) {
        for (from, to) in self.words(from).iter().zip(self.words(to)) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Gives a frame that nobody else knows yet to `fill` as plain bytes.
    pub(crate) fn overwrite<R>(
        &self,
        frame: FreshFrame,
        fill: impl FnOnce(&mut [u8; PAGE_SIZE]) -> R,
    ) -> R {
        // SAFETY: inside the mapping (`pointer` checks), which outlives `&self`. The frame was taken
        // off the free list by whoever made the `FreshFrame`, which goes here: a frame gets there
        // when its last reference is gone and every reader has announced that it holds no pointer to
        // it, and nobody was told its number since. So for the time of the borrow no other access to
        // these bytes, atomic or not, can be.
        fill(unsafe { self.pointer(frame.id()).cast().as_mut() })
    }

    /// The same for several, each of which was taken for itself.
    pub(crate) fn overwrite_all<R>(
        &self,
        frames: Vec<FreshFrame>,
        fill: impl FnOnce(&mut [&mut [u8]]) -> R,
    ) -> R {
        let page = |fresh: FreshFrame| {
            // SAFETY: as in `overwrite`, for the time of the borrow, which ends with this call. No two
            // `FreshFrame`s are of one frame, so the pages do not overlap.
            let page: &mut [u8; PAGE_SIZE] = unsafe { self.pointer(fresh.id()).cast().as_mut() };
            page.as_mut_slice()
        };
        let mut pages: Vec<&mut [u8]> = frames.into_iter().map(page).collect();
        fill(&mut pages)
    }

    /// The bytes of a frame that nobody has any more.
    pub(crate) fn withdrawn<'a>(&'a self, frame: &'a Withdrawn<'_>) -> &'a [u8; PAGE_SIZE] {
        // SAFETY: inside the mapping (`pointer` checks) of the pool that `frame` borrows for longer than
        // 'a. The frame's last reference went to whoever made the `Withdrawn`, every reader has announced
        // that it holds no pointer to it, and it gets a reference or a user again only when the
        // `Withdrawn` goes, which is borrowed. So for the time of the borrow nobody writes these bytes.
        unsafe { self.pointer(frame.id()).cast().as_ref() }
    }

    pub(crate) fn clear(&self, frame: FrameId) {
        for word in self.words(frame) {
            word.store(0, Ordering::Relaxed);
        }
    }
}

/// Has the processor fetch a page that is copied from in a moment. A hint; nothing but time depends on it,
/// here and below.
#[inline]
pub fn prefetch_to_read(page: &[u8; PAGE_SIZE]) {
    let lines = page.as_chunks::<64>().0.iter();
    lines.for_each(|line| prefetch::<false>(line.as_ptr()));
}

/// The same for one that is overwritten in a moment.
#[inline]
pub fn prefetch_to_write(page: &[u8; PAGE_SIZE]) {
    let lines = page.as_chunks::<64>().0.iter();
    lines.for_each(|line| prefetch::<true>(line.as_ptr()));
}

/// Has the processor fetch the line that `at` points into.
#[inline]
pub(crate) fn prefetch<const WRITE: bool>(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint reads and writes nothing that the program sees, and never faults, wherever it
        // points.
        unsafe {
            if WRITE {
                _mm_prefetch::<_MM_HINT_ET0>(at.cast());
            } else {
                _mm_prefetch::<_MM_HINT_T0>(at.cast());
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody can hold a reference into it any more.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping");
    }
}
