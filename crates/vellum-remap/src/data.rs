//! Bytes on their way: held pages where pages were whole, copies elsewhere.

use crate::{PAGE, Run};
use core::ops::Range;

/// A part of the data.
#[derive(Debug, Clone)]
pub enum Part<R> {
    /// Whole pages.
    Pages(R),
    /// Copied bytes.
    Bytes(Vec<u8>),
}

impl<R: Run> Part<R> {
    /// Bytes of the part.
    pub fn bytes(&self) -> usize {
        match self {
            Part::Pages(run) => run.pages() * PAGE,
            Part::Bytes(bytes) => bytes.len(),
        }
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        match self {
            Part::Pages(run) => run.read(offset, out),
            Part::Bytes(bytes) => out.copy_from_slice(&bytes[offset..offset + out.len()]),
        }
    }
}

/// Parts, one behind the other.
#[derive(Debug, Clone)]
pub struct Data<R> {
    parts: Vec<Part<R>>,
    bytes: usize,
}

impl<R> Default for Data<R> {
    fn default() -> Self {
        Data { parts: Vec::new(), bytes: 0 }
    }
}

impl<R: Run> Data<R> {
    /// None yet.
    pub fn new() -> Self {
        Data::default()
    }

    /// These bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let mut data = Data::new();
        data.push(Part::Bytes(bytes));
        data
    }

    /// Appends a part; one without bytes leaves no trace.
    pub fn push(&mut self, part: Part<R>) {
        let bytes = part.bytes();
        if bytes > 0 {
            self.bytes += bytes;
            self.parts.push(part);
        }
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[Part<R>] {
        &self.parts
    }

    /// Bytes of all.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Bytes that lie in held pages.
    pub fn paged(&self) -> usize {
        self.paged_in(0..self.bytes)
    }

    /// Bytes of a range that lie in held pages.
    pub fn paged_in(&self, range: Range<usize>) -> usize {
        let (mut start, mut paged) = (0, 0);
        for part in &self.parts {
            let end = start + part.bytes();
            if matches!(part, Part::Pages(_)) {
                paged += range.end.min(end).saturating_sub(range.start.max(start));
            }
            start = end;
        }
        paged
    }

    /// Copies bytes out; as many as there are from `offset` on.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> usize {
        let (mut skip, mut done) = (offset, 0);
        for part in &self.parts {
            let bytes = part.bytes();
            if skip >= bytes {
                skip -= bytes;
                continue;
            }
            let n = (bytes - skip).min(out.len() - done);
            part.read(skip, &mut out[done..done + n]);
            (skip, done) = (0, done + n);
            if done == out.len() {
                break;
            }
        }
        done
    }

    /// All bytes, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = vec![0; self.bytes];
        self.read(0, &mut out);
        out
    }

    /// The held pages at `offset`, as many of `pages` as stand there in one run; `None` where they
    /// do not start there.
    pub fn pages_at(&self, offset: usize, pages: usize) -> Option<R> {
        let mut start = 0;
        for part in &self.parts {
            let end = start + part.bytes();
            if offset < end {
                let Part::Pages(run) = part else { return None };
                let inside = offset.checked_sub(start)?;
                let first = inside / PAGE;
                let count = pages.min(run.pages() - first);
                return (inside.is_multiple_of(PAGE) && count > 0)
                    .then(|| run.part(first..first + count));
            }
            start = end;
        }
        None
    }
}
