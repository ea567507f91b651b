//! What the host asks beside reads: writes, discards, flushes.

use crate::ftl::{Ftl, NewPage, Source};
use crate::map::UNMAPPED;
use crate::record::Record;
use crate::stats::Cause;
use crate::{FtlError, Lpn};
use vellum_nand::{Nand, Page};

impl<N: Nand> Ftl<N> {
    /// Before anything changes: what a mount left is done, and the device takes writes.
    pub(crate) fn ready_to_change(&mut self) -> Result<(), FtlError> {
        if self.read_only {
            let (good, needed) = (self.blocks.good(), self.least_good());
            return Err(FtlError::ReadOnly { good, needed });
        }
        if self.debt.is_some() {
            self.settle()?;
        }
        if self.copies.is_lone() {
            self.restore_anchor()?;
        }
        self.moves = 0;
        Ok(())
    }

    /// Writes a logical page.
    ///
    /// Moves at most as many pages for collection as [`Ftl::most_moves`] says.
    ///
    /// # Errors
    /// [`FtlError::ReadOnly`] when the device is worn out; the chip's failures.
    pub fn write(&mut self, lpn: Lpn, data: &[u8]) -> Result<(), FtlError> {
        self.write_from(lpn, data, Source::Data(data))
    }

    /// A page's worth of bytes to fill for [`Ftl::write_page`], of any content: one that the chip has no
    /// more use for, if there is one.
    pub fn page(&mut self) -> Page {
        self.nand.page()
    }

    /// As [`Ftl::write`], with a page that a chip in memory keeps instead of copying it. The host may go
    /// on with its page: who writes while others hold it gets a copy of its own.
    ///
    /// # Errors
    /// As for writing.
    pub fn write_page(&mut self, lpn: Lpn, page: &Page) -> Result<(), FtlError> {
        self.write_from(lpn, page, Source::Page(page))
    }

    fn write_from(&mut self, lpn: Lpn, data: &[u8], source: Source<'_>) -> Result<(), FtlError> {
        self.check_lpn(lpn)?;
        self.check_page(data.len())?;
        self.ready_to_change()?;
        self.keep_for_snapshot(lpn.0)?;
        self.make_room(1)?;
        let old = self.lookup(lpn.0)?;
        let class = self.host_class(lpn.0, old);
        let page = NewPage::new(lpn.0, self.clock as u32, crc32fast::hash(data));
        let ppn = self.append(class, page, source, Cause::Host)?;
        // Appending may have moved the old page.
        self.remap(lpn.0, ppn)?;
        self.clock += 1;
        self.stats.host_writes += 1;
        self.stats.waited(self.moves, 1);
        Ok(())
    }

    /// The frontier for a page that the host writes: that of its stream, or by how long its last version lived.
    pub(crate) fn host_class(&mut self, lpn: u32, old: u32) -> u8 {
        let clock = self.clock as u32;
        self.placer.observe(lpn, clock);
        if let Some(stream) = self.stream {
            return stream;
        }
        if old == UNMAPPED {
            return self.placer.class(u32::MAX);
        }
        let block = self.blocks.block_of(old);
        self.placer.class(clock.wrapping_sub(self.birth_of(block)))
    }

    /// Mean birth of a block's pages.
    pub(crate) fn birth_of(&self, block: u32) -> u32 {
        match self.heads.iter().position(|h| h.block == block) {
            Some(f) if self.trails[f].count > 0 => {
                (self.trails[f].births / u64::from(self.trails[f].count)) as u32
            }
            _ => self.blocks.birth(block),
        }
    }

    /// Points a logical page at its new place, or at none.
    pub(crate) fn remap(&mut self, lpn: u32, ppn: u32) -> Result<(), FtlError> {
        let old = self.lookup(lpn)?;
        if self.counted {
            let own = u32::from(lpn >= self.l.logical);
            if old != UNMAPPED {
                self.blocks.lose(old);
                self.snapshot.kept -= own;
            }
            if ppn != UNMAPPED {
                self.blocks.gain(ppn);
                self.snapshot.kept += own;
            }
        }
        self.map.set(lpn, ppn);
        Ok(())
    }

    /// Adds a record of something that happened.
    pub(crate) fn record(&mut self, record: Record) {
        if self.records.len() == self.l.records as usize
            && let Some(oldest) = self.records.pop_front()
        {
            crate::record::advance(&mut self.start, oldest);
        }
        self.records.push_back(record.pack());
        self.record_end += 1;
        self.since_meta += 1;
    }

    /// Discards logical pages: they read as zeros. Durable after [`Ftl::flush`].
    /// The first one after a mount reads the whole map, as the first write that needs a block does.
    ///
    /// # Errors
    /// As for writing.
    pub fn trim(&mut self, first: Lpn, count: u32) -> Result<(), FtlError> {
        if count == 0 {
            return Ok(());
        }
        let last = u64::from(first.0) + u64::from(count) - 1;
        if last >= self.pages().into() {
            return Err(FtlError::PastEnd { lpn: last, pages: self.pages().into() });
        }
        self.ready_to_change()?;
        for lpn in first.0..first.0 + count {
            if self.has_snapshot() && self.lookup(lpn)? != UNMAPPED {
                self.keep_for_snapshot(lpn)?;
            }
        }
        self.discard(first.0, count)?;
        self.stats.host_trims += u64::from(count);
        Ok(())
    }

    /// Has numbers point nowhere.
    pub(crate) fn discard(&mut self, first: u32, count: u32) -> Result<(), FtlError> {
        // In one go with a flat map; in parts that a demand-paged one can note.
        let part = self.map.most_changes() / 2;
        let (mut at, end) = (first, first + count);
        while at < end {
            let part = part.min(end - at);
            self.trim_part(at, part)?;
            at += part;
        }
        Ok(())
    }

    fn trim_part(&mut self, first: u32, count: u32) -> Result<(), FtlError> {
        // Before anything is discarded: counted later, blocks that were free all along could not be told
        // from those that this empties, which are no reserve until it is durable.
        self.count_all()?;
        // Both records in one metadata page, and the map changes with them.
        self.meta_if_due(2)?;
        if self.map.most_changes() < u32::MAX {
            self.space_for(count)?;
        }
        for lpn in first..first + count {
            if self.lookup(lpn)? != UNMAPPED {
                self.remap(lpn, UNMAPPED)?;
            }
        }
        self.trimmed.get_or_insert(self.seq);
        self.record(Record::Trim(first));
        if count > 1 {
            self.record(Record::TrimMore(count - 1));
        }
        Ok(())
    }

    /// Makes everything before durable. Costs no program after writes (where pages share cells, the
    /// pages that could endanger what was written are passed over); a metadata page after discards.
    ///
    /// # Errors
    /// As for writing.
    pub fn flush(&mut self) -> Result<(), FtlError> {
        self.stats.flushes += 1;
        if self.debt.is_some() && !self.read_only {
            self.settle()?;
        }
        self.seal();
        if self.trimmed.is_some() {
            self.write_meta(false)?;
        }
        Ok(())
    }
}
