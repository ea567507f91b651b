//! The scavenger on a thread of its own, beside the running guest.
//!
//! The memory has one owner, the thread that runs the harts, and it alone changes the host table. The
//! scavenger's thread asks for work; at the next safe point the owner hands over a *batch*: what is behind
//! some pages, none of which anybody has a right to write in this write epoch. Such rights are withheld
//! from them by a guard, which costs nothing, since there is none to take back. So their content stays as
//! it is while the thread samples, compares and packs it. What it wants put behind them, it notes down,
//! and the owner does that at a safe point afterwards. A frame that a page is to lose stays until then.
//!
//! A guest that wants to write a page of a batch has that *settled* first: the thread's piece of work ends,
//! and what it noted down is done. So does whoever else would move such a page's frame. Reading goes on.
//! Objects are told anew in denser codecs, which is most of the work, without any batch: the guest has
//! nothing of those but their names.

mod batch;
mod errand;
#[cfg(test)]
mod tests;

use crate::scavenge::Scavenging;
use crate::scavenged_pages::VmPages;
use crate::{Error, VmMemory};
use batch::{Batch, Page};
use errand::Errand;
use std::sync::Arc;
use std::time::Duration;
use vellum_frames::FramePool;
use vellum_scavenger::{
    Background, Backing, Busy, Look, PageSet, SetId, Share, SharedScavenger, Step, Withhold,
};
use vellum_translate::host::Guard;
use vellum_translate::{Gfn, Rights};

/// Pages handed over at once.
pub(crate) const BATCH: usize = 128;
/// The longest that the thread waits for a batch before it looks whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// One piece of the thread's work; whether objects are next.
fn work(
    errand: &Errand,
    (scavenger, set): (&SharedScavenger, SetId),
    tidying: bool,
    work: u64,
) -> bool {
    if tidying {
        return !scavenger.lock().tidy(work);
    }
    let Some(mut given) = errand.ask(PATIENCE) else { return false };
    let Some(batch) = &mut given.batch else { return false };
    // A set that is gone is worked on no more.
    matches!(scavenger.lock().step(set, batch, work), Ok(Step::Done))
}

/// What went to the scavenger's thread and came back.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct BesideCounters {
    /// Batches of pages handed over.
    pub batches: u64,
    /// Of these, taken back before a safe point: a page was to be written, or to move.
    pub hurried: u64,
    /// Pages of which something else is behind since, or rights withheld.
    pub changed: u64,
    /// Pages that were not as they had been handed over any more: nothing was done to them.
    pub dropped: u64,
    /// CPU time that the thread has used.
    pub cpu: Duration,
}

/// A scavenger that works on a thread of its own.
#[derive(Debug)]
pub(crate) struct Beside {
    errand: Arc<Errand>,
    guard: Guard,
    scavenger: SharedScavenger,
    pool: Arc<FramePool>,
    thread: Option<Background>,
    counters: BesideCounters,
}

impl Beside {
    fn drop_instead(&self, instead: Option<Backing>) {
        match instead {
            Some(Backing::Frame(frame)) => self.pool.release(frame),
            Some(Backing::Packed(object)) => {
                let released = self.scavenger.lock().release(object);
                debug_assert!(released.is_ok(), "the batch held it");
            }
            None => {}
        }
    }
}

impl Drop for Beside {
    /// The thread ends its piece; what it noted down is not done any more.
    fn drop(&mut self) {
        self.thread = None;
        for page in self.errand.take_back().into_iter().flat_map(|batch| batch.at_hand) {
            self.drop_instead(page.instead);
        }
    }
}

impl VmMemory {
    /// Lets the attached scavenger work on a thread of its own from here on, with a share of a CPU, while
    /// the guest runs. What it does then depends on the host's speed; the guest does not notice. Harts
    /// must come by at [`VmMemory::meet_scavenger`].
    ///
    /// # Errors
    /// When there is no scavenger, or it has a thread already, or guards or the host's threads are used up.
    pub fn scavenge_beside(&mut self, share: Share) -> Result<(), Error> {
        let errand = self.attach_errand()?;
        let Some(Scavenging { scavenger, set, .. }) = self.scavenging.clone() else {
            return Ok(());
        };
        let mut tidying = false;
        let thread = Background::spawn(share, move |piece| {
            tidying = work(&errand, (&scavenger, set), tidying, piece);
        });
        match (thread, &mut self.beside) {
            (Ok(thread), Some(beside)) => beside.thread = Some(thread),
            _ => {
                self.beside = None;
                let why = "the host has no thread left";
                return Err(Error::Builder { field: "scavenger's thread", value: 1, why });
            }
        }
        Ok(())
    }

