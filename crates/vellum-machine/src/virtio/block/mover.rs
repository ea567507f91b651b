//! Data between the guest's buffers and the disk: whole pages are lent and exchanged, and what is left
//! is copied.

use std::collections::BTreeMap;
use std::sync::Arc;

use vellum::frames::{FramePool, Held};
use vellum::remap::{Counters, Policy, Token, Transfers};

use crate::disk::{Payload, Ticket};
use crate::virtio::{Chain, Dma, DmaError};

/// Pages of one device that may be in flight at once; more are copied.
pub(crate) const IN_FLIGHT: usize = 1024;

/// The transfers of one device.
#[derive(Debug)]
pub(super) struct Mover {
    transfers: Transfers<Held>,
    /// What is lent, by the request that reads it.
    lent: BTreeMap<Ticket, Token>,
    /// Lent for a driver that is gone: to be given up as soon as memory is at hand.
    abandoned: Vec<Token>,
    /// Bytes copied beside the transfers.
    copied: u64,
}

impl Default for Mover {
    fn default() -> Self {
        let policy = Policy { quota_pages: IN_FLIGHT, ..Policy::default() };
        Mover {
            transfers: Transfers::new(policy),
            lent: BTreeMap::new(),
            abandoned: Vec::new(),
            copied: 0,
        }
    }
}

impl Mover {
    /// Remaps so many pages in a row and more, from here on.
    pub(super) fn remap_from(&mut self, threshold_pages: usize) {
        let policy = Policy { threshold_pages, ..*self.transfers.policy() };
        self.transfers.set_policy(policy);
    }

    /// The frames that a disk may read into: the memory's own, where it can be remapped at all.
    pub(super) fn frames(&self, memory: &dyn Dma) -> Option<Arc<FramePool>> {
        let mut frames = None;
        if self.transfers.policy().threshold_pages < usize::MAX {
            memory.remap(&mut |space| frames = Some(Arc::clone(space.pool())));
        }
        frames
    }

    /// What was moved, and how.
    pub(super) fn counters(&self) -> Counters {
        let counters = self.transfers.counters;
        Counters { copied: counters.copied + self.copied, ..counters }
    }

    /// The readable bytes from `offset` on, as they are now, for the request `ticket`.
    pub(super) fn gather(
        &mut self,
        memory: &dyn Dma,
        chain: &Chain,
        offset: u64,
        bytes: usize,
        ticket: Ticket,
    ) -> Result<Payload, DmaError> {
        self.give_up_abandoned(memory);
        let list = chain.readable_list(offset, bytes);
        let mut sent = None;
        memory.remap(&mut |space| sent = self.transfers.send(space, &list).ok());
        if let Some(token) = sent
            && let Some(data) = self.transfers.data(token)
            && data.len() == bytes
        {
            self.lent.insert(ticket, token);
            return Ok(Payload::new(data.clone()));
        }
        self.abandoned.extend(sent);
        let mut data = vec![0; bytes];
        chain.get(memory, offset, &mut data)?;
        self.copied += bytes as u64;
        Ok(data.into())
    }

    /// The disk has what the request `ticket` carried.
    pub(super) fn ended(&mut self, memory: &dyn Dma, ticket: Ticket) {
        self.give_up_abandoned(memory);
        if let Some(token) = self.lent.remove(&ticket) {
            memory.remap(&mut |space| {
                // It is in flight: nobody else ends it.
                let _ = self.transfers.complete(space, token);
            });
        }
    }

    /// Fills the writable bytes with what the disk has read.
    pub(super) fn scatter(
        &mut self,
        memory: &dyn Dma,
        chain: &Chain,
        data: &Payload,
    ) -> Result<(), DmaError> {
        if data.data().paged() > 0 {
            let list = chain.writable_list(0, data.len());
            let mut filled = false;
            memory.remap(&mut |space| {
                filled = self.transfers.post(space, &list).is_ok_and(|token| {
                    self.transfers
                        .deliver(space, token, data.data())
                        .is_ok_and(|(end, _)| end.remapped + end.copied == data.len() as u64)
                });
            });
            if filled {
                return Ok(());
            }
        }
        chain.put(memory, 0, &data.to_vec())?;
        self.copied += data.len() as u64;
        Ok(())
    }

    /// The driver is gone, and nobody waits for what is in flight.
    pub(super) fn abandon(&mut self) {
        self.abandoned.extend(core::mem::take(&mut self.lent).into_values());
    }

    /// Another state is taken over, in which nothing is lent.
    pub(super) fn forget(&mut self) {
        self.transfers.forget();
        self.lent.clear();
        self.abandoned.clear();
    }

    fn give_up_abandoned(&mut self, memory: &dyn Dma) {
        for token in self.abandoned.drain(..) {
            memory.remap(&mut |space| {
                // As above.
                let _ = self.transfers.give_up(space, token);
            });
        }
    }
}
