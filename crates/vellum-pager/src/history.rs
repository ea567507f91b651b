//! What faults were like: distributions, and how often each page came back.
//!
//! Counters say how many faults there were; this says which. Nothing of it depends on a clock: the time is
//! what a store's model says, and distances are counted in faults. So two equal runs have equal histories.

use crate::PageNo;
use std::cmp::Reverse;
use vellum_block::{Duration, Histogram, Values};

/// Of one page.
#[derive(Debug, Clone, Copy)]
struct Past {
    /// Missing pages so far when it left, the one that it made room for among them; [`NEVER`] if it has not
    /// since it was last brought by a fault.
    left: u64,
    /// Faults that brought it back.
    returns: u64,
}

const NEVER: u64 = u64::MAX;

/// Kept by a [`Pager`](crate::Pager) that was made with
/// [`Options::history`](crate::Options::history). Memory: 16 bytes a page, and 120 KiB. A fault costs a look
/// at two pages' entries, and an addition to each distribution.
#[derive(Debug, Clone)]
pub struct History {
    pages: Box<[Past]>,
    store_time: Histogram,
    got: Values,
    put: Values,
    distances: Values,
}

impl History {
    /// Of a space of `pages` pages.
    pub(crate) fn new(pages: u32) -> Self {
        History {
            pages: vec![Past { left: NEVER, returns: 0 }; pages as usize].into(),
            store_time: Histogram::default(),
            got: Values::default(),
            put: Values::default(),
            distances: Values::default(),
        }
    }

    /// The time that the store's model took for a fault, writing what made room included: that of stores
    /// that count virtual time, and zero for others. Faults that failed are not among them.
    pub fn store_time(&self) -> &Histogram {
        &self.store_time
    }

    /// Pages that the store was asked for at once, in a fault or ahead of one.
    pub fn pages_got(&self) -> &Values {
        &self.got
    }

    /// Pages that the store was given at once.
    pub fn pages_put(&self) -> &Values {
        &self.put
    }

    /// How many faults later a page came back that had left: 1 is the very next one. As Linux's refault
    /// distance (`mm/workingset.c`) it says how many pages more would have kept it, had they been given to
    /// those that left last.
    pub fn distances(&self) -> &Values {
        &self.distances
    }

    /// How many faults brought a page back that had left.
    pub fn returns(&self, page: PageNo) -> u64 {
        self.pages.get(page.index()).map_or(0, |past| past.returns)
    }

    /// Up to `most` pages that came back most often, and how often; the lower number first where they came
    /// equally often. Pages that never did are left out. Looks at every page.
    pub fn most_returned(&self, most: usize) -> Vec<(PageNo, u64)> {
        let pages = (0..).map(PageNo::new).zip(&self.pages);
        let mut all: Vec<(PageNo, u64)> = pages
            .filter(|(_, past)| past.returns > 0)
            .map(|(page, past)| (page, past.returns))
            .collect();
        let order = |&(page, returns): &(PageNo, u64)| (Reverse(returns), page);
        if most < all.len() {
            all.select_nth_unstable_by_key(most, order);
            all.truncate(most);
        }
        all.sort_unstable_by_key(order);
        all
    }

    /// Bytes that it takes for the pages.
    pub(crate) fn overhead(&self) -> usize {
        size_of_val(&*self.pages)
    }

    /// The `fault`th missing page was brought, at `cost` picoseconds of the store's time.
    pub(crate) fn brought(&mut self, page: PageNo, fault: u64, cost: u64) {
        self.store_time.record(Duration::from_ps(cost));
        let past = &mut self.pages[page.index()];
        let left = std::mem::replace(&mut past.left, NEVER);
        if left != NEVER {
            past.returns += 1;
            self.distances.record(fault - left);
        }
    }

    /// A page has left, after so many faults.
    pub(crate) fn left(&mut self, page: PageNo, faults: u64) {
        self.pages[page.index()].left = faults;
    }

    /// A page that is absent is another one now: nobody asks for what left.
    pub(crate) fn forget(&mut self, page: PageNo) {
        self.pages[page.index()].left = NEVER;
    }

    pub(crate) fn got(&mut self, pages: usize) {
        self.got.record(pages as u64);
    }

    pub(crate) fn put(&mut self, pages: usize) {
        self.put.record(pages as u64);
    }
}
