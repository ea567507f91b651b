//! Plain private memory of this process, whose pages change places by `UFFDIO_MOVE` (Linux 6.8): no file
//! stands behind it, and a run of any length moves by one system call each way.
//!
//! A page is in one place at a time, so nothing can be lent here: what is sent is copied, and what is
//! given or delivered is moved.

mod run;
mod window;

pub use run::PlainRun;
pub use window::PlainWindow;

use super::map::Map;
use super::uffd::Uffd;
use crate::SpaceError;
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
        let mut gone = Vec::new();
        for &place in places.iter().flatten() {
            match &mut books.holders[place as usize] {
                1 => gone.push(place),
                holders => *holders -= 1,
            }
        }
        // What nobody holds goes back to the system, neighbours by one call. If that refuses, their places
        // are not used again.
        for run in gone.chunk_by(|a, b| a + 1 == *b) {
            if self.map.forget(self.page_of(run[0]), run.len()).is_ok() {
                run.iter().for_each(|&place| books.holders[place as usize] = 0);
            }
        }
    }
}
