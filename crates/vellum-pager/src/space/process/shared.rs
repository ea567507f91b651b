//! Shared memory of this process: missing, minor and write-protect faults.
//!
//! The memory is a file in memory that is mapped twice: as the space, and again where only the pager
//! sees it, to read it. A page is placed by `UFFDIO_COPY`, which allocates, fills and maps it in one
//! step; filling it through the second mapping and answering by `UFFDIO_CONTINUE` saves a copy that is
//! in the cache anyway, and costs a fault of that mapping and the clearing of the page. A minor fault,
//! on a page that is in the file and not mapped, is a page that is present and was unmapped by
//! somebody: that one is mapped again by `UFFDIO_CONTINUE`.

// UNSAFETY: pages of the space's own mappings are read and filled.
#![expect(unsafe_code, reason = "pages of its own mappings are read and filled")]

use super::map::Map;
use super::sys::{Message, Uffd, feature, mode};
use super::{Access, ProcessSpace, refused};
use crate::space::{Filled, Save, Space, Write};
use crate::{Error, PAGE, Page, PageNo};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, ftruncate, memfd_create};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A range of shared memory.
#[derive(Debug)]
pub struct SharedSpace {
    uffd: Arc<Uffd>,
    map: Arc<Map>,
    /// The same memory, unregistered.
    behind: Map,
    file: OwnedFd,
    buffer: Box<Page>,
    waiting: Vec<Message>,
}

impl SharedSpace {
    /// Reserves `pages` pages, all absent.
    ///
    /// # Errors
    /// When the kernel has no userfaultfd with minor faults on shared memory (Linux 5.19 and before),
    /// or this process may not use it.
    pub fn new(pages: u32) -> Result<Self, Error> {
        let io = |what| move |source: Errno| Error::Io { what, source: source.into() };
        let features = feature::MISSING_SHMEM | feature::MINOR_SHMEM | feature::WP_SHMEM;
        let uffd = match Uffd::open(features | feature::POISON) {
            Ok(None) => Uffd::open(features),
            other => other,
        };
        let uffd = uffd.map_err(io("opening userfaultfd"))?;
        let uffd = uffd.ok_or_else(|| io("opening userfaultfd")(Errno::NOSYS))?;
        let file = memfd_create("vellum-pager", MemfdFlags::CLOEXEC)
            .map_err(io("making a file in memory"))?;
        let bytes = u64::from(pages.max(1)) * PAGE as u64;
        ftruncate(&file, bytes).map_err(io("sizing a file in memory"))?;
        let map = Map::shared(&file, pages.max(1)).map_err(io("mapping memory"))?;
        let behind = Map::shared(&file, pages.max(1)).map_err(io("mapping memory"))?;
        // SAFETY: the space's own mapping. Whoever makes a space answers its faults.
        unsafe { uffd.register(map.address(0), bytes, mode::MISSING | mode::WP | mode::MINOR) }
            .map_err(io("registering memory"))?;
        Ok(SharedSpace {
            uffd: Arc::new(uffd),
            map: Arc::new(map),
            behind,
            file,
            buffer: Box::new([0; PAGE]),
            waiting: Vec::new(),
        })
    }

    /// The memory and the descriptor, for who answers and who uses it.
    pub(super) fn parts(&self) -> (Arc<Map>, Arc<Uffd>) {
        (Arc::clone(&self.map), Arc::clone(&self.uffd))
    }

    fn address(&self, page: PageNo) -> u64 {
        self.map.address(page.get())
    }

    fn punch(&self, page: PageNo) -> Result<(), Error> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.file, flags, page.offset(), PAGE as u64).map_err(refused("dropping", page))
    }

    /// Maps the page that the file has, if it is not mapped, and wakes who waits for it.
    fn map_again(&self, page: PageNo, writable: bool) -> rustix::io::Result<()> {
        loop {
            match self.uffd.go_on(self.address(page), !writable) {
                Err(Errno::AGAIN) => std::thread::yield_now(),
                Err(Errno::EXIST) => return self.uffd.wake(self.address(page), PAGE as u64),
                other => return other,
            }
        }
    }

    fn protect(&self, page: PageNo, wp: bool) -> Result<(), Error> {
        loop {
            match self.uffd.protect(self.address(page), wp) {
                Err(Errno::AGAIN) => std::thread::yield_now(),
                other => return other.map_err(refused("protecting", page)),
            }
        }
    }
}

