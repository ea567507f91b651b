//! Formatting the small layer, and finding on a chip what a mount goes on from; `recover.rs` does the rest.

use super::Small;
use super::log::{By, COMMIT};
use super::shape::{Recent, Shape};
use crate::board;
use crate::oob::{Kind, Oob};
use crate::{Config, FtlError};
use alloc::vec::Vec;
use vellum_nand::{EraseBlock, Nand, NandError};

/// Blocks written last that a mount looks at more closely.
const LATEST: usize = 16;
/// Bits of a block's number; a geometry has no more.
const BLOCK_BITS: u32 = 24;

fn block_of(latest: u64) -> u32 {
    latest as u32 & ((1 << BLOCK_BITS) - 1)
}

/// What a block is to a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// A part of the log.
    Log,
    /// A complete copy of what the log's last block holds, which is to be written there again.
    Copy { of: u32 },
    /// A copy that is not complete.
    Nothing,
}

/// Where the log ends.
pub(super) enum End {
    /// With a complete block.
    Whole,
    /// With this block, in which something may be torn. Its pages and these are to be saved: the first ones of
    /// runs to the end of a block, the latest first.
    Torn { block: u32, runs: Vec<u32> },
    /// As before, but a copy of the pages is in a block of its own.
    Copied { block: u32, copy: u32 },
}

impl<N: Nand> Small<N> {
    /// Makes an empty device of a chip. Everything on it is lost. Of `config` the logical pages and the threshold
    /// for scrubbing count.
    ///
    /// # Errors
    /// When the chip's shape can't carry the layer, or its good blocks so many logical pages; when room for a
    /// snapshot is asked for, which the layer does not have.
    pub fn format(nand: N, config: Config) -> Result<Small<N>, FtlError> {
        if config.snapshot_pages > 0 {
            return Err(FtlError::Snapshot("the layer for little RAM has none"));
        }
        let logical_pages = config.logical_pages;
        let shape = Shape::new(nand.geometry(), logical_pages)?;
        let mut small = Small::bare(nand, shape, config.scrub);
        small.recent = Recent::new(&shape);
        for block in 0..shape.g.blocks {
            if small.nand.is_marked_bad(EraseBlock(block))? {
                small.set_bad(block);
            }
        }
        let Small { nand, page, bad, .. } = &mut small;
        board::take(nand, config.bad_block_table, page, bad)?;
        for block in 0..shape.g.blocks {
            // What was there before must not be taken for newer.
            if !small.is_bad(block) && !small.erase(block)? {
                small.set_bad(block);
            }
        }
        let (good, logical) = (small.good(), logical_pages.into());
        let most = shape.capacity(good).into();
        if logical > most {
            return Err(FtlError::Capacity { logical, good, most });
        }
        small.block = small.after(0);
        small.tail = small.block * shape.per_block;
        small.count_free();
        // The first block holds metadata for the next one to go on from, and a page that shows that it is in use.
        small.pad()?;
        small.next = shape.per_block - 2;
        small.ready()?;
        Ok(small)
    }

    /// Mounts a formatted chip. Of `config` the threshold for scrubbing counts. Reads a page a block to find
    /// those that were written last, and the last one; what that holds is copied away and back, for something
    /// in it may be torn (`recover.rs`).
    ///
    /// # Errors
    /// When the chip was never formatted for this layer, for another geometry, or by another version;
    /// [`FtlError::ReadOnly`] when so many blocks failed that there is none for that copy; the chip's failures.
    pub fn mount(nand: N, config: Config) -> Result<Small<N>, FtlError> {
        let g = *nand.geometry();
        // One logical page for the time until it is known.
        let mut small = Small::bare(nand, Shape::new(&g, 1)?, config.scrub);
        let latest = small.latest_blocks()?;
        let Some(&newest) = latest.first() else {
            return Err(FtlError::NotFormatted { probed: g.blocks });
        };
        // No block's programs have numbers past this, whatever became of them.
        small.seq = (newest >> BLOCK_BITS) + u64::from(small.shape.per_block) + 1;
        small.shape = small.find_shape(&latest)?;
        small.recent = Recent::new(&small.shape);
        let end = small.find_end(&latest)?;
        drop(latest);
        if small.is_bad(small.shape.block_of(small.tail)) {
            small.tail = small.after(small.shape.block_of(small.tail)) * small.shape.per_block;
        }
        small.read_only = !small.shape.carried_by(small.good());
        small.stats.mount_reads = small.stats.chip_reads;
        small.recover(end)?;
        Ok(small)
    }

    /// The blocks written last, the latest first: the number of the first page that can be read, 40 bits, and
    /// the block's.
    fn latest_blocks(&mut self) -> Result<Vec<u64>, FtlError> {
        let mut latest: Vec<u64> = Vec::with_capacity(LATEST + 1);
        for block in 1..self.shape.g.blocks {
            if let Some(record) = self.first_record(block)? {
                let this = record.seq << BLOCK_BITS | u64::from(block);
                latest.insert(latest.partition_point(|&l| l > this), this);
                latest.truncate(LATEST);
            }
        }
        Ok(latest)
    }

    /// The first record of a block that can be read.
    fn first_record(&mut self, block: u32) -> Result<Option<Oob>, NandError> {
        for page in 0..self.shape.per_block {
            let (erased, record) = self.peek(block * self.shape.per_block + page)?;
            if erased || record.is_some() {
                return Ok(record);
            }
        }
        Ok(None)
    }

