//! Collecting: the oldest page of the log is copied to its head if it is still valid, and so on while free blocks
//! are few.
//!
//! How much of that a host write does is bounded, and still the log never runs into its own tail. Let the
//! log hold T pages when free blocks come to the floor ([`Shape::floor`]). From then on each host write adds a
//! page, and P pages ([`Shape::pace`]) are looked at, of which the valid ones are added again. While the
//! tail goes once over what the log held, it meets no more valid pages than there are logical ones, L, for what is
//! moved or written lies behind; so the log grows by L / P pages at most, for which there is room below the
//! floor. By then T / P pages were written and L moved, so the log holds no more than T again, as long as
//! L ≤ T · (1 − 1/P), which [`Shape::most`] sees to. (Dhara's `gc_ratio` is such a bound, too.)

use super::Small;
use super::log::{Append, From};
use crate::layout::NONE;
use crate::oob::{Kind, Oob};
use crate::stats::Cause;
use crate::{FtlError, Lpn};
use vellum_nand::Nand;

/// Pages of the log that a host write looks at while free blocks are one more than the floor.
const GENTLE: u32 = 16;

impl<N: Nand> Small<N> {
    /// The most page moves that a host write, or the discard of a page, waits for while no block fails.
    pub fn most_moves(&self) -> u32 {
        // And a page that is refreshed.
        self.shape.pace() + 1
    }

    /// Before a host write: saves what a failed program left, refreshes a page, and collects while blocks are few.
    pub(super) fn make_room(&mut self) -> Result<(), FtlError> {
        let before = self.moves();
        self.heal()?;
        self.refresh()?;
        let (mut looked, floor, pace) = (0, self.shape.floor(), self.shape.pace());
        while looked < if self.free <= floor { pace } else { pace.min(GENTLE) }
            && self.free <= floor + 1
            && self.step()?
        {
            looked += 1;
        }
        self.stats.waited((self.moves() - before) as u32, 1);
        self.heal()
    }

    fn moves(&self) -> u64 {
        self.stats.programs_collect + self.stats.programs_refresh
    }

    /// Looks at the oldest page; false when there is none but in the block that is written.
    fn step(&mut self) -> Result<bool, FtlError> {
        if self.shape.block_of(self.tail) == self.block {
            return Ok(false);
        }
        self.move_if_valid(self.tail, Cause::Collect)?;
        self.pass();
        Ok(true)
    }

    /// The oldest page counts no more.
    pub(super) fn pass(&mut self) {
        let (block, next) = (self.shape.block_of(self.tail), self.tail + 1);
        self.tail = if self.shape.is_meta(next) { next + 2 } else { next };
        if self.shape.block_of(self.tail) != block {
            self.tail = self.after(block) * self.shape.per_block;
            self.count_free();
        }
    }

    /// Copies a page to the head of the log if the tree still shows it.
    pub(super) fn move_if_valid(&mut self, slot: u32, cause: Cause) -> Result<(), FtlError> {
        let Some(record) = self.valid(slot)? else { return Ok(()) };
        let what = Append { lpn: record.lpn, without: None };
        self.append(what, From::Slot(slot), record.data_crc, record.lost)?;
        self.stats.count(cause);
        Ok(())
    }

    /// Whether the tree shows a page.
    pub(super) fn is_valid(&mut self, slot: u32) -> Result<bool, FtlError> {
        Ok(self.valid(slot)?.is_some())
    }

    /// A page's record, if the tree shows the page.
    fn valid(&mut self, slot: u32) -> Result<Option<Oob>, FtlError> {
        let Some(record) = self.record_of(slot)? else { return Ok(None) };
        let there = self.trace(record.lpn)?.slot == slot;
        Ok(there.then_some(record))
    }

    /// Notes a page that was read with effort, or whose entry was: it is moved before the next host write. One
    /// at a time; others are found again.
    pub(super) fn note_effort(&mut self, slot: u32, worst: u8) {
        if self.corrected_bits > 0 && worst >= self.corrected_bits && self.due == NONE {
            self.due = slot;
        }
    }

    /// Moves the page that was noted. Its entry moves with it.
    fn refresh(&mut self) -> Result<(), FtlError> {
        let slot = core::mem::replace(&mut self.due, NONE);
        if slot != NONE {
            self.move_if_valid(slot, Cause::Refresh)?;
            // What the move itself read is not noted: it would never end where every read takes effort.
            self.due = NONE;
        }
        Ok(())
    }

    /// Reads up to `pages` logical pages from `from` on, and moves at once each that was read with effort
    /// ([`crate::ScrubPolicy::corrected_bits`]) or whose entry was: content and tree are both seen. For idle time.
    /// Returns the page to go on from.
    ///
    /// # Errors
    /// The chip's failures; none when the device only reads, but then nothing is moved.
    pub fn scrub(&mut self, from: Lpn, pages: u32) -> Result<Lpn, FtlError> {
        let mut lpn = from.0 % self.pages();
        for _ in 0..pages {
            // On the way to a page lie others, of which one is noted at a time.
            for _ in 0..=self.shape.depth {
                let mut page = core::mem::take(&mut self.page);
                let read = self.read(Lpn(lpn), &mut page);
                self.page = page;
                match read {
                    Ok(()) | Err(FtlError::Unreadable { .. }) => {}
                    Err(e) => return Err(e),
                }
                if self.due == NONE || self.read_only {
                    break;
                }
                self.make_room()?;
            }
            lpn = (lpn + 1) % self.pages();
        }
        Ok(Lpn(lpn))
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
            return Ok(self.is_data(&record).then_some(record));
        }
        let entry = self.find_entry(slot)?;
        Ok(entry.map(|e| Oob { lost: true, ..Oob::plain(Kind::Data, e.lpn, 0, 0) }))
    }

    /// Copies what lies in blocks in which a program failed, and gives them up.
    pub(super) fn heal(&mut self) -> Result<(), FtlError> {
        while let Some(&block) = self.failing.first() {
            let pages = self.shape.per_block;
            self.ready()?;
            for slot in block * pages..(block + 1) * pages {
                if !self.shape.is_meta(slot) {
                    self.move_if_valid(slot, Cause::Rescue)?;
                }
            }
            self.failing.retain(|&b| b != block);
            if self.shape.block_of(self.tail) == block {
                self.tail = self.after(block) * pages;
            }
            self.retire(block)?;
        }
        Ok(())
    }

    /// Copies pages whose group never gets its metadata, and forgets their entries one by one: nothing in the
    /// tree leads to a page of which there is a newer version.
    pub(super) fn save_recent(&mut self) -> Result<(), FtlError> {
        let block = self.block;
        while let Some(slot) = self.recent.first(|slot| self.shape.block_of(slot) != block) {
            self.move_if_valid(slot, Cause::Rescue)?;
            self.recent.retain(|s| s != slot);
        }
        Ok(())
    }
}
