//! The scavenger on a machine's memory.
//!
//! Two guards: *shared* withholds writes from a page whose frame others have too, *probed* withholds
//! everything from a page that may be packed if nobody wants it. A packed page is absent, and its
//! token is the scavenger's object. Nothing here is seen by the guest, whose time does not depend on
//! host faults.

use crate::beside;
use crate::holders::Holders;
use crate::scavenged_pages::VmPages;
use crate::{Error, GuardOwner, HostFault, PageSource, Paging, Resolution, VmMemory};
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, PAGE_SIZE};
use vellum_scavenger::{
    Check, Domain, Mode, ObjectId, SetId, SharedScavenger, Sketch, Step, Withhold,
};
use vellum_translate::host::{Guard, OwnerId, Token};
use vellum_translate::{Gfn, Rights};

/// Pages packed at once when a fault finds no frame left.
const RECLAIM: u64 = 32;
/// Pages written by devices that are remembered between two looks.
const FILLED: usize = 4096;

/// A machine's ties to a scavenger.
#[derive(Debug, Clone)]
pub(crate) struct Scavenging {
    pub(crate) scavenger: SharedScavenger,
    pub(crate) set: SetId,
    pub(crate) owner: OwnerId,
    pub(crate) shared: Guard,
    pub(crate) probed: Guard,
    /// The pass is complete, and objects are looked at.
    tidying: bool,
    /// The second of the guest's time that it was told last.
    second: Option<u64>,
}

/// Resolves the faults of both guards.
#[derive(Debug)]
struct Withholder {
    scavenger: SharedScavenger,
    set: SetId,
    first: u64,
    what: Withhold,
}

impl GuardOwner for Withholder {
    fn resolve(&mut self, fault: HostFault<'_>) -> Resolution {
        fault.host.remove_guard(fault.page, fault.guard);
        let page = fault.page.get() - self.first;
        let mut scavenger = self.scavenger.lock();
        match self.what {
            // The frame was copied before this guard was asked, if it was still shared.
            Withhold::Write => scavenger.broken(self.set, page),
            Withhold::All => scavenger.touched(self.set, page),
        }
        Resolution::Retry
    }
}

/// Brings packed pages.
#[derive(Debug)]
struct Unpacker {
    scavenger: SharedScavenger,
    holders: Arc<Holders>,
    set: SetId,
    first: u64,
}

impl PageSource for Unpacker {
    fn name(&self) -> &str {
        "the scavenger"
    }

    fn bring(&mut self, page: Gfn, token: Token, _: &FramePool) -> Result<FrameId, String> {
        let mut scavenger = self.scavenger.lock();
        self.holders.tell(&mut scavenger);
        let object = ObjectId::from_number(token.get() as u32);
        scavenger
            .restore(self.set, page.get() - self.first, object)
            .map_err(|error| error.to_string())
    }

    fn peek(&self, _: Gfn, token: Token, out: &mut [u8; PAGE_SIZE]) -> bool {
        let object = ObjectId::from_number(token.get() as u32);
        self.scavenger.lock().peek(object, out).is_ok()
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        let mut scavenger = self.scavenger.lock();
        self.holders.tell(&mut scavenger);
        // The machine's host table went before its sources: nothing of the set is held any more,
        // but for what a kept root holds.
        let removed = scavenger.remove_set(self.set);
        debug_assert!(removed.is_ok(), "a set is removed once");
    }
}

impl VmMemory {
    /// Hands this memory to a scavenger: a set of its own, in a sharing domain. The scavenger's pool
    /// must be this machine's. Nothing happens before [`VmMemory::scavenge`] is called.
    ///
    /// # Errors
    /// When memory is flat, it has a scavenger or a pager already, guards are used up, or the scavenger can't
    /// promise a frame or a slot to every page.
    pub fn attach_scavenger(
        &mut self,
        scavenger: SharedScavenger,
        domain: Domain,
        mode: Mode,
    ) -> Result<SetId, Error> {
        let refuse = |why| Err(Error::Builder { field: "scavenger", value: 1, why });
        if self.paging == Paging::Flat {
            return refuse("flat memory can't share");
        }
        if self.scavenging.is_some() {
            return refuse("the machine has one");
        }
        if self.pager.is_some() {
            return refuse("a pager has its pages");
        }
        if !Arc::ptr_eq(scavenger.lock().pool(), &self.pool) {
            return refuse("it has another pool of frames");
        }
        let first = self.ram.start;
        let set = scavenger.lock().add_set(self.ram.end - first, domain, mode)?;
        let [shared, probed] = [Withhold::Write, Withhold::All].map(|what| {
            let rights = if what == Withhold::Write { Rights::WRITE } else { Rights::all() };
            let scavenger = Arc::clone(&scavenger);
            self.register_owner(rights, Box::new(Withholder { scavenger, set, first, what }))
        });
        let holders = Arc::clone(&self.holders);
        let owner = self.register_source(Box::new(Unpacker {
            scavenger: Arc::clone(&scavenger),
            holders,
            set,
            first,
        }))?;
        self.holders.watch(owner, Arc::clone(&scavenger));
        let (shared, probed) = (shared?, probed?);
        self.scavenging = Some(Scavenging {
            scavenger,
            set,
            owner,
            shared,
            probed,
            tidying: false,
            second: None,
        });
        Ok(set)
    }

