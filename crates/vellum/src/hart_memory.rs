//! The memory as the harts reach it.

use crate::VmMemory;
use crate::explain::Event;
use core::ops::Range;
use vellum_frames::HostFrames;
use vellum_hart::{Memory, Stop, Stored};
use vellum_translate::riscv::Pte;
use vellum_translate::tlb::{PageFlags, Shootdown, Tlb, Translation};
use vellum_translate::{Access, FrameId, Gfn, Gva, Rights};

/// Where a store may go.
enum Target {
    /// Into this frame, by whatever means; stale code, if the frame held some.
    Frame(FrameId, Stored),
    /// Into a followed guest table.
    Table(Gfn, FrameId),
}

impl VmMemory {
    /// Resolves a miss and gives the TLB what it may have.
    fn miss(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        access: Access,
    ) -> Result<Translation, Stop> {
        let translated = self.translate(hart, tlb, va, access);
        self.deliver(hart, tlb);
        let to = translated?;
        let rights = self.tag(tlb, va, access, to);
        self.note(|| Event::TlbFill(rights));
        if access != Access::Fetch && self.arrivals.take(to.gfn) {
            self.fill_ahead(hart, tlb, va);
        }
        Ok(to)
    }

    /// Gives the TLB what it may have of a translation: the rights that it was given.
    pub(crate) fn tag(
        &mut self,
        tlb: &mut Tlb,
        va: Gva,
        access: Access,
        mut to: Translation,
    ) -> Rights {
        // A page that instructions were decoded from has no write tag: not even after a store beside
        // them, which goes through here each time and leaves them as they are.
        if to.rights.contains(Rights::WRITE) && self.pool.is_code(to.frame) {
            to.rights -= Rights::WRITE;
        }
        self.host.touch(to.gfn);
        // Whether the access gets a tag is the host's business; the guest's word is kept all the same.
        // Where the policy decides what the guest sees, it holds everything that is put in here, so
        // that a change of the guest's tables is told to the TLB ([`VmMemory::audit_tlb`]).
        tlb.fill(va, access, to, &self.pool);
        to.rights
    }

    fn store_target(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
    ) -> Result<Target, Stop> {
        // A page that can be read here, is a followed table and the guest may write: the usual way
        // of a guest that edits its tables.
        if let Some(known) = tlb.known(va)
            && known.flags.contains(PageFlags::GUEST_WRITABLE)
            && self.policy.is_followed(known.gfn)
            && let Some(frame) = self.host.withheld_only_by(known.gfn, self.guard, Rights::WRITE)
            && !self.let_go(known.gfn)
        {
            return Ok(Target::Table(known.gfn, frame));
        }
        let to = self.miss(hart, tlb, va, Access::Store)?;
        if !to.rights.contains(Rights::WRITE) {
            return Ok(Target::Table(to.gfn, to.frame));
        }
        Ok(Target::Frame(to.frame, self.code_store(hart, tlb, to.frame, va.page_offset(), size)))
    }

    /// Bytes of a frame are about to be written by a hart: if code was decoded from them, all that
    /// was decoded from the frame is stale.
    fn code_store(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        frame: FrameId,
        offset: usize,
        size: u64,
    ) -> Stored {
        if !self.pool.is_code_at(frame, offset..offset + size as usize) {
            return Stored::Plain;
        }
        self.counters.code_stores += 1;
        self.note(|| Event::CodeStore(frame));
        self.pool.content_changed(frame);
        self.shoot.push(Shootdown::FrameExecute(frame));
        self.deliver(hart, tlb);
        Stored::Code
    }

    /// The store into a guest table is done: brings what is kept in step.
    fn table_stored(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        gfn: Gfn,
        frame: FrameId,
        offset: usize,
    ) -> Stored {
        let index = offset / 8;
        let pte = Pte(self.pool.load(frame, index * 8, 8));
        self.note(|| Event::TableStore(gfn, index, pte));
        self.with_policy(|policy, cx| policy.stored(gfn, index, pte.0, cx));
        self.host.stamp(gfn);
        self.deliver(hart, tlb);
        self.code_store(hart, tlb, frame, index * 8, 8)
    }
}

impl Memory for VmMemory {
    fn load(&mut self, hart: usize, tlb: &mut Tlb, va: Gva, size: u64) -> Result<u64, Stop> {
        let to = self.miss(hart, tlb, va, Access::Load)?;
        Ok(self.pool.load(to.frame, va.page_offset(), size as usize))
    }

    fn store(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        value: u64,
    ) -> Result<Stored, Stop> {
        let offset = va.page_offset();
        match self.store_target(hart, tlb, va, size)? {
            Target::Frame(frame, stored) => {
                self.pool.store(frame, offset, size as usize, value);
                Ok(stored)
            }
            Target::Table(gfn, frame) => {
                self.pool.store(frame, offset, size as usize, value);
                Ok(self.table_stored(hart, tlb, gfn, frame, offset))
            }
        }
    }

    fn update(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        change: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<(u64, Stored), Stop> {
        let offset = va.page_offset();
        let target = self.store_target(hart, tlb, va, size)?;
        let (Target::Frame(frame, _) | Target::Table(_, frame)) = target;
        let (was, changed) = self.pool.update(frame, offset, size as usize, change);
        let stored = match target {
            Target::Frame(_, stored) => stored,
            Target::Table(gfn, frame) if changed => {
                self.table_stored(hart, tlb, gfn, frame, offset)
            }
            Target::Table(..) => Stored::Plain,
        };
        Ok((was, stored))
    }

    fn probe(&mut self, hart: usize, tlb: &mut Tlb, va: Gva, access: Access) -> Result<(), Stop> {
        match access {
            Access::Store => match self.store_target(hart, tlb, va, 1)? {
                // The block that is running may go stale here; its remaining operations were
                // decoded from what was there before the store, which is what they may be.
                Target::Frame(..) | Target::Table(..) => Ok(()),
            },
            Access::Load | Access::Fetch => self.miss(hart, tlb, va, access).map(|_| ()),
        }
    }

    fn fetch(&mut self, hart: usize, tlb: &mut Tlb, va: Gva) -> Result<FrameId, Stop> {
        self.miss(hart, tlb, va, Access::Fetch).map(|to| to.frame)
    }

    #[inline]
    fn parcel(&self, frame: FrameId, offset: usize) -> u16 {
        self.pool.load(frame, offset, 2) as u16
    }

    #[inline]
    fn content_version(&self, frame: FrameId) -> u32 {
        self.pool.content_version(frame)
    }

    fn mark_code(&mut self, hart: usize, tlb: &mut Tlb, frame: FrameId, bytes: Range<usize>) {
        if !self.pool.mark_code(frame, bytes) {
            return;
        }
        self.shoot.push(Shootdown::HostWrite(self.pool.address(frame)));
        self.deliver(hart, tlb);
    }
}
