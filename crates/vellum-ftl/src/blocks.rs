//! What is known of each block: its role, its valid pages, its wear. Eight bytes a block, four more for
//! cost-benefit placement, and a bit a page with a flat map.

mod survey;

use crate::role::Tally;
pub(crate) use crate::role::{Class, Role};
use crate::{Config, MapMode, Placement};
use alloc::vec;
use alloc::vec::Vec;

/// The block table. Valid pages are counted; which ones they are is kept by flat maps only.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    roles: Vec<Role>,
    /// Those that hold nothing, a bit each.
    empty: Vec<u64>,
    tally: Tally,
    pub valid: Vec<u16>,
    /// Erases, and the day of the opening modulo 256 above them: as on flash.
    worn: Vec<u32>,
    /// Mean time at which the host wrote the block's pages; empty where nobody asks.
    birth: Vec<u32>,
    /// Reads since the block was opened, in steps of `read_step`.
    reads: Vec<u8>,
    read_step: u32,
    /// So many of the steps are told.
    told_at: u8,
    /// Reads seen at all, which decides those that count.
    seen: u32,
    bits: Option<Vec<u64>>,
    pages: u32,
    /// All blocks' erases together.
    sum: u64,
    /// No block has fewer erases of those that [`Blocks::laggard`] looks at, and none more.
    bounds: (u32, u32),
}

const ERASES: u32 = 0xff_ffff;

/// What a block table keeps beyond the counts of valid pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    pub bits: bool,
    pub births: bool,
    /// Reads of a block that are told; 0: none.
    pub block_reads: u32,
}

impl Keep {
    /// What the parameters ask for.
    pub fn of(config: &Config) -> Keep {
        Keep {
            bits: config.map == MapMode::Flat,
            births: config.placement == Placement::Adaptive,
            block_reads: config.scrub.block_reads,
        }
    }
}

impl Blocks {
    /// Bytes of a table.
    pub fn bytes(blocks: u32, pages: u32, keep: Keep) -> usize {
        let a_block = 7 + if keep.births { 4 } else { 0 } + usize::from(keep.block_reads > 0);
        let words = if keep.bits { (blocks as usize * pages as usize).div_ceil(64) } else { 0 };
        blocks as usize * a_block + 8 * (words + blocks.div_ceil(64) as usize)
    }

    pub fn new(blocks: u32, pages: u32, keep: Keep) -> Blocks {
        let n = blocks as usize;
        let words = (n * pages as usize).div_ceil(64);
        let read_step = keep.block_reads.div_ceil(250).max(1);
        let mut empty = vec![0; n.div_ceil(64)];
        (0..n).for_each(|block| empty[block / 64] |= 1 << (block % 64));
        Blocks {
            roles: vec![Role::Free; n],
            empty,
            tally: Tally { free: blocks, ..Tally::default() },
            valid: vec![0; n],
            worn: vec![0; n],
            birth: vec![0; if keep.births { n } else { 0 }],
            reads: vec![0; if keep.block_reads > 0 { n } else { 0 }],
            read_step,
            told_at: keep.block_reads.div_ceil(read_step).min(250) as u8,
            seen: 0,
            bits: keep.bits.then(|| vec![0; words]),
            pages,
            sum: 0,
            bounds: (0, 0),
        }
    }

    #[inline]
    pub fn block_of(&self, ppn: u32) -> u32 {
        // The usual case costs no division.
        if self.pages.is_power_of_two() {
            ppn >> self.pages.trailing_zeros()
        } else {
            ppn / self.pages
        }
    }

    #[inline]
    pub fn role(&self, block: u32) -> Role {
        self.roles[block as usize]
    }

