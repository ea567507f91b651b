//! What a chip looks like, known at run time: from its ONFI parameter page, or given.

use crate::NandError;
use core::fmt;

/// The number of an erase block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EraseBlock(pub u32);

impl fmt::Display for EraseBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A physical page: its number on the chip, `block × pages_per_block + page`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ppa(pub u64);

impl fmt::Display for Ppa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Bits a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CellKind {
    /// One.
    Slc,
    /// Two.
    Mlc,
    /// Three.
    Tlc,
    /// Four.
    Qlc,
}

impl CellKind {
    /// Bits a cell holds.
    pub const fn bits(self) -> u32 {
        match self {
            CellKind::Slc => 1,
            CellKind::Mlc => 2,
            CellKind::Tlc => 3,
            CellKind::Qlc => 4,
        }
    }
}

/// The error correction between the cells and [`crate::Nand::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EccSpec {
    /// Data bytes a codeword covers; a power of two that divides the page.
    pub codeword_bytes: u32,
    /// Errors that a codeword survives.
    pub correctable: u8,
    /// Bytes of out-of-band space that each codeword's check takes.
    pub parity_bytes: u16,
}

/// A chip's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Erase blocks, good and bad, over all planes and units.
    pub blocks: u32,
    /// Pages in an erase block.
    pub pages_per_block: u32,
    /// Data bytes in a page.
    pub page_bytes: u32,
    /// Out-of-band bytes in a page, marker and parity included.
    pub oob_bytes: u32,
    /// Planes: block numbers go round them.
    pub planes: u8,
    /// Logical units, each with its own array; they split the blocks into equal runs.
    pub units: u8,
    /// Bits a cell holds.
    pub cell: CellKind,
    /// Times that a page may be programmed between erases (ONFI's NOP).
    pub programs_per_page: u8,
    /// Pages that stand abreast, with numbers one after the other, in blocks that are written as one: 1 on
    /// a chip, more on [`Superblocks`](crate::Superblocks).
    pub row: u16,
    /// The error correction.
    pub ecc: EccSpec,
}

/// Bytes at the start of the out-of-band area that the bad-block marker takes.
pub const MARKER_BYTES: u32 = 2;
/// Most codewords in a page.
pub const MAX_CODEWORDS: usize = 32;
/// Most bytes of data in a page.
pub const MAX_PAGE_BYTES: u32 = 64 << 10;

impl Geometry {
    /// A 1 Gbit SLC chip: 1024 blocks of 64 pages of 2 KiB + 64 B, BCH with t = 4 a 512 B.
    pub const fn slc_1gbit() -> Geometry {
        Geometry {
            blocks: 1024,
            pages_per_block: 64,
            page_bytes: 2048,
            oob_bytes: 64,
            planes: 1,
            units: 1,
            cell: CellKind::Slc,
            programs_per_page: 4,
            row: 1,
            ecc: EccSpec { codeword_bytes: 512, correctable: 4, parity_bytes: 7 },
        }
    }

    /// A small chip for tests: `blocks` blocks of `pages` pages of 512 B.
    pub const fn tiny(blocks: u32, pages: u32) -> Geometry {
        Geometry {
            blocks,
            pages_per_block: pages,
            page_bytes: 512,
            oob_bytes: 48,
            planes: 1,
            units: 1,
            cell: CellKind::Slc,
            programs_per_page: 1,
            row: 1,
            ecc: EccSpec { codeword_bytes: 512, correctable: 4, parity_bytes: 7 },
        }
    }

    /// The same with another kind of cell.
    pub const fn with_cell(mut self, cell: CellKind) -> Geometry {
        self.cell = cell;
        self.programs_per_page = 1;
        self
    }

    /// Pages in all.
    pub const fn pages(&self) -> u64 {
        self.blocks as u64 * self.pages_per_block as u64
    }

    /// Data bytes in all.
    pub const fn bytes(&self) -> u64 {
        self.pages() * self.page_bytes as u64
    }

    /// Codewords in a page.
    #[inline]
    pub const fn codewords(&self) -> u32 {
        let word = self.ecc.codeword_bytes;
        // The usual case costs no division.
        if word.is_power_of_two() {
            self.page_bytes >> word.trailing_zeros()
        } else {
            self.page_bytes / word
        }
    }

    /// Out-of-band bytes left to the user, covered by the error correction.
    #[inline]
    pub const fn user_oob_bytes(&self) -> u32 {
        self.oob_bytes
            .saturating_sub(MARKER_BYTES + self.codewords() * self.ecc.parity_bytes as u32)
    }

    /// The page `page` of `block`.
    pub const fn ppa(&self, block: EraseBlock, page: u32) -> Ppa {
        Ppa(block.0 as u64 * self.pages_per_block as u64 + page as u64)
    }

    /// The block of a page.
    #[inline]
    pub const fn block_of(&self, ppa: Ppa) -> EraseBlock {
        let pages = self.pages_per_block as u64;
        // The usual case costs no division.
        let block =
            if pages.is_power_of_two() { ppa.0 >> pages.trailing_zeros() } else { ppa.0 / pages };
        EraseBlock(block as u32)
    }

    /// The number of a page in its block.
    #[inline]
    pub const fn page_of(&self, ppa: Ppa) -> u32 {
        let pages = self.pages_per_block as u64;
        (if pages.is_power_of_two() { ppa.0 & (pages - 1) } else { ppa.0 % pages }) as u32
    }

