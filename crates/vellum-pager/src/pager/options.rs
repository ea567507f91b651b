//! What a pager is made with.

use crate::Error;
use crate::policy::{self, Policy};

/// How a [`Pager`](crate::Pager) behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Pages of the space.
    pub pages: u32,
    /// Pages that may be present at once.
    pub quota: u32,
    /// The policy, one of [`policy::NAMES`].
    pub policy: String,
    /// Pages that are evicted at once when room is needed. More make fewer, larger writes; one gives
    /// the fewest misses.
    pub batch: u32,
    /// [`Pager::balance`](crate::Pager::balance) evicts when fewer than this are free…
    pub free_low: u32,
    /// …until this many are.
    pub free_high: u32,
    /// It writes back when more than this are dirty…
    pub dirty_high: u32,
    /// …until no more than this are.
    pub dirty_low: u32,
    /// Pages whose stored content is kept beside them while they are dirty, so that only changed
    /// lines are written back (the twins of Keleher et al., *TreadMarks*, 1994): 4 KiB each.
    pub twins: u32,
    /// Whether the store already holds the space, as a file does that is being opened: a page that
    /// was never put is asked for.
    pub existing: bool,
    /// Times that a failed read is tried again.
    pub retries: u32,
    /// One page in `2^n` is looked at for the miss-ratio curve; `None` keeps none.
    pub curve: Option<u32>,
    /// Whether a [`History`](crate::History) is kept.
    pub history: bool,
}

impl Options {
    /// A space of `pages` pages of which `quota` may be present, with the default policy.
    pub fn new(pages: u32, quota: u32) -> Self {
        Options {
            pages,
            quota,
            policy: policy::NAMES[0].into(),
            batch: 1,
            free_low: 0,
            free_high: 0,
            dirty_high: u32::MAX,
            dirty_low: u32::MAX,
            twins: 0,
            existing: false,
            retries: 2,
            curve: None,
            history: false,
        }
    }

    pub(super) fn check(&self) -> Result<Box<dyn Policy>, Error> {
        let wrong = |field, value: u32, why| Error::Option { field, value: value.into(), why };
        if self.quota == 0 {
            return Err(wrong("quota", 0, "a space needs a page"));
        }
        if self.pages > MAX_PAGES {
            return Err(wrong("pages", self.pages, "a pager has at most 2^30"));
        }
        if self.batch == 0 || self.batch > self.quota {
            return Err(wrong("batch", self.batch, "not between 1 and the quota"));
        }
        if self.free_low > self.free_high || self.free_high >= self.quota {
            return Err(wrong("free_high", self.free_high, "not from free_low to below the quota"));
        }
        if self.dirty_low > self.dirty_high {
            return Err(wrong("dirty_low", self.dirty_low, "above dirty_high"));
        }
        policy::by_name(&self.policy, self.pages, self.quota)
            .ok_or_else(|| wrong("policy", 0, "there is no policy of that name"))
    }
}

/// The most pages of a space: 4 TiB.
pub const MAX_PAGES: u32 = 1 << 30;
