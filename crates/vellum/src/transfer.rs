//! Zero-copy transfers on the host table: the adapter between `vellum-remap` and a machine's memory.
//!
//! Lending a page takes one more reference to its frame, which alone makes a writer copy, and adds
//! the transfer guard, which says why the right is gone, until the last lend of the page ends. A
//! write in flight copies the frame for the writer first (content comes before guards) and then asks
//! this guard's owner, for whom the page is in flight no more: what is, is the old frame. Lent pages
//! are pinned, so that no service packs or evicts what a device is reading.
//!
//! Exchanging puts frames behind pages, whatever was there: shadowed tables, decoded code and TLB
//! entries of the old frames go first, and the write stamp is set.

use crate::owner::{GuardOwner, HostFault, Resolution};
use crate::{Paging, VmMemory};
use std::sync::Arc;
use vellum_frames::{FrameId, Held, PAGE_SIZE};
use vellum_remap::{Space, SpaceError};
use vellum_translate::host::Guard;
use vellum_translate::{Gfn, Gpa, Rights};

/// What a machine's memory knows of transfers.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    /// The guard, once anything was lent.
    guard: Option<Guard>,
    /// Lends of each page of RAM, once anything was lent.
    lent: Vec<u16>,
}

/// Owns the transfer guard.
#[derive(Debug)]
struct Owner;

impl GuardOwner for Owner {
    /// The writer has its own frame by now: the page is not what is in flight.
    fn resolve(&mut self, fault: HostFault<'_>) -> Resolution {
        fault.host.remove_guard(fault.page, fault.guard);
        Resolution::Retry
    }
}

impl VmMemory {
    /// The transfer guard; `None` where no guard is left.
    fn transfer_guard(&mut self) -> Option<Guard> {
        if self.transfers.guard.is_none() {
            self.transfers.guard = self.register_owner(Rights::WRITE, Box::new(Owner)).ok();
        }
        self.transfers.guard
    }

    /// Ends every lend: another state is taken over, in which there is none.
    pub(crate) fn end_lends(&mut self) {
        let lent = core::mem::take(&mut self.transfers.lent);
        for (page, lends) in (self.ram.start..).zip(lent) {
            (0..lends).for_each(|_| self.host.unpin(Gfn::new(page)));
            if let (1.., Some(guard)) = (lends, self.transfers.guard) {
                self.host.remove_guard(Gfn::new(page), guard);
            }
        }
    }

    /// Whether a page is lent.
    pub fn is_lent(&self, page: Gfn) -> bool {
        let at = page.get().checked_sub(self.ram.start);
        at.and_then(|at| self.transfers.lent.get(at as usize)).is_some_and(|&lends| lends > 0)
    }

    /// Whether a run of pages is RAM.
    fn check_run(&self, first: u64, count: usize) -> Result<(), SpaceError> {
        let end = first.checked_add(count as u64).filter(|&end| end <= self.ram.end);
        if first < self.ram.start || end.is_none() {
            let at = first.saturating_mul(PAGE_SIZE as u64);
            return Err(SpaceError::NoMemory { at, bytes: (count * PAGE_SIZE) as u64 });
        }
        Ok(())
    }

    fn bring_for_transfer(&mut self, page: Gfn) -> Result<(), SpaceError> {
        self.device_frame(page.base(), PAGE_SIZE as u64, Rights::READ)
            .map(|_| ())
            .map_err(|error| refused("bringing a page", page.base().get(), &error))
    }

    /// The frames behind a run of pages of RAM, each brought if it is not there.
    fn all_present(&mut self, first: u64, count: usize) -> Result<Vec<FrameId>, SpaceError> {
        self.check_run(first, count)?;
        self.settle_run(first, count);
        let mut frames = Vec::with_capacity(count);
        while let Err(page) = self.host.frames(Gfn::new(first), count, |frame| frames.push(frame)) {
            frames.clear();
            self.bring_for_transfer(page)?;
        }
        Ok(frames)
    }
}