    /// The block of a page, and its number in there.
    #[inline]
    pub const fn place_of(&self, ppa: Ppa) -> (EraseBlock, u32) {
        let block = self.block_of(ppa);
        (block, (ppa.0 - block.0 as u64 * self.pages_per_block as u64) as u32)
    }

    /// The plane of a block.
    pub const fn plane_of(&self, block: EraseBlock) -> u32 {
        block.0 % self.planes as u32
    }

    /// The unit of a block.
    #[inline]
    pub const fn unit_of(&self, block: EraseBlock) -> u32 {
        if self.units == 1 { 0 } else { block.0 / (self.blocks / self.units as u32) }
    }

    /// The earlier page of the same block whose cells `page` shares, if there is one: programming
    /// `page` endangers it. Pairs lie `2·(bits − 1)` rows of pages apart, as on a chip whose word lines are
    /// programmed in the shadow order (Tseng, Grupp and Swanson, DAC 2011, measured such pairs).
    #[inline]
    pub const fn paired_with(&self, page: u32) -> Option<u32> {
        let apart = self.pair_distance();
        if apart == 0 || page < apart || (page / apart).is_multiple_of(2) {
            return None;
        }
        Some(page - apart)
    }

    /// Pages between a page and the one that shares its cells; 0 for one bit a cell.
    #[inline]
    pub const fn pair_distance(&self) -> u32 {
        2 * (self.cell.bits() - 1) * self.row as u32
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// [`NandError::Geometry`], with the field that does not fit.
    pub fn check(&self) -> Result<(), NandError> {
        let bad = |field, value: u64| Err(NandError::Geometry { field, value });
        if self.blocks == 0 || self.blocks > 1 << 24 {
            return bad("blocks", self.blocks.into());
        }
        if self.pages_per_block == 0 || self.pages_per_block > 1 << 14 {
            return bad("pages per block", self.pages_per_block.into());
        }
        if self.page_bytes == 0 || self.page_bytes > MAX_PAGE_BYTES {
            return bad("page bytes", self.page_bytes.into());
        }
        let word = self.ecc.codeword_bytes;
        if word == 0 || !self.page_bytes.is_multiple_of(word) {
            return bad("codeword bytes", word.into());
        }
        if self.codewords() as usize > MAX_CODEWORDS {
            return bad("codewords a page", self.codewords().into());
        }
        if self.oob_bytes > self.page_bytes
            || self.oob_bytes < MARKER_BYTES + self.codewords() * u32::from(self.ecc.parity_bytes)
        {
            return bad("out-of-band bytes", self.oob_bytes.into());
        }
        if self.planes == 0 || !self.blocks.is_multiple_of(self.planes.into()) {
            return bad("planes", self.planes.into());
        }
        if self.units == 0 || !self.blocks.is_multiple_of(self.units.into()) {
            return bad("units", self.units.into());
        }
        if self.programs_per_page == 0 {
            return bad("programs per page", 0);
        }
        if self.row == 0 || !self.pages_per_block.is_multiple_of(self.row.into()) {
            return bad("pages of a row", self.row.into());
        }
        Ok(())
    }

    /// Checks that a page exists.
    ///
    /// # Errors
    /// [`NandError::PastEnd`].
    #[inline]
    pub fn check_ppa(&self, ppa: Ppa) -> Result<(), NandError> {
        if ppa.0 < self.pages() {
            return Ok(());
        }
        Err(NandError::PastEnd { ppa, pages: self.pages() })
    }

    /// Checks that a block exists.
    ///
    /// # Errors
    /// [`NandError::PastEnd`].
    #[inline]
    pub fn check_block(&self, block: EraseBlock) -> Result<(), NandError> {
        self.check_ppa(self.ppa(block, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_chip_leaves_34_bytes_to_the_user() {
        let g = Geometry::slc_1gbit();
        g.check().unwrap();
        assert_eq!((g.pages(), g.bytes()), (65_536, 128 << 20));
        assert_eq!(g.user_oob_bytes(), 64 - 2 - 4 * 7);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut g = Geometry::slc_1gbit();
        g.ecc.codeword_bytes = 500;
        assert_eq!(g.check(), Err(NandError::Geometry { field: "codeword bytes", value: 500 }));
        let mut g = Geometry::slc_1gbit();
        g.oob_bytes = 20;
        assert!(matches!(g.check(), Err(NandError::Geometry { field: "out-of-band bytes", .. })));
        let mut g = Geometry::slc_1gbit();
        g.blocks = 0;
        assert!(g.check().is_err());
    }

    #[test]
    fn pairs_share_cells_once() {
        assert!((0..64).all(|p| Geometry::slc_1gbit().paired_with(p).is_none()));
        for cell in [CellKind::Mlc, CellKind::Tlc, CellKind::Qlc] {
            let g = Geometry::tiny(8, 48).with_cell(cell);
            let pairs: Vec<_> = (0..48).filter_map(|p| g.paired_with(p)).collect();
            let mut once = pairs.clone();
            once.dedup();
            assert_eq!(once, pairs);
            assert!((0..48).all(|p| g.paired_with(p).is_none_or(|l| g.paired_with(l).is_none())));
        }
    }
}
