//! Formatting and mounting the small layer.

use super::log::{Append, By, From, MAGIC};
use super::shape::{DEPTH, Entry, HEADER, Recent, Shape};
use super::{Small, VERSION};
use crate::FtlError;
use crate::anchor::numbers;
use crate::layout::safe_pages;
use crate::meta::get;
use crate::oob::{Kind, Oob};
use alloc::vec::Vec;
use vellum_nand::{EraseBlock, Geometry, Nand, NandError};

/// Blocks written last that a mount looks for metadata in.
const LATEST: usize = 16;

/// A page that a mount found behind the latest metadata.
#[derive(Debug, Clone, Copy)]
struct Found {
    slot: u32,
    lpn: u32,
    crc: u32,
    batch: u8,
    lost: bool,
    /// A data page; else one that says that the tree is empty.
    data: bool,
}

/// Bits of a block's number; a geometry has no more.
const BLOCK_BITS: u32 = 24;

fn block_of(latest: u64) -> u32 {
    latest as u32 & ((1 << BLOCK_BITS) - 1)
}

/// What the latest metadata page says.
struct Meta {
    /// Where it lies.
    slot: u32,
    logical: u32,
    root: u32,
    tail: u32,
    seq: u64,
}

/// Reads a metadata page's header.
fn decode(g: &Geometry, slot: u32, page: &[u8]) -> Result<Option<Meta>, FtlError> {
    let end = page.len() - 4;
    let mut at = 0;
    let mut next = |n: usize| get(page, &mut at, n);
    if next(4) != MAGIC.into() || crc32fast::hash(&page[..end]).to_le_bytes() != page[end..] {
        return Ok(None);
    }
    let found = next(4) as u32;
    if found != VERSION {
        return Err(FtlError::Version { found, known: VERSION });
    }
    for (field, expected) in numbers(g) {
        let (found, expected) = (next(4), u64::from(expected));
        if found != expected {
            return Err(FtlError::OtherGeometry { field, found, expected });
        }
    }
    let (logical, root, tail, seq) = (next(4) as u32, next(4) as u32, next(4) as u32, next(8));
    let slots = g.blocks * safe_pages(g);
    Ok((root < slots && tail < slots).then_some(Meta { slot, logical, root, tail, seq }))
}

impl<N: Nand> Small<N> {
    /// Makes an empty device of a chip. Everything on it is lost.
    ///
    /// # Errors
    /// When the chip's shape can't carry the layer, or its good blocks so many logical pages.
    pub fn format(nand: N, logical_pages: u32) -> Result<Small<N>, FtlError> {
        let shape = Shape::new(nand.geometry(), logical_pages)?;
        let mut small = Small::bare(nand, shape);
        small.recent = Recent::new(&shape);
        for block in 0..shape.g.blocks {
            // What was there before must not be taken for newer.
            if small.nand.is_marked_bad(EraseBlock(block))? || !small.erase(block)? {
                small.set_bad(block);
            }
        }
        let (good, logical) = (small.good(), logical_pages.into());
        let most = shape.capacity(good).into();
        if logical > most {
            return Err(FtlError::Capacity { logical, good, most });
        }
        small.block = small.after(shape.g.blocks - 1);
        small.tail = small.block * shape.per_block;
        small.count_free();
        small.pass_page_0()?;
        // The first metadata: what is before it in its group stays blank, but for what shows that the block is
        // in use.
        small.ready()?;
        small.pad()?;
        small.next = small.next / shape.group * shape.group + shape.group - 2;
        small.ready()?;
        Ok(small)
    }

