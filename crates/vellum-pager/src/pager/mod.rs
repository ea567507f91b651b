//! The pager: faults in, pages out, between a space and a store.

mod counters;
mod evict;
mod fault;
mod known;
mod limits;
mod options;
mod reading;
mod rights;
mod versions;
mod writeback;

use known::{Known, flag};

pub use counters::Counters;
pub use options::{MAX_PAGES, Options};
pub use versions::Stands;

use crate::curve::MissRatioCurve;
use crate::history::History;
use crate::names::Names;
use crate::policy::Policy;
use crate::prefetch::Prefetch;
use crate::pressure::Pressure;
use crate::rules::Rules;
use crate::store::{PageStore, Traffic};
use crate::{Error, Page, PageNo};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use vellum_translate::Access;
use vellum_translate::host::Token;

/// What became of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// The page was brought.
    Brought,
    /// The page is there, full of zeros.
    Zero,
    /// The page was there; it may be written now, if that was asked.
    Present,
}

/// Pages a space: brings what is missing, evicts what is least needed, writes back what changed.
///
/// It has no thread, no clock and no operating system: a fault source calls it, with the space that
/// the fault was in. Decisions depend on the calls alone, so two runs are one run.
#[derive(Debug)]
pub struct Pager {
    options: Options,
    policy: Box<dyn Policy>,
    store: Box<dyn PageStore>,
    prefetch: Box<dyn Prefetch>,
    rules: Rules,
    names: Option<Arc<Names>>,
    /// What the entries of pages that are [`flag::OLDER`] name.
    older: BTreeMap<u32, Token>,
    known: Box<[Known]>,
    pins: BTreeMap<u32, u32>,
    /// Dirty pages in the order in which they became so, each once; those that are clean again are
    /// dropped when they come up.
    dirty: VecDeque<u32>,
    /// Dirty pages that somebody held when their turn came.
    held: VecDeque<u32>,
    dirty_count: u32,
    twins: BTreeMap<u32, Box<Page>>,
    curve: Option<MissRatioCurve>,
    pressure: Pressure,
    history: Option<Box<History>>,
    /// References to present pages since the last fault.
    hits: u64,
    counters: Counters,
    /// Missing pages in order, while they are being recorded.
    record: Option<Vec<PageNo>>,
    /// Scratch of a fault: what comes along, and what goes.
    wanted: Vec<PageNo>,
    victims: Vec<PageNo>,
    /// Scratch of pages that leave, for a space that copies them.
    room: Vec<Page>,
}

impl Pager {
    /// A pager over `store`; every page is absent.
    ///
    /// # Errors
    /// When an option is not possible.
    pub fn new(options: Options, store: Box<dyn PageStore>) -> Result<Self, Error> {
        let policy = options.check()?;
        let flags = if options.existing { flag::FOREIGN } else { 0 };
        let pages = options.pages as usize;
        Ok(Pager {
            policy,
            store,
            prefetch: Box::new(()),
            rules: Rules::default(),
            names: None,
            older: BTreeMap::new(),
            known: vec![Known { flags, sum: 0 }; pages].into(),
            pins: BTreeMap::new(),
            dirty: VecDeque::new(),
            held: VecDeque::new(),
            dirty_count: 0,
            twins: BTreeMap::new(),
            curve: options.curve.map(|shift| MissRatioCurve::new(options.pages, shift)),
            pressure: Pressure::default(),
            history: options.history.then(|| Box::new(History::new(options.pages))),
            hits: 0,
            counters: Counters::default(),
            record: None,
            wanted: Vec::new(),
            victims: Vec::new(),
            room: Vec::new(),
            options,
        })
    }

    /// Replaces the policy, which must have been made for as many pages, and hold none.
    pub fn with_policy(mut self, policy: Box<dyn Policy>) -> Self {
        self.policy = policy;
        self
    }

    /// Sets what is prefetched.
    pub fn with_prefetch(mut self, prefetch: Box<dyn Prefetch>) -> Self {
        self.prefetch = prefetch;
        self
    }

    /// Sees to it that kept roots of host tables find the content that they name: see [`Names`].
    pub fn with_names(mut self, names: Arc<Names>) -> Self {
        self.names = Some(names);
        self
    }

    /// The names that it was given.
    pub fn names(&self) -> Option<&Arc<Names>> {
        self.names.as_ref()
    }

    /// Pages of the space.
    pub fn pages(&self) -> u32 {
        self.options.pages
    }

    /// Pages that are present.
    pub fn present(&self) -> u32 {
        self.policy.len()
    }

    /// Whether a page is present.
    pub fn is_present(&self, page: PageNo) -> bool {
        self.has(page, flag::PRESENT)
    }

