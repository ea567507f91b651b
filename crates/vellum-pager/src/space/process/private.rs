//! Private memory of this process, page by page through userfaultfd: missing and write-protect
//! faults.
//!
//! A page leaves by `UFFDIO_MOVE` into a staging area, in one step: a thread that writes it later
//! finds it absent and waits. So there is no moment at which a write could fall between reading the
//! page and dropping it, and no `madvise` on memory that the program uses, which the pager would have
//! to answer for itself. Kernels before 6.8 have no such call; there a page is write-protected, read
//! and dropped.

// UNSAFETY: pages of the space's own mappings are read and filled.
#![expect(unsafe_code, reason = "pages of its own mappings are read and filled")]

use super::map::Map;
use super::sys::{Message, Uffd, feature, mode};
use super::{Access, ProcessSpace, refused};
use crate::space::{Filled, Save, Space, Write, save_copies};
use crate::{Error, PAGE, Page, PageNo};
use rustix::io::Errno;
use std::sync::Arc;

/// Pages that wait in the staging area before they are dropped together.
const STAGING: u32 = 64;

/// A range of private memory.
#[derive(Debug)]
pub struct PrivateSpace {
    uffd: Arc<Uffd>,
    map: Arc<Map>,
    /// A second descriptor and its memory, for pages on their way out; `None` before Linux 6.8.
    staging: Option<(Uffd, Map)>,
    staged: u32,
    poisons: bool,
    buffer: Box<Page>,
    waiting: Vec<Message>,
}

