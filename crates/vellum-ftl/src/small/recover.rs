//! After a loss of power: the block that was being written is copied away and back.
//!
//! The page programmed last may be torn, or read well now and never again; the one after it may only look blank;
//! the last group has no metadata. So nothing more is programmed into the block. Its pages that are whole
//! are copied to the next free block, as they are, and a mark is set there (`Away`). Then the block is
//! erased, and they are appended to it again as if the host wrote them, from the state before the block, and
//! a mark is set again (`Home`). A mark counts once something stands behind it: then it is no page that may
//! fade. Until the first mark counts, the block is as it was, and after that the copy is; both may be written over and
//! over again, so **cuts take no room, however many there are**, and what was appended before a cut is not
//! lost to the next one.
//!
//! If the block fails when it is written again, another takes its place. Then, and when a block failed just
//! before the cut, one block's room is lost until the log has come round.

use super::Small;
use super::log::{By, COMMIT};
use super::mount::End;
use super::shape::{DEPTH, Entry};
use crate::FtlError;
use crate::oob::{Kind, Oob};
use vellum_nand::Nand;

impl<N: Nand> Small<N> {
    pub(super) fn recover(&mut self, end: End) -> Result<(), FtlError> {
        let before = self.block;
        let (block, copy) = match end {
            End::Whole => {
                self.next = self.shape.per_block;
                self.count_free();
                return self.pass_outdated();
            }
            End::Torn { block, runs } => (block, self.copy_away(block, &runs)?),
            End::Copied { block, copy } => (block, copy),
        };
        let state = (self.root, self.turns + u32::from(block < before));
        let mut home = block;
        loop {
            (self.root, self.turns) = state;
            self.recent.retain(|_| false);
            if self.erase(home)? && self.bring_home(home, copy)? {
                break;
            }
            self.failing.clear();
            self.retire(home)?;
            home = self.after(if home == block { copy } else { home });
            if home == self.shape.block_of(self.tail) {
                return Err(self.worn_out());
            }
        }
        self.count_free();
        self.pass_outdated()
    }

    /// Copies what the runs hold into a block of its own, and marks it as `block`'s.
    fn copy_away(&mut self, block: u32, runs: &[u32]) -> Result<u32, FtlError> {
        let mut copy = block;
        loop {
            copy = self.after(copy);
            if copy == self.shape.block_of(self.tail) || copy == block {
                return Err(self.worn_out());
            }
            if self.erase(copy)? && self.copy_runs(block, copy, runs)? {
                return Ok(copy);
            }
            self.failing.clear();
            self.retire(copy)?;
        }
    }

    /// Whether that worked.
    fn copy_runs(&mut self, block: u32, copy: u32, runs: &[u32]) -> Result<bool, FtlError> {
        (self.block, self.next) = (copy, 0);
        for &first in runs.iter().rev() {
            let from = self.shape.block_of(first);
            for slot in first..(from + 1) * self.shape.per_block {
                if from != block && self.is_again_in(slot, block)? {
                    continue;
                }
                let Some(mut record) = self.saved(slot)? else { continue };
                if self.next + 2 >= self.shape.per_block {
                    // Two copies of metadata are gone at once.
                    return Err(FtlError::Damaged { block: from });
                }
                (record.seq, record.birth) = (self.seq, By::Away as u16);
                self.stats.programs_recover += 1;
                if !self.program_buffer(&record)? {
                    return Ok(false);
                }
            }
        }
        Ok(self.mark(COMMIT, block, By::Away)? && self.mark(COMMIT, block, By::Away)?)
    }

    /// The record of a page that counts; its content is left in the page's buffer.
    fn saved(&mut self, slot: u32) -> Result<Option<Oob>, FtlError> {
        if self.shape.is_meta(slot) {
            return Ok(None);
        }
        if let Some(record) = self.content(slot)? {
            return Ok(self.counts(&record).then_some(record));
        }
        // Not torn if its group has metadata, but gone bad since: that it was written still counts.
        let Some(entry) = self.find_entry(slot)? else { return Ok(None) };
        self.page.fill(0);
        let crc = crc32fast::hash(&self.page);
        self.stats.lost += 1;
        Ok(Some(Oob { lost: true, ..Oob::plain(Kind::Data, entry.lpn, 0, crc) }))
    }

    /// Whether a block holds a page's logical page, too, and not as the page that may fade.
    fn is_again_in(&mut self, slot: u32, block: u32) -> Result<bool, FtlError> {
        let Some(of) = self.content(slot)?.filter(|r| r.kind == Kind::Data) else {
            return Ok(false);
        };
        let (pages, mut found) = (self.shape.per_block, false);
        for slot in block * pages..(block + 1) * pages {
            if found && !self.peek(slot)?.0 {
                return Ok(true);
            }
            let record = self.content(slot)?;
            found |= record.is_some_and(|r| r.kind == Kind::Data && r.lpn == of.lpn);
        }
        Ok(false)
    }

    /// Appends the pages of a copy to an erased block, and marks it. Whether that worked.
    fn bring_home(&mut self, home: u32, copy: u32) -> Result<bool, FtlError> {
        (self.block, self.next) = (home, 0);
        let pages = self.shape.per_block;
        for slot in copy * pages..(copy + 1) * pages {
            // Before the page is in the buffer.
            if !self.pass_meta()? {
                return Ok(false);
            }
            let Some(mut record) = self.content(slot)? else { continue };
            if !self.counts(&record) {
                continue;
            }
            let data = self.is_data(&record);
            if self.next >= pages {
                return Err(FtlError::Damaged { block: copy });
            }
            let mut alt = [0; DEPTH];
            if data {
                alt = self.trace(record.lpn)?.alt;
                if let Some(d) = usize::from(record.batch).checked_sub(1).filter(|&d| d < DEPTH) {
                    alt[d] = 0;
                }
            }
            (record.seq, record.birth) = (self.seq, By::Home as u16);
            let here = self.next_slot();
            self.stats.programs_recover += 1;
            if !self.program_buffer(&record)? {
                return Ok(false);
            }
            self.root = 0;
            if data {
                self.recent.push(&self.shape, here, &Entry { lpn: record.lpn, alt });
                self.root = here;
            }
        }
        // A mark and something behind it; or the block's last metadata.
        for _ in 0..2 {
            if !self.pass_meta()? {
                return Ok(false);
            }
            if self.next < pages && !self.mark(COMMIT, home, By::Home)? {
                return Ok(false);
            }
        }
        self.pass_meta()
    }

    /// Writes a group's metadata if that is next. Whether that worked.
    fn pass_meta(&mut self) -> Result<bool, FtlError> {
        if self.next < self.shape.per_block && self.shape.is_meta(self.next_slot()) {
            self.write_meta()?;
        }
        Ok(self.failing.is_empty())
    }

    /// Moves the log's end past pages that are outdated: at least to where it was, which the last metadata did not
    /// tell yet. So a cut costs collection nothing either.
    fn pass_outdated(&mut self) -> Result<(), FtlError> {
        for _ in 0..self.shape.pace() * self.shape.group {
            let slot = self.tail;
            if self.shape.block_of(slot) == self.block || self.is_valid(slot)? {
                break;
            }
            self.pass();
        }
        Ok(())
    }
}
