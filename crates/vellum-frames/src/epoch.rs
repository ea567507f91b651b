//! When a freed frame may be used again: quiescent states (McKenney & Slingwine, *Read-Copy Update*,
//! 1998).
//!
//! A hart keeps host pointers in its TLB between safe points. A frame that is freed is stamped with
//! a new epoch and waits; a hart that has dropped its stale TLB entries announces the epoch that it
//! has seen; the frame is handed out again when every hart has announced its epoch or a later one.

use crate::pool::FramePool;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A reader that is not inside any memory access.
const OFFLINE: u64 = u64::MAX;

#[derive(Debug, Default)]
pub(crate) struct Epochs {
    now: AtomicU64,
    readers: Mutex<Vec<Arc<AtomicU64>>>,
}

impl Epochs {
    /// Opens a new epoch; what is freed now may be reused once all readers have seen it.
    pub(crate) fn advance(&self) -> u64 {
        self.now.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The epoch that every reader has reached.
    pub(crate) fn reached(&self) -> u64 {
        self.readers.lock().iter().map(|r| r.load(Ordering::SeqCst)).min().unwrap_or(OFFLINE)
    }
}

/// One holder of host pointers, a hart as a rule. Dropping it takes it off the list.
#[derive(Debug)]
pub struct Reader {
    pool: Arc<FramePool>,
    seen: Arc<AtomicU64>,
}

impl Reader {
    pub(crate) fn new(pool: Arc<FramePool>) -> Self {
        let seen = Arc::new(AtomicU64::new(OFFLINE));
        pool.epochs().readers.lock().push(Arc::clone(&seen));
        Reader { pool, seen }
    }

    /// Announces a safe point: this reader holds no pointer to a frame that was freed before this
    /// call. Call it after the TLB entries of revoked pages are gone.
    pub fn quiesce(&self) {
        self.seen.store(self.pool.epochs().now.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Announces that this reader holds no pointer at all, until the next [`Reader::quiesce`].
    pub fn offline(&self) {
        self.seen.store(OFFLINE, Ordering::SeqCst);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.pool.epochs().readers.lock().retain(|r| !Arc::ptr_eq(r, &self.seen));
    }
}
