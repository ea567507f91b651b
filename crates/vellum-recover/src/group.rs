//! Group commit: many threads hand in their share, one of them (the leader) makes all of it
//! durable, the others wait for that one flush (DeWitt et al., SIGMOD 1984).
//!
//! Shares join the batch that is being gathered and get its number as a ticket. Who waits for a
//! ticket becomes the leader when nobody leads: it takes the batch, lets the next one gather, and
//! writes. So there is one flush alone, and one for all who came during the flush before.

use super::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, PoisonError, yield_now};

/// The number of the batch that a share went into.
pub(crate) type Ticket = u64;

#[derive(Debug)]
struct State<B> {
    gathering: B,
    /// Shares in it.
    joined: u32,
    /// Shares in the batch before: how much company to expect.
    company: u32,
    /// The number of the batch that is gathered.
    next: Ticket,
    /// All batches below are durable.
    done: Ticket,
    leading: bool,
    /// Threads that wait for `changed`: waking nobody costs a system call all the same.
    waiting: u32,
    failed: Option<String>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Group<B> {
    state: Mutex<State<B>>,
    changed: Condvar,
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
            self.group.changed.notify_all();
        }
    }
}

/// Turns that a leader lets others run before it takes the batch, when it expects company.
const PATIENCE: u32 = 3;

impl<B: Default> Group<B> {
    pub(crate) fn new() -> Self {
        let state = State {
            gathering: B::default(),
            joined: 0,
            company: 0,
            next: 0,
            done: 0,
            leading: false,
            waiting: 0,
            failed: None,
        };
        let failing = AtomicBool::new(false);
        Self { state: Mutex::new(state), changed: Condvar::new(), failing }
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
        self.lock().done > ticket
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
        mut write: impl FnMut(B) -> Result<B, String>,
    ) -> Result<(), String> {
        let mut state = self.lock();
        loop {
            if state.done > ticket || (state.next <= ticket && state.joined == 0) {
                return Ok(());
            }
            if let Some(first) = &state.failed {
                return Err(first.clone());
            }
            if state.leading {
                state.waiting += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.waiting -= 1;
                continue;
            }
            state.leading = true;
            let lead = Lead { group: self, finished: false };
            let mut patience = if state.company > 1 { PATIENCE } else { 0 };
            while patience > 0 && state.joined < state.company {
                patience -= 1;
                drop(state);
                yield_now();
                state = self.lock();
            }
            state = self.write_batch(state, lead, &mut write);
        }
    }

    fn write_batch<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<B>>,
        mut lead: Lead<'a, B>,
        write: &mut impl FnMut(B) -> Result<B, String>,
    ) -> MutexGuard<'a, State<B>> {
        let batch = std::mem::take(&mut state.gathering);
        let joined = std::mem::take(&mut state.joined);
        let number = state.next;
        state.next += 1;
        drop(state);
        let result = write(batch);
        let mut state = self.lock();
        match result {
            Ok(memory) => {
                assert!(state.done == number, "batches become durable in their order");
                state.done = number + 1;
                // Those that joined meanwhile come again as well: they are the company.
                state.company = joined + state.joined;
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
        if state.waiting > 0 {
            self.changed.notify_all();
        }
        state
    }

    /// Fails everything from now on.
    pub(crate) fn fail(&self, why: &str) {
        self.lock().failed.get_or_insert_with(|| why.to_owned());
        self.failing.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    /// Why everything fails, if it does. Cost when it doesn't: one atomic load.
    pub(crate) fn failure(&self) -> Option<String> {
        if self.failing.load(Ordering::Acquire) { self.lock().failed.clone() } else { None }
    }
}
