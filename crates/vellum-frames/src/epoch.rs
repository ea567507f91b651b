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
//! [`Reader::reached`] last. `model` below holds both to it, in every interleaving.

use crate::pool::FramePool;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering};
// The pool is not part of a model: its pointer is the standard library's.
use std::sync::Arc as PoolArc;

/// A reader that is not inside any memory access.
const OFFLINE: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Epochs {
    now: AtomicU64,
    seats: Mutex<Vec<Arc<AtomicU64>>>,
}

impl Epochs {
    pub(crate) fn new() -> Self {
        Epochs { now: AtomicU64::new(0), seats: Mutex::new(Vec::new()) }
    }

    /// Opens a new epoch; what is freed now may be reused once all readers have seen it.
    pub(crate) fn advance(&self) -> u64 {
        self.now.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// The epoch that every reader has reached.
    pub(crate) fn reached(&self) -> u64 {
        self.seats.lock().iter().map(|seat| seat.load(Ordering::SeqCst)).min().unwrap_or(OFFLINE)
    }

    /// One more reader, which holds nothing yet.
    fn join(&self) -> Arc<AtomicU64> {
        let seat = Arc::new(AtomicU64::new(OFFLINE));
        self.seats.lock().push(Arc::clone(&seat));
        seat
    }

    fn leave(&self, seat: &Arc<AtomicU64>) {
        self.seats.lock().retain(|other| !Arc::ptr_eq(other, seat));
    }
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
        self.seat.store(epoch, Ordering::SeqCst);
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

/// The protocol in every interleaving that loom finds: a host that takes a page's frame away and
/// uses it for something else, beside a hart that reads through what its TLB holds.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    /// A frame that may be reused, its mapping, and whether the hart was told that it goes.
    struct Host {
        epochs: Epochs,
        frame: UnsafeCell<u64>,
        mapped: AtomicBool,
        /// The hart's mailbox: an invalidation waits in it.
        revoked: AtomicBool,
    }

    // SAFETY: the cell is what the protocol guards; loom reports any access that is not ordered.
    #[expect(unsafe_code, reason = "the cell that loom watches")]
    unsafe impl Sync for Host {}

    impl Host {
        fn new() -> Self {
            Host {
                epochs: Epochs::new(),
                frame: UnsafeCell::new(1),
                mapped: AtomicBool::new(true),
                revoked: AtomicBool::new(false),
            }
        }

        /// Takes the page away; the epoch in which its frame was freed.
        fn take_away(&self) -> u64 {
            self.mapped.store(false, Ordering::SeqCst);
            self.revoked.store(true, Ordering::SeqCst);
            self.epochs.advance()
        }

        /// Writes the frame, if every reader has reached `freed`; whether it did.
        fn reuse(&self, freed: u64) -> bool {
            let free = self.epochs.reached() >= freed;
            if free {
                // SAFETY: nobody holds a pointer to the frame: that is the claim.
                #[expect(unsafe_code, reason = "the access that loom watches")]
                self.frame.with_mut(|frame| unsafe { *frame = 2 });
            }
            free
        }

        /// One slice of a hart, from safe point to safe point: `held` is its TLB's entry.
        fn slice(&self, seat: &AtomicU64, held: &mut bool) {
            let now = self.epochs.now();
            if self.revoked.load(Ordering::SeqCst) {
                *held = false;
            }
            seat.store(now, Ordering::SeqCst);
            if !*held && self.mapped.load(Ordering::SeqCst) {
                *held = true;
            }
            if *held {
                // SAFETY: the hart has announced no epoch in which the frame was free.
                #[expect(unsafe_code, reason = "the access that loom watches")]
                let seen = self.frame.with(|frame| unsafe { *frame });
                assert_eq!(seen, 1, "the frame was reused under the hart");
            }
        }
    }

    #[test]
    fn loom_a_frame_is_not_reused_under_a_hart() {
        loom::model(|| {
            let host = Arc::new(Host::new());
            let seat = host.epochs.join();
            seat.store(host.epochs.now(), Ordering::SeqCst);
            let hart = {
                let (host, seat) = (Arc::clone(&host), Arc::clone(&seat));
                thread::spawn(move || {
                    // The TLB has the page from before.
                    let mut held = true;
                    host.slice(&seat, &mut held);
                    host.slice(&seat, &mut held);
                    seat.store(OFFLINE, Ordering::SeqCst);
                })
            };
            let freed = host.take_away();
            let early = host.reuse(freed);
            hart.join().unwrap();
            assert!(early || host.reuse(freed), "a hart that is gone holds nobody up");
        });
    }

    #[test]
    fn loom_a_reader_that_leaves_is_waited_for_no_more() {
        loom::model(|| {
            let epochs = Arc::new(Epochs::new());
            let seat = epochs.join();
            seat.store(epochs.now(), Ordering::SeqCst);
            let freed = epochs.advance();
            assert!(epochs.reached() < freed);
            let other = Arc::clone(&epochs);
            let leaving = thread::spawn(move || other.leave(&seat));
            // Another joins meanwhile, and holds nothing that was freed before.
            let late = epochs.join();
            late.store(epochs.now(), Ordering::SeqCst);
            leaving.join().unwrap();
            assert!(epochs.reached() >= freed);
        });
    }
}
