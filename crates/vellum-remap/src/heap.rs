//! A space without a machine: reference-counted pages in ordinary memory. What the contract is tried
//! on, and what a program without page tables of its own can use.

use crate::{PAGE, Run, Space, SpaceError};
use std::ops::Range;
use std::sync::Arc;

type Page = Arc<[u8; PAGE]>;

/// Pages from address 0 on. A page that someone else holds is copied when it is written.
#[derive(Debug, Clone)]
pub struct Heap {
    zero: Page,
    pages: Vec<Page>,
    /// Pages copied because they were written while held.
    pub breaks: u64,
}

/// Held pages of a [`Heap`].
#[derive(Debug, Clone)]
pub struct HeapRun(Vec<Page>);

impl Run for HeapRun {
    fn pages(&self) -> usize {
        self.0.len()
    }

    fn part(&self, pages: Range<usize>) -> Self {
        HeapRun(self.0[pages].to_vec())
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        for (at, byte) in (offset..).zip(out.iter_mut()) {
            *byte = self.0[at / PAGE][at % PAGE];
        }
    }
}

impl Heap {
    /// `pages` pages of zeros, all of them one.
    pub fn new(pages: usize) -> Self {
        let zero: Page = Arc::new([0; PAGE]);
        Heap { pages: vec![Arc::clone(&zero); pages], zero, breaks: 0 }
    }

    /// Holders of the frame behind a page, the page itself among them.
    pub fn holders(&self, page: usize) -> usize {
        self.pages.get(page).map_or(0, Arc::strong_count)
    }

    fn range(&self, first: u64, count: usize) -> Result<Range<usize>, SpaceError> {
        let error = SpaceError::NoMemory {
            at: first.saturating_mul(PAGE as u64),
            bytes: (count * PAGE) as u64,
        };
        let first = usize::try_from(first).map_err(|_| error.clone())?;
        match first.checked_add(count) {
            Some(end) if end <= self.pages.len() => Ok(first..end),
            _ => Err(error),
        }
    }

    /// Calls `piece(page, range in it, range of the bytes)` for the pages of a range of bytes.
    fn walk(
        &mut self,
        at: u64,
        bytes: usize,
        mut piece: impl FnMut(&mut Self, usize, usize, Range<usize>),
    ) -> Result<(), SpaceError> {
        let end =
            at.checked_add(bytes as u64).filter(|&end| end <= (self.pages.len() * PAGE) as u64);
        end.ok_or(SpaceError::NoMemory { at, bytes: bytes as u64 })?;
        let mut done = 0;
        while done < bytes {
            let here = at as usize + done;
            let n = (PAGE - here % PAGE).min(bytes - done);
            piece(self, here / PAGE, here % PAGE, done..done + n);
            done += n;
        }
        Ok(())
    }
}

impl Space for Heap {
    type Run = HeapRun;

    fn lend(&mut self, first: u64, count: usize) -> Result<HeapRun, SpaceError> {
        Ok(HeapRun(self.pages[self.range(first, count)?].to_vec()))
    }

    fn settle(&mut self, _first: u64, _run: &HeapRun) {}

    fn exchange(&mut self, first: u64, run: &mut HeapRun) -> Result<(), SpaceError> {
        let range = self.range(first, run.0.len())?;
        self.pages[range].swap_with_slice(&mut run.0);
        Ok(())
    }

    fn zeros(&mut self, count: usize) -> HeapRun {
        HeapRun(vec![Arc::clone(&self.zero); count])
    }

    /// Nobody has a right of an earlier time: every access looks at the page.
    fn publish(&mut self) {}

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), SpaceError> {
        self.walk(at, out.len(), |heap, page, from, to| {
            let bytes = to.len();
            out[to].copy_from_slice(&heap.pages[page][from..from + bytes]);
        })
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), SpaceError> {
        self.walk(at, bytes.len(), |heap, page, to, from| {
            heap.breaks += u64::from(Arc::strong_count(&heap.pages[page]) > 1);
            Arc::make_mut(&mut heap.pages[page])[to..to + from.len()].copy_from_slice(&bytes[from]);
        })
    }
}