    /// Mounts a formatted chip. Reads a page a block to find the one that was written last, and the pages since
    /// the last metadata; programs some padding and, unless nothing was written since that
    /// metadata, a copy of the last page.
    ///
    /// # Errors
    /// When the chip was never formatted for this layer, for another geometry, or by another version; the
    /// chip's failures.
    pub fn mount(nand: N) -> Result<Small<N>, FtlError> {
        let g = *nand.geometry();
        // One for the time until it is known.
        let mut small = Small::bare(nand, Shape::new(&g, 1)?);
        let latest = small.latest_blocks()?;
        let Some(head) = latest.first().map(|&l| block_of(l)) else {
            return Err(FtlError::NotFormatted { probed: g.blocks });
        };
        let last = small.last_of(head)?;
        let meta = small.find_meta(&latest, last)?;
        let meta = meta.ok_or(FtlError::Damaged { block: head })?;
        small.shape = Shape::new(&g, meta.logical)?;
        small.recent = Recent::new(&small.shape);
        (small.root, small.tail, small.seq) = (meta.root, meta.tail, meta.seq + 2);
        (small.block, small.next) = (head, last + 1);
        let table = small.shape.table();
        small.bad.copy_from_slice(&small.page[HEADER..HEADER + table]);
        small.take_group(meta.slot);
        let suspects = small.replay(&latest, meta.slot)?;
        drop(latest);
        // Programs that left nothing readable had numbers too.
        small.seq += 1024;
        small.count_free();
        small.stats.mount_reads = small.stats.chip_reads;
        match small.settle(&suspects) {
            Err(FtlError::ReadOnly { .. }) => small.read_only = true,
            other => other?,
        }
        Ok(small)
    }

    /// The blocks written last, the latest first: the number of the first page that can be read, 40 bits, and
    /// the block's.
    fn latest_blocks(&mut self) -> Result<Vec<u64>, FtlError> {
        let mut latest: Vec<u64> = Vec::with_capacity(LATEST + 1);
        for block in 0..self.shape.g.blocks {
            for page in 0..self.shape.per_block {
                let (erased, record) = self.peek(block * self.shape.per_block + page)?;
                if let Some(record) = record {
                    let this = record.seq << BLOCK_BITS | u64::from(block);
                    latest.insert(latest.partition_point(|&l| l > this), this);
                    latest.truncate(LATEST);
                }
                if erased || record.is_some() {
                    break;
                }
            }
        }
        Ok(latest)
    }