    fn attach_errand(&mut self) -> Result<Arc<Errand>, Error> {
        let refuse = |value, why| Err(Error::Builder { field: "scavenger", value, why });
        let Some(ties) = &self.scavenging else { return refuse(0, "there is none") };
        if self.beside.is_some() {
            return refuse(1, "it has a thread already");
        }
        let scavenger = Arc::clone(&ties.scavenger);
        let guard = self.host.register_guard(Rights::WRITE);
        let guard = guard.ok_or(Error::Exhausted { what: "guard", limit: Guard::MAX })?;
        let (errand, pool) = (Arc::<Errand>::default(), Arc::clone(&self.pool));
        let counters = BesideCounters::default();
        let beside =
            Beside { errand: Arc::clone(&errand), guard, scavenger, pool, thread: None, counters };
        self.beside = Some(beside);
        Ok(errand)
    }

    /// A safe point, at which no hart runs: what the scavenger's thread has found is done, and it is
    /// given the next pages if it asks for some. Costs next to nothing where it does not.
    pub fn meet_scavenger(&mut self) {
        let Some(beside) = &self.beside else { return };
        match beside.errand.asks() {
            (true, _) => self.settle_scavenger(false),
            (_, true) => self.hand_over(),
            _ => {}
        }
    }

    /// What went to the scavenger's thread, if it has one.
    pub fn beside_counters(&self) -> Option<BesideCounters> {
        let beside = self.beside.as_ref()?;
        let cpu = beside.thread.as_ref().map_or(Duration::ZERO, Background::spent);
        Some(BesideCounters { cpu, ..beside.counters })
    }

    /// Gives the thread the pages that the scavenger will look at next.
    fn hand_over(&mut self) {
        let (Some(ties), Some(guard)) =
            (self.scavenging.clone(), self.beside.as_ref().map(|beside| beside.guard))
        else {
            return;
        };
        let mut scavenger = ties.scavenger.lock();
        self.holders.tell(&mut scavenger);
        for page in core::mem::take(&mut self.filled) {
            let hinted = scavenger.hint(ties.set, page.get() - self.ram.start);
            debug_assert!(hinted.is_ok(), "the set is there as long as the machine");
        }
        let begins = scavenger.is_between_passes(ties.set).unwrap_or(false);
        let mut numbers = scavenger.upcoming(ties.set, BATCH).unwrap_or_default();
        drop(scavenger);
        numbers.sort_unstable();
        numbers.dedup();
        let mut pages = VmPages { vm: self, ties: &ties, in_fault: false };
        let epoch = if begins { pages.open_epoch() } else { pages.vm.host.epoch() };
        let count = pages.pages();
        let at_hand = numbers.into_iter().map(|number| {
            let mut seen = pages.look(number);
            let page = pages.gfn(number);
            if let Look::Frame { frame, .. } = seen
                && !frame.is_zero_frame()
            {
                if pages.vm.host.is_stamped(page) {
                    seen = Look::Busy(Busy::Written);
                } else {
                    pages.vm.host.add_guard(page, guard);
                }
            }
            Page::new(number, seen)
        });
        let at_hand = at_hand.collect();
        let batch = Batch { pool: Arc::clone(&self.pool), pages: count, epoch, at_hand };
        if let Some(beside) = &mut self.beside {
            beside.counters.batches += 1;
            beside.errand.give(batch);
        }
    }

    /// Whether a page is in the hands of the scavenger's thread, which is then settled: it may be written
    /// afterwards.
    pub(crate) fn settle_for_write(&mut self, page: Gfn) -> bool {
        let guard = self.beside.as_ref().map(|beside| beside.guard);
        let theirs = guard.is_some_and(|guard| self.host.guards(page).contains(guard));
        if theirs {
            self.settle_scavenger(true);
        }
        theirs
    }

    /// The same for a run of pages of RAM whose frames are to stay where they are, or to be others.
    pub(crate) fn settle_run(&mut self, first: u64, count: usize) {
        if self.beside.is_some() {
            let _settled = (first..).take(count).any(|page| self.settle_for_write(Gfn::new(page)));
        }
    }

    /// Takes back what the thread has, when its piece of work is done, and does what is noted down in it.
    /// `in_fault`, if a hart waits in the middle of a fault.
    pub(crate) fn settle_scavenger(&mut self, in_fault: bool) {
        let (Some(ties), Some(mut beside)) = (self.scavenging.clone(), self.beside.take()) else {
            return;
        };
        if let Some(batch) = beside.errand.take_back() {
            beside.counters.hurried += u64::from(in_fault);
            let mut pages = VmPages { vm: self, ties: &ties, in_fault };
            for page in batch.at_hand {
                let gfn = pages.gfn(page.number);
                pages.vm.host.remove_guard(gfn, beside.guard);
                if !page.changes() {
                    continue;
                }
                if pages.look(page.number) != page.seen {
                    beside.counters.dropped += 1;
                    beside.drop_instead(page.instead);
                    continue;
                }
                beside.counters.changed += 1;
                if let Some(with) = page.instead
                    && let Backing::Frame(frame) = pages.replace(page.number, with)
                {
                    beside.pool.release(frame);
                }
                for (wanted, what) in
                    [(page.withhold_writes, Withhold::Write), (page.withhold_all, Withhold::All)]
                {
                    if wanted {
                        pages.withhold(page.number, what);
                    }
                }
            }
        }
        self.beside = Some(beside);
    }
}
