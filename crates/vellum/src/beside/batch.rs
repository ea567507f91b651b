//! A batch: some pages of a machine as the scavenger's thread sees them, and what it wants done to them.

use std::sync::Arc;
use vellum_frames::FramePool;
use vellum_scavenger::{Backing, Busy, Look, PageSet, Withhold};

/// A page of a batch.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) number: u64,
    pub(super) seen: Look,
    /// What is to be put behind it, with the reference that is the page's then.
    pub(super) instead: Option<Backing>,
    pub(super) withhold_writes: bool,
    pub(super) withhold_all: bool,
}

/// Some pages of a machine, in the hands of the scavenger's thread.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) pool: Arc<FramePool>,
    /// Of the whole set.
    pub(super) pages: u64,
    pub(super) epoch: u64,
    /// In ascending order.
    pub(super) at_hand: Vec<Page>,
}

impl Page {
    pub(super) fn new(number: u64, seen: Look) -> Self {
        Page { number, seen, instead: None, withhold_writes: false, withhold_all: false }
    }

    /// Whether there is something to be done to it.
    pub(super) fn changes(&self) -> bool {
        self.instead.is_some() || self.withhold_writes || self.withhold_all
    }
}

impl Batch {
    fn find(&self, page: u64) -> Option<&Page> {
        let at = self.at_hand.binary_search_by_key(&page, |page| page.number).ok()?;
        self.at_hand.get(at)
    }

    fn find_mut(&mut self, page: u64) -> Option<&mut Page> {
        let at = self.at_hand.binary_search_by_key(&page, |page| page.number).ok()?;
        self.at_hand.get_mut(at)
    }
}

impl PageSet for Batch {
    fn pages(&self) -> u64 {
        self.pages
    }

    /// It was opened by the owner, when the batch was handed over.
    fn open_epoch(&mut self) -> u64 {
        self.epoch
    }

    fn at_hand(&self, page: u64) -> bool {
        self.find(page).is_some()
    }

    fn look(&self, page: u64) -> Look {
        let Some(page) = self.find(page) else { return Look::Busy(Busy::Elsewhere) };
        match (page.instead, page.seen) {
            (Some(Backing::Frame(frame)), Look::Frame { written, .. }) => {
                Look::Frame { frame, written }
            }
            (Some(Backing::Packed(object)), _) => Look::Packed(object),
            (_, seen) => seen,
        }
    }

    fn withhold(&mut self, page: u64, what: Withhold) {
        let Some(page) = self.find_mut(page) else { return };
        match what {
            Withhold::Write => page.withhold_writes = true,
            Withhold::All => page.withhold_all = true,
        }
    }

    fn replace(&mut self, page: u64, with: Backing) -> Backing {
        let pool = Arc::clone(&self.pool);
        let Some(page) = self.find_mut(page) else { return with };
        page.withhold_all = false;
        match (page.instead.replace(with), page.seen) {
            (Some(before), _) => before,
            // The table has its reference until the owner is there.
            (None, Look::Frame { frame, .. }) => {
                pool.retain(frame);
                Backing::Frame(frame)
            }
            (None, Look::Packed(object)) => {
                debug_assert!(false, "only pages with frames are replaced");
                Backing::Packed(object)
            }
            (None, Look::Busy(_)) => {
                page.instead = None;
                with
            }
        }
    }
}
