//! Appending pages to frontiers: programming, passing over pages that would endanger others, opening
//! blocks, and what a failed program costs.

use crate::FtlError;
use crate::blocks::{Class, Role};
use crate::ftl::{Ftl, NewPage, Source, Trail};
use crate::layout::{FRONTIERS, NONE, SPAN};
use crate::oob::{Kind, MAX_HISTORY, NO_LPN, Oob};
use crate::record::{Head, Record};
use crate::stats::Cause;
use vellum_nand::{EraseBlock, Nand, NandError, Ppa};

/// What became of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// The page is spent; try another block.
    Failed,
    /// The source of a copy can't be read.
    Unreadable,
}

impl<N: Nand> Ftl<N> {
    /// Appends a page to a frontier and returns where it is. The map is the caller's.
    pub(crate) fn append(
        &mut self,
        frontier: u8,
        page: NewPage,
        source: Source<'_>,
        cause: Cause,
    ) -> Result<u32, FtlError> {
        loop {
            // Records for the page, pages passed over, and a block opened.
            self.meta_if_due(3)?;
            let f = self.ready_frontier(frontier, cause)?;
            let head = self.heads[f as usize];
            let ppn = head.block * self.l.g.pages_per_block + head.next;
            match self.program_data(f, ppn, page, source)? {
                Outcome::Done => {
                    self.note_program(f, page);
                    self.stats.count(cause);
                    return Ok(ppn);
                }
                Outcome::Failed => self.program_failed(f),
                Outcome::Unreadable => return self.append_lost(frontier, page, source, cause),
            }
        }
    }

    /// A page that can't be copied inside the chip: read it with all means, or mark it lost.
    fn append_lost(
        &mut self,
        frontier: u8,
        mut page: NewPage,
        source: Source<'_>,
        cause: Cause,
    ) -> Result<u32, FtlError> {
        let Source::Copy(from) = source else {
            return Err(FtlError::Nand(NandError::Unsupported { what: "copy of host data" }));
        };
        let mut data = alloc::vec![0; self.l.page_bytes()];
        if !self.read_ladder(from, &mut data, &mut [])?.is_readable() {
            page.lost = true;
            self.stats.lost += 1;
        }
        self.append(frontier, page, Source::Data(&data), cause)
    }

