//! Memory whose pages come when they are first touched: lazy restore, and the pull of post-copy.
//!
//! [`Arriving`] is memory that gets its pages by hand. [`Arriving::serve`] makes a [`LazyMemory`] of
//! it: a thread answers page faults (userfaultfd, missing mode) from a [`PageSource`], fetches a
//! recorded working set first, and the rest in the background when it is asked to. Pages that were
//! asked for are the next restore's working set (Ustiugov et al., *Benchmarking, Analysis, and
//! Optimization of Serverless Function Snapshots*, ASPLOS 2021).
//!
//! When the source fails, the pages that are still missing are poisoned: [`LazyMemory::bytes`] gives
//! the reason as an error, and a touch through the raw pointer gets SIGBUS. Nobody waits for a dead
//! source.

#![expect(unsafe_code, reason = "gives out slices of pages that are there")]

mod serve;

use crate::error::Error;
use crate::memory::{Mapping, PAGE};
use crate::store::lock;
use crate::uffd::{self, FEATURE_POISON, Mode, Uffd};
use rustix::fd::OwnedFd;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Why a source could not give a page.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Where missing pages come from.
pub trait PageSource: Send {
    /// Copies page `page` into `out` (a page long). It must return in the end: a link should have a
    /// timeout.
    ///
    /// # Errors
    /// When the page can't be had. It is not asked for again, nor is any other.
    fn read_page(&mut self, page: u64, out: &mut [u8]) -> Result<(), SourceError>;

    /// All pages are there; the source is not needed any more.
    ///
    /// # Errors
    /// When whoever is behind the source can't be told. The memory is whole all the same.
    fn done(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

impl PageSource for crate::checkpoint::Restored {
    fn read_page(&mut self, page: u64, out: &mut [u8]) -> Result<(), SourceError> {
        Ok(Self::read_page(self, page, out)?)
    }
}

/// What is fetched without being touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// These pages first, in this order: a recorded working set.
    pub first: Vec<u64>,
    /// Then all others, while nobody asks for something else.
    pub rest: bool,
}

/// Memory that gets its pages by hand, for now.
#[derive(Debug)]
pub struct Arriving {
    memory: Arc<Mapping>,
    there: Vec<bool>,
}

/// Memory whose pages come when they are touched.
#[derive(Debug)]
pub struct LazyMemory {
    memory: Arc<Mapping>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
    bell: OwnedFd,
}

#[derive(Debug)]
struct Board {
    there: Vec<bool>,
    missing: u64,
    /// Asked for by [`LazyMemory::bytes`].
    wanted: VecDeque<u64>,
    /// Pages that somebody touched, in their order.
    touched: Vec<u64>,
    failed: Option<String>,
    stop: bool,
}

impl Arriving {
    /// Memory of `pages` pages, none of which is there. Cost: no page.
    ///
    /// # Errors
    /// When the kernel refuses the memory.
    pub fn new(pages: u64) -> Result<Self, Error> {
        let failed = |source| Error::Memory { what: "mapping memory", source };
        let count = usize::try_from(pages).ok().filter(|pages| *pages <= usize::MAX / PAGE / 2);
        let count = count.ok_or_else(|| failed(std::io::ErrorKind::OutOfMemory.into()))?;
        let memory = Arc::new(Mapping::new(count * PAGE).map_err(failed)?);
        Ok(Self { memory, there: vec![false; count] })
    }

    /// Puts a page into place; the newest counts. Pages past the end are passed over.
    pub fn put(&mut self, page: u64, bytes: &[u8]) {
        let Some(there) = usize::try_from(page).ok().and_then(|at| self.there.get_mut(at)) else {
            return;
        };
        *there = true;
        let at = page as usize * PAGE;
        // SAFETY: `self` is borrowed for writing, and no slice of the memory is ever given out.
        unsafe { self.memory.slice_mut(at..at + PAGE) }.copy_from_slice(&bytes[..PAGE]);
    }

    /// Forgets a page that was put into place: a newer one is still at the source.
    pub fn forget(&mut self, page: u64) {
        if let Some(there) = usize::try_from(page).ok().and_then(|at| self.there.get_mut(at))
            && std::mem::take(there)
        {
            let at = page as usize * PAGE;
            // SAFETY: as in `put`.
            let done = unsafe { self.memory.discard(at..at + PAGE) };
            // It would not be missing to the kernel, and its old bytes would be taken for new.
            assert!(done.is_ok(), "the kernel keeps a page that was given back");
        }
    }

