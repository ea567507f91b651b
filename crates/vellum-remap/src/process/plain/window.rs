//! A window of private memory: the pages that change places with held ones.

use super::{PlainMemory, PlainRun, system};
use crate::{PAGE, Space, SpaceError};
use rustix::io::Errno;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

/// A range of this process' private memory, as a [`Space`] from address 0 on. At first all of it is zeros.
///
/// A program may read and write it through [`PlainWindow::address`], but for the time of a call that moves
/// pages: who touches one of those then gets a bus error.
#[derive(Debug)]
pub struct PlainWindow {
    pub(super) memory: Arc<PlainMemory>,
    pub(super) pages: Range<usize>,
    /// Calls of the system that moved pages.
    pub calls: u64,
}

impl PlainWindow {
    /// Where a page is.
    ///
    /// # Panics
    /// When it is none of the window.
    pub fn address(&self, page: usize) -> NonNull<u8> {
        assert!(page < self.pages.len(), "page {page} is not of this window");
        self.memory.map.address(self.pages.start + page)
    }

    fn range(&self, at: u64, bytes: u64) -> Result<usize, SpaceError> {
        let end = (self.pages.len() * PAGE) as u64;
        let inside = at.checked_add(bytes).is_some_and(|last| last <= end);
        if inside {
            Ok(self.pages.start * PAGE + at as usize)
        } else {
            Err(SpaceError::NoMemory { at, bytes })
        }
    }

    /// Moves runs of pages, `(to, from, count)` each; if one can't be, those before it go back.
    fn move_all(&mut self, moves: &[(usize, usize, usize)]) -> Result<(), SpaceError> {
        let (map, uffd) = (&self.memory.map, &self.memory.uffd);
        for (number, &(to, from, count)) in moves.iter().enumerate() {
            self.calls += 1;
            let Err((error, moved)) = map.move_pages(uffd, to, from, count) else { continue };
            let mut back = moves[..number].to_vec();
            back.push((to, from, moved));
            for &(to, from, count) in back.iter().rev().filter(|(_, _, count)| *count > 0) {
                map.move_pages(uffd, from, to, count).map_err(|(error, _)| {
                    system("putting back what was moved", (to * PAGE) as u64, error)
                })?;
            }
            let at = ((to.max(self.pages.start) - self.pages.start) * PAGE) as u64;
            return Err(match error {
                // Somebody else in the system has the page too: after a fork, or for direct I/O.
                Errno::BUSY => SpaceError::Pinned { at },
                error => system("UFFDIO_MOVE", at, error),
            });
        }
        Ok(())
    }
}

impl Space for PlainWindow {
    type Run = PlainRun;

    fn can_lend(&self) -> bool {
        false
    }

    fn lend(&mut self, first: u64, _count: usize) -> Result<PlainRun, SpaceError> {
        Err(system("lending", first.saturating_mul(PAGE as u64), "a private page is in one place"))
    }

    fn settle(&mut self, _first: u64, _run: &PlainRun) {}

    fn exchange(&mut self, first: u64, run: &mut PlainRun) -> Result<(), SpaceError> {
        let count = run.places.len();
        let at = first.saturating_mul(PAGE as u64);
        let page = self.range(at, (count * PAGE) as u64)? / PAGE;
        if !Arc::ptr_eq(&run.memory, &self.memory) {
            return Err(SpaceError::Foreign { at });
        }
        let memory = Arc::clone(&self.memory);
        {
            let books = memory.lock();
            if run.places.iter().flatten().any(|&place| books.holders[place as usize] > 1) {
                // Somebody else holds it, and a page can't be in two places.
                return Err(SpaceError::Pinned { at });
            }
        }
        let room = memory.room(count)?;
        let out = room.iter().enumerate().map(|(n, &to)| (memory.page_of(to), page + n, 1));
        let back = run.places.iter().enumerate();
        let back = back.filter_map(|(n, from)| Some((page + n, memory.page_of((*from)?), 1)));
        let mut moves = joined(out);
        moves.extend(joined(back));
        let room: Vec<Option<u32>> = room.into_iter().map(Some).collect();
        if let Err(error) = self.move_all(&moves) {
            memory.clear(&room);
            return Err(error);
        }
        let mut next = page;
        for alike in run.places.chunk_by(|a, b| a.is_none() == b.is_none()) {
            let pages = next..next + alike.len();
            next = pages.end;
            if alike[0].is_none() {
                let shown = memory.map.show_zeros(&memory.uffd, pages);
                shown.map_err(|error| system("UFFDIO_ZEROPAGE", at, error))?;
            }
        }
        let old = core::mem::replace(&mut run.places, room);
        memory.clear(&old);
        Ok(())
    }

    fn zeros(&mut self, count: usize) -> PlainRun {
        PlainRun { memory: Arc::clone(&self.memory), places: vec![None; count] }
    }

    /// The system has told every processor before its calls returned.
    fn publish(&mut self) {}

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), SpaceError> {
        let from = self.range(at, out.len() as u64)?;
        self.memory.map.read(from, out);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), SpaceError> {
        let to = self.range(at, bytes.len() as u64)?;
        self.memory.map.write(to, bytes);
        Ok(())
    }
}

/// Neighbours that move to neighbours move together.
fn joined(moves: impl Iterator<Item = (usize, usize, usize)>) -> Vec<(usize, usize, usize)> {
    let mut out: Vec<(usize, usize, usize)> = Vec::new();
    for (to, from, count) in moves {
        match out.last_mut() {
            Some((a, b, n)) if *a + *n == to && *b + *n == from => *n += count,
            _ => out.push((to, from, count)),
        }
    }
    out
}
