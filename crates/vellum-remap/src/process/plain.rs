//! Plain private memory of this process, whose pages change places by `UFFDIO_MOVE` (Linux 6.8): no file
//! stands behind it, and a run of any length moves by one system call each way.
//!
//! A page is in one place at a time, so nothing can be lent here: what is sent is copied, and what is
//! given or delivered is moved.

use super::map::Map;
use super::uffd::Uffd;
use crate::{PAGE, Run, Space, SpaceError};
use rustix::io::Errno;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most pages of one memory: 4 GiB.
const MAX_PAGES: usize = 1 << 20;

/// Private memory: windows of it are handed out once, and in the rest, its *shelf*, is what was moved out
/// of them and is held.
#[derive(Debug)]
pub struct PlainMemory {
    map: Map,
    uffd: Uffd,
    /// Pages of windows, which are the first ones; the shelf is behind them.
    front: usize,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    /// Pages that were handed out as windows.
    windows: usize,
    /// Holders of each page of the shelf; nothing is at a place without one.
    holders: Vec<u32>,
    /// Where the last search for room ended.
    next: usize,
}

fn system(what: &'static str, at: u64, why: impl ToString) -> SpaceError {
    SpaceError::System { what, at, why: why.to_string() }
}

impl PlainMemory {
    /// `pages` pages for windows, and room for `shelf` more that are held meanwhile.
    ///
    /// # Errors
    /// When the kernel can't move pages (Linux before 6.8, or a sandbox that forbids it), or the size is
    /// not possible.
    pub fn new(pages: usize, shelf: usize) -> Result<Arc<Self>, SpaceError> {
        let total = pages.checked_add(shelf).filter(|&all| pages > 0 && all <= MAX_PAGES);
        let Some(total) = total else {
            let why = format!("{pages} pages and {shelf} more are not possible: 1 to {MAX_PAGES}");
            return Err(system("private memory", 0, why));
        };
        let opened = Uffd::open().map_err(|error| system("userfaultfd", 0, error))?;
        let uffd = opened.ok_or_else(|| {
            system("UFFDIO_MOVE", 0, "this kernel has it not (Linux 6.8 is the first that has)")
        })?;
        let map = Map::private(total)?;
        let start = map.address(0).as_ptr().addr() as u64;
        map.register(&uffd).map_err(|error| system("UFFDIO_REGISTER", start, error))?;
        map.show_zeros(&uffd, 0..pages).map_err(|error| system("UFFDIO_ZEROPAGE", start, error))?;
        let books = Books { windows: 0, holders: vec![0; shelf], next: 0 };
        Ok(Arc::new(PlainMemory { map, uffd, front: pages, books: Mutex::new(books) }))
    }

    /// The next `pages` pages, as a space of their own.
    ///
    /// # Errors
    /// When there are no more.
    pub fn window(self: &Arc<Self>, pages: usize) -> Result<PlainWindow, SpaceError> {
        let mut books = self.lock();
        let first = books.windows;
        if pages == 0 || pages > self.front - first {
            let why = format!("{pages} pages are asked for and {} are left", self.front - first);
            return Err(system("a window", 0, why));
        }
        books.windows += pages;
        drop(books);
        Ok(PlainWindow { memory: Arc::clone(self), pages: first..first + pages, calls: 0 })
    }

    /// Pages of the shelf that are held.
    pub fn held(&self) -> usize {
        self.lock().holders.iter().filter(|&&holders| holders > 0).count()
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // Books are whole after every operation.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place on the shelf as a page of the map.
    fn page_of(&self, place: u32) -> usize {
        self.front + place as usize
    }

    /// Room for `count` pages on the shelf, in one piece if there is one.
    fn room(&self, count: usize) -> Result<Vec<u32>, SpaceError> {
        let mut books = self.lock();
        let places = books.holders.len();
        let mut found: Vec<u32> = Vec::new();
        // Once around, from where the last search ended and over the places just before that.
        for step in 0..places + count {
            if found.len() == count {
                break;
            }
            let at = (books.next + step) % places.max(1);
            if at == 0 {
                found.clear();
            }
            match books.holders.get(at) {
                Some(0) => found.push(at as u32),
                _ => found.clear(),
            }
        }
        if found.len() < count {
            let free = (0..).zip(&books.holders).filter(|(_, holders)| **holders == 0);
            found = free.map(|(at, _)| at).take(count).collect();
        }
        if found.len() < count {
            let why =
                format!("{count} pages are asked for and {} of the shelf are free", found.len());
            return Err(system("room", 0, why));
        }
        found.iter().for_each(|&at| books.holders[at as usize] = 1);
        if let Some(&last) = found.last() {
            books.next = (last as usize + 1) % places;
        }
        Ok(found)
    }

    fn retain(&self, places: &[Option<u32>]) {
        let mut books = self.lock();
        places.iter().flatten().for_each(|&place| books.holders[place as usize] += 1);
    }

    /// Nothing is at these places any more: their pages were moved elsewhere, or never came.
    fn clear(&self, places: &[Option<u32>]) {
        let mut books = self.lock();
        places.iter().flatten().for_each(|&place| books.holders[place as usize] = 0);
    }

    fn release(&self, places: &[Option<u32>]) {
        let mut books = self.lock();
        for &place in places.iter().flatten() {
            let left = books.holders[place as usize] - 1;
            // What nobody holds goes back to the system. If that refuses, the place is not used again.
            let gone = left > 0 || self.map.forget(self.page_of(place)).is_ok();
            books.holders[place as usize] = if gone { left } else { 1 };
        }
    }
}

/// Pages that were moved out of a window, or zeros.
#[derive(Debug)]
pub struct PlainRun {
    memory: Arc<PlainMemory>,
    /// Where on the shelf each page is; zeros are nowhere.
    places: Vec<Option<u32>>,
}

impl Run for PlainRun {
    fn pages(&self) -> usize {
        self.places.len()
    }

    fn part(&self, pages: Range<usize>) -> Self {
        let places = self.places[pages].to_vec();
        self.memory.retain(&places);
        PlainRun { memory: Arc::clone(&self.memory), places }
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        let mut done = 0;
        while done < out.len() {
            let at = offset + done;
            let bytes = (PAGE - at % PAGE).min(out.len() - done);
            let to = &mut out[done..done + bytes];
            match self.places[at / PAGE] {
                None => to.fill(0),
                Some(place) => {
                    let page = self.memory.page_of(place);
                    self.memory.map.read(page * PAGE + at % PAGE, to);
                }
            }
            done += bytes;
        }
    }
}

impl Clone for PlainRun {
    fn clone(&self) -> Self {
        self.part(0..self.places.len())
    }
}

impl Drop for PlainRun {
    fn drop(&mut self) {
        self.memory.release(&self.places);
    }
}

/// A range of this process' private memory, as a [`Space`] from address 0 on. At first all of it is zeros.
///
/// A program may read and write it through [`PlainWindow::address`], but for the time of a call that moves
/// pages: who touches one of those then gets a bus error.
#[derive(Debug)]
pub struct PlainWindow {
    memory: Arc<PlainMemory>,
    pages: Range<usize>,
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
        for (n, _) in run.places.iter().enumerate().filter(|(_, place)| place.is_none()) {
            let shown = memory.map.show_zeros(&memory.uffd, page + n..page + n + 1);
            shown.map_err(|error| system("UFFDIO_ZEROPAGE", at, error))?;
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
