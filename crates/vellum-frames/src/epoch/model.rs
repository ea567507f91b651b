//! The protocol in every interleaving that loom finds: a host that takes a page's frame away and uses
//! it for something else, beside harts that read through what their TLBs hold.

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
        announce(seat, now);
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
        announce(&seat, host.epochs.now());
        let hart = {
            let (host, seat) = (Arc::clone(&host), Arc::clone(&seat));
            thread::spawn(move || {
                // The TLB has the page from before.
                let mut held = true;
                host.slice(&seat, &mut held);
                host.slice(&seat, &mut held);
                announce(&seat, OFFLINE);
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
        announce(&seat, epochs.now());
        let freed = epochs.advance();
        assert!(epochs.reached() < freed);
        let other = Arc::clone(&epochs);
        let leaving = thread::spawn(move || other.leave(&seat));
        // Two more join meanwhile, and hold nothing that was freed before: one that announces what
        // it saw, and one that has not run yet.
        let (late, _idle) = (epochs.join(), epochs.join());
        announce(&late, epochs.now());
        leaving.join().unwrap();
        assert!(epochs.reached() >= freed);
    });
}

#[test]
fn loom_the_slower_of_two_harts_is_waited_for() {
    loom::model(|| {
        let host = Arc::new(Host::new());
        let seats = [host.epochs.join(), host.epochs.join()];
        seats.iter().for_each(|seat| announce(seat, host.epochs.now()));
        let slow = {
            let (host, seat) = (Arc::clone(&host), Arc::clone(&seats[1]));
            thread::spawn(move || {
                let mut held = true;
                host.slice(&seat, &mut held);
                announce(&seat, OFFLINE);
            })
        };
        // The other hart has nothing in its TLB and is ahead at once.
        let freed = host.take_away();
        announce(&seats[0], host.epochs.now());
        host.reuse(freed);
        slow.join().unwrap();
    });
}

/// A host that sees no reader asks nobody; a hart that joins meanwhile finds the page gone, or is seen.
#[test]
fn loom_who_joins_meanwhile_holds_nothing_that_is_reused() {
    loom::model(|| {
        let host = Arc::new(Host::new());
        let hart = {
            let host = Arc::clone(&host);
            thread::spawn(move || {
                let seat = host.epochs.join();
                let mut held = false;
                host.slice(&seat, &mut held);
                announce(&seat, OFFLINE);
                host.epochs.leave(&seat);
            })
        };
        host.mapped.store(false, Ordering::SeqCst);
        host.revoked.store(true, Ordering::SeqCst);
        // Where it sees one, it goes by the epochs, as above.
        if !host.epochs.is_read() {
            // SAFETY: nobody holds a pointer to the frame: that is the claim.
            #[expect(unsafe_code, reason = "the access that loom watches")]
            host.frame.with_mut(|frame| unsafe { *frame = 2 });
        }
        hart.join().unwrap();
    });
}