    /// From here on missing pages come from `source` when they are touched.
    ///
    /// # Errors
    /// When userfaultfd can't be had, or a thread.
    pub fn serve(
        self,
        source: impl PageSource + 'static,
        fetch: Fetch,
    ) -> Result<LazyMemory, Error> {
        let failed = |source| Error::Memory { what: "userfaultfd for missing pages", source };
        let uffd = Uffd::new(&self.memory, FEATURE_POISON, Mode::Missing)
            .or_else(|_| Uffd::new(&self.memory, 0, Mode::Missing))
            .map_err(failed)?;
        let missing = self.there.iter().filter(|there| !**there).count() as u64;
        let board = Board {
            there: self.there,
            missing,
            wanted: VecDeque::new(),
            touched: Vec::new(),
            failed: None,
            stop: false,
        };
        let bell = uffd::bell().map_err(failed)?;
        let shared = Arc::new(Shared { board: Mutex::new(board), changed: Condvar::new(), bell });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("vellum-pages".to_owned())
            .spawn(move || serve::run(&uffd, &theirs, source, fetch))
            .map_err(failed)?;
        Ok(LazyMemory { memory: self.memory, shared, thread: Some(thread) })
    }
}

/// Why bytes can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LazyError {
    /// The source failed before these pages were there.
    #[error("page {page} can't be had: the source failed: {why}")]
    Source {
        /// The first page that isn't there.
        page: u64,
        /// What the source said.
        why: String,
    },
    /// The range is not in the memory.
    #[error("bytes {}..{} of a memory of {len}", asked.start, asked.end)]
    OutOfRange {
        /// The range that was asked for.
        asked: Range<usize>,
        /// Bytes of the memory.
        len: usize,
    },
}

impl LazyMemory {
    /// Bytes of the memory.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether it has no pages.
    pub fn is_empty(&self) -> bool {
        self.memory.len() == 0
    }

    /// The bytes of `range`, once its pages are there.
    ///
    /// # Errors
    /// When the source fails before, or the range is past the end.
    pub fn bytes(&self, range: Range<usize>) -> Result<&[u8], LazyError> {
        self.ensure(&range)?;
        // SAFETY: all pages of the range are there, so the serving thread writes to none of them,
        // and writing takes `&mut self`.
        Ok(unsafe { self.memory.slice(range) })
    }

    /// As [`LazyMemory::bytes`], to write to.
    ///
    /// # Errors
    /// As [`LazyMemory::bytes`].
    pub fn bytes_mut(&mut self, range: Range<usize>) -> Result<&mut [u8], LazyError> {
        self.ensure(&range)?;
        // SAFETY: as above, and `self` is borrowed for writing.
        Ok(unsafe { self.memory.slice_mut(range) })
    }

    /// The first byte, for code that knows nothing of this type. Whoever touches a missing page
    /// waits until it is there, and gets SIGBUS when the source has failed.
    pub fn as_ptr(&self) -> *mut u8 {
        self.memory.base().as_ptr()
    }

    fn ensure(&self, range: &Range<usize>) -> Result<(), LazyError> {
        let len = self.memory.len();
        if range.start > range.end || range.end > len {
            return Err(LazyError::OutOfRange { asked: range.clone(), len });
        }
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        let mut board = lock(&self.shared.board);
        let lacking = |board: &Board| pages.clone().find(|page| !board.there[*page]);
        if lacking(&board).is_none() {
            return Ok(());
        }
        let missing = pages.clone().filter(|page| !board.there[*page]).map(|page| page as u64);
        let missing: Vec<u64> = missing.collect();
        board.wanted.extend(missing);
        uffd::ring(&self.shared.bell);
        while let Some(page) = lacking(&board) {
            if let Some(why) = &board.failed {
                return Err(LazyError::Source { page: page as u64, why: why.clone() });
            }
            board = self.shared.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Pages that are not there yet.
    pub fn missing(&self) -> u64 {
        lock(&self.shared.board).missing
    }

    /// Why the source failed, if it has.
    pub fn failure(&self) -> Option<String> {
        lock(&self.shared.board).failed.clone()
    }

    /// The pages that were touched before they were there, in the order of their first touch:
    /// what to fetch first next time.
    pub fn working_set(&self) -> Vec<u64> {
        lock(&self.shared.board).touched.clone()
    }

    /// Returns when all pages are there; they have to be asked for ([`Fetch::rest`]).
    ///
    /// # Errors
    /// When the source fails before.
    pub fn wait(&self) -> Result<(), LazyError> {
        self.ensure(&(0..self.memory.len()))
    }
}

impl Drop for LazyMemory {
    fn drop(&mut self) {
        lock(&self.shared.board).stop = true;
        uffd::ring(&self.shared.bell);
        if let Some(thread) = self.thread.take() {
            // The thread catches what its source panics with.
            let _ = thread.join();
        }
    }
}
