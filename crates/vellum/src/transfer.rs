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
use std::collections::BTreeMap;
use vellum_frames::{FrameId, Held, PAGE_SIZE};
use vellum_remap::{Space, SpaceError};
use vellum_translate::host::{Guard, HostEntry};
use vellum_translate::{Gfn, Gpa, Rights};

/// What a machine's memory knows of transfers.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    /// The guard, once anything was lent.
    guard: Option<Guard>,
    /// Lends by page.
    lent: BTreeMap<u64, u32>,
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

    /// Whether a page is lent.
    pub fn is_lent(&self, page: Gfn) -> bool {
        self.transfers.lent.contains_key(&page.get())
    }

    /// The frame behind a page of RAM, brought if it is not there.
    fn present(&mut self, page: u64) -> Result<FrameId, SpaceError> {
        let at = page.saturating_mul(PAGE_SIZE as u64);
        self.device_frame(Gpa::new(at), PAGE_SIZE as u64, Rights::READ)
            .map_err(|error| refused("bringing a page", at, &error))
    }

    /// Every page of a range, brought.
    fn all_present(&mut self, first: u64, count: usize) -> Result<Vec<FrameId>, SpaceError> {
        let end = first.checked_add(count as u64).filter(|&end| end <= self.ram.end);
        if first < self.ram.start || end.is_none() {
            return Err(SpaceError::NoMemory {
                at: first.saturating_mul(PAGE_SIZE as u64),
                bytes: (count * PAGE_SIZE) as u64,
            });
        }
        (first..first + count as u64)
            .map(|page| match self.host.get(Gfn::new(page)) {
                HostEntry::Frame { frame, .. } => Ok(frame),
                _ => self.present(page),
            })
            .collect()
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
        let held = Held::retain(&self.pool, frames);
        let guard = self.transfer_guard();
        for page in (first..).take(count) {
            let gfn = Gfn::new(page);
            self.host.pin(gfn);
            *self.transfers.lent.entry(page).or_insert(0) += 1;
            if guard.is_some_and(|guard| self.host.add_guard(gfn, guard)) || guard.is_none() {
                self.page_changed(gfn, None);
            }
        }
        Ok(held)
    }

    fn settle(&mut self, first: u64, run: &Held) {
        for page in (first..).take(run.len()) {
            let Some(lends) = self.transfers.lent.get_mut(&page) else { continue };
            *lends -= 1;
            let last = *lends == 0;
            if last {
                self.transfers.lent.remove(&page);
            }
            let gfn = Gfn::new(page);
            self.host.unpin(gfn);
            if let (true, Some(guard)) = (last, self.transfers.guard) {
                // Nothing is taken from anyone, so there is nothing to invalidate.
                self.host.remove_guard(gfn, guard);
            }
        }
    }

    fn exchange(&mut self, first: u64, run: &mut Held) -> Result<(), SpaceError> {
        let old = self.all_present(first, run.len())?;
        for ((page, slot), frame) in (first..).zip(run.frames_mut()).zip(old) {
            let gfn = Gfn::new(page);
            let (policy, mut cx) = self.policy_and_context();
            policy.unshadow(gfn, &mut cx);
            let new = HostEntry::Frame { frame: *slot, rights: Rights::all() };
            // The references change places with the frames.
            let _old = self.host.replace(gfn, new);
            *slot = frame;
            self.host.stamp(gfn);
            self.page_changed(gfn, Some(frame));
        }
        self.counters.device_page_writes += run.len() as u64;
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
