//! Real memory of this process, paged by this process.
//!
//! [`PagedMemory`] is a range of addresses behind which a [`Pager`] stands. A thread of its own
//! answers the faults of all others. Needs Linux; a process without privileges gets its faults in
//! user mode only, so a system call on an absent page of it fails with `EFAULT` there.

// UNSAFETY: bytes of pages that are present are copied.
#![expect(unsafe_code, reason = "bytes of present pages are copied")]

mod handler;
#[cfg(test)]
mod interleavings;
mod map;
mod order;
mod private;
mod shared;
mod sys;
#[cfg(test)]
mod tests;

pub use private::PrivateSpace;
pub use shared::SharedSpace;

use super::{Filled, Space};
use crate::{Access as Right, Error, PAGE, Page, PageNo, Pager};
use handler::Shared;
use map::Map;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread::JoinHandle;
use sys::Message;

/// A space that is memory of this process.
trait ProcessSpace: Space + Send {
    /// The address of its first byte.
    fn base(&self) -> u64;
    /// Lets threads that wait for a page try again.
    fn wake(&mut self, page: PageNo) -> Result<(), Error>;
    /// Messages that were read and not handled yet.
    fn waiting(&mut self) -> &mut Vec<Message>;
    /// Whether a page that should be present is: [`Filled::Already`]. Where its content is gone,
    /// zeros are placed, to be written at will.
    fn confirm(&mut self, page: PageNo, writable: bool) -> Result<Filled, Error>;
    /// Makes accesses to an absent page bus errors; whether this kernel can.
    fn poison(&mut self, page: PageNo) -> Result<bool, Error>;
    /// Copies bytes of a present page.
    fn access(&self, page: PageNo, at: usize, access: Access<'_>);
}

/// What is copied where.
enum Access<'a> {
    Read(&'a mut [u8]),
    Write(&'a [u8]),
}

/// Copies bytes of a page that others may use meanwhile.
///
/// # Safety
/// The page is mapped, and may be written if `access` writes.
unsafe fn copy(page: *mut Page, at: usize, access: Access<'_>) {
    let base = page.cast::<u8>();
    match access {
        Access::Read(out) => {
            assert!(at + out.len() <= PAGE);
            for (offset, byte) in out.iter_mut().enumerate() {
                // SAFETY: inside the page, which the caller vouches for.
                *byte = unsafe { base.add(at + offset).read_volatile() };
            }
        }
        Access::Write(bytes) => {
            assert!(at + bytes.len() <= PAGE);
            for (offset, byte) in bytes.iter().enumerate() {
                // SAFETY: as above.
                unsafe { base.add(at + offset).write_volatile(*byte) };
            }
        }
    }
}

fn refused(what: &'static str, page: PageNo) -> impl Fn(Errno) -> Error {
    move |error| Error::Space { what, page, why: error.to_string() }
}

/// What memory is made of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backing {
    /// Private memory: missing and write-protect faults.
    #[default]
    Private,
    /// Shared memory: pages are filled in place, and minor faults are answered as well.
    Shared,
}

/// A range of this process' addresses whose pages come from a store.
///
/// Its bytes may be used through [`PagedMemory::as_ptr`] by any number of threads: an absent page is
/// brought while they wait. Where the store fails, such an access is a bus error (`SIGBUS`), as it
/// is where a memory module fails; [`PagedMemory::read`] and [`PagedMemory::write`] give an error
/// instead.
#[derive(Debug)]
pub struct PagedMemory {
    map: Arc<Map>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl PagedMemory {
    /// Memory of as many pages as `pager` was made for, and the thread that answers its faults.
    ///
    /// # Errors
    /// When the kernel does not have what it takes, or does not let this process use it.
    pub fn new(pager: Pager, backing: Backing) -> Result<Self, Error> {
        let pages = pager.pages();
        let (space, map, uffd): (Box<dyn ProcessSpace>, _, _) = match backing {
            Backing::Private => {
                let space = PrivateSpace::new(pages)?;
                let (map, uffd) = space.parts();
                (Box::new(space), map, uffd)
            }
            Backing::Shared => {
                let space = SharedSpace::new(pages)?;
                let (map, uffd) = space.parts();
                (Box::new(space), map, uffd)
            }
        };
        let io = |what| move |source: std::io::Error| Error::Io { what, source };
        let stop =
            eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| io("making an event")(e.into()))?;
        let shared = Arc::new(Shared::new(pager, space, uffd, stop));
        let answering = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("pager".into())
            .spawn(move || answering.run())
            .map_err(io("starting a thread"))?;
        Ok(PagedMemory { map, shared, thread: Some(thread) })
    }

    /// The first byte. Valid for [`PagedMemory::len`] bytes as long as this value lives.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.map.base()
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Never: there is at least a page.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Copies bytes out, from `offset` on.
    ///
    /// # Errors
    /// When they are not in the memory, or a page can't be brought.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < out.len() {
            let (page, at) = self.place(offset + done)?;
            let count = (PAGE - at).min(out.len() - done);
            self.shared.reach(page, Right::Load, |space| {
                space.access(page, at, Access::Read(&mut out[done..done + count]));
            })?;
            done += count;
        }
        Ok(())
    }

    /// Copies bytes in, from `offset` on.
    ///
    /// # Errors
    /// As for reading; bytes before the page that can't be brought are written.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < bytes.len() {
            let (page, at) = self.place(offset + done)?;
            let count = (PAGE - at).min(bytes.len() - done);
            self.shared.reach(page, Right::Store, |space| {
                space.access(page, at, Access::Write(&bytes[done..done + count]));
            })?;
            done += count;
        }
        Ok(())
    }

    fn place(&self, offset: usize) -> Result<(PageNo, usize), Error> {
        let pages = (self.map.len() / PAGE) as u32;
        let page = PageNo::new(u32::try_from(offset / PAGE).unwrap_or(u32::MAX));
        if page.get() >= pages {
            return Err(Error::Outside { page, pages });
        }
        Ok((page, offset % PAGE))
    }

    /// Drops the content of pages, as `madvise(MADV_DONTNEED)` on them does: they are zeros from now
    /// on.
    ///
    /// # Errors
    /// When they are not all in the memory, or the store can't be told.
    pub fn discard(&self, pages: Range<u32>) -> Result<(), Error> {
        self.shared.discard(&self.map, pages)
    }

    /// Brings pages ahead of time, as many as there is room for; how many it were.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn prefault(&self, pages: &[PageNo]) -> Result<u32, Error> {
        self.with(|pager, space| pager.prefault(space, pages))
    }

    /// Writes everything back, and has the store make it durable.
    ///
    /// # Errors
    /// When the store fails.
    pub fn flush(&self) -> Result<(), Error> {
        self.with(|pager, space| pager.flush(space))
    }

    /// Changes the number of pages that may be present.
    ///
    /// # Errors
    /// When not enough pages can go.
    pub fn set_quota(&self, pages: u32) -> Result<(), Error> {
        self.with(|pager, space| pager.set_quota(space, pages))
    }

    /// Runs `work` with the pager and its space, while faults wait.
    pub fn with<T>(&self, work: impl FnOnce(&mut Pager, &mut dyn Space) -> T) -> T {
        let mut paged = self.shared.paged.lock();
        let (pager, space) = &mut *paged;
        let out = work(pager, &mut **space);
        order::catch_up(pager, &mut **space);
        out
    }
}

impl Drop for PagedMemory {
    fn drop(&mut self) {
        // Eight bytes into an event always fit.
        let _ = rustix::io::write(&self.shared.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
