//! userfaultfd's calls and messages, as `include/uapi/linux/userfaultfd.h` (Linux 6.8) lays them out.

// UNSAFETY: system calls on ranges of memory that the caller owns.
#![expect(unsafe_code, reason = "system calls on memory that the caller owns")]

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::mm::{UserfaultfdFlags, userfaultfd};

const API: Opcode = 0xC018_AA3F;
const REGISTER: Opcode = 0xC020_AA00;
const WAKE: Opcode = 0x8010_AA02;
const COPY: Opcode = 0xC028_AA03;
const MOVE: Opcode = 0xC028_AA05;
const WRITEPROTECT: Opcode = 0xC018_AA06;
const CONTINUE: Opcode = 0xC020_AA07;
const POISON: Opcode = 0xC020_AA08;
const UFFD_API: u64 = 0xAA;
/// `UFFD_USER_MODE_ONLY`: what an unprivileged process may have.
const USER_MODE_ONLY: u32 = 1;

/// Features of `UFFDIO_API`.
pub(super) mod feature {
    pub const EVENT_REMOVE: u64 = 1 << 3;
    pub const MISSING_SHMEM: u64 = 1 << 5;
    pub const MINOR_SHMEM: u64 = 1 << 10;
    pub const WP_SHMEM: u64 = 1 << 12;
    pub const POISON: u64 = 1 << 14;
    pub const MOVE: u64 = 1 << 16;
}

/// Modes of `UFFDIO_REGISTER`.
pub(super) mod mode {
    pub const MISSING: u64 = 1;
    pub const WP: u64 = 2;
    pub const MINOR: u64 = 4;
}

/// `UFFDIO_COPY_MODE_WP` and `UFFDIO_CONTINUE_MODE_WP`.
const PLACE_WP: u64 = 2;

/// A userfaultfd with the features that were asked for.
#[derive(Debug)]
pub(super) struct Uffd(OwnedFd);

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// A thread waits: where, and whether it wants to write.
    Fault { address: u64, write: bool, protected: bool },
    /// A range is about to lose its content.
    Remove { start: u64, end: u64 },
    /// Something else.
    Other,
}

const MESSAGE: usize = 32;
/// Messages read by one call.
const MESSAGES: usize = 16;

impl Uffd {
    /// Opens one; `None` when this kernel has not all of `features`.
    pub(super) fn open(features: u64) -> rustix::io::Result<Option<Self>> {
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK;
        // SAFETY: a new descriptor without a registered range affects nothing.
        let fd = match unsafe { userfaultfd(flags) } {
            Err(Errno::PERM) => {
                let flags = flags | UserfaultfdFlags::from_bits_retain(USER_MODE_ONLY);
                // SAFETY: as above.
                unsafe { userfaultfd(flags) }?
            }
            other => other?,
        };
        let mut api = [UFFD_API, features, 0_u64];
        // SAFETY: UFFDIO_API takes three u64: api, features, ioctls.
        match unsafe { ioctl(&fd, Updater::<API, _>::new(&mut api)) } {
            Ok(()) => Ok(Some(Uffd(fd))),
            Err(Errno::INVAL) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Asks to hear of faults in a range.
    ///
    /// # Safety
    /// The range is the caller's mapping, and somebody answers the faults in it.
    pub(super) unsafe fn register(
        &self,
        start: u64,
        len: u64,
        mode: u64,
    ) -> rustix::io::Result<()> {
        let mut register = [start, len, mode, 0];
        // SAFETY: UFFDIO_REGISTER takes four u64; the caller vouches for the range.
        unsafe { ioctl(&self.0, Updater::<REGISTER, _>::new(&mut register)) }
    }

    /// Lets threads that wait at a range try again.
    pub(super) fn wake(&self, start: u64, len: u64) -> rustix::io::Result<()> {
        let mut range = [start, len];
        // SAFETY: UFFDIO_WAKE takes two u64 and changes no memory.
        unsafe { ioctl(&self.0, Updater::<WAKE, _>::new(&mut range)) }
    }

    /// Places a copy of `from` at `to`, in one step, and wakes who waits for it.
    ///
    /// # Safety
    /// `to` is a page of a range registered here; `from` can be read for a page.
    pub(super) unsafe fn copy(&self, to: u64, from: u64, wp: bool) -> rustix::io::Result<()> {
        let mut copy = [to, from, crate::PAGE as u64, if wp { PLACE_WP } else { 0 }, 0];
        // SAFETY: UFFDIO_COPY takes five u64; the caller vouches for both addresses.
        unsafe { ioctl(&self.0, Updater::<COPY, _>::new(&mut copy)) }
    }

    /// Moves the page at `from` to `to`, in one step: whoever writes it later faults.
    ///
    /// # Safety
    /// `to` is an absent page of a range registered here, `from` a page of the caller's memory whose
    /// absence somebody answers for.
    pub(super) unsafe fn move_page(&self, to: u64, from: u64) -> rustix::io::Result<()> {
        let mut arg = [to, from, crate::PAGE as u64, 0, 0];
        // SAFETY: UFFDIO_MOVE takes five u64; the caller vouches for both addresses.
        unsafe { ioctl(&self.0, Updater::<MOVE, _>::new(&mut arg)) }
    }

    /// Sets or clears write protection of a page; clearing wakes who waits.
    pub(super) fn protect(&self, page: u64, wp: bool) -> rustix::io::Result<()> {
        let mut arg = [page, crate::PAGE as u64, u64::from(wp)];
        // SAFETY: UFFDIO_WRITEPROTECT takes three u64 and changes no content; the kernel refuses
        // ranges that are not registered here.
        unsafe { ioctl(&self.0, Updater::<WRITEPROTECT, _>::new(&mut arg)) }
    }

    /// Maps the page that shared memory has at a place, and wakes who waits for it.
    pub(super) fn go_on(&self, page: u64, wp: bool) -> rustix::io::Result<()> {
        let mut arg = [page, crate::PAGE as u64, if wp { PLACE_WP } else { 0 }, 0];
        // SAFETY: UFFDIO_CONTINUE takes four u64; it maps what the registered mapping has there.
        unsafe { ioctl(&self.0, Updater::<CONTINUE, _>::new(&mut arg)) }
    }

    /// Makes every access to an absent page a bus error.
    pub(super) fn poison(&self, page: u64) -> rustix::io::Result<()> {
        let mut arg = [page, crate::PAGE as u64, 0, 0];
        // SAFETY: UFFDIO_POISON takes four u64; the kernel refuses ranges not registered here.
        unsafe { ioctl(&self.0, Updater::<POISON, _>::new(&mut arg)) }
    }

    /// Reads what messages there are, without waiting.
    pub(super) fn read(&self, mut each: impl FnMut(Message)) -> rustix::io::Result<usize> {
        let mut buffer = [0_u8; MESSAGE * MESSAGES];
        let bytes = match rustix::io::read(&self.0, &mut buffer) {
            Ok(bytes) => bytes,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(0),
            Err(error) => return Err(error),
        };
        for message in buffer[..bytes].chunks_exact(MESSAGE) {
            let word =
                |at: usize| u64::from_ne_bytes(message[at..at + 8].try_into().unwrap_or([0; 8]));
            each(match message[0] {
                0x12 => Message::Fault {
                    address: word(16),
                    write: word(8) & 3 != 0,
                    protected: word(8) & 2 != 0,
                },
                0x15 => Message::Remove { start: word(8), end: word(16) },
                _ => Message::Other,
            });
        }
        Ok(bytes / MESSAGE)
    }
}