    /// Lets the scavenger work for `work` model nanoseconds. No hart runs meanwhile.
    ///
    /// # Errors
    /// When there is no scavenger.
    pub fn scavenge(&mut self, work: u64) -> Result<Step, Error> {
        self.settle_scavenger(false);
        let Some(ties) = self.scavenging.clone() else {
            return Err(Error::Builder { field: "scavenger", value: 0, why: "there is none" });
        };
        let mut scavenger = ties.scavenger.lock();
        self.holders.tell(&mut scavenger);
        for page in core::mem::take(&mut self.filled) {
            scavenger.hint(ties.set, page.get() - self.ram.start)?;
        }
        let (tidying, step) = if ties.tidying {
            let done = scavenger.tidy(work);
            (!done, if done { Step::Done } else { Step::More })
        } else {
            let mut pages = VmPages { vm: self, ties: &ties, in_fault: false };
            let step = scavenger.step(ties.set, &mut pages, work)?;
            (step == Step::Done, Step::More)
        };
        if let Some(ties) = &mut self.scavenging {
            ties.tidying = tidying;
        }
        Ok(step)
    }

    /// Tells the scavenger the guest's time, by which pages grow older where its policy has a target of
    /// refaults. To be called at every safe point: all but the first call in a second return at once.
    pub fn tell_scavenger_time(&mut self, nanos: u64) {
        let Some(ties) = &mut self.scavenging else { return };
        let second = Some(nanos / 1_000_000_000);
        if core::mem::replace(&mut ties.second, second) != second {
            let told = ties.scavenger.lock().tell_time(ties.set, nanos);
            debug_assert!(told.is_ok(), "the set is there as long as the memory is");
        }
    }

    /// The scavenger, if there is one, and the number of this memory's set.
    pub fn scavenger(&self) -> Option<(&SharedScavenger, SetId)> {
        self.scavenging.as_ref().map(|ties| (&ties.scavenger, ties.set))
    }

    /// A sketch of this memory as it is, packed pages included, to estimate what it would share with
    /// others' before it is cloned or moved to their host. No hart runs meanwhile.
    ///
    /// # Errors
    /// When there is no scavenger, or a packed page can't be read.
    pub fn sketch(&mut self) -> Result<Sketch, Error> {
        self.settle_scavenger(false);
        let Some(ties) = self.scavenging.clone() else {
            return Err(Error::Builder { field: "scavenger", value: 0, why: "there is none" });
        };
        let mut scavenger = ties.scavenger.lock();
        let pages = VmPages { vm: self, ties: &ties, in_fault: false };
        Ok(scavenger.sketch(ties.set, &pages)?)
    }

    /// Holds every packed page of the scavenger's store against its checksum, those of other machines among
    /// them, and puts right what is damaged from copies of this machine's pages: `source` is asked for the
    /// content that a page had when it was packed, as a checkpoint has it ([`vellum_scavenger::Scavenger::check`]).
    /// No hart runs meanwhile.
    ///
    /// # Errors
    /// When there is no scavenger.
    pub fn check_packed(
        &mut self,
        source: &mut dyn FnMut(Gfn) -> Option<Box<[u8; PAGE_SIZE]>>,
    ) -> Result<Check, Error> {
        self.settle_scavenger(false);
        let Some(ties) = self.scavenging.clone() else {
            return Err(Error::Builder { field: "scavenger", value: 0, why: "there is none" });
        };
        let first = self.ram.start;
        let mut scavenger = ties.scavenger.lock();
        self.holders.tell(&mut scavenger);
        let pages = VmPages { vm: self, ties: &ties, in_fault: false };
        let checked =
            scavenger.check(&[(ties.set, &pages)], &mut |_, page| source(Gfn::new(first + page)));
        Ok(checked?)
    }

    /// Frames for a fault that needs one, where none is left: pages that were left alone longest are
    /// packed for it.
    pub(crate) fn pack_for(&mut self, page: Gfn) {
        if self.scavenging.is_none() {
            return;
        }
        // Where few are left, the scavenger's thread could take one meanwhile.
        if self.pool.counters().used + beside::BATCH as u64 >= self.pool.quota() {
            self.settle_scavenger(true);
        }
        if self.pool.counters().used < self.pool.quota() {
            return;
        }
        let Some(ties) = self.scavenging.clone() else { return };
        let mut scavenger = ties.scavenger.lock();
        self.holders.tell(&mut scavenger);
        let keep = page.get().checked_sub(self.ram.start);
        let mut pages = VmPages { vm: self, ties: &ties, in_fault: true };
        // If nothing could be freed, the allocation that follows says so.
        let _freed = scavenger.reclaim(ties.set, &mut pages, RECLAIM, keep);
    }

    /// A device wrote a page: news from a disk, as a rule, which others may have read too.
    pub(crate) fn note_filled(&mut self, page: Gfn) {
        if self.scavenging.is_some() && self.filled.len() < FILLED {
            self.filled.push(page);
        }
    }
}
