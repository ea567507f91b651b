//! The scavenger itself: sets of pages, looked at in turn.

mod ahead;
mod check;
mod conceal;
mod detect;
mod lookup;
mod lottery;
mod measure;
mod objects;
mod reclaim;
mod restore;
mod ripen;
mod sets;
mod sketch;
mod tidy;
mod vault;
mod visit;

use crate::content::{Page, PageKey};
use crate::index::{HashIndex, Similar};
use crate::refaults::Control;
use crate::report::{Class, Counters, Metadata, Report, Tally};
use crate::store::Spill;
use crate::{Domain, Error, PageSet, Policy, SetId, SharedScavenger};
pub use check::{Broken, Check};
pub use restore::Kept;

use ahead::Ahead;
use lottery::Lottery;
use sets::Set;
use std::collections::BTreeMap;
use std::sync::Arc;
use vault::Vault;
use vellum_frames::{FramePool, PAGE_SIZE};
use visit::Marks;

/// How a scavenger works.
#[derive(Debug)]
pub struct Options {
    /// When what is done.
    pub policy: Policy,
    /// The key of all hashes. Choose it at random where guests are hostile, and keep it where a run
    /// must replay.
    pub key: u64,
    /// Entries of the index of similar content for each page of memory: 4 bytes each.
    pub similar_per_page: f64,
    /// Spare frames among which concealed pages are placed at random.
    pub lottery: usize,
    /// Where packed pages go when the store is full.
    pub spill: Option<Box<dyn Spill>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            policy: Policy::default(),
            key: 0x5ca7_e26e_7000_0001,
            similar_per_page: 1.0,
            lottery: 256,
            spill: None,
        }
    }
}

/// How a set's pages are treated.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Pages are shared as soon as they are equal; a write copies.
    #[default]
    Share,
    /// Every candidate, shared or not, loses all its rights, moves to a frame at a random place, and
    /// is copied on any access: neither the time of an access nor a frame's place tells whether a
    /// page was merged (VUsion).
    Conceal,
}

/// What one call of [`Scavenger::step`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The work allowed is done; the pass goes on with the next call.
    More,
    /// Every page of the set was looked at since the pass began.
    Done,
}

/// Finds what pages have in common, packs them, and brings them back.
///
/// Not a thread by itself: [`Scavenger::step`] does a bounded amount of work, from whichever thread
/// and at whatever time the caller chooses.
#[derive(Debug)]
pub struct Scavenger {
    vault: Vault,
    policy: Policy,
    key: u64,
    keys: BTreeMap<Domain, PageKey>,
    /// How each domain's pages are treated.
    modes: BTreeMap<Domain, Mode>,
    similar_per_page: f64,
    sets: Vec<Option<Set>>,
    index: HashIndex,
    similar: Similar,
    ahead: Ahead,
    lottery: Lottery,
    lottery_size: u64,
    page: Box<Page>,
    other: Box<Page>,
    /// The next object to tidy.
    tidy_at: u32,
    /// Objects in frames that this round has come across.
    in_frames: usize,
    counters: Counters,
}

impl Scavenger {
    /// A scavenger for pages whose frames are of `pool`.
    pub fn new(pool: Arc<FramePool>, options: Options) -> Self {
        Scavenger {
            vault: Vault::new(pool, options.policy.level, options.spill),
            policy: options.policy,
            key: options.key,
            keys: BTreeMap::new(),
            modes: BTreeMap::new(),
            similar_per_page: options.similar_per_page.clamp(0.0, 64.0),
            sets: Vec::new(),
            index: HashIndex::default(),
            similar: Similar::default(),
            ahead: Ahead::default(),
            lottery: Lottery::new(options.lottery, options.key),
            lottery_size: options.lottery as u64,
            page: Box::new([0; PAGE_SIZE]),
            other: Box::new([0; PAGE_SIZE]),
            tidy_at: 0,
            in_frames: 0,
            counters: Counters::default(),
        }
    }

    /// For several owners of pages, each on its own thread.
    pub fn shared(self) -> SharedScavenger {
        Arc::new(parking_lot::Mutex::new(self))
    }

    /// The pool that its pages' frames are of.
    pub fn pool(&self) -> &Arc<FramePool> {
        &self.vault.pool
    }

