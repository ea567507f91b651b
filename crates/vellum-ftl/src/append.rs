//! Appending pages to frontiers: programming, passing over pages that would endanger others, and what a
//! failed program costs.

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::{Ftl, NewPage, Source, Trail};
use crate::layout::{FRONTIERS, NONE};
use crate::oob::{Kind, MAX_HISTORY, NO_LPN, Oob};
use crate::record::Record;
use crate::stats::Cause;
use vellum_nand::{Nand, NandError, Ppa};

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
    #[inline]
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
            Source::Page(page) => self.nand.program_page(target, page, oob),
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

    #[inline]
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
    #[inline]
    pub(crate) fn ready_frontier(&mut self, wish: u8, cause: Cause) -> Result<u8, FtlError> {
        if self.pass_over(wish) { Ok(wish) } else { self.another_frontier(wish, cause) }
    }

    /// The same when `wish` has no page left.
    #[cold]
    fn another_frontier(&mut self, wish: u8, cause: Cause) -> Result<u8, FtlError> {
        if cause == Cause::Host {
            self.make_room_to_open(0)?;
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

    /// Whether the frontier has a page to program, after passing over those that share cells with a
    /// page that must stay.
    #[inline]
    pub(crate) fn pass_over(&mut self, f: u8) -> bool {
        let head = self.heads[f as usize];
        if head.block == NONE {
            return false;
        }
        if self.shared() {
            return self.pass_over_shared(f);
        }
        head.next < self.l.g.pages_per_block
    }

    fn pass_over_shared(&mut self, f: u8) -> bool {
        let (head, sealed) = (self.heads[f as usize], self.trails[f as usize].sealed);
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
    pub(crate) fn exposed(&self) -> bool {
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
    #[inline]
    pub fn push(&mut self, lpn: u32) {
        self.before.copy_within(..MAX_HISTORY - 1, 1);
        self.before[0] = lpn;
    }
}
