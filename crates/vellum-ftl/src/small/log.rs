//! The log: pages appended block after block, round the chip, each group with its metadata at its end.

use super::Small;
use super::shape::Entry;
use crate::FtlError;
use crate::bits;
use crate::board;
use crate::oob::{Kind, Oob};
use vellum_nand::{EraseBlock, Nand, NandError, Ppa};

/// In a page without data: nothing, that the tree is empty from here on, that the copy before it is complete.
pub(super) const PADDING: u8 = 0;
pub(super) const EMPTY: u8 = 1;
pub(super) const COMMIT: u8 = 2;

/// Where an appended page's data comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum From<'a> {
    Data(&'a [u8]),
    Slot(u32),
}

/// Who appends a page, as its record says where a larger layer's tells the page's age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The host, or collection.
    Use = 0,
    /// A mount, into a block that holds the copy of another.
    Away = 1,
    /// A mount, back into the log.
    Home = 2,
}

/// What a page is appended for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Append {
    pub lpn: u32,
    /// What differs first in this bit was discarded with it.
    pub without: Option<u8>,
}

impl<N: Nand> Small<N> {
    /// The next good block, round the chip. Block 0 is left out: number 0 stands for no page.
    pub(super) fn after(&self, block: u32) -> u32 {
        let blocks = self.shape.g.blocks;
        let next = |b: u32| if b + 1 == blocks { 1 } else { b + 1 };
        let mut at = next(block);
        while self.is_bad(at) && at != block {
            at = next(at);
        }
        at
    }

    /// The page that is programmed next, or past its block's last.
    pub(super) fn next_slot(&self) -> u32 {
        self.block * self.shape.per_block + self.next
    }

    pub(super) fn is_bad(&self, block: u32) -> bool {
        bits::has(&self.bad, block)
    }

    pub(super) fn set_bad(&mut self, block: u32) {
        bits::insert(&mut self.bad, block);
    }

    /// Good blocks between the one that is written and the oldest one. O(blocks), once a block.
    pub(super) fn count_free(&mut self) {
        let (mut at, mut free) = (self.after(self.block), 0);
        while at != self.shape.block_of(self.tail) && at != self.block {
            free += 1;
            at = self.after(at);
        }
        self.free = free;
    }

