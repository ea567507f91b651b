//! The way of a frame back to its pool: edit, flush, release. No step can be left out, because each
//! is made of the one before.

use crate::{Gfn, Gva};
use alloc::vec::Vec;

/// Ranges that are flushed one by one; beyond that, everything is.
const MAX_RANGES: usize = 64;

/// A run of pages that were unmapped: neighbours, mapped to neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRun {
    /// The first page's address.
    pub va: Gva,
    /// Where it was mapped to.
    pub to: Gfn,
    /// How many pages of 4 KiB.
    pub pages: u64,
    /// Their dirty bit.
    pub dirty: bool,
}

/// What processors must forget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invalidation {
    ranges: Vec<(Gva, u64)>,
    everything: bool,
    tables: bool,
}

impl Invalidation {
    /// The ranges, each an address and a number of pages; nothing else need be flushed unless
    /// [`Invalidation::everything`].
    pub fn ranges(&self) -> &[(Gva, u64)] {
        &self.ranges
    }

    /// There are too many ranges to list.
    pub fn everything(&self) -> bool {
        self.everything
    }

    /// Entries that lead to tables changed as well, so that a flush of leaves alone (RISC-V's
    /// `sfence.vma` with an address covers them; AArch64's last-level forms do not) is too little.
    pub fn tables(&self) -> bool {
        self.tables
    }

    /// Nothing needs to be forgotten.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && !self.everything
    }

    fn add(&mut self, va: Gva, pages: u64) {
        if self.everything || pages == 0 {
            return;
        }
        if let Some((first, count)) = self.ranges.last_mut()
            && first.get().wrapping_add(*count << 12) == va.get()
        {
            *count += pages;
        } else if self.ranges.len() == MAX_RANGES {
            self.ranges.clear();
            self.everything = true;
        } else {
            self.ranges.push((va, pages));
        }
    }
}

/// A table, or a tree of them, that no entry leads to any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detached {
    pub table: Gfn,
    pub level: u8,
    /// The first address under it.
    pub va: Gva,
    /// Its pages were unmapped with it; else it was merged into one entry, or is empty.
    pub with_pages: bool,
}

/// What an edit leaves to do: a flush, and then the release of what was unmapped.
#[must_use = "processors still hold what was unmapped; `issue` the flush, then `reclaim`"]
#[derive(Debug, Default)]
pub struct Flush {
    invalidation: Invalidation,
    pub(super) detached: Vec<Detached>,
    pub(super) runs: Vec<PageRun>,
}

impl Flush {
    pub(super) fn invalidate(&mut self, va: Gva, pages: u64) {
        self.invalidation.add(va, pages);
    }

    pub(super) fn detach(&mut self, detached: Detached) {
        self.invalidation.tables = true;
        self.detached.push(detached);
    }

    pub(super) fn run(&mut self, run: PageRun) {
        push_run(&mut self.runs, run);
    }

    /// Adds another edit's work, so that one flush does for both.
    pub fn join(&mut self, other: Flush) {
        if other.invalidation.everything {
            self.invalidation.everything = true;
            self.invalidation.ranges.clear();
        }
        for (va, pages) in other.invalidation.ranges {
            self.invalidation.add(va, pages);
        }
        self.invalidation.tables |= other.invalidation.tables;
        self.detached.extend(other.detached);
        other.runs.into_iter().for_each(|run| self.run(run));
    }

    /// Whether no processor needs to forget anything.
    pub fn is_empty(&self) -> bool {
        self.invalidation.is_empty()
    }

    /// Has `flush` make every processor forget, and returns what may be released then. `flush` is
    /// not called if there is nothing to forget.
    pub fn issue(self, flush: impl FnOnce(&Invalidation)) -> Released {
        if !self.invalidation.is_empty() {
            flush(&self.invalidation);
        }
        Released { detached: self.detached, runs: self.runs }
    }
}

/// Tables and pages that no processor holds any more. Only [`Flush::issue`] makes one, and only
/// [`AddressSpace::reclaim`](super::AddressSpace::reclaim) takes it.
#[must_use = "the tables are lost to their pool until `reclaim` gets them"]
#[derive(Debug)]
pub struct Released {
    pub(super) detached: Vec<Detached>,
    pub(super) runs: Vec<PageRun>,
}

/// Appends a run, or lengthens the last.
pub(super) fn push_run(runs: &mut Vec<PageRun>, run: PageRun) {
    if let Some(last) = runs.last_mut()
        && last.va.get().wrapping_add(last.pages << 12) == run.va.get()
        && last.to.get() + last.pages == run.to.get()
        && last.dirty == run.dirty
    {
        last.pages += run.pages;
    } else {
        runs.push(run);
    }
}
