//! The calls of `userfaultfd` that move pages, as `include/uapi/linux/userfaultfd.h` (Linux 6.8) lays
//! them out.

// UNSAFETY: system calls on ranges of memory that the caller owns.
#![expect(unsafe_code, reason = "system calls on memory that the caller owns")]

use crate::PAGE;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::mm::{UserfaultfdFlags, userfaultfd};

const API: Opcode = 0xC018_AA3F;
const REGISTER: Opcode = 0xC020_AA00;
const ZEROPAGE: Opcode = 0xC020_AA04;
const MOVE: Opcode = 0xC028_AA05;
const UFFD_API: u64 = 0xAA;
/// Whoever touches a page that is elsewhere just now gets a bus error, and does not wait for ever.
const FEATURE_SIGBUS: u64 = 1 << 7;
const FEATURE_MOVE: u64 = 1 << 16;
const MODE_MISSING: u64 = 1;
/// What an unprivileged process may have.
const USER_MODE_ONLY: u32 = 1;
/// Times that a call which did nothing is made again: the kernel says so when it is busy with the range.
const TRIES: u32 = 1000;

/// A userfaultfd over one range.
#[derive(Debug)]
pub(super) struct Uffd(OwnedFd);

impl Uffd {
    /// Opens one; `None` where this kernel can't move pages.
    pub(super) fn open() -> rustix::io::Result<Option<Self>> {
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK;
        let flags = flags | UserfaultfdFlags::from_bits_retain(USER_MODE_ONLY);
        // SAFETY: a new descriptor without a registered range affects nothing.
        let fd = unsafe { userfaultfd(flags) }?;
        let mut api = [UFFD_API, FEATURE_MOVE | FEATURE_SIGBUS, 0_u64];
        // SAFETY: UFFDIO_API takes three u64: api, features, ioctls.
        match unsafe { ioctl(&fd, Updater::<API, _>::new(&mut api)) } {
            Ok(()) => Ok(Some(Uffd(fd))),
            Err(Errno::INVAL) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a range one whose pages may be taken away and put back.
    ///
    /// # Safety
    /// The range is the caller's mapping of private memory.
    pub(super) unsafe fn register(&self, start: u64, len: u64) -> rustix::io::Result<()> {
        let mut register = [start, len, MODE_MISSING, 0];
        // SAFETY: UFFDIO_REGISTER takes four u64; the caller vouches for the range.
        unsafe { ioctl(&self.0, Updater::<REGISTER, _>::new(&mut register)) }
    }

    /// Shows zeros at `pages` absent pages from `to` on.
    ///
    /// # Safety
    /// They are pages of the registered range.
    pub(super) unsafe fn zeros(&self, to: u64, pages: usize) -> rustix::io::Result<()> {
        self.all(pages, |done, left| {
            let mut arg = [to + done, left, 0, 0];
            // SAFETY: UFFDIO_ZEROPAGE takes four u64; the caller vouches for the address.
            let result = unsafe { ioctl(&self.0, Updater::<ZEROPAGE, _>::new(&mut arg)) };
            (result, arg[3])
        })
        .map_err(|(error, _)| error)
    }

    /// Moves `pages` pages from `from` to `to`, where there are none.
    ///
    /// # Safety
    /// Both are pages of the registered range, which nobody touches meanwhile.
    ///
    /// # Errors
    /// With the pages that were moved before the one that could not be.
    pub(super) unsafe fn move_pages(
        &self,
        to: u64,
        from: u64,
        pages: usize,
    ) -> Result<(), (Errno, usize)> {
        self.all(pages, |done, left| {
            let mut arg = [to + done, from + done, left, 0, 0];
            // SAFETY: UFFDIO_MOVE takes five u64; the caller vouches for both addresses.
            let result = unsafe { ioctl(&self.0, Updater::<MOVE, _>::new(&mut arg)) };
            (result, arg[4])
        })
    }

    /// Calls `once(bytes done, bytes left)` until all pages are done. A call that was interrupted says how
    /// many bytes it did, or in the same place that it did none.
    fn all(
        &self,
        pages: usize,
        mut once: impl FnMut(u64, u64) -> (rustix::io::Result<()>, u64),
    ) -> Result<(), (Errno, usize)> {
        let bytes = (pages * PAGE) as u64;
        let (mut done, mut tries) = (0, 0);
        while done < bytes {
            match once(done, bytes - done) {
                (Ok(()), _) => return Ok(()),
                (Err(Errno::AGAIN), n) if n as i64 > 0 => (done, tries) = (done + n, 0),
                (Err(Errno::AGAIN), _) if tries < TRIES => tries += 1,
                (Err(error), _) => return Err((error, done as usize / PAGE)),
            }
        }
        Ok(())
    }
}