impl PrivateSpace {
    /// Reserves `pages` pages, all absent.
    ///
    /// # Errors
    /// When the kernel has no userfaultfd with write protection, or this process may not use it.
    pub fn new(pages: u32) -> Result<Self, Error> {
        let io = |what| move |source: Errno| Error::Io { what, source: source.into() };
        let opened = [feature::POISON | feature::EVENT_REMOVE | feature::MOVE, feature::POISON, 0];
        let mut found = None;
        for features in opened {
            if let Some(uffd) = Uffd::open(features).map_err(io("opening userfaultfd"))? {
                found = Some((uffd, features));
                break;
            }
        }
        let Some((uffd, features)) = found else {
            return Err(io("opening userfaultfd")(Errno::NOSYS));
        };
        let map = Map::private(pages.max(1)).map_err(io("reserving memory"))?;
        let (start, len) = (map.address(0), map.len() as u64);
        // SAFETY: the space's own mapping. Whoever makes a space answers its faults.
        unsafe { uffd.register(start, len, mode::MISSING | mode::WP) }
            .map_err(io("registering memory"))?;
        let staging = match features & feature::MOVE != 0 {
            true => Some(staging().map_err(io("making a staging area"))?),
            false => None,
        };
        Ok(PrivateSpace {
            uffd: Arc::new(uffd),
            map: Arc::new(map),
            staging,
            staged: 0,
            poisons: features & feature::POISON != 0,
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

    /// Places the buffer.
    fn place(&mut self, page: PageNo, wp: bool) -> Result<Filled, Error> {
        let (to, from) = (self.address(page), (&raw const *self.buffer).addr() as u64);
        loop {
            // SAFETY: `to` is a page of the registered mapping, `from` a page of memory.
            match unsafe { self.uffd.copy(to, from, wp) } {
                Ok(()) => return Ok(Filled::Done),
                Err(Errno::EXIST) => {
                    self.uffd.wake(to, PAGE as u64).map_err(refused("waking", page))?;
                    return Ok(Filled::Already);
                }
                Err(error) => self.interrupted("filling", page, error)?,
            }
        }
    }

    /// Moves a page out; where it is now.
    fn stage(&mut self, page: PageNo) -> Result<u32, Error> {
        let from = self.address(page);
        let Some((uffd, map)) = &self.staging else {
            return Err(refused("moving", page)(Errno::NOSYS));
        };
        if self.staged == STAGING {
            map.drop_pages(0, STAGING).map_err(refused("emptying the staging area for", page))?;
            self.staged = 0;
        }
        loop {
            // SAFETY: the slot is an absent page of the staging area, which is registered with this
            // descriptor; `from` is a page of the space, whose faults are answered.
            match unsafe { uffd.move_page(map.address(self.staged), from) } {
                Ok(()) => break,
                Err(Errno::AGAIN) => {}
                Err(Errno::NOENT) => {
                    // Placed after a removal was heard of and before the kernel dropped the range:
                    // it is gone, and reads as zeros.
                    self.buffer.fill(0);
                    let (to, from) = (map.address(self.staged), &raw const *self.buffer);
                    // SAFETY: the absent slot as above, and a page of memory.
                    unsafe { uffd.copy(to, from.addr() as u64, false) }
                        .map_err(refused("moving", page))?;
                    break;
                }
                Err(error) => return Err(refused("moving", page)(error)),
            }
        }
        self.staged += 1;
        Ok(self.staged - 1)
    }

    fn unstage(&mut self, page: PageNo, slot: u32) {
        let Some((_, map)) = &self.staging else { return };
        // SAFETY: a page of the staging area that holds what was moved there; it was the page's own
        // content, and the page has been absent since.
        let copied = unsafe { self.uffd.copy(self.address(page), map.address(slot), false) };
        debug_assert!(matches!(copied, Ok(()) | Err(Errno::EXIST | Errno::AGAIN)));
    }

    /// Without `UFFDIO_MOVE`: nobody can write the page while it is read and dropped.
    fn take_protected(
        &mut self,
        pages: &[PageNo],
        room: &mut Vec<Page>,
        save: Save<'_>,
    ) -> Result<(), Error> {
        save_copies(pages, room, save, |page, copy| {
            self.forbid_writes(page)?;
            self.read(page, copy)
        })?;
        for &page in pages {
            self.map.drop_pages(page.get(), 1).map_err(refused("dropping", page))?;
        }
        Ok(())
    }
}

fn staging() -> rustix::io::Result<(Uffd, Map)> {
    let uffd = Uffd::open(feature::MOVE)?.ok_or(Errno::NOSYS)?;
    let map = Map::private(STAGING)?;
    // SAFETY: the staging area is nobody else's; only pages that were moved in are read.
    unsafe { uffd.register(map.address(0), map.len() as u64, mode::MISSING) }?;
    Ok((uffd, map))
}

impl Space for PrivateSpace {
    fn fill(&mut self, page: PageNo, writable: bool, write: Write<'_>) -> Result<Filled, Error> {
        write(&mut self.buffer)?;
        self.place(page, !writable)
    }

    /// A copy of zeros rather than `UFFDIO_ZEROPAGE`, which can't place a page protected: a write
    /// between placing and protecting would go unseen.
    fn fill_zero(&mut self, page: PageNo, writable: bool) -> Result<Filled, Error> {
        self.buffer.fill(0);
        self.place(page, !writable)
    }

    fn allow_writes(&mut self, page: PageNo) -> Result<(), Error> {
        while let Err(error) = self.uffd.protect(self.address(page), false) {
            self.interrupted("unprotecting", page, error)?;
        }
        Ok(())
    }

    fn forbid_writes(&mut self, page: PageNo) -> Result<(), Error> {
        while let Err(error) = self.uffd.protect(self.address(page), true) {
            self.interrupted("protecting", page, error)?;
        }
        Ok(())
    }

    fn read(&mut self, page: PageNo, into: &mut Page) -> Result<(), Error> {
        // SAFETY: a page of the mapping that the pager knows to be present and write-protected: it is
        // not dropped before this thread has read the message that says so, and nobody writes it.
        unsafe { std::ptr::copy_nonoverlapping(self.map.page(page.get()), into, 1) };
        Ok(())
    }

    fn take(
        &mut self,
        pages: &[PageNo],
        room: &mut Vec<Page>,
        save: Save<'_>,
    ) -> Result<(), Error> {
        if self.staging.is_none() {
            return self.take_protected(pages, room, save);
        }
        for batch in pages.chunks(STAGING as usize) {
            // The staging area starts empty, so that a batch fits.
            if self.staged as usize + batch.len() > STAGING as usize {
                self.empty_staging(batch[0])?;
            }
            let mut slots = Vec::with_capacity(batch.len());
            let mut result = Ok(());
            for &page in batch {
                match self.stage(page) {
                    Ok(slot) => slots.push((page, slot)),
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                }
            }
            if result.is_ok()
                && let Some((_, map)) = &self.staging
            {
                let views: Vec<(PageNo, &Page)> = slots
                    .iter()
                    // SAFETY: pages of the staging area that were just moved in: nobody else knows
                    // them, and they are dropped only by this value, which is borrowed.
                    .map(|&(page, slot)| (page, unsafe { &*map.page(slot) }))
                    .collect();
                result = save(&views).map_err(Error::from);
            }
            if let Err(error) = result {
                for (page, slot) in slots {
                    self.unstage(page, slot);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn discard(&mut self, page: PageNo) -> Result<(), Error> {
        if self.staging.is_none() {
            return self.map.drop_pages(page.get(), 1).map_err(refused("dropping", page));
        }
        self.stage(page).map(|_| ())
    }
}

impl PrivateSpace {
    fn empty_staging(&mut self, page: PageNo) -> Result<(), Error> {
        if let Some((_, map)) = &self.staging
            && self.staged > 0
        {
            map.drop_pages(0, self.staged).map_err(refused("emptying staging for", page))?;
            self.staged = 0;
        }
        Ok(())
    }

    /// `EAGAIN`: a removal was announced, and nothing may be placed before somebody has heard of it.
    /// Its message is read now, and whoever asked starts again with what it says.
    fn interrupted(&mut self, what: &'static str, page: PageNo, error: Errno) -> Result<(), Error> {
        if error != Errno::AGAIN {
            return Err(refused(what, page)(error));
        }
        let waiting = &mut self.waiting;
        let count = self.uffd.read(|message| waiting.push(message)).map_err(refused(what, page))?;
        if count == 0 {
            // Interrupted for another reason, as by a signal: try again.
            std::thread::yield_now();
            return Ok(());
        }
        Err(Error::Interrupted { page })
    }
}

impl ProcessSpace for PrivateSpace {
    fn base(&self) -> u64 {
        self.map.address(0)
    }

    fn wake(&mut self, page: PageNo) -> Result<(), Error> {
        self.uffd.wake(self.address(page), PAGE as u64).map_err(refused("waking", page))
    }

    fn waiting(&mut self) -> &mut Vec<Message> {
        &mut self.waiting
    }

    fn confirm(&mut self, page: PageNo, _writable: bool) -> Result<Filled, Error> {
        self.buffer.fill(0);
        self.place(page, false)
    }

    fn poison(&mut self, page: PageNo) -> Result<bool, Error> {
        if !self.poisons {
            return Ok(false);
        }
        match self.uffd.poison(self.address(page)) {
            Ok(()) | Err(Errno::EXIST) => Ok(true),
            Err(Errno::AGAIN) => Err(Error::Interrupted { page }),
            Err(error) => Err(refused("poisoning", page)(error)),
        }
    }

    fn access(&self, page: PageNo, at: usize, access: Access<'_>) {
        // SAFETY: a present page, to be written only when it may be: the pager has been asked, and
        // is locked, so that the page stays. Other threads of the program may use the same bytes;
        // that is between them and whoever called, as with any shared memory, so the copies are
        // made byte by byte as volatile accesses.
        unsafe { super::copy(self.map.page(page.get()), at, access) }
    }
}
