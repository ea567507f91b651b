//! When a freed frame may be used again: quiescent states (McKenney & Slingwine, *Read-Copy Update*,
//! 1998).
//!
//! A hart keeps host pointers in its TLB between safe points. A frame that is freed is stamped with
//! a new epoch and waits; a hart that has dropped its stale TLB entries announces the epoch that it
//! has seen; the frame is handed out again when every hart has announced its epoch or a later one.
//!
//! The order that this rests on: a hart reads the epoch *before* it looks for what was revoked, and
//! announces it afterwards. [`Reader::quiesce`] may do both at once only because its caller has
//! already dropped what was revoked and no one else revokes in between (the facade hands out
//! invalidations under `&mut`). A hart on a thread of its own calls [`Reader::now`] first and
//! [`Reader::reached`] last. `model` holds both to it, in every interleaving, and `cargo xtask planted
//! frames` shows that the models fail where an order or a rule is weakened.

use crate::pool::FramePool;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering};
// The pool is not part of a model: its pointer is the standard library's.
use std::sync::Arc as PoolArc;

/// A reader that is not inside any memory access.
const OFFLINE: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Epochs {
    now: AtomicU64,
    /// As many as there are seats.
    readers: AtomicU64,
    seats: Mutex<Vec<Arc<AtomicU64>>>,
}

impl Epochs {
    pub(crate) fn new() -> Self {
        let (now, readers) = (AtomicU64::new(0), AtomicU64::new(0));
        Epochs { now, readers, seats: Mutex::new(Vec::new()) }
    }

    /// Opens a new epoch; what is freed now may be reused once all readers have seen it.
    pub(crate) fn advance(&self) -> u64 {
        self.now.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// Whether there is any reader. If not, what is revoked by now and freed can be used again at once:
    /// whoever joins later finds it revoked. A change, though of nothing: so this and a joining are one
    /// after the other, and the later one sees what came before the earlier.
    pub(crate) fn is_read(&self) -> bool {
        self.readers.fetch_add(0, Ordering::SeqCst) != 0
    }

    /// The epoch that every reader has reached.
    pub(crate) fn reached(&self) -> u64 {
        self.seats.lock().iter().map(|seat| seat.load(Ordering::SeqCst)).min().unwrap_or(OFFLINE)
    }

    /// One more reader, which holds nothing yet.
    fn join(&self) -> Arc<AtomicU64> {
        let seat = Arc::new(AtomicU64::new(OFFLINE));
        self.seats.lock().push(Arc::clone(&seat));
        self.readers.fetch_add(1, Ordering::SeqCst);
        seat
    }

    fn leave(&self, seat: &Arc<AtomicU64>) {
        self.seats.lock().retain(|other| !Arc::ptr_eq(other, seat));
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A reader says that it holds nothing that was freed in `epoch` or before.
fn announce(seat: &AtomicU64, epoch: u64) {
    seat.store(epoch, Ordering::SeqCst);
}

/// One holder of host pointers, a hart as a rule. Dropping it takes it off the list.
#[derive(Debug)]
pub struct Reader {
    pool: PoolArc<FramePool>,
    seat: Arc<AtomicU64>,
}

impl Reader {
    pub(crate) fn new(pool: PoolArc<FramePool>) -> Self {
        let seat = pool.epochs().join();
        Reader { pool, seat }
    }

    /// The current epoch: what is freed in a later one was still there when this was called. To be
    /// read before looking for what was revoked, and announced by [`Reader::reached`].
    pub fn now(&self) -> u64 {
        self.pool.epochs().now()
    }

    /// Announces that this reader holds no pointer to a frame that was freed in `epoch` or before.
    pub fn reached(&self, epoch: u64) {
        announce(&self.seat, epoch);
    }

    /// Announces a safe point: this reader holds no pointer to a frame that was freed before this
    /// call. Call it after the TLB entries of revoked pages are gone, while nobody revokes more.
    pub fn quiesce(&self) {
        self.reached(self.now());
    }

    /// Announces that this reader holds no pointer at all, until the next [`Reader::quiesce`].
    pub fn offline(&self) {
        self.reached(OFFLINE);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pool.epochs().leave(&self.seat);
    }
}

#[cfg(all(test, loom))]
mod model;
