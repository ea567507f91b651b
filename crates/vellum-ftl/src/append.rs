//! Appending pages to frontiers: opening blocks, programming, and what a failed program costs.

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::{Ftl, NewPage, Source, Trail};
use crate::layout::FRONTIERS;
use crate::meta::{Head, NONE, Record};
use crate::oob::{Before, Kind, MAX_HISTORY, NO_LPN, Oob};
use crate::stats::Cause;
use vellum_nand::{EraseBlock, Nand, NandError, Ppa};

/// What became of a program.
enum Outcome {
    Done,
    /// The page is spent; try the next one.
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
            // A record for the page and one for a block to be opened.
            self.meta_if_due(2)?;
            let f = self.ready_frontier(frontier, cause)?;
            let head = self.heads[f as usize];
            let ppn = head.block * self.l.g.pages_per_block + head.next;
            match self.program_data(f, ppn, page, source)? {
                Outcome::Done => {
                    self.note_program(f, page);
                    self.stats.count(cause);
                    return Ok(ppn);
                }
                Outcome::Failed => self.program_failed(f)?,
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
        let mut data = core::mem::take(&mut self.page);
        let status = self.read_ladder(from, &mut data, &mut []);
        let readable = status.as_ref().is_ok_and(|s| s.is_readable());
        if !readable {
            page.lost = true;
            self.stats.lost += 1;
        }
        let result = match status {
            Ok(_) => self.append(frontier, page, Source::Data(&data), cause),
            Err(e) => Err(e.into()),
        };
        self.page = data;
        result
    }

    fn program_data(
        &mut self,
        f: u8,
        ppn: u32,
        page: NewPage,
        source: Source<'_>,
    ) -> Result<Outcome, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        self.oob_for(f, page).encode(oob, self.l.lpn_bits);
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

    fn oob_for(&self, f: u8, page: NewPage) -> Oob {
        let mut history = [Before::default(); MAX_HISTORY];
        for (b, &(lpn, seq)) in history.iter_mut().zip(&self.trails[f as usize].before) {
            let ago = self.seq.saturating_sub(seq).min(127) as u8;
            // No program is zero programs ago: that stands for padding, and for nothing at all.
            let nothing = lpn == NO_LPN;
            *b = if nothing { Before::default() } else { Before { lpn, ago } };
        }
        Oob {
            kind: Kind::Data,
            frontier: f,
            commit: page.commit,
            lost: page.lost,
            batch: page.batch,
            lpn: page.lpn,
            seq: self.seq,
            birth: self.tick(page.birth),
            data_crc: page.crc,
            history,
        }
    }

    fn note_program(&mut self, f: u8, page: NewPage) {
        self.heads[f as usize].next += 1;
        let seq = self.seq;
        self.seq += 1;
        let trail = &mut self.trails[f as usize];
        trail.before.copy_within(..MAX_HISTORY - 1, 1);
        trail.before[0] = (page.lpn, seq);
        if page.lpn == NO_LPN {
            self.record(Record::Skip(f));
        } else {
            trail.births += u64::from(page.birth);
            trail.count += 1;
            self.record(Record::Write(f, page.lpn));
        }
    }

    /// A frontier with a page to program: `wish`, or for moved pages any with room when no block is
    /// free.
    fn ready_frontier(&mut self, wish: u8, cause: Cause) -> Result<u8, FtlError> {
        let full = self.l.g.pages_per_block;
        let room = |h: &Head| h.block != NONE && h.next < full;
        if room(&self.heads[wish as usize]) {
            return Ok(wish);
        }
        if cause != Cause::Host
            && self.spare() == 0
            && let Some(f) = self.heads.iter().rposition(room)
        {
            return Ok(f as u8);
        }
        self.close(wish);
        if cause == Cause::Host {
            self.make_room_to_open()?;
            // Collection may have opened the frontier itself.
            if room(&self.heads[wish as usize]) {
                return Ok(wish);
            }
        }
        if self.open(wish)? {
            return Ok(wish);
        }
        // The log took the last block: any frontier with room will do.
        match self.heads.iter().position(room) {
            Some(f) => Ok(f as u8),
            None => Err(self.worn_out()),
        }
    }

    /// The frontier's block becomes a closed one.
    pub(crate) fn close(&mut self, f: u8) {
        let head = core::mem::replace(&mut self.heads[f as usize], Head::CLOSED);
        if head.block == NONE {
            return;
        }
        let trail = core::mem::replace(&mut self.trails[f as usize], Trail::NEW);
        let block = head.block as usize;
        if self.blocks.role[block] == Role::Open {
            self.blocks.role[block] = Role::Data(f);
        }
        if let Some(mean) = trail.births.checked_div(trail.count.into()) {
            self.blocks.birth[block] = mean as u32;
        }
    }

