//! A set of pages without a virtual machine: memory of a program, read and written through methods.

use crate::content::Page;
use crate::set::{Backing, Look, PageSet, Withhold};
use crate::{Error, Scavenger, SetId};
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, PAGE_SIZE};

#[derive(Debug, Clone, Copy)]
struct Slot {
    backing: Backing,
    written: u64,
    withheld: Option<Withhold>,
}

/// Pages over a pool of frames, zeros at first. What the scavenger takes away comes back with the
/// next access.
///
/// Dropping the set gives its frames back; [`Pages::clear`] gives back what is packed as well.
#[derive(Debug)]
pub struct Pages {
    pool: Arc<FramePool>,
    slots: Vec<Slot>,
    epoch: u64,
}

impl Pages {
    /// `count` pages of zeros.
    pub fn new(pool: Arc<FramePool>, count: usize) -> Self {
        let zero = Backing::Frame(FrameId::ZERO);
        let slot = Slot { backing: zero, written: 0, withheld: None };
        Pages { pool, slots: vec![slot; count], epoch: 1 }
    }

    fn check(&self, page: u64) -> Result<usize, Error> {
        let limit = self.slots.len() as u64;
        if page < limit {
            Ok(page as usize)
        } else {
            Err(Error::Limit { what: "page", value: page, limit })
        }
    }

    /// The page's frame, brought if need be; frames are freed for it where there are none.
    fn frame(
        &mut self,
        scavenger: &mut Scavenger,
        set: SetId,
        page: u64,
    ) -> Result<FrameId, Error> {
        let at = self.check(page)?;
        if self.slots[at].withheld == Some(Withhold::All) {
            self.slots[at].withheld = None;
            scavenger.touched(set, page);
        }
        match self.slots[at].backing {
            Backing::Frame(frame) => Ok(frame),
            Backing::Packed(object) => {
                let frame = match scavenger.restore(set, page, object) {
                    Err(Error::Frames(_)) => {
                        scavenger.reclaim(set, self, 1, Some(page))?;
                        scavenger.restore(set, page, object)?
                    }
                    other => other?,
                };
                self.slots[at].backing = Backing::Frame(frame);
                Ok(frame)
            }
        }
    }

    /// Reads a whole page.
    ///
    /// # Errors
    /// When there is no such page, or it can't be brought.
    pub fn read(
        &mut self,
        scavenger: &mut Scavenger,
        set: SetId,
        page: u64,
        out: &mut Page,
    ) -> Result<(), Error> {
        let frame = self.frame(scavenger, set, page)?;
        self.pool.read(frame, 0, out);
        Ok(())
    }

    /// Writes bytes at an offset of a page.
    ///
    /// # Errors
    /// When there is no such page, the bytes reach over its end, it can't be brought, or no frame is
    /// left.
    pub fn write(
        &mut self,
        scavenger: &mut Scavenger,
        set: SetId,
        page: u64,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let end = offset.saturating_add(bytes.len());
        if end > PAGE_SIZE {
            let (value, limit) = (end as u64, PAGE_SIZE as u64);
            return Err(Error::Limit { what: "end of a write", value, limit });
        }
        let mut frame = self.frame(scavenger, set, page)?;
        let at = page as usize;
        if !self.pool.is_exclusive(frame) {
            let own = match self.pool.allocate_copy(frame) {
                Err(_) => {
                    scavenger.reclaim(set, self, 1, Some(page))?;
                    // It may be this page's alone by now.
                    self.pool.allocate_copy(frame)?
                }
                Ok(own) => own,
            };
            self.slots[at].backing = Backing::Frame(own);
            self.pool.release(frame);
            frame = own;
        }
        if self.slots[at].withheld.take() == Some(Withhold::Write) {
            scavenger.broken(set, page);
        }
        self.slots[at].written = self.epoch;
        self.pool.write(frame, offset, bytes);
        Ok(())
    }

    /// A copy that shares every frame and every packed object with this one.
    ///
    /// # Errors
    /// When an object can't be held once more.
    pub fn fork(&self, scavenger: &mut Scavenger) -> Result<Pages, Error> {
        for slot in &self.slots {
            match slot.backing {
                Backing::Frame(frame) => self.pool.retain(frame),
                Backing::Packed(object) => scavenger.retain(object)?,
            }
        }
        let mut slots = self.slots.clone();
        slots.iter_mut().for_each(|slot| slot.withheld = None);
        Ok(Pages { pool: Arc::clone(&self.pool), slots, epoch: self.epoch })
    }

    /// Gives everything back, packed pages included: all pages are zeros again.
    ///
    /// # Errors
    /// When the scavenger does not know a packed page; the others are given back all the same.
    pub fn clear(&mut self, scavenger: &mut Scavenger) -> Result<(), Error> {
        let mut result = Ok(());
        for slot in &mut self.slots {
            match core::mem::replace(&mut slot.backing, Backing::Frame(FrameId::ZERO)) {
                Backing::Frame(frame) => self.pool.release(frame),
                Backing::Packed(object) => result = result.and(scavenger.release(object)),
            }
            (slot.withheld, slot.written) = (None, self.epoch);
        }
        result
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        for slot in &self.slots {
            if let Backing::Frame(frame) = slot.backing {
                self.pool.release(frame);
            }
        }
    }
}

impl PageSet for Pages {
    fn pages(&self) -> u64 {
        self.slots.len() as u64
    }

    fn open_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    fn look(&self, page: u64) -> Look {
        let slot = &self.slots[page as usize];
        match slot.backing {
            Backing::Frame(frame) => Look::Frame { frame, written: slot.written },
            Backing::Packed(object) => Look::Packed(object),
        }
    }

    fn withhold(&mut self, page: u64, what: Withhold) {
        self.slots[page as usize].withheld = Some(what);
    }

    fn replace(&mut self, page: u64, with: Backing) -> Backing {
        let slot = &mut self.slots[page as usize];
        slot.withheld = slot.withheld.filter(|what| *what == Withhold::Write);
        core::mem::replace(&mut slot.backing, with)
    }
}
