//! Collecting blocks: whom, when, and how much for one host operation.

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::{Ftl, NewPage, Source, Victim};
use crate::layout::{FRONTIERS, NONE, SPARE};
use crate::map::UNMAPPED;
use crate::oob::{Kind, NO_LPN, Oob};
use crate::stats::Cause;
use alloc::vec::Vec;
use vellum_nand::Nand;

impl<N: Nand> Ftl<N> {
    /// The most page moves that a host write waits for under uniform traffic, when no block fails
    /// (under skewed traffic several victims in a row may gain little, and it takes more): what one collection
    /// moves, spread over the pages that it frees. The least full closed block is at most
    /// `logical / closed blocks` full.
    pub fn most_moves(&self) -> u32 {
        let taken = 2 + self.l.ring() + FRONTIERS as u32 + SPARE;
        let closed = self.blocks.good().saturating_sub(taken).max(1);
        let full = self.l.logical.div_ceil(closed).min(self.l.g.pages_per_block - 1);
        // All of one victim, when metadata asks for a block at the worst time, and the share of the
        // next.
        2 * full + full.div_ceil(self.l.g.pages_per_block - full)
    }

    /// Free blocks below which collection starts. One of them is recovery's: with one frontier, what
    /// is collected always fits the open block; where several may ask for a block while a victim is
    /// emptied, or pages are passed over, two more see to it that the last one stays.
    fn low(&self) -> u32 {
        let shared = self.l.g.pair_distance() > 0;
        SPARE + u32::from(self.careful) + 2 * u32::from(self.placer.skewed || shared)
    }

    fn short(&self) -> bool {
        (self.free.len() as u32) < self.low()
    }

    /// A share of the collecting that is to be done, before a host write.
    pub(crate) fn make_room(&mut self) -> Result<(), FtlError> {
        if self.gc.is_none() {
            self.choose()?;
        }
        let Some(victim) = self.gc else { return Ok(()) };
        let left = u32::from(self.blocks.valid[victim.block as usize]);
        let room: u32 = self.heads.iter().map(|h| self.room_of(h)).sum();
        let writes = room.saturating_sub(left).max(1);
        self.collect(left.div_ceil(writes).max(u32::from(left == 0)))
    }

    pub(crate) fn room_of(&self, head: &crate::record::Head) -> u32 {
        if head.block == NONE { 0 } else { self.l.g.pages_per_block - head.next }
    }

    /// Collects until a frontier may open a block.
    pub(crate) fn make_room_to_open(&mut self) -> Result<(), FtlError> {
        while self.short() {
            if self.gc.is_none() {
                self.choose()?;
            }
            if self.gc.is_none() {
                break;
            }
            self.collect(u32::MAX)?;
        }
        Ok(())
    }

    /// Picks the next block to be emptied, if one is needed.
    fn choose(&mut self) -> Result<(), FtlError> {
        while let Some((block, cause)) = self.pending.pop() {
            let role = self.blocks.role[block as usize];
            let class = match role {
                Role::Data(class) => class,
                Role::Failing => 0,
                _ => continue,
            };
            self.count_all()?;
            self.gc = Some(Victim { block, next: 0, class, cause });
            return Ok(());
        }
        if !self.short() {
            return Ok(());
        }
        self.count_all()?;
        // Levelling frees nothing: every other victim at most.
        let worn = if self.levelled { None } else { self.worn_victim() };
        self.levelled = worn.is_some();
        self.gc = worn.or_else(|| self.best_victim());
        Ok(())
    }

    /// The block whose collection is worth most. O(blocks), once a victim.
    pub(crate) fn best_victim(&self) -> Option<Victim> {
        let pages = self.l.g.pages_per_block;
        let clock = self.clock as u32;
        let mut best: Option<(i64, u32, u32, u8)> = None;
        for (block, role) in self.blocks.role.iter().enumerate() {
            let Role::Data(class) = *role else { continue };
            let valid = u32::from(self.blocks.valid[block]);
            if valid >= pages {
                continue;
            }
            let age = clock.wrapping_sub(self.blocks.birth[block]);
            let worth = self.placer.worth(pages, valid, age);
            let erases = self.blocks.erases[block];
            // Among equals the least worn.
            if best.is_none_or(|(w, e, ..)| worth > w || (worth == w && erases < e)) {
                best = Some((worth, erases, block as u32, class));
            }
        }
        best.map(|(_, _, block, class)| Victim { block, next: 0, class, cause: Cause::Collect })
    }

