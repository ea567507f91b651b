//! Group commit: many threads hand in their share, one of them (the leader) makes all of it
//! durable, the others wait for that one flush (DeWitt et al., SIGMOD 1984).
//!
//! Shares join the batch that is being gathered and get its number as a ticket. Who waits for a
//! ticket becomes the leader when nobody leads and nobody else is expected: it takes the batch, lets
//! the next one gather, and writes. So there is one flush alone, and one for all who came during the
//! flush before.
//!
//! *Company.* Threads that commit again and again come back soon after a flush. So a batch waits for
//! as many as the last flush served, and whoever completes the number leads: it runs already, so the
//! lead costs no switch of threads. One of those who came early, the *watcher*, looks after a while
//! whether the others are still missing, and leads then. It waits for no longer than a flush takes,
//! which makes the wait at most as dear as the flush that it may save, and for less and less when it
//! waits in vain.

use super::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, PoisonError, Signal, timed};
use std::time::Duration;

/// The number of the batch that a share went into.
pub(crate) type Ticket = u64;

/// The most that is waited for company, in eighths of the time of a flush.
const TRUST_MAX: u32 = 8;
/// Batches after which waiting is tried again by somebody who had given it up.
const RETRY: u32 = 64;
/// A flush that took longer says nothing about the next one.
const FLUSH_MAX: Duration = Duration::from_millis(2);

#[derive(Debug)]
struct State<B> {
    gathering: B,
    /// Shares in it.
    joined: u32,
    /// Threads that wait for it.
    present: u32,
    /// How many are expected.
    company: u32,
    /// One of those who wait for it leads when the others don't come.
    watched: bool,
    /// The number of the batch that is gathered.
    next: Ticket,
    leading: bool,
    /// Threads that have gone to sleep on each signal since it rang for all.
    asleep: [u32; 2],
    /// How long to wait for company, in eighths of `flush`.
    trust: u32,
    /// Batches since `trust` was used up.
    doubts: u32,
    /// Time of the last flush.
    flush: Duration,
    failed: Option<String>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Group<B> {
    state: Mutex<State<B>>,
    /// All batches below are durable. Changes under the lock.
    done: AtomicU64,
    /// Who waits for a batch sleeps on the signal of its parity: one batch is written and one
    /// gathers.
    signals: [Signal; 2],
    /// Whether `failed` is set, for a look without the lock.
    failing: AtomicBool,
}

/// Ends the lead also when the leader panics; followers must not wait for a dead one.
struct Lead<'a, B> {
    group: &'a Group<B>,
    finished: bool,
}

impl<B> Drop for Lead<'_, B> {
    fn drop(&mut self) {
        if !self.finished {
            let mut state = self.group.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.leading = false;
            state.failed.get_or_insert_with(|| "the leader of a commit panicked".to_owned());
            self.group.failing.store(true, Ordering::Release);
            drop(state);
            self.group.signals.iter().for_each(|signal| signal.ring(u32::MAX));
        }
    }
}

impl<B> State<B> {
    /// Whether the batch that gathers is as large as can be expected.
    fn is_full(&self) -> bool {
        self.present >= self.company || self.trust == 0
    }

    /// Takes the batch out; the next one gathers.
    fn take(&mut self) -> (B, u32)
    where
        B: Default,
    {
        if self.company > 1 && self.trust == 0 {
            self.doubts += 1;
            if self.doubts == RETRY {
                (self.trust, self.doubts) = (2, 0);
            }
        } else if self.present >= self.company {
            self.trust = (self.trust + 1).min(TRUST_MAX);
        } else {
            self.trust = self.trust.saturating_sub(2);
        }
        (self.leading, self.watched) = (true, false);
        self.joined = 0;
        self.next += 1;
        (std::mem::take(&mut self.gathering), std::mem::take(&mut self.present))
    }
}

