//! Collecting blocks: when, and how much for one host operation. `victim.rs` says whom.

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::{Ftl, NewPage, Source, Victim};
use crate::layout::{FRONTIERS, MOST_SPARE};
use crate::map::UNMAPPED;
use crate::oob::{Kind, NO_LPN, Oob};
use crate::stats::Cause;
use alloc::vec::Vec;
use vellum_nand::Nand;

impl<N: Nand> Ftl<N> {
    /// The most page moves that one host write waits for while no block fails; a batch waits for as many a page.
    /// Where a cell holds one bit: the rest of a victim and all of another one when a frontier asks for a block
    /// at the worst time, and its own share of the next; no victim is fuller than the mean. Where pages share cells a
    /// victim is emptied at once: one before each write while free blocks are few, and another one when a
    /// frontier asks for a block and there is none beyond the reserve. That one fits the room of the
    /// open blocks, so it gives a block and takes none; either may be full, when it is moved for its wear.
    pub fn most_moves(&self) -> u32 {
        // A snapshot's copy is one more page.
        let pages = 1 + u32::from(self.has_snapshot());
        if self.shared() {
            return pages * 2 * (self.l.g.pages_per_block - 1);
        }
        let taken = 2 + self.l.ring() + FRONTIERS as u32 + MOST_SPARE;
        let closed = self.blocks.good().saturating_sub(taken).max(1);
        let full = self.l.held.div_ceil(closed).min(self.l.g.pages_per_block - 1);
        pages * (2 * full + 4 * full.div_ceil(self.l.g.pages_per_block - full))
    }

    /// Free blocks below which collection starts.
    pub(crate) fn low(&self) -> u32 {
        let several = self.placer.skewed || self.shared();
        self.floor()
            + 1
            + u32::from(self.careful)
            + u32::from(self.tight())
            + 2 * u32::from(several)
    }

    /// Makes discards durable when blocks are wanted that they emptied.
    pub(crate) fn settle_trims(&mut self, wanted: u32) -> Result<(), FtlError> {
        if self.trimmed.is_some() && self.sure_free() < wanted && self.all_free() >= wanted {
            self.write_meta(false)?;
        }
        Ok(())
    }

    /// A share of the collecting that is to be done, before `writes` host writes.
    pub(crate) fn make_room(&mut self, writes: u32) -> Result<(), FtlError> {
        if self.tight() || self.ring_is_long() {
            self.relax_log()?;
        }
        if self.gc.is_none() {
            self.choose(self.low())?;
        }
        if let Some(victim) = self.gc {
            let pace = self.pace(&victim, writes);
            self.collect(pace)?;
        }
        // A block that a discard may have emptied counts once the discard is durable.
        self.settle_trims(self.floor() + 1)?;
        self.check_reserve();
        Ok(())
    }

    /// Pages of the victim to be moved before so many host writes.
    fn pace(&self, victim: &Victim, writes: u32) -> u32 {
        let pages = self.l.g.pages_per_block;
        let left = u32::from(self.blocks.valid[victim.block as usize]);
        if self.shared() || left == 0 {
            return u32::MAX;
        }
        // As many moves a write as keep the free blocks from becoming fewer, and more when they are.
        let behind = self.low().saturating_sub(self.sure_free()).max(1);
        let steady = match victim.cause {
            Cause::Collect => victim.full.div_ceil(pages.saturating_sub(victim.full).max(1)),
            _ => 4,
        };
        let steady = (steady * behind).saturating_mul(writes);
        if self.sure_free() > self.floor() {
            return steady;
        }
        // What is left must fit beside the host's pages.
        match self.room().saturating_sub(left) {
            spare if spare <= writes => u32::MAX,
            spare => (left * writes).div_ceil(spare).max(if self.low() > 2 { steady } else { 1 }),
        }
    }

    /// Collects until a frontier may open a block and `more` others are free beyond the reserve.
    pub(crate) fn make_room_to_open(&mut self, more: u32) -> Result<(), FtlError> {
        let wanted = self.floor() + 1 + more;
        let mut tries = 2 * self.l.g.blocks;
        loop {
            self.settle_trims(wanted)?;
            if self.sure_free() >= wanted || tries == 0 {
                return Ok(());
            }
            if let Some(victim) = self.gc
                && victim.cause == Cause::Wear
                && !self.levels_at_floor(self.blocks.valid[victim.block as usize].into())
            {
                // It frees too little to wait for.
                self.gc = None;
            }
            if self.gc.is_none() {
                self.choose(wanted.max(self.low()))?;
            }
            if self.gc.is_none() {
                return Ok(());
            }
            self.collect(u32::MAX)?;
            tries -= 1;
        }
    }

