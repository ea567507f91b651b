//! Collecting: the oldest page of the log is copied to its head if it is still valid, and so on until
//! enough blocks are free. A block of the log gives at most as many valid pages as a block takes, with its
//! metadata; so a whole turn never needs more room than it gives.

use super::Small;
use super::log::{Append, By, From};
use crate::FtlError;
use crate::oob::{Kind, Oob};
use alloc::vec::Vec;
use vellum_nand::Nand;

/// Free blocks that collection keeps; below the second number it is not put off.
const LOW: u32 = 6;
const LEAST: u32 = 5;
/// Pages of the log that one host write looks at while there is time.
const PACE: u32 = 16;

impl<N: Nand> Small<N> {
    /// Before a host write: collects if blocks are few, and saves what a failed program left.
    pub(super) fn make_room(&mut self) -> Result<(), FtlError> {
        self.heal()?;
        // Twice round the chip without a block to spare: too many cuts wasted too much.
        let (mut steps, most) = (0, 2 * self.shape.g.blocks * self.shape.per_block);
        while (self.free < LEAST && steps < most) || (self.free < LOW && steps < PACE) {
            if !self.step()? {
                break;
            }
            steps += 1;
        }
        self.stats.waited(steps);
        self.heal()
    }

    /// Looks at the oldest page; false when there is none but in the block that is written.
    fn step(&mut self) -> Result<bool, FtlError> {
        let (slot, pages) = (self.tail, self.shape.per_block);
        if self.shape.block_of(slot) == self.block {
            return Ok(false);
        }
        if !self.shape.is_meta(slot) {
            self.move_if_valid(slot, By::Use)?;
        }
        self.tail = slot + 1;
        if self.tail.is_multiple_of(pages) {
            self.tail = self.after(self.shape.block_of(slot)) * pages;
            self.count_free();
        }
        Ok(true)
    }

    /// Copies a page to the head of the log if the tree still shows it.
    pub(super) fn move_if_valid(&mut self, slot: u32, by: By) -> Result<(), FtlError> {
        let Some(record) = self.record_of(slot)? else { return Ok(()) };
        if self.trace(record.lpn)?.slot != slot {
            return Ok(());
        }
        let what = Append { lpn: record.lpn, by, without: None };
        self.append(what, From::Slot(slot), record.data_crc, record.lost)?;
        self.stats.programs_collect += 1;
        Ok(())
    }

    /// A data page's record, from beside it or, when that can't be read, as far as its entry tells.
    pub(super) fn record_of(&mut self, slot: u32) -> Result<Option<Oob>, FtlError> {
        let mut oob = [0; 64];
        let from = self.shape.place(slot);
        self.stats.chip_reads += 1;
        let status = self.nand.read(from, 0, &mut [], &mut oob[..self.shape.oob])?;
        if status.is_erased() {
            return Ok(None);
        }
        if let Some(record) = Oob::decode_own(&oob[..self.shape.oob]) {
            let fits = record.kind == Kind::Data && record.lpn < self.shape.logical;
            return Ok(fits.then_some(record));
        }
        let entry = self.find_entry(slot)?;
        Ok(entry.map(|e| Oob { lost: true, ..Oob::plain(Kind::Data, e.lpn, 0, 0) }))
    }

    /// Copies what lies in blocks in which a program failed, and gives them up.
    pub(super) fn heal(&mut self) -> Result<(), FtlError> {
        while let Some(&block) = self.failing.first() {
            let pages = self.shape.per_block;
            self.ready()?;
            // First those without metadata: they fit in one group, which then has theirs.
            for slot in self.recent_in(|slot| slot / pages == block) {
                self.move_if_valid(slot, By::Use)?;
            }
            for slot in block * pages..(block + 1) * pages {
                if !self.shape.is_meta(slot) {
                    self.move_if_valid(slot, By::Use)?;
                }
            }
            self.failing.retain(|&b| b != block);
            self.recent.retain(|slot| slot / pages != block);
            if self.shape.block_of(self.tail) == block {
                self.tail = self.after(block) * pages;
            }
            self.retire(block)?;
        }
        Ok(())
    }

    /// Pages whose entries are in RAM.
    fn recent_in(&self, keep: impl Fn(u32) -> bool) -> Vec<u32> {
        self.recent.all().map(|e| e.0).filter(|&slot| keep(slot)).collect()
    }

    /// Copies pages whose group never got its metadata, and forgets them.
    pub(super) fn rescue(&mut self) -> Result<(), FtlError> {
        let group = self.shape.group;
        let now =
            (self.block * self.shape.per_block + self.next.min(self.shape.per_block - 1)) / group;
        let slots = self.recent_in(|slot| slot / group != now);
        for &slot in &slots {
            self.move_if_valid(slot, By::Rescue)?;
        }
        self.recent.retain(|slot| !slots.contains(&slot));
        Ok(())
    }
}
