//! Sizes of the small layer, and the bytes of an entry.

use crate::FtlError;
use crate::bits::width_of;
use crate::layout::{safe_page, safe_pages};
use crate::oob::FIXED;
use alloc::vec::Vec;
use vellum_nand::{Geometry, Ppa};

/// Most bits of a logical page number: levels of the tree.
pub(super) const DEPTH: usize = 26;
/// Bytes of a metadata page before the bad-block table.
pub(super) const HEADER: usize = 64;
/// Free blocks that collection leaves: one to open, one that a mount copies to, two for blocks that fail.
const SPARE: u32 = 4;
/// Blocks that are neither free nor full: the one that is written, the oldest one, block 0, and the one in
/// which collection goes at a gentle pace.
const PARTIAL: u32 = 4;

/// What is known of one page: its logical page, and for each bit of that number the page where those
/// logical pages are found that share the bits before it and differ in it; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub lpn: u32,
    pub alt: [u32; DEPTH],
}

/// The sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub g: Geometry,
    pub logical: u32,
    /// Pages of a block that are used: those that no later one endangers.
    pub per_block: u32,
    /// Pages of a group, the last two of which are its metadata.
    pub group: u32,
    pub depth: usize,
    /// Bytes of a logical page's number and of a page's.
    lpn_bytes: usize,
    slot_bytes: usize,
    pub oob: usize,
}

impl Shape {
    pub fn new(g: &Geometry, logical: u32) -> Result<Shape, FtlError> {
        g.check()?;
        let need = |what, found: u64, needed: u64| -> Result<(), FtlError> {
            if found >= needed { Ok(()) } else { Err(FtlError::Geometry { what, found, needed }) }
        };
        need("out-of-band bytes for the user", g.user_oob_bytes().into(), FIXED as u64)?;
        need("blocks", g.blocks.into(), 16)?;
        need("logical pages", logical.into(), 1)?;
        let most = 1 << DEPTH;
        if logical > most {
            let (found, needed) = (logical.into(), most.into());
            return Err(FtlError::Geometry { what: "logical pages", found, needed });
        }
        let pages = safe_pages(g);
        let slots = u64::from(g.blocks) * u64::from(pages);
        let bytes = |values: u64| (width_of(values) as usize).div_ceil(8);
        let mut shape = Shape {
            g: *g,
            logical,
            per_block: pages,
            // At most, because the entries are held in RAM until the group is complete.
            group: 32,
            depth: width_of(logical.into()).max(1) as usize,
            lpn_bytes: bytes(logical.into()),
            slot_bytes: bytes(slots),
            oob: FIXED,
        };
        let room = (g.page_bytes as usize).saturating_sub(HEADER + shape.table() + 4);
        while shape.group >= 4
            && (!pages.is_multiple_of(shape.group)
                || (shape.group - 2) as usize * shape.stride() > room)
        {
            shape.group /= 2;
        }
        need("pages in a group", shape.group.into(), 4)?;
        Ok(shape)
    }

    /// Bytes of the bad-block table.
    pub fn table(&self) -> usize {
        self.g.blocks.div_ceil(8) as usize
    }

    /// Bytes of an entry, with its check.
    pub fn stride(&self) -> usize {
        self.lpn_bytes + self.depth * self.slot_bytes + 2
    }

    /// Where the entry of a page of a group lies in the group's metadata.
    pub fn entry_at(&self, slot: u32) -> usize {
        HEADER + self.table() + (slot % self.group) as usize * self.stride()
    }

    /// Data pages of a block.
    pub fn data(&self) -> u32 {
        self.per_block / self.group * (self.group - 2)
    }

    /// Pages of the log that a host write looks at, at most, and so most that it moves: two blocks'.
    pub fn pace(&self) -> u32 {
        2 * self.data()
    }

    /// Free blocks below which each host write looks at as many pages. Above [`SPARE`] they are what the log
    /// grows by while there is nothing but valid pages at its tail; there are no more of them than logical
    /// ones, each is moved once in a turn, and one page is written for each [`Shape::pace`] of them.
    pub fn floor(&self) -> u32 {
        SPARE + 1 + self.logical.div_ceil(self.pace()).div_ceil(self.data())
    }

    /// Logical pages that so many good blocks carry when they are formatted: a twentieth less than they carry at
    /// all, so that some may fail.
    pub fn capacity(&self, good: u32) -> u32 {
        (self.most(good) * 18 / 19) as u32
    }

    /// Whether so many good blocks still carry the logical pages.
    pub fn carried_by(&self, good: u32) -> bool {
        u64::from(self.logical) <= self.most(good)
    }

    /// Logical pages that so many good blocks carry at all. By the end of a turn as much must be found outdated as
    /// was written in it, or the log would grow from turn to turn; and each of the last blocks would cost more than
    /// it is worth.
    fn most(&self, good: u32) -> u64 {
        let (log, pace) = (self.log(good), u64::from(self.pace()));
        (log * (pace - 1) / pace).min(log * 19 / 20)
    }

