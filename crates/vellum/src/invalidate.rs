//! The order of an invalidation: what is derived from a page goes, then the TLBs hear of it, and only
//! then is the change visible.

use crate::VmMemory;
use vellum_frames::FrameId;
use vellum_translate::Gfn;
use vellum_translate::tlb::{Shootdown, Tlb};

impl VmMemory {
    /// A page's host entry or guards changed: whatever was derived from them goes. `moved` is the
    /// frame that was behind it, if another is now.
    pub(crate) fn page_changed(&mut self, page: Gfn, moved: Option<FrameId>) {
        self.pages_changed(page, 1);
        if let Some(frame) = moved
            && !frame.is_zero_frame()
        {
            self.shoot.push(Shootdown::FrameExecute(frame));
        }
    }

    /// The same for a run of pages, in one pass. Their TLB entries go with all that they hold, so
    /// nothing is left by which a frame that was behind one could be reached.
    pub(crate) fn pages_changed(&mut self, first: Gfn, count: u64) {
        self.with_policy(|policy, cx| policy.host_changed(first, count, cx));
    }

    /// Delivers the invalidations of the fault at hand: to the hart that caused it at once, to the
    /// others before they run again.
    pub(crate) fn deliver(&mut self, hart: usize, tlb: &mut Tlb) {
        for what in self.shoot.drain(..) {
            tlb.shoot_down(what);
            for (other, mailbox) in self.mailboxes.iter_mut().enumerate() {
                if other != hart {
                    mailbox.post(what);
                }
            }
        }
    }

    /// Leaves invalidations to every hart: no hart is running.
    pub(crate) fn broadcast(&mut self) {
        for what in self.shoot.drain(..) {
            self.mailboxes.iter_mut().for_each(|mailbox| mailbox.post(what));
        }
    }

    /// Whether a hart has carried out everything that others asked of its TLB. Only then may it run.
    pub fn is_caught_up(&self, hart: usize) -> bool {
        self.mailboxes[hart].is_empty()
    }

    /// A hart is about to run: carries out what others asked of its TLB, and announces a safe
    /// point to the pool.
    pub fn catch_up(&mut self, hart: usize, tlb: &mut Tlb) {
        self.mailboxes[hart].carry_out(tlb);
        // Harts take turns: the others hold no pointer that they will use before they are here.
        for (number, reader) in self.readers.iter().enumerate() {
            if number == hart { reader.quiesce() } else { reader.offline() }
        }
    }
}
