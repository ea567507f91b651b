//! Atomic batches: all of the pages, or none.
//!
//! A batch goes to one frontier, page after page, each numbered in its out-of-band record, the last
//! marked as the commit. The map learns of it when the last page is there; recovery drops a batch
//! without its commit.

use crate::ftl::{Ftl, NewPage, Source};
use crate::meta::NONE;
use crate::stats::Cause;
use crate::{FtlError, Lpn};
use alloc::vec::Vec;
use vellum_nand::Nand;

impl<N: Nand> Ftl<N> {
    /// The most pages that go together.
    pub fn batch_limit(&self) -> usize {
        // Records for the pages and two blocks must fit before the next metadata page, and room for
        // them is made beforehand.
        (self.l.interval as usize / 2)
            .min(self.l.g.pages_per_block as usize / 2)
            .saturating_sub(2)
            .clamp(1, 200)
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
        self.check_writable()?;
        self.moves = 0;
        for _ in 0..pages.len() {
            self.make_room()?;
        }
        for _ in 0..8 {
            self.prepare(pages.len() as u32)?;
            if let Some(places) = self.append_batch(pages)? {
                for ((lpn, _), ppn) in pages.iter().zip(places) {
                    self.remap(lpn.0, ppn)?;
                    self.clock += 1;
                    self.stats.host_writes += 1;
                }
                self.stats.waited(self.moves);
                return Ok(());
            }
        }
        Err(self.worn_out())
    }

    /// Makes sure that a batch of `pages` needs no metadata page and no new block.
    fn prepare(&mut self, pages: u32) -> Result<(), FtlError> {
        let head = self.heads[0];
        if head.block == NONE || self.l.g.pages_per_block - head.next < pages {
            self.close(0);
            self.make_room_to_open()?;
            let head = self.heads[0];
            // Collection itself may have opened one and left too little.
            if head.block == NONE || self.l.g.pages_per_block - head.next < pages {
                self.close(0);
                self.open_for_batch()?;
            }
        }
        self.meta_if_due(pages + 2)
    }

    /// Appends the pages; `None` when a program failed and all must be done again.
    fn append_batch(&mut self, pages: &[(Lpn, &[u8])]) -> Result<Option<Vec<u32>>, FtlError> {
        self.in_batch = true;
        let mut places = Vec::with_capacity(pages.len());
        let fails = self.stats.program_fails;
        let mut result = Ok(());
        for (i, (lpn, data)) in pages.iter().enumerate() {
            let page = NewPage {
                lpn: lpn.0,
                birth: self.clock as u32,
                crc: crc32fast::hash(data),
                batch: i as u8 + 1,
                commit: i + 1 == pages.len(),
                lost: false,
            };
            match self.append(0, page, Source::Data(data), Cause::Host) {
                Ok(ppn) => places.push(ppn),
                Err(e) => result = Err(e),
            }
            if result.is_err() || self.stats.program_fails != fails {
                break;
            }
        }
        self.in_batch = false;
        result?;
        let whole = self.stats.program_fails == fails && places.len() == pages.len();
        if !whole {
            self.cancel_batch(places.len() as u32)?;
        }
        Ok(whole.then_some(places))
    }

    /// The batch's pages so far hold nothing: their records say so.
    fn cancel_batch(&mut self, pages: u32) -> Result<(), FtlError> {
        let skip = |word: u32| match crate::meta::Record::unpack(word) {
            crate::meta::Record::Write(f, _) => crate::meta::Record::Skip(f).pack(),
            _ => word,
        };
        let mut left = pages;
        for word in self.records.iter_mut().rev() {
            if left == 0 {
                break;
            }
            let new = skip(*word);
            left -= u32::from(new != *word);
            *word = new;
        }
        self.close(0);
        self.write_meta()
    }
}
