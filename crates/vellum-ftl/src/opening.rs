//! Opening and closing frontiers' blocks: which free block is next, erased when it is opened and never before.

use crate::FtlError;
use crate::blocks::{Class, Role};
use crate::ftl::{Ftl, Trail};
use crate::layout::{FRONTIERS, NONE, SPAN};
use crate::record::{Head, Record};
use vellum_nand::{EraseBlock, Nand, NandError};

impl<N: Nand> Ftl<N> {
    /// The frontier's block becomes a closed one.
    pub(crate) fn close(&mut self, f: u8) {
        let head = core::mem::replace(&mut self.heads[f as usize], Head::CLOSED);
        if head.block == NONE {
            return;
        }
        let trail = core::mem::replace(&mut self.trails[f as usize], Trail::NEW);
        if self.blocks.role(head.block) == Role::Open {
            self.blocks.set_role(head.block, Role::Data(Class::of(f)));
        }
        if let Some(mean) = trail.births.checked_div(trail.count.into()) {
            self.blocks.set_birth(head.block, mean as u32);
        }
    }

    /// Erases a free block and makes it the frontier's, durably; false when fewer than `keep` would
    /// stay free.
    pub(crate) fn open(&mut self, f: u8, keep: u32) -> Result<bool, FtlError> {
        let cold = f as usize == FRONTIERS - 1;
        let Some(block) = self.take_erased(cold, keep)? else { return Ok(false) };
        self.close(f);
        self.heads[f as usize] = Head { block, next: 0 };
        self.blocks.set_role(block, Role::Open);
        self.blocks.set_day(block, self.day as u8);
        self.record(Record::Open(f, block));
        self.write_meta(false)?;
        Ok(true)
    }

    /// Opens a block that should stay free, when a failure took the one that was counted on.
    pub(crate) fn open_last(&mut self, f: u8) -> Result<bool, FtlError> {
        self.stats.last_resorts += 1;
        self.open(f, 0)
    }

    /// A free block, erased: the least worn, or for cold data the most worn. Its old content is no
    /// longer needed by any state that a cut could bring back. `None` when fewer than `keep` would
    /// stay.
    pub(crate) fn take_erased(&mut self, worn: bool, keep: u32) -> Result<Option<u32>, FtlError> {
        self.count_all()?;
        loop {
            if self.all_free() <= keep {
                return Ok(None);
            }
            let Some(block) = self.choose_free(worn) else { return Ok(None) };
            if self.blocks.role(block) == Role::FreeLater {
                self.write_meta(false)?;
                // The log may have taken a block.
                continue;
            }
            if self.exposed() {
                self.seal();
            }
            self.blocks.set_role(block, Role::Taken);
            if self.erase(block)? {
                return Ok(Some(block));
            }
            self.retire(block)?;
        }
    }

    /// The free block to be written next: the least worn, or for cold data the most worn. The log takes
    /// its blocks from what is left, so that must not be worn blocks alone: then the most worn one goes
    /// to the data, which holds it for long. One of the first is left for a lost anchor if another is free.
    fn choose_free(&self, worn: bool) -> Option<u32> {
        let kept = |b: u32| self.copies.is_lone() && b < SPAN;
        let others = self.blocks.empty().any(|b| !kept(b));
        let (mut least, mut second, mut most) = (None, u32::MAX, None);
        for block in self.blocks.empty().filter(|&b| !(others && kept(b))) {
            let erases = self.blocks.erases(block);
            match least {
                Some((e, _)) if e <= erases => second = second.min(erases),
                other => {
                    second = other.map_or(u32::MAX, |l| l.0);
                    least = Some((erases, block));
                }
            }
            most = most.filter(|m: &(u32, u32)| m.0 >= erases).or(Some((erases, block)));
        }
        let spread = self.config.wear.spread;
        let tired = spread > 0 && second != u32::MAX && second > self.blocks.mean() + spread / 4;
        if worn || tired { most } else { least }.map(|b| b.1)
    }

    /// Nothing points into a block any more.
    pub(crate) fn set_free(&mut self, block: u32) {
        let role = if self.trimmed.is_some() { Role::FreeLater } else { Role::Free };
        self.blocks.set_role(block, role);
    }

    /// Erases a block; false when it failed.
    pub(crate) fn erase(&mut self, block: u32) -> Result<bool, FtlError> {
        self.blocks.set_erases(block, self.blocks.erases(block) + 1);
        self.blocks.forget_reads(block);
        match self.nand.erase(EraseBlock(block)) {
            Ok(()) => {
                self.stats.erases += 1;
                Ok(true)
            }
            Err(NandError::EraseFailed { .. } | NandError::BadBlock { .. }) => {
                self.stats.erase_fails += 1;
                self.careful = true;
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }
}