    /// Whether `access` to a page goes through without a fault.
    pub fn may(&self, page: PageNo, access: Access) -> bool {
        let state = self.flags(page);
        let there = state & flag::PRESENT != 0;
        match access {
            Access::Store => there && state & flag::DIRTY != 0 && state & flag::PROTECTED == 0,
            Access::Load | Access::Fetch => there,
        }
    }

    /// Whether an access to the page has failed for good: only [`Pager::removed`] makes it usable
    /// again, as zeros.
    pub fn is_lost(&self, page: PageNo) -> bool {
        self.has(page, flag::LOST)
    }

    /// Notes that a page was made unusable for those who touch it.
    #[cfg(target_os = "linux")]
    pub(crate) fn mark_lost(&mut self, page: PageNo) {
        self.known[page.index()].flags |= flag::LOST;
    }

    /// Pages that may differ from what the store has.
    pub fn dirty(&self) -> u32 {
        self.dirty_count
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What went through the store.
    pub fn traffic(&self) -> Traffic {
        self.store.traffic()
    }

    /// The store, to look at.
    pub fn store(&self) -> &dyn PageStore {
        &*self.store
    }

    /// The policy, to look at.
    pub fn policy(&self) -> &dyn Policy {
        &*self.policy
    }

    /// How much too small memory is.
    pub fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// The miss-ratio curve, if one is kept.
    pub fn curve(&self) -> Option<&MissRatioCurve> {
        self.curve.as_ref()
    }

    /// What faults were like, if that is kept.
    pub fn history(&self) -> Option<&History> {
        self.history.as_deref()
    }

    /// From here on, missing pages are noted down in order.
    pub fn start_record(&mut self) {
        self.record = Some(Vec::new());
    }

    /// The missing pages since [`Pager::start_record`], for [`Recorded`](crate::prefetch::Recorded).
    pub fn take_record(&mut self) -> Vec<PageNo> {
        self.record.take().unwrap_or_default()
    }

    /// Bytes of bookkeeping beside pages and store, without the policy's.
    pub fn overhead(&self) -> usize {
        self.known.len() * size_of::<Known>()
            + (self.dirty.capacity() + self.held.capacity()) * 4
            + self.twins.len() * size_of::<Page>()
            + self.history.as_ref().map_or(0, |history| history.overhead())
    }

    /// A present page is referenced, as far as anybody can see it. Costs a step of the policy.
    #[inline]
    pub fn touch(&mut self, page: PageNo) {
        let state = self.known[page.index()].flags;
        if state & flag::PRESENT == 0 {
            return;
        }
        self.hits += 1;
        self.policy.touch(page.get());
        if state & flag::AHEAD != 0 {
            self.known[page.index()].flags &= !flag::AHEAD;
            self.counters.prefetch_used += 1;
            self.prefetch.used(page);
        }
        if let Some(curve) = &mut self.curve {
            curve.reference(page.get());
        }
    }

    /// A page is present that this pager has not brought: somebody else filled it. It counts as
    /// dirty.
    pub fn adopt(&mut self, page: PageNo) {
        if self.is_present(page) {
            self.touch(page);
            return;
        }
        self.arrive(page, true);
    }

    fn check(&self, page: PageNo) -> Result<(), Error> {
        let pages = self.options.pages;
        if page.get() < pages { Ok(()) } else { Err(Error::Outside { page, pages }) }
    }

    /// What is known of a page; nothing of one that is not of the space.
    fn flags(&self, page: PageNo) -> u16 {
        self.known.get(page.index()).map_or(0, |known| known.flags)
    }

    fn has(&self, page: PageNo, flags: u16) -> bool {
        self.flags(page) & flags != 0
    }

    /// A page has come into the space.
    fn arrive(&mut self, page: PageNo, dirty: bool) {
        let state = &mut self.known[page.index()].flags;
        *state |= flag::PRESENT | flag::BEFORE;
        self.policy.admit(page.get());
        if dirty {
            self.mark_dirty(page);
        }
    }

    fn mark_dirty(&mut self, page: PageNo) {
        let state = &mut self.known[page.index()].flags;
        if *state & flag::DIRTY == 0 {
            if *state & flag::QUEUED == 0 {
                self.dirty.push_back(page.get());
            }
            *state |= flag::DIRTY | flag::QUEUED;
            self.dirty_count += 1;
        }
    }

    /// The page is as the store has it, or is no more.
    fn mark_clean(&mut self, page: PageNo) {
        let state = &mut self.known[page.index()].flags;
        if *state & flag::DIRTY != 0 {
            *state &= !flag::DIRTY;
            self.dirty_count -= 1;
            self.twins.remove(&page.get());
        }
    }
}

/// A fault's access, as the rules and the pager see it.
fn is_write(access: Access) -> bool {
    access == Access::Store
}

#[cfg(test)]
mod tests;
