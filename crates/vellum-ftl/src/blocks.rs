//! What is known of each block: its role, its valid pages, its wear.

use alloc::vec;
use alloc::vec::Vec;

/// What a block is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Holds nothing; erased when it is opened, never before.
    Free,
    /// Closed, with data of a frontier.
    Data(u8),
    /// A frontier writes it.
    Open,
    Meta,
    Anchor,
    Bad,
    /// A program failed in it: its pages are moved, then it is tortured or retired.
    Failing,
}

/// A block that holds nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Free {
    pub block: u32,
    /// Program number when that became so: it may be erased once everything before is durable.
    pub since: u64,
}

/// The block table. Valid pages are counted; which ones they are is kept by flat maps only.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    pub role: Vec<Role>,
    pub valid: Vec<u16>,
    pub erases: Vec<u32>,
    /// Mean time at which the host wrote the block's pages.
    pub birth: Vec<u32>,
    /// Reads since the block was opened.
    pub reads: Vec<u32>,
    /// The day of its opening, modulo 256.
    pub day: Vec<u8>,
    bits: Option<Vec<u64>>,
    pages: u32,
    /// All blocks' erases together.
    sum: u64,
}

impl Blocks {
    pub fn new(blocks: u32, pages: u32, with_bits: bool) -> Blocks {
        let n = blocks as usize;
        let words = (n * pages as usize).div_ceil(64);
        Blocks {
            role: vec![Role::Free; n],
            valid: vec![0; n],
            erases: vec![0; n],
            birth: vec![0; n],
            reads: vec![0; n],
            day: vec![0; n],
            bits: with_bits.then(|| vec![0; words]),
            pages,
            sum: 0,
        }
    }

    pub fn block_of(&self, ppn: u32) -> u32 {
        ppn / self.pages
    }

    /// A page came to hold what a map points at.
    pub fn gain(&mut self, ppn: u32) {
        self.valid[(ppn / self.pages) as usize] += 1;
        if let Some(bits) = &mut self.bits {
            bits[ppn as usize / 64] |= 1 << (ppn % 64);
        }
    }

    /// A page's content is no longer pointed at.
    pub fn lose(&mut self, ppn: u32) {
        let block = (ppn / self.pages) as usize;
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

    pub fn set_erases(&mut self, block: u32, erases: u32) {
        let old = core::mem::replace(&mut self.erases[block as usize], erases);
        self.sum = self.sum - u64::from(old) + u64::from(erases);
    }

    /// Mean erases of all blocks.
    pub fn mean(&self) -> u32 {
        (self.sum / self.erases.len() as u64) as u32
    }

    /// Good blocks.
    pub fn good(&self) -> u32 {
        self.role.iter().filter(|&&r| r != Role::Bad).count() as u32
    }

    /// Erase counts of all blocks but bad ones and the anchors, which are hardly ever erased: least,
    /// mean, most.
    pub fn spread(&self) -> (u32, u32, u32) {
        let counted = |r: Role| !matches!(r, Role::Bad | Role::Anchor);
        let all = self.role.iter().zip(&self.erases).filter(|(r, _)| counted(**r)).map(|(_, e)| *e);
        let (mut least, mut most, mut sum, mut n) = (u32::MAX, 0, 0u64, 0u64);
        for e in all {
            (least, most, sum, n) = (least.min(e), most.max(e), sum + u64::from(e), n + 1);
        }
        sum.checked_div(n).map_or((0, 0, 0), |mean| (least, mean as u32, most))
    }

    pub fn ram_bytes(&self) -> usize {
        let block = size_of::<Role>() + 2 + 4 + 4 + 4 + 1;
        self.role.capacity() * block + self.bits.as_ref().map_or(0, |b| b.capacity() * 8)
    }
}
