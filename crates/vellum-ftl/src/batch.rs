//! Atomic batches: all of the pages, or none.
//!
//! A batch goes to one frontier, page after page, each numbered in its out-of-band record, the last
//! marked as the commit. The map learns of it when the last page is there; recovery drops a batch
//! without its commit.

use crate::ftl::{Ftl, NewPage};
use crate::layout::NONE;
use crate::record::Record;
use crate::{FtlError, Lpn};
use alloc::vec::Vec;
use vellum_nand::Nand;

impl<N: Nand> Ftl<N> {
    /// The most pages that go together.
    pub fn batch_limit(&self) -> usize {
        // Their records, and those of pages passed over, must fit before the next metadata page.
        let records = (self.l.records as usize).saturating_sub(12) / 2;
        records.min(self.l.g.pages_per_block as usize / 2).clamp(1, 200)
    }

    /// Writes several pages so that a loss of power leaves all of them or none. Later entries for
    /// the same page win.
    ///
    /// # Errors
    /// [`FtlError::Batch`] when there are more than [`Ftl::batch_limit`]; as for writing. When a
    /// program fails the whole batch is tried again elsewhere.
    pub fn write_batch(&mut self, pages: &[(Lpn, &[u8])]) -> Result<(), FtlError> {
        let limit = self.batch_limit();
        if pages.len() > limit {
            return Err(FtlError::Batch { found: pages.len(), limit });
        }
        for (lpn, data) in pages {
            self.check_lpn(*lpn)?;
            self.check_page(data.len())?;
        }
        self.ready_to_change()?;
        for (lpn, _) in pages {
            self.keep_for_snapshot(lpn.0)?;
        }
        self.make_room(pages.len() as u32)?;
        for _ in 0..8 {
            self.prepare(pages.len() as u32)?;
            if let Some(places) = self.append_batch(pages)? {
                // A later cut must not take one of its pages.
                self.seal();
                for ((lpn, _), ppn) in pages.iter().zip(places) {
                    self.remap(lpn.0, ppn)?;
                    self.clock += 1;
                    self.stats.host_writes += 1;
                }
                self.stats.waited(self.moves, pages.len() as u32);
                return Ok(());
            }
        }
        Err(self.worn_out())
    }

    /// Makes sure that a batch of `pages` needs no metadata page and no new block.
    fn prepare(&mut self, pages: u32) -> Result<(), FtlError> {
        self.meta_if_due(2 * pages + 4)?;
        for _ in 0..3 {
            if self.usable() >= pages {
                return self.meta_if_due(2 * pages + 4);
            }
            // It may use up so much of the block at once that no victim would fit the rest: then another
            // one is to be free. A single page never does.
            self.make_room_to_open(u32::from(pages > 1))?;
            // Collection may have opened one, with more room or less.
            if self.usable() < pages && !self.open(0, self.floor())? && !self.open_last(0)? {
                break;
            }
        }
        Err(self.worn_out())
    }

    /// Pages that the batches' frontier can still program in its block.
    fn usable(&self) -> u32 {
        let (head, sealed) = (self.heads[0], self.trails[0].sealed);
        if head.block == NONE {
            return 0;
        }
        let free = |p: &u32| self.l.g.paired_with(*p).is_none_or(|lower| lower >= sealed);
        (head.next..self.l.g.pages_per_block).filter(free).count() as u32
    }

    /// Appends the pages; `None` when a program failed and all must be done again.
    fn append_batch(&mut self, pages: &[(Lpn, &[u8])]) -> Result<Option<Vec<u32>>, FtlError> {
        let mut places = Vec::with_capacity(pages.len());
        for (i, (lpn, data)) in pages.iter().enumerate() {
            let mut page = NewPage::new(lpn.0, self.clock as u32, crc32fast::hash(data));
            page.batch = i as u8 + 1;
            page.commit = i + 1 == pages.len();
            match self.append_here(0, page, data)? {
                Some(ppn) => places.push(ppn),
                None => {
                    self.cancel_batch(places.len() as u32)?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(places))
    }

    /// The batch's pages so far hold nothing: their records say so before they reach flash.
    fn cancel_batch(&mut self, pages: u32) -> Result<(), FtlError> {
        let mut left = pages;
        for word in self.records.iter_mut().rev() {
            if left == 0 {
                break;
            }
            if let Record::Write(f, _) = Record::unpack(*word) {
                *word = Record::Skip(f, 1).pack();
                left -= 1;
            }
        }
        self.write_meta(false)
    }
}
