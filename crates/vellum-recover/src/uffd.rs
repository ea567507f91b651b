//! userfaultfd: the descriptor of one mapping, and the calls on it.
//!
//! Numbers and layouts are those of `include/uapi/linux/userfaultfd.h` (Linux 6.7).

#![expect(unsafe_code, reason = "system calls on a mapping of this crate's own")]

use crate::memory::{Mapping, PAGE};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::mm::{Advice, UserfaultfdFlags, madvise, userfaultfd};
use std::io;
use std::ops::Range;
use std::sync::Arc;

const API: Opcode = 0xC018_AA3F;
const REGISTER: Opcode = 0xC020_AA00;
const WAKE: Opcode = 0x8010_AA02;
const COPY: Opcode = 0xC028_AA03;
const ZEROPAGE: Opcode = 0xC020_AA04;
const WRITEPROTECT: Opcode = 0xC018_AA06;
const POISON: Opcode = 0xC020_AA08;
const UFFD_API: u64 = 0xAA;
const EVENT_PAGEFAULT: u8 = 0x12;

/// Features to ask for.
pub(crate) const FEATURE_WP: u64 = 1 << 0;
/// Pages that don't exist yet can be protected as well.
pub(crate) const FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
/// Pages can be made to fail.
pub(crate) const FEATURE_POISON: u64 = 1 << 14;
/// The kernel lets first writes through by itself, and remembers them.
pub(crate) const FEATURE_WP_ASYNC: u64 = 1 << 15;

/// What is reported of a registered mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The first touch of a page that isn't there.
    Missing = 1,
    /// A write to a protected page.
    WriteProtect = 2,
}

#[repr(C)]
struct Words<const N: usize>([u64; N]);

/// A descriptor with one registered mapping.
#[derive(Debug)]
pub(crate) struct Uffd {
    fd: OwnedFd,
    /// Keeps the range mapped as long as it is registered.
    memory: Arc<Mapping>,
    poisons: bool,
}

impl Uffd {
    /// Registers a mapping.
    pub(crate) fn new(memory: &Arc<Mapping>, features: u64, mode: Mode) -> io::Result<Self> {
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK;
        // SAFETY: a new descriptor without a registered range affects nothing.
        let fd = unsafe { userfaultfd(flags) };
        let fd = match fd {
            // UFFD_USER_MODE_ONLY: what an unprivileged process may have.
            Err(Errno::PERM) => {
                let flags = flags | UserfaultfdFlags::from_bits_retain(1);
                // SAFETY: as above.
                unsafe { userfaultfd(flags) }?
            }
            other => other?,
        };
        let uffd = Self { fd, memory: memory.clone(), poisons: features & FEATURE_POISON != 0 };
        uffd.call::<API, 3>([UFFD_API, features, 0])?;
        // SAFETY: the advice concerns a mapping of ours and doesn't change its content. Without it
        // one byte would concern 2 MiB; failing costs precision alone.
        let _ = unsafe {
            madvise(memory.base().as_ptr().cast(), memory.len(), Advice::LinuxNoHugepage)
        };
        uffd.call::<REGISTER, 4>([uffd.base(), memory.len() as u64, mode as u64, 0])?;
        Ok(uffd)
    }

    fn base(&self) -> u64 {
        self.memory.base().as_ptr() as u64
    }

    /// Start and length of pages, in bytes, which have to lie in the mapping.
    fn span(&self, pages: &Range<u64>) -> (u64, u64) {
        let (start, end) = (pages.start * PAGE as u64, pages.end * PAGE as u64);
        assert!(start <= end && end <= self.memory.len() as u64, "pages {pages:?}");
        (self.base() + start, end - start)
    }

    /// One of the calls above, whose argument is `N` words.
    fn call<const CALL: Opcode, const N: usize>(&self, words: [u64; N]) -> rustix::io::Result<()> {
        let mut argument = Words(words);
        // SAFETY: each of the calls takes a structure of `N` words (see the numbers: the third byte
        // is the size), which lives during the call; ranges were checked to lie in the mapping,
        // and what the callers do with it is their modules' business.
        unsafe { ioctl(self.fd.as_fd(), Updater::<CALL, _>::new(&mut argument)) }
    }

