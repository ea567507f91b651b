//! userfaultfd in asynchronous write-protect mode, and `PAGEMAP_SCAN`.
//!
//! Numbers and layouts are those of `include/uapi/linux/userfaultfd.h` and `fs.h` (Linux 6.7).

#![expect(unsafe_code, reason = "system calls on the tracker's own mapping")]

use crate::memory::{Mapping, PAGE};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Updater, ioctl};
use rustix::mm::{Advice, UserfaultfdFlags, madvise, userfaultfd};
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::sync::Arc;

const UFFDIO_API: Opcode = 0xC018_AA3F;
const UFFDIO_REGISTER: Opcode = 0xC020_AA00;
const UFFDIO_WRITEPROTECT: Opcode = 0xC018_AA06;
const PAGEMAP_SCAN: Opcode = 0xC060_6610;
const UFFD_API: u64 = 0xAA;
const FEATURE_WP: u64 = 1 << 0;
const FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
const FEATURE_WP_ASYNC: u64 = 1 << 15;
const MODE_REGISTER_WP: u64 = 1 << 1;
const MODE_WP: u64 = 1 << 0;
const SCAN_WP_MATCHING: u64 = 1 << 0;
const SCAN_CHECK_WPASYNC: u64 = 1 << 1;
const PAGE_IS_WRITTEN: u64 = 1 << 1;
/// Runs listed by one call.
const BATCH: usize = 4096;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Protect {
    start: u64,
    len: u64,
    mode: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    inverted: u64,
    mask: u64,
    any_of: u64,
    returned: u64,
}

const _: () = assert!(size_of::<Scan>() == 96);

#[derive(Debug)]
pub(super) struct Tracker {
    _uffd: OwnedFd,
    pagemap: OwnedFd,
    found: Vec<PageRegion>,
    /// Keeps the range mapped as long as it is registered.
    _memory: Arc<Mapping>,
}

impl Tracker {
    pub(super) fn new(memory: &Arc<Mapping>) -> io::Result<Self> {
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK;
        // SAFETY: a new descriptor without a registered range affects nothing.
        let uffd = unsafe { userfaultfd(flags) };
        let uffd = match uffd {
            // What an unprivileged process may have.
            Err(Errno::PERM) => {
                let flags = flags | UserfaultfdFlags::from_bits_retain(1);
                // SAFETY: as above.
                unsafe { userfaultfd(flags) }?
            }
            other => other?,
        };
        let features = FEATURE_WP | FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC;
        let mut api = Api { api: UFFD_API, features, ioctls: 0 };
        // SAFETY: UFFDIO_API takes a `uffdio_api`, which `Api` is laid out as.
        unsafe { ioctl(uffd.as_fd(), Updater::<UFFDIO_API, _>::new(&mut api)) }?;
        let (start, len) = (memory.base().as_ptr() as u64, memory.len() as u64);
        // SAFETY: the advice concerns the tracker's own mapping and doesn't change its content.
        // Without it one written byte would make 2 MiB dirty; failing costs precision alone.
        let _ = unsafe {
            madvise(memory.base().as_ptr().cast(), memory.len(), Advice::LinuxNoHugepage)
        };
        let mut register = Register { start, len, mode: MODE_REGISTER_WP, ioctls: 0 };
        // SAFETY: UFFDIO_REGISTER takes a `uffdio_register`; the range is the tracker's own mapping,
        // and write protection in asynchronous mode lets every write through by itself.
        unsafe { ioctl(uffd.as_fd(), Updater::<UFFDIO_REGISTER, _>::new(&mut register)) }?;
        let mut protect = Protect { start, len, mode: MODE_WP };
        // SAFETY: UFFDIO_WRITEPROTECT takes a `uffdio_writeprotect`; as above.
        unsafe { ioctl(uffd.as_fd(), Updater::<UFFDIO_WRITEPROTECT, _>::new(&mut protect)) }?;
        let pagemap = open("/proc/self/pagemap", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let found = vec![PageRegion::default(); BATCH];
        let mut tracker = Self { _uffd: uffd, pagemap, found, _memory: memory.clone() };
        tracker.take(memory)?;
        Ok(tracker)
    }

    pub(super) fn take(&mut self, memory: &Mapping) -> io::Result<Vec<Range<u64>>> {
        let base = memory.base().as_ptr() as u64;
        let end = base + memory.len() as u64;
        let (mut at, mut runs) = (base, Vec::<Range<u64>>::new());
        while at < end {
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                flags: SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC,
                start: at,
                end,
                vec: self.found.as_mut_ptr() as u64,
                vec_len: self.found.len() as u64,
                mask: PAGE_IS_WRITTEN,
                returned: PAGE_IS_WRITTEN,
                ..Scan::default()
            };
            // SAFETY: the argument is a whole `pm_scan_arg`; its array is `found`, which lives.
            let count = unsafe { ioctl(self.pagemap.as_fd(), ByRef(&mut scan)) }?;
            for region in &self.found[..count] {
                let run = (region.start - base) / PAGE as u64..(region.end - base) / PAGE as u64;
                match runs.last_mut() {
                    Some(last) if last.end == run.start => last.end = run.end,
                    _ => runs.push(run),
                }
            }
            // The walk may stop early when the array is full; pages swapped out count as written.
            if scan.walk_end <= at {
                break;
            }
            at = scan.walk_end;
        }
        Ok(runs)
    }
}

/// A `Scan` whose `walk_end` is read after the call.
struct ByRef<'a>(&'a mut Scan);

// SAFETY: the opcode is PAGEMAP_SCAN, which takes a `pm_scan_arg`, writes its `walk_end` and the
// region array that `vec` and `vec_len` describe, and returns the number of regions.
unsafe impl Ioctl for ByRef<'_> {
    type Output = usize;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        PAGEMAP_SCAN
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(&mut *self.0).cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<usize> {
        usize::try_from(out).map_err(|_| Errno::INVAL)
    }
}
