//! Bad blocks and worn-out devices: torture, retirement, and the end of life.

use crate::FtlError;
use crate::blocks::Role;
use crate::board;
use crate::ftl::Ftl;
use crate::stats::Cause;
use alloc::vec;
use vellum_nand::{EraseBlock, Nand, NandError, Ppa, ReadStatus};

impl<N: Nand> Ftl<N> {
    /// A failing block is empty: retire it, unless it passes the torture test.
    pub(crate) fn retire_or_forgive(&mut self, block: u32) -> Result<(), FtlError> {
        if self.config.torture && self.survives_torture(block)? {
            self.stats.forgiven += 1;
            self.set_free(block);
            return Ok(());
        }
        self.retire(block)
    }

    /// Erases a block and programs every page with two complementary patterns, one after the other,
    /// reading each back.
    fn survives_torture(&mut self, block: u32) -> Result<bool, FtlError> {
        for pattern in [0x5a, 0xa5] {
            if !self.erase(block)? {
                return Ok(false);
            }
            let page = vec![pattern; self.l.page_bytes()];
            let mut back = vec![0; self.l.page_bytes()];
            for p in 0..self.l.g.pages_per_block {
                let ppa = self.l.g.ppa(EraseBlock(block), p);
                match self.nand.program(ppa, &page, &[]) {
                    Ok(()) => {}
                    Err(NandError::ProgramFailed { .. }) => return Ok(false),
                    Err(e) => return Err(e.into()),
                }
                let status = self.chip_read(ppa.0 as u32, &mut back, &mut [])?;
                if !status.is_readable() || back != page {
                    return Ok(false);
                }
            }
        }
        self.erase(block)
    }

    /// Takes a block out of use for good.
    pub(crate) fn retire(&mut self, block: u32) -> Result<(), FtlError> {
        self.mark_retired(block)?;
        self.write_anchor()?;
        Ok(())
    }

    /// The same without writing the table: the caller does.
    pub(crate) fn mark_retired(&mut self, block: u32) -> Result<(), FtlError> {
        self.blocks.set_role(block, Role::Bad);
        self.anchor.set_bad(block);
        self.stats.grown_bad += 1;
        self.careful = true;
        // The marker is for other readers; the table counts.
        if let Err(NandError::PowerLost) = self.nand.mark_bad(EraseBlock(block)) {
            return Err(NandError::PowerLost.into());
        }
        let is_bad = |block| self.blocks.role(block) == Role::Bad;
        board::update(&mut self.nand, &mut vec![0; self.l.page_bytes()], is_bad)?;
        if self.blocks.good() < self.least_good() {
            self.read_only = true;
        }
        Ok(())
    }

    /// Good blocks without which writing stops.
    pub(crate) fn least_good(&self) -> u32 {
        let (mut low, mut high) = (0, self.l.g.blocks);
        while low < high {
            let middle = (low + high) / 2;
            if self.l.capacity(middle) >= self.l.held.into() {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// The error of a device without room, which is read-only from then on.
    pub(crate) fn worn_out(&mut self) -> FtlError {
        self.read_only = true;
        FtlError::ReadOnly { good: self.blocks.good(), needed: self.least_good() }
    }

    /// Reads a page, with the chip's read-retry levels when that is needed and allowed.
    #[inline]
    pub(crate) fn read_ladder(
        &mut self,
        ppn: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        let status = self.chip_read(ppn, data, oob)?;
        if status.is_readable() || status.is_erased() || !self.config.scrub.retry {
            return Ok(status);
        }
        self.climb(ppn, data, oob, status)
    }

    /// Reads a page again that was not readable at the last try, level after level.
    #[cold]
    fn climb(
        &mut self,
        ppn: u32,
        data: &mut [u8],
        oob: &mut [u8],
        mut last: ReadStatus,
    ) -> Result<ReadStatus, NandError> {
        for level in 1..=self.nand.retry_levels() {
            self.nand.set_retry(level)?;
            let result = self.chip_read(ppn, data, oob);
            self.nand.set_retry(0)?;
            last = result?;
            if last.is_readable() {
                self.stats.retried += 1;
                self.refresh(self.l.g.block_of(Ppa(ppn.into())).0);
                break;
            }
        }
        Ok(last)
    }

    /// After a read: was it close, or was the block read often?
    pub(crate) fn after_read(&mut self, ppn: u32, worst: u8) {
        let block = self.blocks.block_of(ppn);
        let often = self.blocks.note_read(block);
        let policy = self.config.scrub;
        let worn = policy.corrected_bits > 0 && worst >= policy.corrected_bits;
        if worn || often {
            self.refresh(block);
        }
    }

    /// Has a block's pages moved soon. An open one is left for it: on a device that nobody writes it would
    /// stay open for ever.
    fn refresh(&mut self, block: u32) {
        let waits = self.pending.iter().any(|p| p.0 == block);
        let moves = self.gc.is_some_and(|v| v.block == block);
        if waits || moves {
            return;
        }
        match self.blocks.role(block) {
            // The first of all, so that nothing else is moved there.
            Role::Open => self.pending.push((block, Cause::Refresh)),
            Role::Data(_) => self.pending.insert(0, (block, Cause::Refresh)),
            _ => {}
        }
    }

    /// Tells the layer what day it is, counted from any day; later calls never name an earlier one. Has
    /// blocks moved soon that were opened [`crate::ScrubPolicy::retention_days`] or more days ago. The
    /// day lives on flash: a day that passes without power counts. O(blocks).
    ///
    /// # Errors
    /// As for reading, when the block table was not read since the mount.
    pub fn set_day(&mut self, day: u16) -> Result<(), FtlError> {
        self.count_all()?;
        self.day = self.day.max(day);
        let limit = self.config.scrub.retention_days.min(200);
        for block in 0..self.l.g.blocks {
            let age = (self.day as u8).wrapping_sub(self.blocks.day(block));
            if limit > 0 && age >= limit {
                self.refresh(block);
            }
        }
        Ok(())
    }

    /// Reads up to `pages` pages from where the last call ended, and has moved what was read with
    /// effort. For idle time; everything was seen once after as many pages as there are logical
    /// ones, and as many again with room for a snapshot, whose pages come behind them. Returns the page
    /// to go on from.
    ///
    /// # Errors
    /// The chip's failures.
    pub fn scrub(&mut self, from: crate::Lpn, pages: u32) -> Result<crate::Lpn, FtlError> {
        let mut data = vec![0; self.page_bytes()];
        let mut lpn = from.0 % self.l.numbers;
        for _ in 0..pages {
            let ppn = self.lookup(lpn)?;
            if ppn != crate::map::UNMAPPED {
                match self.read_physical(crate::Lpn(lpn), ppn, &mut data) {
                    Ok(()) | Err(FtlError::Unreadable { .. }) => {}
                    Err(e) => return Err(e),
                }
            }
            lpn = (lpn + 1) % self.l.numbers;
        }
        self.work_off()?;
        Ok(crate::Lpn(lpn))
    }

    /// Moves everything that waits to be moved.
    pub(crate) fn work_off(&mut self) -> Result<(), FtlError> {
        if self.read_only {
            return Ok(());
        }
        // Each turn empties a block; what then still waits has no room.
        let mut tries = 2 * self.pending.len() + 2;
        while (!self.pending.is_empty() || self.gc.is_some()) && tries > 0 {
            if self.gc.is_none() {
                self.make_room_to_open(0)?;
            }
            self.make_room(1)?;
            self.collect(u32::MAX)?;
            tries -= 1;
        }
        self.restore_anchor()
    }
}