impl<B: Default> Group<B> {
    pub(crate) fn new() -> Self {
        let state = State {
            gathering: B::default(),
            joined: 0,
            present: 0,
            company: 0,
            watched: false,
            next: 0,
            leading: false,
            asleep: [0; 2],
            trust: TRUST_MAX,
            doubts: 0,
            flush: Duration::ZERO,
            failed: None,
        };
        Self {
            state: Mutex::new(state),
            done: AtomicU64::new(0),
            signals: [Signal::default(), Signal::default()],
            failing: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a share to the batch that is gathered.
    pub(crate) fn join<R>(&self, add: impl FnOnce(&mut B) -> R) -> Result<(Ticket, R), String> {
        let mut state = self.lock();
        if let Some(first) = &state.failed {
            return Err(first.clone());
        }
        let result = add(&mut state.gathering);
        state.joined += 1;
        Ok((state.next, result))
    }

    /// Whether the batch is durable.
    pub(crate) fn is_done(&self, ticket: Ticket) -> bool {
        self.done.load(Ordering::Acquire) > ticket
    }

    /// The ticket that everything handed in so far is covered by.
    pub(crate) fn latest(&self) -> Ticket {
        let state = self.lock();
        // An empty batch has nothing to wait for.
        if state.joined == 0 { state.next.saturating_sub(1) } else { state.next }
    }

    /// Returns when batch `ticket` is durable, making it so if nobody else does: `write` gets the
    /// batch and gives its memory back for the next.
    pub(crate) fn wait(
        &self,
        ticket: Ticket,
        write: impl FnMut(B) -> Result<B, String>,
    ) -> Result<(), String> {
        self.wait_as(ticket, true, write)
    }

    /// As [`Group::wait`], by one who has handed in nothing and doesn't come again soon: no company.
    pub(crate) fn wait_beside(
        &self,
        ticket: Ticket,
        write: impl FnMut(B) -> Result<B, String>,
    ) -> Result<(), String> {
        self.wait_as(ticket, false, write)
    }

    fn wait_as(
        &self,
        ticket: Ticket,
        company: bool,
        mut write: impl FnMut(B) -> Result<B, String>,
    ) -> Result<(), String> {
        let signal = &self.signals[(ticket % 2) as usize];
        let (mut watching, mut in_vain, mut counted) = (false, false, !company);
        loop {
            let mut state = self.lock();
            if self.is_done(ticket) || (state.next <= ticket && state.joined == 0) {
                return Ok(());
            }
            if let Some(first) = &state.failed {
                return Err(first.clone());
            }
            let gathers = state.next <= ticket;
            if gathers && !std::mem::replace(&mut counted, true) {
                state.present += 1;
            }
            let mut limit = None;
            if gathers && !state.leading {
                if in_vain || state.is_full() {
                    self.lead(state, &mut write);
                    continue;
                }
                if watching || !state.watched {
                    (watching, state.watched) = (true, true);
                    limit = Some(state.flush.min(FLUSH_MAX) * state.trust / TRUST_MAX);
                }
            }
            state.asleep[(ticket % 2) as usize] += 1;
            let heard = signal.rung();
            drop(state);
            in_vain = signal.sleep(heard, limit);
            if self.is_done(ticket) {
                return Ok(());
            }
        }
    }

    /// Takes the batch and writes it, as the leader.
    fn lead(
        &self,
        mut state: MutexGuard<'_, State<B>>,
        write: &mut impl FnMut(B) -> Result<B, String>,
    ) {
        let number = state.next;
        let (batch, present) = state.take();
        let mut lead = Lead { group: self, finished: false };
        drop(state);
        let (result, time) = timed(|| write(batch));
        let mut state = self.lock();
        match result {
            Ok(memory) => {
                assert!(!self.is_done(number), "batches become durable in their order");
                self.done.store(number + 1, Ordering::Release);
                // Those that came meanwhile come again as well: they are the company.
                state.company = present + state.present;
                state.flush = time;
                if state.joined == 0 {
                    state.gathering = memory;
                }
            }
            Err(why) => {
                state.failed.get_or_insert(why);
                self.failing.store(true, Ordering::Release);
            }
        }
        state.leading = false;
        lead.finished = true;
        let (ours, theirs) = ((number % 2) as usize, (number + 1) as usize % 2);
        let followers = std::mem::take(&mut state.asleep[ours]);
        let failed = state.failed.is_some();
        let heirs = if failed { u32::MAX } else { state.asleep[theirs].min(1) };
        drop(state);
        if followers > 0 {
            self.signals[ours].ring(u32::MAX);
        }
        // One of those who wait for the next batch leads it, or watches for company.
        if heirs > 0 {
            self.signals[theirs].ring(heirs);
        }
    }

    /// Fails everything from now on.
    pub(crate) fn fail(&self, why: &str) {
        self.lock().failed.get_or_insert_with(|| why.to_owned());
        self.failing.store(true, Ordering::Release);
        self.signals.iter().for_each(|signal| signal.ring(u32::MAX));
    }

    /// Why everything fails, if it does. Cost when it doesn't: one atomic load.
    pub(crate) fn failure(&self) -> Option<String> {
        if self.failing.load(Ordering::Acquire) { self.lock().failed.clone() } else { None }
    }
}