fn refused(what: &'static str, at: u64, error: &crate::Error) -> SpaceError {
    SpaceError::System { what, at, why: error.to_string() }
}

impl Space for VmMemory {
    type Run = Held;

    /// Not where memory is flat: there frames are where they are.
    fn can_remap(&self) -> bool {
        self.paging != Paging::Flat
    }

    fn lend(&mut self, first: u64, count: usize) -> Result<Held, SpaceError> {
        let frames = self.all_present(first, count)?;
        // Whoever borrows them reads them soon: the first ones come while the rest is done, and reading
        // asks for those behind them.
        let soon = frames.iter().take(Held::AHEAD);
        soon.for_each(|&frame| self.pool.prefetch_page(frame));
        let guard = self.transfer_guard();
        self.host.pin_run(Gfn::new(first), count, guard).map_err(|page| {
            let why = "it is lent or pinned 65,535 times already".into();
            SpaceError::System { what: "lending a page", at: page.base().get(), why }
        })?;
        let held = Held::retain(&self.pool, frames);
        if self.transfers.lent.is_empty() {
            self.transfers.lent = vec![0; (self.ram.end - self.ram.start) as usize];
        }
        let start = (first - self.ram.start) as usize;
        // A lend is a pin, so there are no more of them than of those.
        self.transfers.lent[start..start + count].iter_mut().for_each(|lends| *lends += 1);
        self.pages_changed(Gfn::new(first), count as u64);
        Ok(held)
    }

    fn settle(&mut self, first: u64, run: &Held) {
        let start = first.saturating_sub(self.ram.start) as usize;
        let lent = self.transfers.lent.get_mut(start..).unwrap_or_default();
        let count = run.len().min(lent.len());
        // Nothing is taken from anyone, so there is nothing to invalidate.
        self.host.unpin_run(Gfn::new(first), count, self.transfers.guard, |at| {
            let left = lent[at].checked_sub(1)?;
            lent[at] = left;
            Some(left == 0)
        });
    }

    fn exchange(&mut self, first: u64, run: &mut Held) -> Result<(), SpaceError> {
        let (start, count) = (Gfn::new(first), run.len());
        self.check_run(first, count)?;
        self.settle_run(first, count);
        if !Arc::ptr_eq(run.pool(), &self.pool) {
            return Err(SpaceError::Foreign { at: start.base().get() });
        }
        let (pinned, guarded) = self.host.obstacles(start, count);
        if let Some(page) = pinned {
            return Err(SpaceError::Pinned { at: page.base().get() });
        }
        if guarded {
            // What follows a table of the guest guards it.
            for page in (first..).take(count) {
                self.with_policy(|policy, cx| policy.unshadow(Gfn::new(page), cx));
            }
        }
        // Whoever receives them reads them soon: the first line of each comes while the rest is done.
        run.frames().iter().for_each(|&frame| self.pool.prefetch_page(frame));
        while let Err(page) = self.host.exchange(start, run.frames_mut()) {
            self.bring_for_transfer(page)?;
        }
        self.pages_changed(start, count as u64);
        self.counters.device_page_writes += count as u64;
        self.arrivals.add(&self.ram, start, count);
        Ok(())
    }

    fn zeros(&mut self, count: usize) -> Held {
        Held::zeros(&self.pool, count)
    }

    fn publish(&mut self) {
        self.broadcast();
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), SpaceError> {
        let bytes = out.len() as u64;
        VmMemory::read(self, Gpa::new(at), out).map_err(|error| match error {
            crate::Error::NoMemory { .. } => SpaceError::NoMemory { at, bytes },
            other => refused("reading", at, &other),
        })
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), SpaceError> {
        let length = bytes.len() as u64;
        VmMemory::write(self, Gpa::new(at), bytes).map_err(|error| match error {
            crate::Error::NoMemory { .. } => SpaceError::NoMemory { at, bytes: length },
            other => refused("writing", at, &other),
        })
    }
}