    /// All roles, block 0's first.
    pub fn roles(&self) -> impl Iterator<Item = (u32, Role)> + '_ {
        (0..).zip(self.roles.iter().copied())
    }

    pub fn set_role(&mut self, block: u32, role: Role) {
        let old = core::mem::replace(&mut self.roles[block as usize], role);
        if let Some(n) = self.tally.of(old) {
            *n -= 1;
        }
        if let Some(n) = self.tally.of(role) {
            *n += 1;
        }
        let (word, bit) = (&mut self.empty[block as usize / 64], 1 << (block % 64));
        *word = if role.is_empty() { *word | bit } else { *word & !bit };
        self.widen(self.erases(block));
    }

    /// Blocks that hold nothing: those whose content no cut can bring back, and the others.
    #[inline]
    pub fn free(&self) -> (u32, u32) {
        (self.tally.free, self.tally.later)
    }

    /// Discards are durable: what is free is free for good.
    pub fn settle_free(&mut self) {
        if self.tally.later > 0 {
            let later = self.roles.iter_mut().filter(|r| **r == Role::FreeLater);
            later.for_each(|r| *r = Role::Free);
            self.tally.free += core::mem::take(&mut self.tally.later);
        }
    }

    /// Closed blocks with data.
    pub fn closed(&self) -> u32 {
        self.tally.closed
    }

    /// Good blocks.
    pub fn good(&self) -> u32 {
        self.roles.len() as u32 - self.tally.bad
    }

    /// A page came to hold what a map points at.
    #[inline]
    pub fn gain(&mut self, ppn: u32) {
        let block = self.block_of(ppn) as usize;
        self.valid[block] += 1;
        if let Some(bits) = &mut self.bits {
            bits[ppn as usize / 64] |= 1 << (ppn % 64);
        }
    }

    /// A page's content is no longer pointed at.
    #[inline]
    pub fn lose(&mut self, ppn: u32) {
        let block = self.block_of(ppn) as usize;
        debug_assert!(self.valid[block] > 0, "page {ppn} of block {block} was not valid");
        self.valid[block] = self.valid[block].saturating_sub(1);
        if let Some(bits) = &mut self.bits {
            bits[ppn as usize / 64] &= !(1 << (ppn % 64));
        }
    }

    /// Forgets which pages are valid.
    pub fn forget(&mut self) {
        self.valid.fill(0);
        if let Some(bits) = &mut self.bits {
            bits.fill(0);
        }
    }

    /// Whether a page is valid; `None` when only the map can tell.
    pub fn is_valid(&self, ppn: u32) -> Option<bool> {
        let bits = self.bits.as_ref()?;
        Some(bits[ppn as usize / 64] >> (ppn % 64) & 1 != 0)
    }

    /// The first page from `ppn` on and before `end` that may be valid: where only the map can tell, `ppn`
    /// itself. Without a branch a page, which nothing could foresee.
    #[inline]
    pub fn next_valid(&self, ppn: u32, end: u32) -> u32 {
        let Some(bits) = &self.bits else { return ppn.min(end) };
        let mut at = ppn;
        while at < end {
            let left = bits[at as usize / 64] >> (at % 64);
            if left != 0 {
                return (at + left.trailing_zeros()).min(end);
            }
            at = (at / 64 + 1) * 64;
        }
        end
    }

    /// Erases of a block.
    pub fn erases(&self, block: u32) -> u32 {
        self.worn[block as usize] & ERASES
    }

    pub fn set_erases(&mut self, block: u32, erases: u32) {
        let word = &mut self.worn[block as usize];
        let (old, new) = (*word & ERASES, erases.min(ERASES));
        *word = *word & !ERASES | new;
        self.sum = self.sum - u64::from(old) + u64::from(new);
        self.widen(new);
    }

    /// The day of a block's opening, modulo 256.
    pub fn day(&self, block: u32) -> u8 {
        (self.worn[block as usize] >> 24) as u8
    }

    pub fn set_day(&mut self, block: u32, day: u8) {
        let word = &mut self.worn[block as usize];
        *word = *word & ERASES | u32::from(day) << 24;
    }

    /// Erases and day as they lie on flash.
    pub fn word(&self, block: u32) -> u32 {
        self.worn[block as usize]
    }

    /// Mean time at which the host wrote a block's pages; 0 where that is not kept.
    pub fn birth(&self, block: u32) -> u32 {
        self.birth.get(block as usize).copied().unwrap_or(0)
    }

    pub fn set_birth(&mut self, block: u32, birth: u32) {
        if let Some(b) = self.birth.get_mut(block as usize) {
            *b = birth;
        }
    }

    /// Notes a read of a block; whether that makes as many as are told. A byte a block counts them: one
    /// read in so many, picked evenly by a hash of their number, so the limit is met to about a
    /// twelfth where it is large.
    pub fn note_read(&mut self, block: u32) -> bool {
        let Some(reads) = self.reads.get_mut(block as usize) else { return false };
        self.seen = self.seen.wrapping_add(1);
        let hash = u64::from(self.seen.wrapping_mul(0x9e37_79b1));
        if hash * u64::from(self.read_step) >= 1 << 32 {
            return false;
        }
        *reads += 1;
        let told = *reads >= self.told_at;
        if told {
            *reads = 0;
        }
        told
    }

    /// A block was erased: its reads count from now.
    pub fn forget_reads(&mut self, block: u32) {
        if let Some(reads) = self.reads.get_mut(block as usize) {
            *reads = 0;
        }
    }

    pub fn ram_bytes(&self) -> usize {
        self.roles.capacity()
            + self.empty.capacity() * 8
            + self.valid.capacity() * 2
            + self.worn.capacity() * 4
            + self.birth.capacity() * 4
            + self.reads.capacity()
            + self.bits.as_ref().map_or(0, |b| b.capacity() * 8)
    }
}

#[cfg(test)]
mod tests;
