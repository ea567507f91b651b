//! Sizes that follow from the chip's shape and the number of logical pages.

use crate::bits::width_of;
use crate::oob::{FIXED, Oob};
use crate::{Config, FtlError};
use vellum_nand::{EraseBlock, Geometry};

/// Frontiers for data.
pub(crate) const FRONTIERS: usize = 4;
/// Metadata pages that one parity page covers at most.
pub(crate) const GROUP: u32 = 15;
/// Locations of earlier metadata pages that each one carries.
pub(crate) const BACK: usize = 8;
/// The anchors lie in two of the first so many blocks.
pub(crate) const SPAN: u32 = 8;
/// Free blocks that collection keeps at least: one that only recovery takes, and one to open next.
pub(crate) const SPARE: u32 = 2;
/// Most free blocks that collection ever keeps: [`SPARE`], one after something failed, one while the
/// log is tight, two under skewed traffic or where pages share cells, and one more there.
pub(crate) const MOST_SPARE: u32 = SPARE + 5;
/// Pages that the log must be able to take without another block: two recoveries' worth.
pub(crate) const LOG_SLACK: u32 = 12;
/// Bytes of a metadata page before the block table's part.
pub(crate) const HEADER: usize = 144;
/// Bits of a record's kind.
pub(crate) const KIND_BITS: u32 = 3;
/// No block, no page.
pub(crate) const NONE: u32 = u32::MAX;

/// Quarters of an interval whose records have room in a metadata page at least, where the page has it.
const LEAST_QUARTERS: u32 = 14;

/// The sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub g: Geometry,
    pub logical: u32,
    /// Numbers that the map covers: the logical pages, and a snapshot's when there is room for one.
    pub numbers: u32,
    /// Most pages that are valid at once.
    pub held: u32,
    /// Out-of-band bytes in use, the same on every page.
    pub oob: usize,
    pub history: u32,
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
    /// Most records between two metadata pages.
    pub interval: u32,
    /// Pages of a metadata block that are used: those that no later page endangers.
    pub safe_pages: u32,
}

impl Layout {
    pub fn new(g: &Geometry, config: &Config) -> Result<Layout, FtlError> {
        g.check()?;
        let need = |what, found: u64, needed: u64| -> Result<(), FtlError> {
            if found >= needed { Ok(()) } else { Err(FtlError::Geometry { what, found, needed }) }
        };
        need("out-of-band bytes for the user", g.user_oob_bytes().into(), FIXED as u64)?;
        need("page bytes", g.page_bytes.into(), 512)?;
        need("pages per block", g.pages_per_block.into(), 8)?;
        need("blocks", g.blocks.into(), 16)?;
        need("logical pages", config.logical_pages.into(), 1)?;
        let most = |what, found: u64, needed: u64| -> Result<(), FtlError> {
            if found <= needed { Ok(()) } else { Err(FtlError::Geometry { what, found, needed }) }
        };
        most("pages", g.pages(), 1 << 31)?;
        most("logical pages", config.logical_pages.into(), (1 << 28) - 1)?;
        most("pages of a snapshot", config.snapshot_pages.into(), config.logical_pages.into())?;
        let numbers = config.logical_pages << u32::from(config.snapshot_pages > 0);
        // One value stands for "no logical page".
        let lpn_bits = width_of(u64::from(numbers) + 1);
        let payload = lpn_bits.max(width_of((u64::from(g.blocks) + 1) * FRONTIERS as u64)).max(9);
        let oob = (g.user_oob_bytes() as usize).min(64);
        let mut layout = Layout {
            g: *g,
            logical: config.logical_pages,
            numbers,
            held: config.logical_pages + config.snapshot_pages,
            oob,
            history: Oob::history_len(oob, lpn_bits) as u32,
            lpn_bits,
            entry_bits: width_of(g.pages()),
            record_bits: payload + KIND_BITS,
            slice: 0,
            slices: 0,
            table: 0,
            records: 0,
            interval: 0,
            safe_pages: 0,
        };
        layout.safe_pages = safe_pages(g);
        layout.share_well(config.meta_interval.into());
        let room = u64::from(g.page_bytes) - crate::anchor::HEADER as u64 - 4;
        let table_bytes = u64::from(g.blocks.div_ceil(8)) + 4 * u64::from(layout.ring() + 4);
        most("bytes of the bad-block table", table_bytes, room)?;
        // What recovery moves out of one block must go into one page's records.
        need(
            "records in a metadata page",
            layout.records.into(),
            u64::from(g.pages_per_block) + 12,
        )?;
        Ok(layout)
    }

    /// Divides a metadata page between block table, records and map slice. A mount reads about
    /// `logical · interval / (slice · records)` pages of the log's window; the more records, the
    /// fewer of them, and the more slices, the longer the log. Half each would make the product least.
    ///
    /// The records' part is so many quarters of an interval: five intervals, for a mount reads one page in
    /// five at most then. More would make slices smaller, and so the log longer, for a mount that is hardly
    /// shorter. Fewer if five make the log so long that it takes another block, which would cost writes.
    fn share_well(&mut self, wish: u32) {
        self.share(wish, LEAST_QUARTERS);
        let blocks = self.ring();
        for quarters in [20, 15, LEAST_QUARTERS] {
            self.share(wish, quarters);
            if self.ring() == blocks {
                return;
            }
        }
    }