    /// The least worn data block, when it lags too far behind and the budget allows.
    fn worn_victim(&self) -> Option<Victim> {
        let policy = self.config.wear;
        if policy.spread == 0 {
            return None;
        }
        let spent = self.stats.programs_wear + u64::from(self.l.g.pages_per_block);
        if spent * 1000 > self.stats.programs() * u64::from(policy.budget_permille) {
            return None;
        }
        let (mut most, mut least) = (0, (u32::MAX, 0u32, 0u8));
        for (block, role) in self.blocks.role.iter().enumerate() {
            let erases = self.blocks.erases[block];
            match *role {
                Role::Data(class) => {
                    most = most.max(erases);
                    if erases < least.0 {
                        least = (erases, block as u32, class);
                    }
                }
                Role::Free | Role::Open => most = most.max(erases),
                _ => {}
            }
        }
        let (erases, block, class) = least;
        // Below the bound, so that it holds while this block is emptied.
        let lags = erases != u32::MAX && most - erases + 4 > policy.spread;
        lags.then_some(Victim { block, next: 0, class, cause: Cause::Wear })
    }

    /// Moves up to `most` pages of the victim; frees it when it is empty.
    pub(crate) fn collect(&mut self, most: u32) -> Result<(), FtlError> {
        let pages = self.l.g.pages_per_block;
        let mut moved = 0;
        while let Some(mut victim) = self.gc {
            let empty = self.blocks.valid[victim.block as usize] == 0;
            if victim.next >= pages || empty {
                self.gc = None;
                return self.emptied(victim);
            }
            if moved >= most {
                return Ok(());
            }
            let ppn = victim.block * pages + victim.next;
            victim.next += 1;
            self.gc = Some(victim);
            if self.blocks.is_valid(ppn) == Some(false) {
                continue;
            }
            if self.move_page(ppn, &victim)? {
                moved += 1;
                self.moves += 1;
            }
        }
        Ok(())
    }

    /// Moves one page if it is valid.
    fn move_page(&mut self, ppn: u32, victim: &Victim) -> Result<bool, FtlError> {
        let Some((lpn, record)) = self.owner(ppn)? else { return Ok(false) };
        let birth = record.map_or(self.clock as u32, |r| self.birth(r.birth));
        let age = (self.clock as u32).wrapping_sub(birth);
        // A page never gets hotter by being moved.
        let class = if self.placer.skewed { self.placer.class(age).max(victim.class) } else { 0 };
        let class = match victim.cause {
            Cause::Wear if self.placer.skewed => FRONTIERS as u8 - 1,
            _ => class,
        };
        let mut page = NewPage::new(lpn, birth, record.map_or(0, |r| r.data_crc));
        page.lost = record.is_none_or(|r| r.lost);
        let to = self.append(class, page, Source::Copy(ppn), victim.cause)?;
        self.moved(lpn, ppn, to)
    }

    /// Whoever pointed at `from` points at `to` now.
    pub(crate) fn moved(&mut self, lpn: u32, from: u32, to: u32) -> Result<bool, FtlError> {
        if self.lookup(lpn)? == from {
            self.map.set(lpn, to);
        } else {
            self.move_in_snapshot(lpn, from, to);
        }
        self.blocks.lose(from);
        self.blocks.gain(to);
        Ok(true)
    }

    /// The logical page that a physical page holds for a map, with its record if that is readable.
    pub(crate) fn owner(&mut self, ppn: u32) -> Result<Option<(u32, Option<Oob>)>, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        let status = self.read_ladder(ppn, &mut [], oob)?;
        let record = Oob::decode(oob, self.l.lpn_bits).filter(|r| r.kind == Kind::Data);
        if status.is_erased() && record.is_none() {
            return Ok(None);
        }
        if let Some(r) = record {
            if r.lpn == NO_LPN || r.lpn >= self.pages() {
                return Ok(None);
            }
            let valid = self.lookup(r.lpn)? == ppn || self.snapshot_has(r.lpn, ppn);
            return Ok(valid.then_some((r.lpn, Some(r))));
        }
        self.owner_by_map(ppn)
    }

    /// Searches the whole map for a page whose record can't be read.
    fn owner_by_map(&mut self, ppn: u32) -> Result<Option<(u32, Option<Oob>)>, FtlError> {
        for lpn in 0..self.pages() {
            if self.lookup(lpn)? == ppn {
                return Ok(Some((lpn, None)));
            }
        }
        Ok(self.snapshot_owner(ppn).map(|lpn| (lpn, None)))
    }

    /// A victim holds nothing any more.
    fn emptied(&mut self, victim: Victim) -> Result<(), FtlError> {
        let block = victim.block;
        match self.blocks.role[block as usize] {
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
        for lpn in 0..self.pages() {
            let ppn = self.lookup(lpn)?;
            if ppn != UNMAPPED {
                self.blocks.gain(ppn);
            }
        }
        self.count_snapshot();
        self.counted = true;
        let empty = |b: &u32| {
            let i = *b as usize;
            matches!(self.blocks.role[i], Role::Data(_)) && self.blocks.valid[i] == 0
        };
        let found: Vec<u32> = (0..self.l.g.blocks).filter(empty).collect();
        found.into_iter().for_each(|block| self.set_free(block));
        Ok(())
    }
}