    /// Erases a free block and makes it the frontier's; false when there is none.
    fn open(&mut self, f: u8) -> Result<bool, FtlError> {
        loop {
            // What was moved out of the block must be safe before its source goes. No metadata page
            // may come between taking the block, which it announced, and the record that it is open.
            self.pad_exposed()?;
            let Some(block) = self.take_announced(f)? else { return Ok(false) };
            match self.erase(block)? {
                true => {
                    self.heads[f as usize] = Head { block, next: 0 };
                    self.trails[f as usize] = Trail::NEW;
                    self.blocks.role[block as usize] = Role::Open;
                    self.record(Record::Open(f, block));
                    return Ok(true);
                }
                false => self.retire(block)?,
            }
        }
    }

    /// Opens a block for the frontier that batches go to.
    pub(crate) fn open_for_batch(&mut self) -> Result<(), FtlError> {
        self.meta_if_due(1)?;
        if self.open(0)? { Ok(()) } else { Err(self.worn_out()) }
    }

    /// Erases a block; false when it failed.
    pub(crate) fn erase(&mut self, block: u32) -> Result<bool, FtlError> {
        self.blocks.erases[block as usize] += 1;
        self.blocks.reads[block as usize] = 0;
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

    /// Takes a free block that the latest metadata page announced; writes one if there is none. Hot
    /// frontiers get the least worn, the coldest the most worn.
    fn take_announced(&mut self, f: u8) -> Result<Option<u32>, FtlError> {
        if self.free.is_empty() {
            self.count_all()?;
        }
        if self.free.is_empty() {
            return Ok(None);
        }
        // One announced block stays free for the next recovery, if there are others to announce.
        let known = self.announced.iter().filter(|b| self.free.contains(b)).count();
        if known == 0 || (known == 1 && self.free.len() > 1 && !self.in_batch) {
            self.write_meta()?;
        }
        let erases = &self.blocks.erases;
        let candidates = self.announced.iter().copied().filter(|b| self.free.contains(b));
        let cold = f as usize == FRONTIERS - 1;
        let key = |b: &u32| {
            let e = i64::from(erases[*b as usize]);
            if cold { -e } else { e }
        };
        let Some(block) = candidates.min_by_key(key) else { return Ok(None) };
        self.free.retain(|&b| b != block);
        Ok(Some(block))
    }

    /// A program failed: the block's pages are to be moved, and the next metadata page is due now,
    /// so that recovery needs no guess.
    fn program_failed(&mut self, f: u8) -> Result<(), FtlError> {
        self.stats.program_fails += 1;
        self.careful = true;
        self.seq += 1;
        let block = self.heads[f as usize].block;
        self.record(Record::Skip(f));
        self.heads[f as usize].next += 1;
        self.blocks.role[block as usize] = Role::Failing;
        self.close(f);
        self.pending.insert(0, (block, Cause::Rescue));
        self.urgent();
        Ok(())
    }

    /// Pads frontiers whose pages share cells with pages that are not programmed yet, so that no
    /// later program endangers what is there.
    pub(crate) fn pad_exposed(&mut self) -> Result<(), FtlError> {
        let group = 2 * self.l.g.pair_distance();
        if group == 0 {
            return Ok(());
        }
        for f in 0..FRONTIERS as u8 {
            loop {
                let head = self.heads[f as usize];
                let full = self.l.g.pages_per_block;
                if head.block == NONE || head.next >= full || head.next.is_multiple_of(group) {
                    break;
                }
                self.meta_if_due(1)?;
                // A metadata page pads first.
                if self.heads[f as usize] == head {
                    self.pad_one(f)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn pad_one(&mut self, f: u8) -> Result<(), FtlError> {
        let head = self.heads[f as usize];
        let ppn = head.block * self.l.g.pages_per_block + head.next;
        let crc = 0;
        let pad = NewPage { lpn: NO_LPN, birth: 0, crc, batch: 0, commit: false, lost: false };
        let blank = core::mem::take(&mut self.page);
        let outcome = self.program_data(f, ppn, pad, Source::Data(&blank));
        self.page = blank;
        match outcome? {
            Outcome::Done => {
                self.stats.programs_pad += 1;
                self.note_program(f, pad);
                Ok(())
            }
            _ => self.program_failed(f),
        }
    }
}