    fn share(&mut self, wish: u32, quarters: u32) {
        self.table = 0;
        let body = self.g.page_bytes as usize - HEADER - 4;
        for _ in 0..8 {
            let bits = (body.saturating_sub(4 * self.table as usize) * 8) as u32;
            let least = self.g.pages_per_block + 12;
            let useful = (quarters * wish.max(8) / 4).min(bits / 2 / self.record_bits);
            self.records = useful.max(least).min(bits / self.record_bits);
            self.interval = wish.max(8).min(self.records.saturating_sub(8));
            self.slice = ((bits - self.records * self.record_bits) / self.entry_bits).max(1);
            self.slices = self.numbers.div_ceil(self.slice);
            let table = self.g.blocks.div_ceil(self.slices);
            if table == self.table {
                return;
            }
            // A larger table only: then the loop ends.
            self.table = table.max(self.table).min(body as u32 / 16);
        }
    }

    /// Pages of the log that must stay readable: every slice, their parity, and a few more.
    pub fn window(&self) -> u32 {
        self.slices + self.slices / GROUP + 4
    }

    /// Blocks that the log goes round: what the window needs, pages that cuts may waste (one in four,
    /// and a dozen), and the block that is erased next.
    pub fn ring(&self) -> u32 {
        let pages = self.window() + (self.window() / 3).max(12);
        pages.div_ceil(self.safe_pages.max(1)) + 1
    }

    /// Most logical pages that `good` blocks carry: two anchors, the metadata, the frontiers, and
    /// what collection keeps free are taken off. The others must not be so full that collecting the
    /// emptiest of them gains nothing.
    pub fn capacity(&self, good: u32) -> u64 {
        let taken = 2 + self.ring() + FRONTIERS as u32 + MOST_SPARE;
        let pages = u64::from(good.saturating_sub(taken)) * u64::from(self.most_full());
        pages.saturating_sub(1)
    }

    /// Pages of a closed block that may be valid on average. Where pages share cells, each recovery
    /// and each metadata page in the midst of collecting a block costs it up to a pair's distance of
    /// pages that are passed over, and so does a flush between two collections.
    pub fn most_full(&self) -> u32 {
        let (pages, d) = (self.g.pages_per_block, self.g.pair_distance());
        if d == 0 {
            return pages;
        }
        let lost = d * (1 + pages / self.interval.max(1)) + 1;
        pages.saturating_sub(lost).min(pages * 3 / 4).max(1)
    }

    /// Pages that a freshly erased block takes at least, however often recovery copies it on the way.
    pub fn fresh(&self) -> u32 {
        self.g.pages_per_block.saturating_sub(self.g.pair_distance())
    }

    /// Pages that a demand-paged map must be able to note at once: all that recovery moves out of a
    /// block, or collection where pages share cells.
    pub fn least_changed(&self) -> u32 {
        self.g.pages_per_block + 16
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

/// The `i`-th page of a block among those that share no cells with an earlier one: while the others
/// stay blank, no program endangers what was programmed before it. Anchors and metadata use these
/// alone, as Linux' SLC emulation on MLC does.
pub(crate) fn safe_page(g: &Geometry, block: u32, i: u32) -> u32 {
    let d = g.pair_distance();
    // Runs of `d` safe pages and of as many that share their cells.
    let page = i + i.checked_div(d).map_or(0, |run| run * d);
    g.ppa(EraseBlock(block), page).0 as u32
}

/// How many of them a block has.
pub(crate) fn safe_pages(g: &Geometry) -> u32 {
    (0..g.pages_per_block).filter(|&p| g.paired_with(p).is_none()).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use vellum_nand::CellKind;

    #[test]
    fn a_common_chip() {
        let l = Layout::new(&Geometry::slc_1gbit(), &Config::new(58_982)).unwrap();
        assert_eq!((l.lpn_bits, l.entry_bits, l.history), (16, 16, 7));
        assert!(l.slices * l.slice >= 58_982 && l.slices * l.table >= 1024);
        assert_eq!(l.ring(), 4, "{l:?}");
    }

    #[test]
    fn safe_pages_share_no_cells_with_later_ones() {
        for cell in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc, CellKind::Qlc] {
            let g = Geometry::tiny(40, 32).with_cell(cell);
            let l = Layout::new(&g, &Config::new(100)).unwrap();
            let safe: Vec<u32> = (0..l.safe_pages).map(|i| safe_page(&g, 0, i)).collect();
            let expected: Vec<u32> = (0..32).filter(|&p| g.paired_with(p).is_none()).collect();
            assert_eq!(safe, expected);
        }
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