    /// Has the next page be one for data: opens a block, writes a group's metadata. Saves what a failed block
    /// holds of pages whose entries are only in RAM, before anything else is appended: they fit in one group.
    pub(super) fn ready(&mut self) -> Result<(), FtlError> {
        loop {
            if self.next >= self.shape.per_block {
                self.open()?;
            } else if self.shape.is_meta(self.next_slot()) {
                self.write_meta()?;
            } else if self.stranded {
                self.stranded = false;
                self.save_recent()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Goes on in the next block. The one after that stays free, as far as the last metadata tells: a mount
    /// copies the block there.
    fn open(&mut self) -> Result<(), FtlError> {
        loop {
            let (block, oldest) = (self.after(self.block), self.shape.block_of(self.kept));
            if block == oldest || self.after(block) == oldest || self.free == 0 {
                self.read_only = true;
                return Err(self.worn_out());
            }
            let marked = self.nand.is_marked_bad(EraseBlock(block))?;
            if marked || !self.erase(block)? {
                self.retire(block)?;
                continue;
            }
            self.turns += u32::from(block < self.block);
            (self.block, self.next) = (block, 0);
            self.count_free();
            return Ok(());
        }
    }

    pub(super) fn erase(&mut self, block: u32) -> Result<bool, FtlError> {
        match self.nand.erase(EraseBlock(block)) {
            Ok(()) => {
                self.stats.erases += 1;
                Ok(true)
            }
            Err(NandError::EraseFailed { .. } | NandError::BadBlock { .. }) => {
                self.stats.erase_fails += 1;
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// A block that holds nothing is used no more.
    pub(super) fn retire(&mut self, block: u32) -> Result<(), FtlError> {
        self.set_bad(block);
        self.stats.grown_bad += 1;
        self.read_only |= !self.shape.carried_by(self.good());
        self.count_free();
        if let Err(NandError::PowerLost) = self.nand.mark_bad(EraseBlock(block)) {
            return Err(NandError::PowerLost.into());
        }
        // Nothing is in the buffer that is still needed.
        let Small { nand, page, bad, .. } = self;
        Ok(board::update(nand, page, |block| bits::has(bad, block))?)
    }

    /// Programs the next page; when that fails the rest of the block is not used. Whether it worked.
    pub(super) fn program(&mut self, record: &Oob, from: From<'_>) -> Result<bool, FtlError> {
        let to = self.shape.place(self.next_slot());
        let mut oob = [0; 64];
        let oob = &mut oob[..self.shape.oob];
        record.encode(oob, 32);
        self.next += 1;
        self.seq += 1;
        let result = match from {
            From::Data(data) => self.nand.program(to, data, oob),
            From::Slot(from) => self.copy(from, to, record, oob),
        };
        match result {
            Ok(()) => Ok(true),
            Err(NandError::ProgramFailed { .. } | NandError::BadBlock { .. }) => {
                self.stats.program_fails += 1;
                self.failing.push(self.block);
                self.next = self.shape.per_block;
                self.stranded = true;
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Programs what is in the page's buffer. Whether it worked.
    pub(super) fn program_buffer(&mut self, record: &Oob) -> Result<bool, FtlError> {
        let page = core::mem::take(&mut self.page);
        let done = self.program(record, From::Data(&page));
        self.page = page;
        done
    }

    /// Whether a record is that of a page with data.
    pub(super) fn is_data(&self, record: &Oob) -> bool {
        record.kind == Kind::Data && record.lpn < self.shape.logical
    }

    /// Whether a page belongs to the tree's story: it has data, or says that the tree is empty.
    pub(super) fn counts(&self, record: &Oob) -> bool {
        self.is_data(record) || (record.kind == Kind::Parity && record.batch == EMPTY)
    }

    /// Copies a page inside the chip, or through RAM; what can't be read goes on as lost.
    fn copy(&mut self, from: u32, to: Ppa, record: &Oob, oob: &mut [u8]) -> Result<(), NandError> {
        let from = self.shape.place(from);
        self.stats.chip_reads += 1;
        match self.nand.copy_back(from, to, oob) {
            Ok(status) if status.is_readable() => return Ok(()),
            Ok(_) | Err(NandError::Unsupported { .. } | NandError::CopyBack { .. }) => {}
            Err(e) => return Err(e),
        }
        let mut page = core::mem::take(&mut self.page);
        let read = self.read_page(from, &mut page, &mut []);
        if matches!(read, Ok(None)) {
            let lost = Oob { lost: true, ..*record };
            lost.encode(oob, 32);
            self.stats.lost += 1;
        }
        let result = read.and_then(|_| self.nand.program(to, &page, oob));
        self.page = page;
        result
    }

    /// Reads a page, with the chip's read-retry levels if need be. How much effort that took, in bits corrected
    /// in one codeword; `None` if it could not be read.
    pub(super) fn read_page(
        &mut self,
        from: Ppa,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<Option<u8>, NandError> {
        self.stats.chip_reads += 1;
        let mut status = self.nand.read(from, 0, data, oob)?;
        let mut effort = status.worst();
        for level in 1..=self.nand.retry_levels() {
            if status.is_readable() || status.is_erased() {
                break;
            }
            self.nand.set_retry(level)?;
            self.stats.chip_reads += 1;
            let again = self.nand.read(from, 0, data, oob);
            self.nand.set_retry(0)?;
            status = again?;
            if status.is_readable() {
                self.stats.retried += 1;
                effort = u8::MAX;
            }
        }
        Ok(status.is_readable().then_some(effort))
    }

    /// Appends a data page, which becomes the root. `crc` is that of its content.
    pub(super) fn append(
        &mut self,
        what: Append,
        from: From<'_>,
        crc: u32,
        lost: bool,
    ) -> Result<(), FtlError> {
        loop {
            self.ready()?;
            let mut alt = self.trace(what.lpn)?.alt;
            if let Some(d) = what.without {
                alt[d as usize] = 0;
            }
            let mut record = Oob::plain(Kind::Data, what.lpn, self.seq, crc);
            record.batch = what.without.map_or(0, |d| d + 1);
            record.lost = lost;
            let slot = self.next_slot();
            if self.program(&record, from)? {
                self.recent.push(&self.shape, slot, &Entry { lpn: what.lpn, alt });
                self.root = slot;
                return Ok(());
            }
        }
    }

    /// Programs a page that holds nothing.
    pub(super) fn pad(&mut self) -> Result<(), FtlError> {
        self.mark(PADDING, 0, By::Use).map(|_| ())
    }

    /// Programs a page that says that the tree is empty from here on.
    pub(super) fn empty(&mut self) -> Result<(), FtlError> {
        self.ready()?;
        while !self.mark(EMPTY, 0, By::Use)? {
            self.ready()?;
        }
        self.root = 0;
        Ok(())
    }

    /// Programs a page without data; whether that worked.
    pub(super) fn mark(&mut self, mark: u8, lpn: u32, by: By) -> Result<bool, FtlError> {
        let mut record = Oob::plain(Kind::Parity, lpn, self.seq, crc32fast::hash(&self.page));
        (record.batch, record.birth) = (mark, by as u16);
        self.stats.programs_pad += 1;
        self.program_buffer(&record)
    }
}