    /// Whether a page is blank, and its record.
    pub(super) fn peek(&mut self, slot: u32) -> Result<(bool, Option<Oob>), NandError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.shape.oob];
        let from = self.shape.place(slot);
        self.stats.chip_reads += 1;
        let status = self.nand.read(from, 0, &mut [], oob)?;
        let record = Oob::decode_own(oob).filter(|_| status.is_readable());
        Ok((status.is_erased(), record))
    }

    /// The record of a page that is whole; its content is left in the page's buffer.
    pub(super) fn content(&mut self, slot: u32) -> Result<Option<Oob>, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.shape.oob];
        let mut page = core::mem::take(&mut self.page);
        let from = self.shape.place(slot);
        let read = self.read_page(from, &mut page, oob);
        let crc = crc32fast::hash(&page);
        self.page = page;
        let whole = read?.is_some();
        Ok(Oob::decode_own(oob).filter(|r| whole && r.data_crc == crc))
    }

    /// The sizes, by the first metadata page that turns up.
    fn find_shape(&mut self, latest: &[u64]) -> Result<Shape, FtlError> {
        let pages = self.shape.per_block;
        // Not the last one first: others were written to their end, where there is metadata.
        let (last, others) = latest.split_at(latest.len().min(1));
        for block in others.iter().chain(last).map(|&l| block_of(l)) {
            for slot in (block * pages..(block + 1) * pages).rev() {
                if let Some(meta) = self.read_meta(slot)? {
                    return Shape::new(&self.shape.g, meta.logical);
                }
            }
        }
        Err(FtlError::Damaged { block: latest.first().map_or(0, |&l| block_of(l)) })
    }

    /// What a block is. What a mount wrote is complete when the mark at its end is there and something after it, for
    /// then the mark is whole for good, and when each page before it is there. For what looked incomplete is erased
    /// to be made again, and if that is cut the mark and something after it may be what is left. Then the block that a
    /// copy is of is as it was, and of one that was brought home the copy is there. Only what was appended
    /// behind a mark, and can be read, proves that all was complete once.
    fn standing(&mut self, block: u32) -> Result<Standing, FtlError> {
        let Some(first) = self.first_record(block)? else { return Ok(Standing::Nothing) };
        let (away, pages) = (first.birth == By::Away as u16, self.shape.per_block);
        if !away && first.birth != By::Home as u16 {
            return Ok(Standing::Log);
        }
        let (start, last) = (block * pages, (block + 1) * pages - 1);
        let (mut mark, mut gap) = (None, false);
        for slot in start..=last {
            let (erased, record) = self.peek(slot)?;
            match mark {
                None if slot < last => {
                    let is_mark = |r: &Oob| r.kind == Kind::Parity && r.batch == COMMIT;
                    mark = record.filter(is_mark).map(|r| r.lpn);
                    if mark.is_none() && !gap {
                        let expected = first.seq + u64::from(slot - start);
                        gap = self.content(slot)?.is_none_or(|r| r.seq != expected);
                    }
                }
                // Written to its end, without a mark.
                None => {
                    let proven = !gap || record.is_some();
                    let whole = !away && proven && self.is_whole(block)?;
                    return Ok(if whole { Standing::Log } else { Standing::Nothing });
                }
                Some(_) if erased => {}
                Some(of) if away => {
                    let redone = gap && self.is_begun(of)?;
                    return Ok(if redone { Standing::Nothing } else { Standing::Copy { of } });
                }
                Some(_) if gap && record.is_none() => {}
                Some(_) => return Ok(Standing::Log),
            }
        }
        Ok(Standing::Nothing)
    }

    /// Whether there is such a block, with a page at its beginning.
    fn is_begun(&mut self, block: u32) -> Result<bool, FtlError> {
        Ok(block < self.shape.g.blocks && self.first_record(block)?.is_some())
    }

    /// Whether a block was written to its end, so that its last metadata is there for good. Takes the state that it
    /// tells.
    fn is_whole(&mut self, block: u32) -> Result<bool, FtlError> {
        let copy = (block + 1) * self.shape.per_block - 1;
        Ok(!self.peek(copy)?.0 && self.resume(copy - 1)?)
    }

    /// Where the log ends; the state is that of the last metadata before.
    fn find_end(&mut self, latest: &[u64]) -> Result<End, FtlError> {
        let (pages, blocks) = (self.shape.per_block, self.shape.g.blocks);
        let mut end = None;
        for block in latest.iter().map(|&l| block_of(l)) {
            let standing = self.standing(block)?;
            let fits = |of: u32| (1..blocks).contains(&of) && of != block;
            match (&mut end, standing) {
                (_, Standing::Nothing) => {}
                (None, Standing::Copy { of }) if fits(of) => {
                    end = Some(End::Copied { block: of, copy: block });
                }
                (None, Standing::Log) if self.is_whole(block)? => {
                    return Ok(End::Whole);
                }
                (None, Standing::Log) => {
                    end = Some(End::Torn { block, runs: alloc::vec![block * pages] });
                }
                (Some(End::Copied { block: of, .. }), _) if *of == block => {}
                // One of old.
                (_, Standing::Copy { .. }) => {}
                (Some(found), Standing::Log) => {
                    let last = (block * pages..(block + 1) * pages).rev();
                    let mut from = None;
                    for slot in last {
                        if self.shape.is_meta(slot) && self.resume(slot)? {
                            from = Some(slot + 1);
                            break;
                        }
                    }
                    let first = from.unwrap_or(block * pages);
                    if let End::Torn { runs, .. } = found
                        && first < (block + 1) * pages
                    {
                        // The block failed, and its last pages have no metadata.
                        runs.push(first);
                    }
                    if from.is_some() {
                        return end.ok_or(FtlError::Damaged { block });
                    }
                }
            }
        }
        Err(FtlError::Damaged { block: latest.first().map_or(0, |&l| block_of(l)) })
    }
}