    /// Programs a page of frontier `f`'s block.
    pub(crate) fn program_data(
        &mut self,
        f: u8,
        ppn: u32,
        page: NewPage,
        source: Source<'_>,
    ) -> Result<Outcome, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        let mut record = Oob::plain(Kind::Data, page.lpn, self.seq, page.crc);
        (record.commit, record.lost, record.batch) = (page.commit, page.lost, page.batch);
        record.birth = self.tick(page.birth);
        record.history = self.trails[f as usize].before;
        record.encode(oob, self.l.lpn_bits);
        let target = Ppa(ppn.into());
        let result = match source {
            Source::Data(data) => self.nand.program(target, data, oob),
            Source::Copy(from) => {
                self.stats.chip_reads += 1;
                match self.nand.copy_back(Ppa(from.into()), target, oob) {
                    Ok(status) if status.is_readable() => Ok(()),
                    Ok(_) | Err(NandError::Unsupported { .. } | NandError::CopyBack { .. }) => {
                        return Ok(Outcome::Unreadable);
                    }
                    Err(e) => Err(e),
                }
            }
        };
        match result {
            Ok(()) => Ok(Outcome::Done),
            Err(NandError::ProgramFailed { .. }) => Ok(Outcome::Failed),
            Err(e) => Err(e.into()),
        }
    }

    /// Appends a page of a batch to the frontier's open block, which has room; `None` when the program
    /// failed.
    pub(crate) fn append_here(
        &mut self,
        f: u8,
        page: NewPage,
        data: &[u8],
    ) -> Result<Option<u32>, FtlError> {
        if !self.pass_over(f) {
            return Err(self.worn_out());
        }
        let head = self.heads[f as usize];
        let ppn = head.block * self.l.g.pages_per_block + head.next;
        if self.program_data(f, ppn, page, Source::Data(data))? != Outcome::Done {
            self.program_failed(f);
            return Ok(None);
        }
        self.note_program(f, page);
        self.stats.count(Cause::Host);
        Ok(Some(ppn))
    }

    fn note_program(&mut self, f: u8, page: NewPage) {
        self.heads[f as usize].next += 1;
        self.seq += 1;
        // What belongs to a batch counts only with its commit: recovery must look itself.
        let known = if page.batch == 0 { page.lpn } else { NO_LPN };
        self.trails[f as usize].push(known);
        let trail = &mut self.trails[f as usize];
        trail.births += u64::from(page.birth);
        trail.count += 1;
        self.record(Record::Write(f, page.lpn));
    }

    /// A frontier with a page to program: `wish`, or for moved pages any with room when blocks are
    /// short.
    pub(crate) fn ready_frontier(&mut self, wish: u8, cause: Cause) -> Result<u8, FtlError> {
        if self.pass_over(wish) {
            return Ok(wish);
        }
        if cause == Cause::Host {
            self.make_room_to_open()?;
            // Collection may have opened the frontier itself.
            if self.pass_over(wish) {
                return Ok(wish);
            }
        }
        if self.open(wish, self.floor())? {
            return Ok(wish);
        }
        match (0..FRONTIERS as u8).rev().find(|&f| self.pass_over(f)) {
            Some(f) => Ok(f),
            None if self.open_last(wish)? => Ok(wish),
            None => Err(self.worn_out()),
        }
    }

    /// Opens a block that should stay free, when a failure took the one that was counted on.
    pub(crate) fn open_last(&mut self, f: u8) -> Result<bool, FtlError> {
        self.stats.last_resorts += 1;
        self.open(f, 0)
    }

    /// Whether the frontier has a page to program, after passing over those that share cells with a
    /// page that must stay.
    pub(crate) fn pass_over(&mut self, f: u8) -> bool {
        let (head, sealed) = (self.heads[f as usize], self.trails[f as usize].sealed);
        if head.block == NONE {
            return false;
        }
        let g = &self.l.g;
        let endangers = |p: &u32| g.paired_with(*p).is_some_and(|lower| lower < sealed);
        let next =
            (head.next..g.pages_per_block).find(|p| !endangers(p)).unwrap_or(g.pages_per_block);
        let mut over = next - head.next;
        for _ in 0..over {
            self.trails[f as usize].push(NO_LPN);
        }
        while over > 0 {
            let n = over.min(Record::MOST_SKIP);
            self.record(Record::Skip(f, n));
            over -= n;
        }
        self.heads[f as usize].next = next;
        next < self.l.g.pages_per_block
    }

    /// From now on no program endangers what was programmed so far.
    pub(crate) fn seal(&mut self) {
        if self.l.g.pair_distance() == 0 {
            return;
        }
        for (head, trail) in self.heads.iter().zip(&mut self.trails) {
            trail.sealed = head.next;
        }
    }

    /// Whether a later program could endanger a page that was programmed already.
    fn exposed(&self) -> bool {
        let d = self.l.g.pair_distance();
        let full = self.l.g.pages_per_block;
        d > 0
            && self.heads.iter().zip(&self.trails).any(|(h, t)| {
                let bare = |p: u32| {
                    let upper = p + d;
                    p >= t.sealed && upper < full && self.l.g.paired_with(upper) == Some(p)
                };
                h.block != NONE && (h.next.saturating_sub(d)..h.next).any(bare)
            })
    }

    /// The frontier's block becomes a closed one.
    pub(crate) fn close(&mut self, f: u8) {
        let head = core::mem::replace(&mut self.heads[f as usize], Head::CLOSED);
        if head.block == NONE {
            return;
        }
        let trail = core::mem::replace(&mut self.trails[f as usize], Trail::NEW);
        if self.blocks.role(head.block) == Role::Open {
            self.blocks.set_role(head.block, Role::Data(Class::of(f)));
        }
        if let Some(mean) = trail.births.checked_div(trail.count.into()) {
            self.blocks.set_birth(head.block, mean as u32);
        }
    }

    /// Erases a free block and makes it the frontier's, durably; false when fewer than `keep` would
    /// stay free.
    pub(crate) fn open(&mut self, f: u8, keep: u32) -> Result<bool, FtlError> {
        let cold = f as usize == FRONTIERS - 1;
        let Some(block) = self.take_erased(cold, keep)? else { return Ok(false) };
        self.close(f);
        self.heads[f as usize] = Head { block, next: 0 };
        self.blocks.set_role(block, Role::Open);
        self.blocks.set_day(block, self.day as u8);
        self.record(Record::Open(f, block));
        self.write_meta(false)?;
        Ok(true)
    }

    /// A free block, erased: the least worn, or for cold data the most worn. Its old content is no
    /// longer needed by any state that a cut could bring back. `None` when fewer than `keep` would
    /// stay.
    pub(crate) fn take_erased(&mut self, worn: bool, keep: u32) -> Result<Option<u32>, FtlError> {
        self.count_all()?;
        loop {
            if self.all_free() <= keep {
                return Ok(None);
            }
            let Some(block) = self.choose_free(worn) else { return Ok(None) };
            if self.blocks.role(block) == Role::FreeLater {
                self.write_meta(false)?;
                // The log may have taken a block.
                continue;
            }
            if self.exposed() {
                self.seal();
            }
            self.blocks.set_role(block, Role::Taken);
            if self.erase(block)? {
                return Ok(Some(block));
            }
            self.retire(block)?;
        }
    }

    /// The free block to be written next: the least worn, or for cold data the most worn. The log takes
    /// its blocks from what is left, so that must not be worn blocks alone: then the most worn one goes
    /// to the data, which holds it for long. One of the first is left for a lost anchor if another is free.
    fn choose_free(&self, worn: bool) -> Option<u32> {
        let free = |r: Role| matches!(r, Role::Free | Role::FreeLater);
        let kept = |b: u32| self.copies.is_lone() && b < SPAN;
        let others = self.blocks.roles().any(|(b, r)| free(r) && !kept(b));
        let (mut least, mut second, mut most) = (None, u32::MAX, None);
        for (block, role) in self.blocks.roles() {
            if !free(role) || (others && kept(block)) {
                continue;
            }
            let erases = self.blocks.erases(block);
            match least {
                Some((e, _)) if e <= erases => second = second.min(erases),
                other => {
                    second = other.map_or(u32::MAX, |l| l.0);
                    least = Some((erases, block));
                }
            }
            most = most.filter(|m: &(u32, u32)| m.0 >= erases).or(Some((erases, block)));
        }
        let spread = self.config.wear.spread;
        let tired = spread > 0 && second != u32::MAX && second > self.blocks.mean() + spread / 4;
        if worn || tired { most } else { least }.map(|b| b.1)
    }

    /// Nothing points into a block any more.
    pub(crate) fn set_free(&mut self, block: u32) {
        let role = if self.trimmed.is_some() { Role::FreeLater } else { Role::Free };
        self.blocks.set_role(block, role);
    }

    /// Erases a block; false when it failed.
    pub(crate) fn erase(&mut self, block: u32) -> Result<bool, FtlError> {
        self.blocks.set_erases(block, self.blocks.erases(block) + 1);
        self.blocks.forget_reads(block);
        match self.nand.erase(EraseBlock(block)) {
            Ok(()) => {
                self.stats.erases += 1;
                Ok(true)
            }
            Err(NandError::EraseFailed { .. } | NandError::BadBlock { .. }) => {
                self.stats.erase_fails += 1;
                self.careful = true;
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// A program failed: the block's pages are to be moved before anything else.
    fn program_failed(&mut self, f: u8) {
        self.stats.program_fails += 1;
        self.careful = true;
        self.seq += 1;
        let block = self.heads[f as usize].block;
        self.record(Record::Skip(f, 1));
        self.blocks.set_role(block, Role::Failing);
        self.close(f);
        self.record(Record::Open(f, NONE));
        self.pending.push((block, Cause::Rescue));
    }
}

impl Trail {
    /// One more page of the block.
    pub fn push(&mut self, lpn: u32) {
        self.before.copy_within(..MAX_HISTORY - 1, 1);
        self.before[0] = lpn;
    }
}
