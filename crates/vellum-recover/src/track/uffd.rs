//! userfaultfd in asynchronous write-protect mode, and `PAGEMAP_SCAN`.
//!
//! Numbers and layouts are those of `include/uapi/linux/fs.h` (Linux 6.7).

#![expect(unsafe_code, reason = "system calls on the tracker's own mapping")]

use crate::memory::{Mapping, PAGE};
use crate::uffd::{FEATURE_WP, FEATURE_WP_ASYNC, FEATURE_WP_UNPOPULATED, Mode, Uffd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode as FileMode, OFlags, open};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::sync::Arc;

const PAGEMAP_SCAN: Opcode = 0xC060_6610;
const SCAN_WP_MATCHING: u64 = 1 << 0;
const SCAN_CHECK_WPASYNC: u64 = 1 << 1;
const PAGE_IS_WRITTEN: u64 = 1 << 1;
/// Runs listed by one call.
const BATCH: usize = 4096;

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
    /// Registered, and keeps the memory mapped.
    _uffd: Uffd,
    pagemap: OwnedFd,
    found: Vec<PageRegion>,
}

impl Tracker {
    pub(super) fn new(memory: &Arc<Mapping>) -> io::Result<Self> {
        let features = FEATURE_WP | FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC;
        let uffd = Uffd::new(memory, features, Mode::WriteProtect)?;
        uffd.protect(&(0..(memory.len() / PAGE) as u64), true)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let pagemap = open("/proc/self/pagemap", flags, FileMode::empty())?;
        let found = vec![PageRegion::default(); BATCH];
        let mut tracker = Self { _uffd: uffd, pagemap, found };
        tracker.list(memory, true, &mut Vec::new())?;
        Ok(tracker)
    }

    /// Adds the written pages to `runs`, in the kernel's order, and with `arm` protects them again.
    /// What was found before an error is in `runs`: it is protected, and would not be found again.
    pub(super) fn list(
        &mut self,
        memory: &Mapping,
        arm: bool,
        runs: &mut Vec<Range<u64>>,
    ) -> io::Result<()> {
        let base = memory.base().as_ptr() as u64;
        let end = base + memory.len() as u64;
        let mut at = base;
        while at < end {
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                flags: SCAN_CHECK_WPASYNC | if arm { SCAN_WP_MATCHING } else { 0 },
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
        Ok(())
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
