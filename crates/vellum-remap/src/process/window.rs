//! A range of this process' addresses, whose pages show frames of an arena.

use super::arena::{Arena, ArenaRun, ZERO};
use super::map::Map;
use crate::{PAGE, Space, SpaceError};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

/// Pages of this process, as a [`Space`] from address 0 on. At first all of them are zeros.
///
/// A program may read its pages through [`Window::address`]; it writes through the space, which is
/// what makes a lent page keep what was sent.
#[derive(Debug)]
pub struct Window {
    arena: Arc<Arena>,
    map: Map,
    frames: Vec<u32>,
    /// Pages copied because they were written while held.
    pub breaks: u64,
    /// Calls of the system that changed a mapping.
    pub flips: u64,
}

impl Window {
    /// `pages` pages of zeros.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(arena: &Arc<Arena>, pages: usize) -> Result<Window, SpaceError> {
        let map = Map::reserve(pages.max(1))?;
        let frames = vec![ZERO; pages];
        arena.retain(&frames);
        let mut window = Window { arena: Arc::clone(arena), map, frames, breaks: 0, flips: 0 };
        for page in 0..pages {
            window.show(page..page + 1, false)?;
        }
        Ok(window)
    }

    /// Where a page is in this process, readable.
    ///
    /// # Panics
    /// When there is no such page.
    pub fn address(&self, page: usize) -> NonNull<u8> {
        self.map.address(page)
    }

    /// Maps the frames of a range of pages, neighbours with one call.
    fn show(&mut self, pages: Range<usize>, writable: bool) -> Result<(), SpaceError> {
        let mut page = pages.start;
        for run in self.frames[pages].chunk_by(|a, b| a + 1 == *b) {
            self.map.show(page, self.arena.file(), run[0] as usize, run.len(), writable)?;
            self.flips += 1;
            page += run.len();
        }
        Ok(())
    }

    fn range(&self, first: u64, count: usize) -> Result<Range<usize>, SpaceError> {
        let at = first.saturating_mul(PAGE as u64);
        let error = SpaceError::NoMemory { at, bytes: (count * PAGE) as u64 };
        let first = usize::try_from(first).ok();
        let range = first.and_then(|first| Some(first..first.checked_add(count)?));
        range.filter(|range| range.end <= self.frames.len()).ok_or(error)
    }

    /// Gives a page a frame that nobody else holds, with its content.
    fn own(&mut self, page: usize) -> Result<(), SpaceError> {
        let old = self.frames[page];
        if self.arena.is_exclusive(old) {
            return Ok(());
        }
        let fresh = self.arena.allocate()?;
        let mut content = [0; PAGE];
        self.arena.map().read(old as usize * PAGE, &mut content);
        self.arena.map().write(fresh as usize * PAGE, &content);
        self.frames[page] = fresh;
        self.arena.release(&[old]);
        self.breaks += u64::from(old != ZERO);
        self.show(page..page + 1, true)
    }

    /// Calls `piece(page, first byte in it, range of the bytes)` for the pages of a range.
    fn pieces(
        &self,
        at: u64,
        bytes: usize,
    ) -> Result<impl Iterator<Item = (usize, usize, Range<usize>)> + use<>, SpaceError> {
        let end = (self.frames.len() * PAGE) as u64;
        let error = SpaceError::NoMemory { at, bytes: bytes as u64 };
        at.checked_add(bytes as u64).filter(|&last| last <= end).ok_or(error)?;
        let mut done = 0;
        Ok(core::iter::from_fn(move || {
            let here = at as usize + done;
            let n = (PAGE - here % PAGE).min(bytes - done);
            done += n;
            (n > 0).then(|| (here / PAGE, here % PAGE, done - n..done))
        }))
    }
}

impl Space for Window {
    type Run = ArenaRun;

    fn lend(&mut self, first: u64, count: usize) -> Result<ArenaRun, SpaceError> {
        let range = self.range(first, count)?;
        if count > 0 {
            self.map.protect(range.start, count, false)?;
            self.flips += 1;
        }
        let frames = self.frames[range].to_vec();
        self.arena.retain(&frames);
        Ok(ArenaRun { arena: Arc::clone(&self.arena), frames })
    }

    /// The right comes back with the next write.
    fn settle(&mut self, _first: u64, _run: &ArenaRun) {}

    fn exchange(&mut self, first: u64, run: &mut ArenaRun) -> Result<(), SpaceError> {
        let range = self.range(first, run.frames.len())?;
        if !Arc::ptr_eq(&run.arena, &self.arena) {
            return Err(SpaceError::Foreign { at: first * PAGE as u64 });
        }
        self.frames[range.clone()].swap_with_slice(&mut run.frames);
        if let Err(error) = self.show(range.clone(), false) {
            self.frames[range.clone()].swap_with_slice(&mut run.frames);
            // As before, as far as the system lets us; the frames are what the table says.
            let _ = self.show(range, false);
            return Err(error);
        }
        Ok(())
    }

    fn zeros(&mut self, count: usize) -> ArenaRun {
        let frames = vec![ZERO; count];
        self.arena.retain(&frames);
        ArenaRun { arena: Arc::clone(&self.arena), frames }
    }

    /// The system has told every processor before `mmap` and `mprotect` returned.
    fn publish(&mut self) {}

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), SpaceError> {
        for (page, from, to) in self.pieces(at, out.len())? {
            self.arena.map().read(self.frames[page] as usize * PAGE + from, &mut out[to]);
        }
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), SpaceError> {
        for (page, to, from) in self.pieces(at, bytes.len())? {
            self.own(page)?;
            self.arena.map().write(self.frames[page] as usize * PAGE + to, &bytes[from]);
        }
        Ok(())
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.arena.release(&self.frames);
    }
}