    /// Takes the right to write from pages, or gives it back and lets waiting writers go on.
    pub(crate) fn protect(&self, pages: &Range<u64>, on: bool) -> io::Result<()> {
        let (start, len) = self.span(pages);
        loop {
            match self.call::<WRITEPROTECT, 3>([start, len, u64::from(on)]) {
                Err(Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Puts a missing page into place and lets those go on who wait for it. A page that is there
    /// already stays as it is.
    pub(crate) fn fill(&self, page: u64, bytes: &[u8]) -> io::Result<()> {
        assert_eq!(bytes.len(), PAGE, "a page");
        let (start, len) = self.span(&(page..page + 1));
        let zero = bytes.iter().all(|byte| *byte == 0);
        loop {
            let done = if zero {
                self.call::<ZEROPAGE, 4>([start, len, 0, 0])
            } else {
                self.call::<COPY, 5>([start, bytes.as_ptr() as u64, len, 0, 0])
            };
            match done {
                Err(Errno::AGAIN) => {}
                Err(Errno::EXIST) => return self.wake(page..page + 1),
                other => return Ok(other?),
            }
        }
    }

    /// Lets those go on who wait for pages.
    pub(crate) fn wake(&self, pages: Range<u64>) -> io::Result<()> {
        let (start, len) = self.span(&pages);
        Ok(self.call::<WAKE, 2>([start, len])?)
    }

    /// Makes every touch of a missing page fail with SIGBUS (SIGSEGV before Linux 6.6), now and
    /// after the descriptor is closed, and lets those go on who wait for it: into the signal.
    pub(crate) fn poison(&self, page: u64) -> io::Result<()> {
        let (start, len) = self.span(&(page..page + 1));
        let mut done = Err(Errno::OPNOTSUPP);
        if self.poisons {
            done = Err(Errno::AGAIN);
            while done == Err(Errno::AGAIN) {
                done = self.call::<POISON, 4>([start, len, 0, 0]);
            }
        }
        if !matches!(done, Ok(()) | Err(Errno::EXIST)) {
            let at = page as usize * PAGE;
            // SAFETY: the page is missing, so nobody has a slice of it.
            unsafe { self.memory.forbid(at..at + PAGE) }?;
        }
        self.wake(page..page + 1)
    }

    /// The page of the next fault that nobody has answered yet, if there is one.
    pub(crate) fn next(&self) -> io::Result<Option<u64>> {
        loop {
            // `struct uffd_msg`: the event, then (at 16) a fault's address.
            let mut message = [0; 32];
            match rustix::io::read(&self.fd, &mut message) {
                Ok(32) if message[0] == EVENT_PAGEFAULT => {
                    let address = message[16..24].iter().rev();
                    let address = address.fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
                    let offset = address.wrapping_sub(self.base());
                    if offset < self.memory.len() as u64 {
                        return Ok(Some(offset / PAGE as u64));
                    }
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Uffd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits until the descriptor has a fault or the bell was rung, also before; empties the bell.
pub(crate) fn wait(uffd: &Uffd, bell: &OwnedFd) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut fds = [PollFd::new(uffd, PollFlags::IN), PollFd::new(bell, PollFlags::IN)];
    match poll(&mut fds, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    if fds[1].revents().contains(PollFlags::IN) {
        // The count doesn't matter, and an empty bell is no error.
        let _ = rustix::io::read(bell, &mut [0; 8]);
    }
    Ok(())
}

/// A bell that ends [`wait`].
pub(crate) fn bell() -> io::Result<OwnedFd> {
    use rustix::event::{EventfdFlags, eventfd};
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// Rings a bell.
pub(crate) fn ring(bell: &OwnedFd) {
    // Full means rung often enough.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}