    /// Looks at pages of a set, hinted ones first, until `work` model nanoseconds are done or the
    /// pass is complete, or the next page is not at hand. Opens a write epoch when a pass begins.
    ///
    /// # Errors
    /// When there is no such set. What goes wrong with a page leaves that page as it is and is
    /// counted in the report.
    pub fn step(&mut self, set: SetId, pages: &mut dyn PageSet, work: u64) -> Result<Step, Error> {
        let at = self.set_at(set)?;
        let until = self.counters.work.saturating_add(work);
        self.ahead.clear();
        if self.set(at).cursor.is_none() {
            let epoch = pages.open_epoch();
            let set = self.set(at);
            (set.before, set.epoch, set.cursor) = (set.epoch, epoch, Some(0));
            set.tally = Tally::default();
            set.control.iter_mut().for_each(Control::begin_pass);
        }
        while self.counters.work < until {
            if let Some(page) = self.next_hint(at, pages) {
                self.visit(at, pages, page);
                continue;
            }
            let set = self.set(at);
            let page = set.cursor.unwrap_or(0);
            if page >= (set.marks.len() as u64).min(pages.pages()) {
                set.cursor = None;
                set.last = set.tally;
                self.counters.passes += 1;
                return Ok(Step::Done);
            }
            if !pages.at_hand(page) {
                return Ok(Step::More);
            }
            set.cursor = Some(page + 1);
            self.look_ahead(at, pages, page, until - self.counters.work);
            let class = self.visit(at, pages, page);
            self.set(at).tally[class] += 1;
        }
        Ok(Step::More)
    }

    /// One whole pass over several sets, and over the objects: what the examples and commands use
    /// where nobody waits. A set whose twin pages were found from another set is looked at again.
    ///
    /// # Errors
    /// As [`Scavenger::step`].
    pub fn pass(&mut self, sets: &mut [(SetId, &mut dyn PageSet)]) -> Result<(), Error> {
        for (id, pages) in sets.iter_mut() {
            while self.step(*id, *pages, u64::MAX / 4)? == Step::More {}
        }
        for (id, pages) in sets.iter_mut() {
            let at = self.set_at(*id)?;
            self.ahead.clear();
            while let Some(page) = self.next_hint(at, *pages) {
                let class = self.visit(at, *pages, page);
                let set = self.set(at);
                // It was counted as unique when the pass came by.
                if set.last[Class::Unique] > 0 {
                    set.last[Class::Unique] -= 1;
                    set.last[class] += 1;
                }
            }
        }
        while !self.tidy(u64::MAX / 4) {}
        Ok(())
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How things stand, over all sets.
    pub fn report(&self) -> Report {
        let tallies = self.sets.iter().flatten().map(|set| set.last);
        self.report_of(tallies.fold(Tally::default(), |a, b| a + b))
    }

    /// Pages by class in one domain, as of each set's last whole pass.
    pub fn tally(&self, domain: Domain) -> Tally {
        let sets = self.sets.iter().flatten().filter(|set| set.domain == domain);
        sets.map(|set| set.last).fold(Tally::default(), |a, b| a + b)
    }

    fn report_of(&self, tally: Tally) -> Report {
        Report {
            tally,
            frames: self.vault.pool.counters().used,
            objects: self.vault.objects.live() as u64,
            spilled: self.vault.spilled(),
            store: self.vault.store.bytes(),
            metadata: self.metadata(),
            counters: self.counters,
        }
    }

    /// Bytes of bookkeeping, as allocated.
    pub fn metadata(&self) -> Metadata {
        let sets = self.sets.iter().flatten();
        Metadata {
            pages: sets.map(|set| set.marks.capacity() * size_of::<Marks>()).sum::<usize>() as u64,
            index: self.index.bytes() as u64,
            similar: self.similar.bytes() as u64,
            objects: (self.vault.objects.bytes() + self.vault.frames_bytes()) as u64,
            store: self.vault.store.overhead() as u64,
        }
    }
}

impl Drop for Scavenger {
    /// Frames that only the scavenger holds go back to the pool.
    fn drop(&mut self) {
        self.lottery.give_back(&self.vault.pool);
        self.vault.release_frames();
    }
}
