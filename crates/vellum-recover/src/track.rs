//! Which pages of process memory were written? Three ways, the best that works is taken.
//!
//! 1. *userfaultfd in asynchronous write-protect mode and `PAGEMAP_SCAN`* (Linux 6.7): the kernel
//!    resolves the first write to a page by itself; one call lists the written pages and protects
//!    them again.
//! 2. *`mprotect` and a SIGSEGV handler*: one signal for the first write to a page.
//! 3. *Page hashes*: BLAKE3 of every page, compared. No cost to writes, a pass over all memory a
//!    collection.

use crate::error::Error;
use crate::memory::{Mapping, PAGE};
use shared::Way;
pub(crate) use shared::{Listed, Shared};
use std::ops::Range;
use std::sync::Arc;

mod fault;
mod shared;
mod uffd;

/// How written pages are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// userfaultfd, asynchronous write protection, `PAGEMAP_SCAN`.
    WriteProtect,
    /// `mprotect` and SIGSEGV.
    Fault,
    /// A hash of every page.
    Hash,
}

impl Capture {
    /// A name for statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::WriteProtect => "userfaultfd write-protect + PAGEMAP_SCAN",
            Self::Fault => "mprotect + SIGSEGV",
            Self::Hash => "page hashes",
        }
    }
}

/// Memory whose written pages are known.
#[derive(Debug)]
pub struct Tracked {
    shared: Arc<Shared>,
}

impl Tracked {
    /// Maps `len` bytes (rounded up to pages) of zeros and begins to track them, in the way that is
    /// asked for or the best that works here.
    ///
    /// # Errors
    /// When memory can't be had, or the asked way doesn't work on this kernel.
    pub fn new(len: usize, capture: Option<Capture>) -> Result<Self, Error> {
        let memory =
            Mapping::new(len).map_err(|source| Error::Memory { what: "mapping memory", source })?;
        Self::of(Arc::new(memory), capture)
    }

    pub(crate) fn of(memory: Arc<Mapping>, capture: Option<Capture>) -> Result<Self, Error> {
        let way = match capture {
            Some(capture) => Self::way(&memory, capture)?,
            None => [Capture::WriteProtect, Capture::Fault]
                .into_iter()
                .find_map(|capture| Self::way(&memory, capture).ok())
                .map_or_else(|| Self::way(&memory, Capture::Hash), Ok)?,
        };
        Ok(Self { shared: Arc::new(Shared::new(way, memory)) })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn way(memory: &Arc<Mapping>, capture: Capture) -> Result<Way, Error> {
        let failed = |source| Error::Memory { what: capture.name(), source };
        Ok(match capture {
            Capture::WriteProtect => Way::WriteProtect(uffd::Tracker::new(memory).map_err(failed)?),
            Capture::Fault => Way::Fault(fault::Tracker::new(memory).map_err(failed)?),
            Capture::Hash => Way::Hash(hashes(memory)),
        })
    }

    /// How written pages are found.
    pub fn capture(&self) -> Capture {
        self.shared.capture()
    }

    /// The memory.
    #[expect(unsafe_code, reason = "the one owner's view of its mapping")]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: writing needs `&mut self`, which can't be had while this slice lives. Who shares the
        // mapping reads it by way of the kernel, and never writes.
        unsafe { self.shared.memory().slice(0..self.shared.memory().len()) }
    }

    /// The memory, to write to.
    #[expect(unsafe_code, reason = "the one owner's view of its mapping")]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `self` is borrowed for writing, so there is no other slice of the mapping.
        unsafe { self.shared.memory().slice_mut(0..self.shared.memory().len()) }
    }

    /// The pages written since the last call (or the beginning), as runs of page numbers; tracking
    /// begins anew. Cost: one system call a 4096 runs, a call a run, or a hash a page.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, Error> {
        Ok(self.shared.take(true)?.runs)
    }

    /// As [`Tracked::take_dirty`], for a pause: where tracking can begin anew later
    /// ([`Shared::arm_after`]), it does, because that is most of the cost.
    pub(crate) fn list_in_pause(&mut self) -> Result<Listed, Error> {
        self.shared.list_in_pause()
    }
}

#[expect(unsafe_code, reason = "reads tracked memory between the owner's writes")]
fn hashes(memory: &Mapping) -> Vec<[u8; 32]> {
    // SAFETY: called while the tracker, which owns the memory, is borrowed for writing or being
    // made, so nobody writes.
    let bytes = unsafe { memory.slice(0..memory.len()) };
    bytes.chunks_exact(PAGE).map(|page| *blake3::hash(page).as_bytes()).collect()
}

/// Ascending numbers as runs.
pub(crate) fn runs(numbers: impl Iterator<Item = u64>) -> Vec<Range<u64>> {
    let mut out: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match out.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => out.push(number..number + 1),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirty(tracked: &mut Tracked) -> Vec<u64> {
        tracked.take_dirty().unwrap().into_iter().flatten().collect()
    }

    #[test]
    fn every_way_lists_exactly_the_written_pages() {
        for capture in [Capture::WriteProtect, Capture::Fault, Capture::Hash] {
            let Ok(mut tracked) = Tracked::new(300 * PAGE, Some(capture)) else {
                assert_ne!(capture, Capture::Hash, "hashes work everywhere");
                continue;
            };
            assert_eq!(tracked.capture(), capture);
            assert_eq!(dirty(&mut tracked), [0_u64; 0], "{capture:?}");
            for page in [0, 5, 6, 299] {
                tracked.bytes_mut()[page * PAGE + 17] = 1;
            }
            assert_eq!(dirty(&mut tracked), [0, 5, 6, 299], "{capture:?}");
            assert_eq!(dirty(&mut tracked), [0_u64; 0], "{capture:?}");
            for page in (0..300).step_by(2) {
                tracked.bytes_mut()[page * PAGE] = 7;
            }
            let expected: Vec<u64> = (0..300).step_by(2).collect();
            assert_eq!(dirty(&mut tracked), expected, "{capture:?}");
            assert_eq!(tracked.bytes()[5 * PAGE + 17], 1);
        }
    }

    #[test]
    fn the_best_way_is_taken_when_none_is_asked_for() {
        let tracked = Tracked::new(PAGE, None).unwrap();
        let best = [Capture::WriteProtect, Capture::Fault, Capture::Hash]
            .into_iter()
            .find(|capture| Tracked::new(PAGE, Some(*capture)).is_ok());
        assert_eq!(Some(tracked.capture()), best);
    }
}