    /// Data pages of the log when free blocks come to the floor.
    fn log(&self, good: u32) -> u64 {
        u64::from(good.saturating_sub(PARTIAL + self.floor())) * u64::from(self.data())
    }

    pub fn block_of(&self, slot: u32) -> u32 {
        slot / self.per_block
    }

    /// Where a used page lies on the chip.
    pub fn place(&self, slot: u32) -> Ppa {
        Ppa(safe_page(&self.g, self.block_of(slot), slot % self.per_block).into())
    }

    /// Whether a page is one of its group's two metadata pages.
    pub fn is_meta(&self, slot: u32) -> bool {
        slot % self.group >= self.group - 2
    }

    /// The first metadata page of a page's group; its copy stands behind it.
    pub fn meta_of(&self, slot: u32) -> u32 {
        slot / self.group * self.group + self.group - 2
    }

    /// Appends an entry's bytes: numbers, and a CRC-32 of them and the page's own number, folded.
    pub fn put(&self, slot: u32, entry: &Entry, out: &mut [u8]) {
        let (body, check) = out[..self.stride()].split_at_mut(self.stride() - 2);
        body[..self.lpn_bytes].copy_from_slice(&entry.lpn.to_le_bytes()[..self.lpn_bytes]);
        let alts = body[self.lpn_bytes..].chunks_exact_mut(self.slot_bytes);
        for (to, alt) in alts.zip(entry.alt) {
            to.copy_from_slice(&alt.to_le_bytes()[..self.slot_bytes]);
        }
        check.copy_from_slice(&Self::check(slot, body).to_le_bytes());
    }

    /// An entry from its bytes; `None` if they are not that page's.
    pub fn get(&self, slot: u32, bytes: &[u8]) -> Option<Entry> {
        let (body, check) = bytes[..self.stride()].split_at(self.stride() - 2);
        if Self::check(slot, body).to_le_bytes() != check {
            return None;
        }
        let number = |bytes: &[u8]| {
            let mut all = [0; 4];
            all[..bytes.len()].copy_from_slice(bytes);
            u32::from_le_bytes(all)
        };
        let mut alt = [0; DEPTH];
        let alts = body[self.lpn_bytes..].chunks_exact(self.slot_bytes);
        alt.iter_mut().zip(alts).for_each(|(a, bytes)| *a = number(bytes));
        let lpn = number(&body[..self.lpn_bytes]);
        let slots = self.g.blocks * self.per_block;
        (lpn < self.logical && alt.iter().all(|&a| a < slots)).then_some(Entry { lpn, alt })
    }

    fn check(slot: u32, body: &[u8]) -> u16 {
        let mut hasher = crc32fast::Hasher::new_with_initial(slot ^ 0x5653_4c46);
        hasher.update(body);
        let crc = hasher.finalize();
        (crc ^ crc >> 16) as u16
    }
}

/// Entries of pages that have no metadata page yet, in the order of their programs.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    bytes: Vec<u8>,
    stride: usize,
}

impl Recent {
    /// None, and no room for any.
    pub fn empty() -> Recent {
        Recent { bytes: Vec::new(), stride: 4 }
    }

    /// Room for a group's.
    pub fn new(shape: &Shape) -> Recent {
        let stride = 4 + shape.stride();
        Recent { bytes: Vec::with_capacity(stride * (shape.group - 2) as usize), stride }
    }

    pub fn push(&mut self, shape: &Shape, slot: u32, entry: &Entry) {
        let at = self.bytes.len();
        self.bytes.resize(at + self.stride, 0);
        self.bytes[at..at + 4].copy_from_slice(&slot.to_le_bytes());
        shape.put(slot, entry, &mut self.bytes[at + 4..]);
    }

    /// Page and entry's bytes, one after the other.
    pub fn all(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let each = self.bytes.chunks_exact(self.stride);
        each.map(|e| (u32::from_le_bytes([e[0], e[1], e[2], e[3]]), &e[4..]))
    }

    pub fn get(&self, shape: &Shape, slot: u32) -> Option<Entry> {
        self.all().find(|e| e.0 == slot).and_then(|e| shape.get(slot, e.1))
    }

    /// The first page of some.
    pub fn first(&self, of: impl Fn(u32) -> bool) -> Option<u32> {
        self.all().map(|e| e.0).find(|&slot| of(slot))
    }

    /// Forgets all but some.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        let (stride, mut to) = (self.stride, 0);
        for from in (0..self.bytes.len()).step_by(stride) {
            let b = &self.bytes[from..];
            if keep(u32::from_le_bytes([b[0], b[1], b[2], b[3]])) {
                self.bytes.copy_within(from..from + stride, to);
                to += stride;
            }
        }
        self.bytes.truncate(to);
    }

    pub fn ram_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}