impl Space for SharedSpace {
    fn fill(&mut self, page: PageNo, writable: bool, write: Write<'_>) -> Result<Filled, Error> {
        write(&mut self.buffer)?;
        let (to, from) = (self.address(page), (&raw const *self.buffer).addr() as u64);
        loop {
            // SAFETY: `to` is a page of the registered mapping, `from` a page of memory.
            match unsafe { self.uffd.copy(to, from, !writable) } {
                Ok(()) => return Ok(Filled::Done),
                Err(Errno::AGAIN) => std::thread::yield_now(),
                // The file has it: it is mapped, if it was not, with the content that is there.
                Err(Errno::EXIST) => {
                    self.map_again(page, writable).map_err(refused("mapping", page))?;
                    return Ok(Filled::Already);
                }
                Err(error) => return Err(refused("filling", page)(error)),
            }
        }
    }

    fn fill_zero(&mut self, page: PageNo, writable: bool) -> Result<Filled, Error> {
        self.fill(page, writable, &mut |content| {
            content.fill(0);
            Ok(())
        })
    }

    fn allow_writes(&mut self, page: PageNo) -> Result<(), Error> {
        self.protect(page, false)
    }

    fn forbid_writes(&mut self, page: PageNo) -> Result<(), Error> {
        self.protect(page, true)
    }

    fn read(&mut self, page: PageNo, into: &mut Page) -> Result<(), Error> {
        // SAFETY: a page of the pager's own view, present and write-protected in the space.
        unsafe { std::ptr::copy_nonoverlapping(self.behind.page(page.get()), into, 1) };
        Ok(())
    }

    fn take(&mut self, pages: &[PageNo], _: &mut Vec<Page>, save: Save<'_>) -> Result<(), Error> {
        for &page in pages {
            self.forbid_writes(page)?;
        }
        let views: Vec<(PageNo, &Page)> = pages
            .iter()
            // SAFETY: pages of the pager's own view, which nobody can write until this call ends.
            .map(|&page| (page, unsafe { &*self.behind.page(page.get()) }))
            .collect();
        save(&views)?;
        pages.iter().try_for_each(|&page| self.punch(page))
    }

    fn discard(&mut self, page: PageNo) -> Result<(), Error> {
        self.punch(page)
    }
}

impl ProcessSpace for SharedSpace {
    fn base(&self) -> u64 {
        self.map.address(0)
    }

    fn wake(&mut self, page: PageNo) -> Result<(), Error> {
        self.uffd.wake(self.address(page), PAGE as u64).map_err(refused("waking", page))
    }

    fn waiting(&mut self) -> &mut Vec<Message> {
        &mut self.waiting
    }

    fn confirm(&mut self, page: PageNo, writable: bool) -> Result<Filled, Error> {
        match self.map_again(page, writable) {
            Ok(()) => Ok(Filled::Already),
            Err(Errno::FAULT) => self.fill_zero(page, true),
            Err(error) => Err(refused("mapping", page)(error)),
        }
    }

    fn poison(&mut self, page: PageNo) -> Result<bool, Error> {
        match self.uffd.poison(self.address(page)) {
            Ok(()) | Err(Errno::EXIST) => Ok(true),
            Err(Errno::INVAL | Errno::NOTTY) => Ok(false),
            Err(error) => Err(refused("poisoning", page)(error)),
        }
    }

    fn access(&self, page: PageNo, at: usize, access: Access<'_>) {
        // SAFETY: as for private memory.
        unsafe { super::copy(self.behind.page(page.get()), at, access) }
    }
}