    /// Whether a page is blank, and its record.
    fn peek(&mut self, slot: u32) -> Result<(bool, Option<Oob>), NandError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.shape.oob];
        let from = self.shape.place(slot);
        self.stats.chip_reads += 1;
        let status = self.nand.read(from, 0, &mut [], oob)?;
        let record = Oob::decode_own(oob).filter(|_| status.is_readable());
        Ok((status.is_erased(), record))
    }

    /// The last page of a block that is not blank.
    fn last_of(&mut self, block: u32) -> Result<u32, FtlError> {
        let first = block * self.shape.per_block;
        for page in (1..self.shape.per_block).rev() {
            if !self.peek(first + page)?.0 {
                return Ok(page);
            }
        }
        Ok(0)
    }

    /// The latest metadata page; it is left in the page's buffer.
    fn find_meta(&mut self, latest: &[u64], last: u32) -> Result<Option<Meta>, FtlError> {
        let pages = self.shape.per_block;
        for (i, block) in latest.iter().map(|&l| block_of(l)).enumerate() {
            let end = if i == 0 { last } else { pages - 1 };
            for slot in (block * pages..=block * pages + end).rev() {
                if self.content(slot)?.is_some_and(|r| r.kind == Kind::Meta) {
                    let page = core::mem::take(&mut self.page);
                    let meta = decode(&self.shape.g, slot, &page);
                    self.page = page;
                    if let Some(meta) = meta? {
                        return Ok(Some(meta));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The record of a page that is whole; its content is left in the page's buffer.
    fn content(&mut self, slot: u32) -> Result<Option<Oob>, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.shape.oob];
        let mut page = core::mem::take(&mut self.page);
        let from = self.shape.place(slot);
        let read = self.read_page(from, &mut page, oob);
        let crc = crc32fast::hash(&page);
        self.page = page;
        let whole = read?;
        Ok(Oob::decode_own(oob).filter(|r| whole && r.data_crc == crc))
    }

    /// If the metadata page in the buffer is a group's first, its copy is not there: the entries are
    /// taken into RAM, and their pages copied later.
    fn take_group(&mut self, slot: u32) {
        let shape = self.shape;
        if slot != shape.meta_of(slot) {
            return;
        }
        for slot in slot + 2 - shape.group..slot {
            if let Some(entry) = shape.get(slot, &self.page[shape.entry_at(slot)..]) {
                self.recent.push(&shape, slot, &entry);
            }
        }
    }

    /// Takes the pages after the latest metadata into the tree; all but the last, which may fade, and
    /// what is the same page again, copied by mounts that did not come to their end. Latest last.
    fn replay(&mut self, latest: &[u64], meta: u32) -> Result<Vec<Found>, FtlError> {
        let pages = self.shape.per_block;
        let from = latest.iter().position(|&l| block_of(l) == meta / pages).unwrap_or(0);
        let mut waiting: Vec<Found> = Vec::new();
        for block in latest[..=from].iter().rev().map(|&l| block_of(l)) {
            let first = if block == meta / pages { meta + 1 } else { block * pages };
            for slot in first..(block + 1) * pages {
                if self.shape.is_meta(slot) {
                    continue;
                }
                let Some(record) = self.content(slot)? else { continue };
                self.seq = self.seq.max(record.seq + 1);
                let data = record.kind == Kind::Data && record.lpn < self.shape.logical;
                let empties = record.kind == Kind::Parity && record.batch == 1;
                if !(data || empties) {
                    continue;
                }
                if record.birth == By::Use as u16 {
                    // Metadata without a copy that has gone bad since, not by a cut.
                    let group = self.shape.group;
                    self.recent.retain(|slot| slot / group != meta / group);
                }
                if record.birth != By::Mount as u16 {
                    // A mount came to its end in between: its copy is complete.
                    if let Some(found) = waiting.pop() {
                        self.insert(&found)?;
                    }
                    waiting.clear();
                }
                let Oob { lpn, data_crc: crc, batch, lost, .. } = record;
                waiting.push(Found { slot, lpn, crc, batch, lost, data });
            }
        }
        Ok(waiting)
    }

    fn insert(&mut self, found: &Found) -> Result<(), FtlError> {
        if !found.data {
            self.root = 0;
            return Ok(());
        }
        let mut alt = self.trace(found.lpn)?.alt;
        if let Some(d) = usize::from(found.batch).checked_sub(1).filter(|&d| d < alt.len()) {
            alt[d] = 0;
        }
        self.recent.push(&self.shape, found.slot, &Entry { lpn: found.lpn, alt });
        self.root = found.slot;
        Ok(())
    }

    /// Makes what the mount found last for good, before anything is served.
    fn settle(&mut self, suspects: &[Found]) -> Result<(), FtlError> {
        let (pages, group) = (self.shape.per_block, self.shape.group);
        let (at, now) = (self.next % group, (self.block * pages + self.next) / group);
        let others = self.recent.all().any(|e| e.0 / group != now);
        // The next page may only look blank, so that is programmed with padding. If the group then has no room,
        // or pages of another one lack metadata, these and the one that was written last go to a group of
        // their own, which they fit; no page on the way is left blank, for the next mount to see where this
        // one was.
        let fresh = others || (at > 0 && at + 3 >= group);
        let pads = if fresh { group - at } else { 1 };
        for _ in 0..pads.min(pages - self.next) {
            self.pad()?;
        }
        if self.next == pages {
            self.ready()?;
        }
        for found in suspects.iter().rev() {
            if self.write_again(found)? {
                break;
            }
        }
        self.rescue()?;
        if fresh {
            // So there is metadata again, however often the power goes.
            while (self.next % group) + 2 < group && self.next < pages {
                self.pad()?;
            }
            self.ready()?;
        }
        self.make_room()
    }

    /// Copies a page that may be gone at this look; whether it was there. If none was, none was served.
    fn write_again(&mut self, found: &Found) -> Result<bool, FtlError> {
        if found.data {
            let without = found.batch.checked_sub(1).filter(|&d| usize::from(d) < DEPTH);
            let what = Append { lpn: found.lpn, by: By::Mount, without };
            let copy = self.append(what, From::Fragile(found.slot), found.crc, found.lost)?;
            return Ok(copy != 0);
        }
        self.empty(By::Mount)?;
        Ok(true)
    }
}
