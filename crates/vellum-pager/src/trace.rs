//! Page traces: which pages were referenced, in order.
//!
//! The format is a sequence of little-endian `u32` page numbers and nothing else, so that any tool
//! can write one and simulators of caches can read it.

use crate::policy::{NEVER, next_uses};
use crate::{Error, PAGE};
use std::io::{self, Read, Write};

/// References that a trace may have: 16 GiB of file.
pub const MAX_REFERENCES: u64 = 1 << 32;
/// Different pages that a trace may touch: 64 GiB of memory.
pub const MAX_PAGES: u32 = 1 << 24;

/// References to pages, renumbered in the order of their first appearance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    references: Vec<u32>,
    /// The page number that the trace has for each dense one.
    original: Vec<u32>,
}

impl Trace {
    /// Renumbers page numbers.
    ///
    /// # Errors
    /// When there are more than [`MAX_PAGES`] different ones.
    pub fn new(pages: impl IntoIterator<Item = u32>) -> Result<Self, Error> {
        let mut trace = Trace::default();
        let mut index = Index::new();
        for page in pages {
            let next = trace.original.len() as u32;
            let dense = index.find_or_insert(page, next);
            if dense == next {
                if next == MAX_PAGES {
                    return Err(Error::TraceTooWide { limit: MAX_PAGES });
                }
                trace.original.push(page);
            }
            trace.references.push(dense);
        }
        Ok(trace)
    }

    /// Reads a trace to its end.
    ///
    /// # Errors
    /// When reading fails, the length is no multiple of four, or a limit is passed.
    pub fn read(mut from: impl Read) -> Result<Self, Error> {
        let mut pages = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        let mut kept = 0;
        loop {
            let count = match from.read(&mut buffer[kept..]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::Io { what: "a page trace", source: error }),
            };
            let whole = (kept + count) / 4 * 4;
            let words = buffer[..whole].chunks_exact(4);
            pages.extend(words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])));
            let bytes = pages.len() as u64 * 4 + (kept + count - whole) as u64;
            if pages.len() as u64 > MAX_REFERENCES {
                return Err(Error::TraceTooLong { limit: MAX_REFERENCES });
            }
            if count == 0 {
                if kept != 0 {
                    return Err(Error::TraceCut { bytes });
                }
                return Trace::new(pages);
            }
            buffer.copy_within(whole..kept + count, 0);
            kept = kept + count - whole;
        }
    }

    /// The references, as dense page numbers.
    pub fn references(&self) -> &[u32] {
        &self.references
    }

    /// Different pages.
    pub fn pages(&self) -> u32 {
        self.original.len() as u32
    }

    /// The trace's own number of a dense page.
    pub fn original(&self, page: u32) -> Option<u32> {
        self.original.get(page as usize).copied()
    }

    /// Writes the trace as *oracleGeneral*, which libCacheSim and what is made with it replay. 24 bytes a
    /// reference, little-endian: its number as the time (`u32`), the trace's own page number (`u64`), bytes
    /// of a page (`u32`), and the time of the page's next reference, the first of the trace being 1, or -1
    /// (`i64`). Memory: 4 bytes a reference and a page.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_oracle_general(&self, mut to: impl Write) -> io::Result<()> {
        let next = next_uses(&self.references, self.pages());
        for ((time, &page), &next) in (0_u32..).zip(&self.references).zip(&next) {
            let next = if next == NEVER { -1 } else { i64::from(next) + 1 };
            to.write_all(&time.to_le_bytes())?;
            to.write_all(&u64::from(self.original[page as usize]).to_le_bytes())?;
            to.write_all(&(PAGE as u32).to_le_bytes())?;
            to.write_all(&next.to_le_bytes())?;
        }
        to.flush()
    }

    /// Pages that `percent` of the footprint are; at least one.
    pub fn share(&self, percent: f64) -> u32 {
        ((f64::from(self.pages()) * percent / 100.0) as u32).max(1)
    }
}

/// Page numbers by hash, with open addressing: memory in proportion to what was inserted, whatever
/// the numbers are.
struct Index {
    slots: Vec<(u32, u32)>,
    used: usize,
}

const FREE: u32 = u32::MAX;

impl Index {
    fn new() -> Self {
        Index { slots: vec![(0, FREE); 1024], used: 0 }
    }

    /// The number that `page` has, or gets: `next`.
    fn find_or_insert(&mut self, page: u32, next: u32) -> u32 {
        if self.used * 2 > self.slots.len() {
            let old = std::mem::take(&mut self.slots);
            self.slots = vec![(0, FREE); old.len() * 2];
            for (page, dense) in old.into_iter().filter(|(_, dense)| *dense != FREE) {
                let at = self.place(page);
                self.slots[at] = (page, dense);
            }
        }
        let at = self.place(page);
        if self.slots[at].1 == FREE {
            self.slots[at] = (page, next);
            self.used += 1;
        }
        self.slots[at].1
    }

    /// The page's slot, or the free one where it belongs.
    fn place(&self, page: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = (page.wrapping_mul(0x9E37_79B1) >> 7) as usize & mask;
        while self.slots[at].1 != FREE && self.slots[at].0 != page {
            at = (at + 1) & mask;
        }
        at
    }
}

/// Writes references as they happen.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    to: W,
    last: Option<u32>,
    written: u64,
}

impl<W: Write> Recorder<W> {
    /// Records into `to`; wrap a file in a `BufWriter`.
    pub fn new(to: W) -> Self {
        Recorder { to, last: None, written: 0 }
    }

    /// A page is referenced. The same page twice in a row is written once: no policy can tell.
    ///
    /// # Errors
    /// When writing fails.
    #[inline]
    pub fn reference(&mut self, page: u32) -> io::Result<()> {
        if self.last == Some(page) {
            return Ok(());
        }
        self.last = Some(page);
        self.written += 1;
        self.to.write_all(&page.to_le_bytes())
    }

    /// References written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// When flushing fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_back_densely() {
        let mut recorder = Recorder::new(Vec::new());
        for page in [900, 900, 7, 900, 80_000, 7] {
            recorder.reference(page).unwrap();
        }
        assert_eq!(recorder.written(), 5);
        let bytes = recorder.finish().unwrap();
        let trace = Trace::read(&bytes[..]).unwrap();
        assert_eq!(trace.references(), [0, 1, 0, 2, 1]);
        assert_eq!((trace.pages(), trace.original(2)), (3, Some(80_000)));
        let mut oracle = Vec::new();
        trace.write_oracle_general(&mut oracle).unwrap();
        let field = |at: usize, len: usize| {
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(&oracle[at..at + len]);
            u64::from_le_bytes(bytes)
        };
        let records: Vec<_> = (0..oracle.len())
            .step_by(24)
            .map(|at| (field(at, 4), field(at + 4, 8), field(at + 12, 4), field(at + 16, 8) as i64))
            .collect();
        let want = [(0, 900, 3), (1, 7, 5), (2, 900, -1), (3, 80_000, -1), (4, 7, -1)];
        assert_eq!(records, want.map(|(time, page, next)| (time, page, 4096, next)));
        let cut = Trace::read(&bytes[..bytes.len() - 1]);
        assert!(matches!(cut, Err(Error::TraceCut { bytes: 19 })), "{cut:?}");
    }
}
