//! The layer for 4 KiB of RAM: a log round the chip with a tree in it, and no table of anything.
//!
//! The larger layer keeps some bytes a block; a chip of a thousand blocks needs more than a small
//! controller has. This one keeps a page's buffer, the entries of the pages that are being written, and a bit
//! a block for bad ones. What it pays with is reads (about one for every other bit of a logical page's
//! number to find a page, and one a block to mount) and writes (collection takes the oldest block, not the
//! emptiest; two pages in 32 are metadata). Erase counts differ by a turn of the log at most.
//!
//! * *The log.* Blocks are written one after the other, round the chip, leaving out bad ones; each is erased
//!   just before. Where pages share cells only those are used that no later one endangers.
//! * *The tree* (`tree.rs`) is in the entries of its pages. The last two pages of each group hold the
//!   group's entries, each the copy of the other: one that can't be read is a normal event.
//! * *Cuts.* A page counts when its out-of-band record and the CRC of its data are right. A mount copies the block
//!   that was being written away and back (`recover.rs`), so that nothing is served that may fade, and cuts take no
//!   room.
//! * *Collection* copies valid pages from the log's tail to its head; a host write waits for two blocks' pages at
//!   most (`collect.rs` has the argument).
//! * *Scrubbing*: a page that was read with effort, or whose entry was, is moved before the next host write. There
//!   is no room for counters of reads or days a block; how many bits were corrected tells of both.
//!
//! Writes and discards are single and atomic, and durable when the call returns. There are no atomic batches: a
//! page counts as soon as it stands there with its record, and the metadata of its group makes it count for good, so a
//! batch could be no longer than the rest of a group. Snapshots would need a second root that collection follows,
//! which doubles the reads of every move.

mod collect;
mod host;
mod log;
mod meta;
mod mount;
mod recover;
mod shape;
mod tree;

use crate::layout::NONE;
use crate::{Config, FtlError, Health, ScrubPolicy, Stats};
use alloc::vec;
use alloc::vec::Vec;
use shape::{Recent, Shape};
use vellum_nand::{Geometry, Nand};

/// The on-flash format's version.
pub(crate) const VERSION: u32 = 2;

/// A translation layer in about two pages' worth of RAM. See the module's text.
#[derive(Debug, Clone)]
pub struct Small<N> {
    nand: N,
    shape: Shape,
    /// The block that is written, and its next page.
    block: u32,
    next: u32,
    /// The oldest page that may be valid.
    tail: u32,
    /// The same, as the last metadata tells.
    kept: u32,
    /// Free blocks behind the one that is written.
    free: u32,
    /// The page that was written last; 0: the tree is empty.
    root: u32,
    seq: u64,
    /// How often the log has gone round the chip.
    turns: u32,
    /// A page to be moved soon, for it was read with effort.
    due: u32,
    /// Bits corrected in one codeword that are too many.
    corrected_bits: u8,
    recent: Recent,
    bad: Vec<u8>,
    /// Blocks in which a program failed.
    failing: Vec<u32>,
    /// In one of them are pages whose entries are only in RAM.
    stranded: bool,
    read_only: bool,
    page: Vec<u8>,
    stats: Stats,
}

impl<N: Nand> Small<N> {
    fn bare(nand: N, shape: Shape, policy: ScrubPolicy) -> Small<N> {
        Small {
            nand,
            shape,
            block: 0,
            next: 0,
            tail: 0,
            kept: 0,
            free: 0,
            root: 0,
            seq: 1,
            turns: 0,
            due: NONE,
            corrected_bits: policy.corrected_bits,
            recent: Recent::empty(),
            bad: vec![0; shape.table()],
            failing: Vec::new(),
            stranded: false,
            read_only: false,
            page: vec![0; shape.g.page_bytes as usize],
            stats: Stats::default(),
        }
    }

    /// Logical pages.
    pub fn pages(&self) -> u32 {
        self.shape.logical
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> usize {
        self.shape.g.page_bytes as usize
    }

    /// Bytes beside each page that the layer writes.
    pub fn oob_bytes(&self) -> usize {
        self.shape.oob
    }

    /// Writes are durable when the call returns.
    pub fn writes_are_cached(&self) -> bool {
        false
    }

    /// The parameters in force; those that the layer has no use for are as usual.
    pub fn config(&self) -> Config {
        let mut config = Config::new(self.pages());
        config.scrub.corrected_bits = self.corrected_bits;
        config
    }

    /// What was done since the formatting or the mount, by cause.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The chip below.
    pub fn nand(&self) -> &N {
        &self.nand
    }

    /// The chip below, for what only it can do.
    pub fn nand_mut(&mut self) -> &mut N {
        &mut self.nand
    }

    /// Gives the chip back, as if the power went.
    pub fn into_nand(self) -> N {
        self.nand
    }

    /// Gives the chip back. Nothing is held that is not on it.
    ///
    /// # Errors
    /// The chip's failures, when a block has failed whose pages are to be saved.
    pub fn shut_down(mut self) -> Result<N, FtlError> {
        if !self.read_only {
            self.heal()?;
        }
        Ok(self.nand)
    }

    /// Whether the device only reads: too few good blocks are left.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The state of health. Erase counts follow from the turns of the log, for each turn erases each good
    /// block once. O(blocks).
    pub fn health(&self) -> Health {
        let good = self.good();
        // Formatting erased all of them, and this turn those up to the one that is written.
        let (least, before) =
            (1 + self.turns, (0..=self.block).filter(|&b| !self.is_bad(b)).count());
        Health {
            blocks: self.shape.g.blocks,
            good,
            spares: good.saturating_sub(self.least_good()),
            erases_least: least,
            erases_mean: least + u32::from(before as u32 * 2 > good),
            erases_most: least + 1,
            read_only: self.read_only,
            ram_bytes: self.ram_bytes(),
        }
    }

    /// Bytes of RAM that the layer holds.
    pub fn ram_bytes(&self) -> usize {
        size_of::<Self>() - size_of::<N>()
            + self.recent.ram_bytes()
            + self.bad.capacity()
            + self.failing.capacity() * 4
            + self.page.capacity()
    }

    fn worn_out(&self) -> FtlError {
        FtlError::ReadOnly { good: self.good(), needed: self.least_good() }
    }

    /// Good blocks without which writing stops.
    fn least_good(&self) -> u32 {
        let blocks = self.shape.g.blocks;
        (0..=blocks).find(|&good| self.shape.carried_by(good)).unwrap_or(blocks)
    }

    fn good(&self) -> u32 {
        (0..self.shape.g.blocks).filter(|&b| !self.is_bad(b)).count() as u32
    }

    /// The most logical pages that a chip of this shape carries when no block is bad; 0 when it can't carry
    /// the layer at all.
    pub fn most_pages(geometry: &Geometry) -> u32 {
        let fits = |pages: u32| {
            Shape::new(geometry, pages).is_ok_and(|s| s.capacity(geometry.blocks) >= pages)
        };
        let (mut low, mut high) = (0, geometry.pages().min(1 << shape::DEPTH) as u32);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        low
    }
}