    /// Moves up to `most` pages of the victim; frees it when it is empty.
    pub(crate) fn collect(&mut self, most: u32) -> Result<(), FtlError> {
        let pages = self.l.g.pages_per_block;
        let mut moved = 0;
        while let Some(victim) = &mut self.gc {
            let empty = self.blocks.valid[victim.block as usize] == 0;
            if victim.next >= pages || empty {
                let victim = *victim;
                self.gc = None;
                return self.emptied(victim);
            }
            if moved >= most {
                return Ok(());
            }
            let first = victim.block * pages;
            let ppn = self.blocks.next_valid(first + victim.next, first + pages);
            victim.next = pages.min(ppn - first + 1);
            let (class, cause) = (victim.class, victim.cause);
            if ppn < first + pages && self.move_page(ppn, class, cause)? {
                moved += 1;
                self.moves += 1;
            }
        }
        Ok(())
    }

    /// Moves one page of a victim if it is valid.
    fn move_page(&mut self, ppn: u32, from: u8, cause: Cause) -> Result<bool, FtlError> {
        let Some(page) = self.owner(ppn)? else { return Ok(false) };
        let age = (self.clock as u32).wrapping_sub(page.birth);
        // A page never gets hotter by being moved.
        let class = if self.placer.skewed { self.placer.class(age).max(from) } else { 0 };
        let class = match cause {
            // Where pages share cells, what the host flushes must not cost moved pages their room.
            _ if self.shared() => FRONTIERS as u8 - 1,
            Cause::Wear if self.placer.skewed => FRONTIERS as u8 - 1,
            _ => class,
        };
        let to = self.append(class, page, Source::Copy(ppn), cause)?;
        self.moved(page.lpn, ppn, to);
        Ok(true)
    }

    /// Whoever pointed at `from` points at `to` now.
    pub(crate) fn moved(&mut self, lpn: u32, from: u32, to: u32) {
        self.map.set(lpn, to);
        self.blocks.lose(from);
        self.blocks.gain(to);
    }

    /// What a physical page holds for a map, as it is to be appended elsewhere: it counts as just written, and as
    /// lost, when its record is not readable.
    pub(crate) fn owner(&mut self, ppn: u32) -> Result<Option<NewPage>, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        let status = self.read_ladder(ppn, &mut [], oob)?;
        let record = Oob::decode_own(oob).filter(|r| r.kind == Kind::Data);
        if status.is_erased() && record.is_none() {
            return Ok(None);
        }
        if let Some(r) = record {
            if r.lpn == NO_LPN || r.lpn >= self.l.numbers {
                return Ok(None);
            }
            let mut page = NewPage::new(r.lpn, self.birth(r.birth), r.data_crc);
            page.lost = r.lost;
            let valid = self.lookup(r.lpn)? == ppn;
            return Ok(valid.then_some(page));
        }
        self.owner_by_map(ppn)
    }

    /// Searches the whole map for a page whose record can't be read.
    #[cold]
    fn owner_by_map(&mut self, ppn: u32) -> Result<Option<NewPage>, FtlError> {
        for lpn in 0..self.l.numbers {
            if self.lookup(lpn)? == ppn {
                let mut page = NewPage::new(lpn, self.clock as u32, 0);
                page.lost = true;
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// A victim holds nothing any more.
    fn emptied(&mut self, victim: Victim) -> Result<(), FtlError> {
        let block = victim.block;
        match self.blocks.role(block) {
            Role::Failing => {
                self.seal();
                if self.trimmed.is_some() {
                    self.write_meta(false)?;
                }
                self.retire_or_forgive(block)
            }
            Role::Data(_) => {
                self.set_free(block);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Counts valid pages by going through the whole map, once after a mount.
    pub(crate) fn count_all(&mut self) -> Result<(), FtlError> {
        if self.counted {
            return Ok(());
        }
        for slice in 0..self.l.slices {
            // Every slice's page also carries a part of the block table.
            self.load_slice(slice)?;
        }
        self.blocks.forget();
        self.snapshot.kept = 0;
        for lpn in 0..self.l.numbers {
            let ppn = self.lookup(lpn)?;
            if ppn != UNMAPPED {
                self.blocks.gain(ppn);
                self.snapshot.kept += u32::from(lpn >= self.l.logical);
            }
        }
        self.counted = true;
        self.opened = Vec::new();
        let empty = |b: &u32| {
            let none = self.blocks.valid[*b as usize] == 0;
            none && matches!(self.blocks.role(*b), Role::Data(_))
        };
        let found: Vec<u32> = (0..self.l.g.blocks).filter(empty).collect();
        found.into_iter().for_each(|block| self.set_free(block));
        Ok(())
    }
}
