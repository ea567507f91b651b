//! The blocks that the log goes round: which is next, and how they change places with free ones.

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::Ftl;
use crate::layout::LOG_SLACK;
use alloc::vec::Vec;
use vellum_nand::Nand;

impl<N: Nand> Ftl<N> {
    /// Blocks of the ring that hold nothing that is needed, and not the one that is written.
    pub(crate) fn outdated(&self) -> impl Iterator<Item = u32> + '_ {
        let pages = self.l.g.pages_per_block;
        let held = move |b: u32| b == self.log.block || self.log.holds(b, pages);
        self.anchor.ring.iter().copied().filter(move |&b| !held(b))
    }

    /// The log goes on in another block: one of the ring whose pages are all outdated, or a new one.
    pub(crate) fn turn(&mut self) -> Result<(), FtlError> {
        self.log.covered = 0;
        self.log.parity.fill(0);
        let mut exchanged = false;
        loop {
            let pages = self.l.g.pages_per_block;
            let live = |b: &u32| self.log.holds(*b, pages);
            let old: Vec<u32> = self.anchor.ring.iter().copied().filter(|b| !live(b)).collect();
            if let Some(&bad) = old.iter().find(|b| self.log.failing.contains(b)) {
                self.log.failing.retain(|&b| b != bad);
                self.anchor.ring.retain(|&b| b != bad);
                self.retire(bad)?;
                continue;
            }
            let worn = |b: &u32| self.blocks.erases(*b);
            let Some(block) = old.iter().copied().min_by_key(worn) else {
                self.grow_ring()?;
                continue;
            };
            // More worn than one that rests: that one's turn.
            if self.counted
                && !core::mem::replace(&mut exchanged, true)
                && let Some(rested) = self.rested_block(self.blocks.erases(block))
            {
                self.exchange(block, rested)?;
                continue;
            }
            if self.erase(block)? {
                (self.log.block, self.log.next, self.log.suspect) = (block, 0, false);
                return Ok(());
            }
            self.anchor.ring.retain(|&b| b != block);
            self.retire(block)?;
        }
    }

    /// The least worn free block whose content no cut can bring back.
    fn least_worn_free(&self) -> Option<u32> {
        let free = self.blocks.empty().filter(|&b| self.blocks.role(b) == Role::Free);
        free.min_by_key(|&b| self.blocks.erases(b))
    }

    /// The least worn free block, when one of so many erases should rest in its place.
    fn rested_block(&self, erases: u32) -> Option<u32> {
        let limit = self.config.wear.spread / 8;
        let rested = |&b: &u32| self.blocks.erases(b) + limit < erases;
        self.least_worn_free().filter(|b| limit > 0 && rested(b))
    }

    /// Takes a free block into the ring. The anchor says so before anything is written to it.
    fn grow_ring(&mut self) -> Result<(), FtlError> {
        // Whoever writes a metadata page holds the buffer that slices are read into.
        self.page.resize(self.l.page_bytes(), 0);
        self.count_all()?;
        let Some(block) = self.least_worn_free() else { return Err(self.worn_out()) };
        self.join(block);
        self.write_anchor()
    }

    /// Whether the ring has grown beyond what the log needs, which takes a block that collection counts on.
    pub(crate) fn ring_is_long(&self) -> bool {
        self.counted && self.anchor.ring.len() > self.l.ring() as usize
    }

    /// Gives a block of a ring that is too long back, the most worn one that holds nothing that is needed. False
    /// while the log can't spare one.
    pub(crate) fn shrink_ring(&mut self) -> Result<bool, FtlError> {
        let most = self.log.left.saturating_sub(LOG_SLACK);
        if !self.ring_is_long() || self.log.left == u32::MAX || most < self.l.safe_pages {
            return Ok(false);
        }
        let whole = |b: &u32| !self.log.failing.contains(b);
        let spare = self.outdated().filter(whole).max_by_key(|&b| self.blocks.erases(b));
        let Some(block) = spare else { return Ok(false) };
        self.log.left -= self.l.safe_pages;
        self.release(block)?;
        Ok(true)
    }

    /// A free block is one of the ring's now.
    fn join(&mut self, block: u32) {
        self.blocks.set_role(block, Role::Meta);
        self.anchor.ring.push(block);
    }

    /// An outdated block of the ring and a free one change places, by one anchor: the log is among the
    /// blocks that wear is levelled over, at no cost in free ones. (Its blocks are written four times as
    /// often as others; kept to themselves they would wear out first.)
    fn exchange(&mut self, old: u32, free: u32) -> Result<(), FtlError> {
        self.join(free);
        self.release(old)
    }

    /// Gives a block of the ring back, once the anchor no longer names it.
    fn release(&mut self, block: u32) -> Result<(), FtlError> {
        self.anchor.ring.retain(|&b| b != block);
        self.write_anchor()?;
        // No state that a cut could bring back needs it.
        self.blocks.set_role(block, Role::Free);
        Ok(())
    }
}
