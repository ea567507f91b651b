//! Sizes that follow from the chip's shape and the number of logical pages.

use crate::bits::width_of;
use crate::oob::{FIXED, Oob};
use crate::{Config, FtlError};
use vellum_nand::Geometry;

/// Frontiers for data.
pub(crate) const FRONTIERS: usize = 3;
/// Blocks that a metadata page announces as the next to be opened.
pub(crate) const ANNOUNCED: usize = 4;
/// Metadata pages of a parity group, parity included.
pub(crate) const GROUP: u32 = 8;
/// Locations of earlier metadata pages that each one carries.
pub(crate) const BACK: usize = 8;
/// The anchors lie in two of the first so many blocks.
pub(crate) const SPAN: u32 = 8;
/// Blocks beyond anchors, metadata and frontiers that collection needs to keep going.
pub(crate) const SPARE: u32 = 2;
/// Bytes of a metadata page before the block table's part.
pub(crate) const HEADER: usize = 136;
/// Most programs between two metadata pages: a record's distances (7 bits) must reach back over one
/// interval, with what failed programs add.
pub(crate) const MOST_INTERVAL: u16 = 100;
/// Bits of a record's kind.
pub(crate) const KIND_BITS: u32 = 3;

/// The sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub g: Geometry,
    pub logical: u32,
    /// Out-of-band bytes in use, the same on every page.
    pub oob: usize,
    pub history: usize,
    pub lpn_bits: u32,
    /// Bits of a map entry.
    pub entry_bits: u32,
    pub record_bits: u32,
    /// Map entries in a slice.
    pub slice: u32,
    pub slices: u32,
    /// Blocks in a metadata page's part of the block table.
    pub table: u32,
    /// Records in a metadata page.
    pub records: u32,
    /// Records between two metadata pages.
    pub interval: u32,
}

impl Layout {
    pub fn new(g: &Geometry, config: &Config) -> Result<Layout, FtlError> {
        g.check()?;
        let need = |what, found: u64, needed: u64| -> Result<(), FtlError> {
            if found >= needed { Ok(()) } else { Err(FtlError::Geometry { what, found, needed }) }
        };
        need("out-of-band bytes for the user", g.user_oob_bytes().into(), FIXED as u64)?;
        need("page bytes", g.page_bytes.into(), 512)?;
        need("pages per block", g.pages_per_block.into(), u64::from(GROUP))?;
        need("blocks", g.blocks.into(), 16)?;
        need("logical pages", config.logical_pages.into(), 1)?;
        let most = |what, found: u64, needed: u64| -> Result<(), FtlError> {
            if found <= needed { Ok(()) } else { Err(FtlError::Geometry { what, found, needed }) }
        };
        most("pages", g.pages(), 1 << 31)?;
        most("logical pages", config.logical_pages.into(), (1 << 28) - 1)?;
        let table_bytes = u64::from(g.blocks.div_ceil(8));
        most("bytes of the bad-block table", table_bytes, u64::from(g.page_bytes) - 128)?;
        let lpn_bits = width_of(config.logical_pages.into());
        let payload = lpn_bits.max(width_of(u64::from(g.blocks) * 4));
        let oob = (g.user_oob_bytes() as usize).min(64);
        let mut layout = Layout {
            g: *g,
            logical: config.logical_pages,
            oob,
            history: Oob::history_len(oob, lpn_bits),
            lpn_bits,
            entry_bits: width_of(g.pages()),
            record_bits: payload + KIND_BITS,
            slice: 0,
            slices: 0,
            table: 0,
            records: 0,
            interval: 0,
        };
        layout.share(config.meta_interval.clamp(8, MOST_INTERVAL).into());
        Ok(layout)
    }

    /// Divides a metadata page between block table, records and map slice. The product of entries
    /// and records decides how many pages a mount reads, so the bits are split about evenly, with a
    /// whole number of intervals in the records.
    fn share(&mut self, wish: u32) {
        let body = self.g.page_bytes as usize - HEADER - 4;
        for _ in 0..8 {
            let bits = ((body - 4 * self.table as usize) * 8) as u32;
            let half = bits / 2 / self.record_bits;
            // At least two intervals, and what padding and recovery add, so that each page's records
            // join those of the page before.
            let extra = FRONTIERS as u32 * (2 * self.g.pair_distance()) + 16;
            self.interval = wish.min(half.saturating_sub(extra) / 2).max(4);
            self.records = half;
            self.slice = ((bits - self.records * self.record_bits) / self.entry_bits).max(1);
            self.slices = self.logical.div_ceil(self.slice);
            let table = self.g.blocks.div_ceil(self.slices);
            if table == self.table {
                return;
            }
            // A larger table only: then the loop ends.
            self.table = table.max(self.table).min(body as u32 / 16);
        }
    }

    /// Metadata pages that must stay readable: every slice, and a group more.
    pub fn window(&self) -> u32 {
        self.slices + GROUP
    }

    /// Most blocks that hold metadata at once.
    pub fn meta_blocks(&self) -> u32 {
        let b = self.g.pages_per_block;
        (self.window() + 1).div_ceil(b - b.div_ceil(GROUP)) + 1
    }

    /// Most logical pages that `good` blocks carry: two anchors, the metadata, the frontiers, and
    /// what collection needs are taken off.
    pub fn capacity(&self, good: u32) -> u64 {
        let pads = if self.g.pair_distance() > 0 { 3 } else { 0 };
        let taken = 2 + self.meta_blocks() + FRONTIERS as u32 + SPARE + pads;
        let pages = u64::from(good.saturating_sub(taken)) * u64::from(self.g.pages_per_block);
        pages.saturating_sub(1)
    }

    pub fn page_bytes(&self) -> usize {
        self.g.page_bytes as usize
    }

    /// The slice of a logical page, and its place there.
    pub fn slice_of(&self, lpn: u32) -> (u32, u32) {
        (lpn / self.slice, lpn % self.slice)
    }

    /// The part of the block table that slice `slice` carries.
    pub fn table_of(&self, slice: u32) -> core::ops::Range<u32> {
        let first = (slice * self.table).min(self.g.blocks);
        first..(first + self.table).min(self.g.blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_chip() {
        let l = Layout::new(&Geometry::slc_1gbit(), &Config::new(58_982)).unwrap();
        assert_eq!((l.lpn_bits, l.entry_bits, l.history, l.interval), (16, 16, 5, 70));
        assert!(l.slices * l.slice >= 58_982 && l.slices * l.table >= 1024);
        assert!(l.window() / (l.records / l.interval) < 28, "{l:?}");
    }

    #[test]
    fn what_can_not_work_is_named() {
        let config = Config::new(100);
        let refused = |g: &Geometry| Layout::new(g, &config).unwrap_err();
        let mut g = Geometry::tiny(8, 16);
        let expected = FtlError::Geometry { what: "blocks", found: 8, needed: 16 };
        assert_eq!(refused(&g), expected);
        g = Geometry::tiny(64, 16);
        g.oob_bytes = 16;
        assert!(matches!(refused(&g), FtlError::Geometry { found: 7, needed: 19, .. }));
        g = Geometry::tiny(64, 4);
        assert!(matches!(refused(&g), FtlError::Geometry { what: "pages per block", .. }));
    }
}
