//! Superblocks: blocks of different units that are erased together and written row by row, with a parity
//! page a row that rebuilds any one page of it that can no longer be read.
//!
//! ```text
//!              member 0   member 1   member 2   member 3
//! row 0        page 0     page 1     page 2     parity of 0, 1, 2
//! row 1        page 3     page 4     page 5     parity of 3, 4, 5
//! ```
//!
//! Whoever sits on top sees a chip of fewer and larger blocks; the parity is no concern of its. A parity
//! page is the XOR of its row's pages, inverted (a CRC is linear, so the plain XOR of an odd number of
//! pages would pass for one), and of their out-of-band bytes. The last eight of its own say which columns
//! it covers, and a CRC-32 of all: half programmed parity is none.
//!
//! *Cost.* One page in `width` of the room and one program in `width`; the out-of-band area is eight bytes
//! smaller; a read that must rebuild reads the rest of the row; RAM of a page a superblock that is being
//! written. A block that goes bad takes its superblock with it.
//!
//! *What is not covered.* A row gets its parity when its last page, or one of a later row, is programmed.
//! Until then the XOR is in RAM, and a loss of power leaves the row without.

mod rows;

use crate::{Codeword, EraseBlock, Geometry, Nand, NandError, Page, Ppa, ReadStatus};
use alloc::vec;
use alloc::vec::Vec;
use rows::{Row, add_bytes};

/// Out-of-band bytes that a parity page keeps for itself: columns, CRC.
const OWN: usize = 8;
/// Most blocks of a superblock: a bit each in a parity page.
const MOST: u32 = 33;
/// A rebuilt page is told as corrected by so many bits in each codeword: whoever scrubs moves it.
const REBUILT: Codeword = Codeword::Corrected(u8::MAX - 2);

/// A chip of superblocks over another chip.
#[derive(Debug, Clone)]
pub struct Superblocks<N> {
    chip: N,
    inner: Geometry,
    geometry: Geometry,
    width: u32,
    /// The one used last at the end.
    rows: Vec<Row>,
    rebuilt: u64,
}

impl<N: Nand> Superblocks<N> {
    /// Superblocks of `width` blocks each, one of which holds parity. Blocks that are left over are not
    /// used. Members lie as far apart on the chip as can be, so in different units if it has as many.
    ///
    /// # Errors
    /// [`NandError::Geometry`] when the chip's shape can't carry that.
    pub fn new(chip: N, width: u32) -> Result<Self, NandError> {
        let inner = *chip.geometry();
        if !(2..=MOST).contains(&width) || inner.blocks < width {
            return Err(NandError::Geometry { field: "superblock width", value: width.into() });
        }
        if inner.user_oob_bytes() <= OWN as u32 {
            let value = inner.user_oob_bytes().into();
            return Err(NandError::Geometry { field: "out-of-band bytes", value });
        }
        let geometry = Geometry {
            blocks: inner.blocks / width,
            pages_per_block: inner.pages_per_block * (width - 1),
            oob_bytes: inner.oob_bytes - OWN as u32,
            planes: 1,
            units: 1,
            programs_per_page: 1,
            row: inner.row * (width - 1) as u16,
            ..inner
        };
        geometry.check()?;
        Ok(Superblocks { chip, inner, geometry, width, rows: Vec::new(), rebuilt: 0 })
    }

    /// Blocks of a superblock.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pages served from parity so far.
    pub fn rebuilt(&self) -> u64 {
        self.rebuilt
    }

    /// The chip below.
    pub fn chip(&self) -> &N {
        &self.chip
    }

    /// The chip below, for what only it can do.
    pub fn chip_mut(&mut self) -> &mut N {
        &mut self.chip
    }

    /// The chip below, for good.
    pub fn into_chip(self) -> N {
        self.chip
    }

    /// Where a page lies on the chip below.
    pub fn place(&self, ppa: Ppa) -> Ppa {
        let (block, row, column) = self.spot(ppa);
        self.at(block, row, column)
    }

    /// Block, row and column of a page.
    fn spot(&self, ppa: Ppa) -> (u32, u32, u32) {
        let (block, page) = (self.geometry.block_of(ppa).0, self.geometry.page_of(ppa));
        (block, page / self.columns(), page % self.columns())
    }

    /// Pages of a row that hold data.
    fn columns(&self) -> u32 {
        self.width - 1
    }

    fn member(&self, block: u32, column: u32) -> EraseBlock {
        EraseBlock(block + column * self.geometry.blocks)
    }

    fn at(&self, block: u32, row: u32, column: u32) -> Ppa {
        self.inner.ppa(self.member(block, column), row)
    }

    fn members(&self, block: EraseBlock) -> impl Iterator<Item = EraseBlock> + use<N> {
        let apart = self.geometry.blocks;
        (0..self.width).map(move |column| EraseBlock(block.0 + column * apart))
    }

    /// Bytes of a page with what its user has beside it.
    fn bytes(&self) -> usize {
        (self.geometry.page_bytes + self.geometry.user_oob_bytes()) as usize
    }

    /// Programs a page by `program`, which gets its place on the chip below, and keeps its row's parity.
    fn program_by(
        &mut self,
        ppa: Ppa,
        data: &[u8],
        oob: &[u8],
        program: impl FnOnce(&mut N, Ppa) -> Result<(), NandError>,
    ) -> Result<(), NandError> {
        self.geometry.check_program(ppa, data.len(), oob.len())?;
        let (block, row, column) = self.spot(ppa);
        let page = self.geometry.page_of(ppa);
        let last = self.rows.iter().find(|r| r.block == block && r.columns != 0).map(|r| r.last);
        if let Some(last) = last.filter(|&last| page <= last) {
            return Err(NandError::Order { ppa, next: last + 1 });
        }
        self.open_row(block, row, column).map_err(|e| self.outward(e, ppa))?;
        let place = self.place(ppa);
        let done = program(&mut self.chip, place);
        done.map_err(|e| self.outward(e, ppa))?;
        let Some(mut open) = self.rows.pop() else { return Ok(()) };
        let (whole, beside) = open.xor.split_at_mut(data.len());
        add_bytes(whole, data);
        // What is not given stays 0xff.
        add_bytes(beside, oob.iter().chain(core::iter::repeat(&0xff)));
        open.columns |= 1 << column;
        open.last = page;
        open.done = column + 1 == self.columns();
        let parity = if open.done { self.write_parity(&open) } else { Ok(()) };
        self.rows.push(open);
        parity.map_err(|e| self.outward(e, ppa))
    }

    /// An error of the chip below in the numbers of this one.
    fn outward(&self, error: NandError, ppa: Ppa) -> NandError {
        let block = self.geometry.block_of(ppa);
        match error {
            NandError::ProgramFailed { .. } => NandError::ProgramFailed { ppa },
            NandError::EraseFailed { .. } => NandError::EraseFailed { block },
            NandError::BadBlock { .. } => NandError::BadBlock { block },
            NandError::Reprogrammed { times, limit, .. } => {
                NandError::Reprogrammed { ppa, times, limit }
            }
            NandError::Order { next, .. } => NandError::Order { ppa, next: next * self.columns() },
            error => error,
        }
    }
}

impl<N: Nand> Nand for Superblocks<N> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        self.geometry.check_read(ppa, at, data.len(), oob.len())?;
        let status = self.chip.read(self.place(ppa), at, data, oob)?;
        if status.is_readable() || status.is_erased() {
            return Ok(status);
        }
        let (block, row, column) = self.spot(ppa);
        let Some(page) = self.rebuild(block, row, column)? else { return Ok(status) };
        let (whole, beside) = page.split_at(self.geometry.page_bytes as usize);
        data.copy_from_slice(&whole[at as usize..][..data.len()]);
        oob.copy_from_slice(&beside[..oob.len()]);
        Ok(ReadStatus::all(self.geometry.codewords(), REBUILT))
    }

    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        self.program_by(ppa, data, oob, |chip, place| chip.program(place, data, oob))
    }

    fn page(&mut self) -> Page {
        self.chip.page()
    }

    fn program_page(&mut self, ppa: Ppa, page: &Page, oob: &[u8]) -> Result<(), NandError> {
        self.program_by(ppa, page, oob, |chip, place| chip.program_page(place, page, oob))
    }

    fn read_page(&mut self, ppa: Ppa, oob: &mut [u8]) -> Result<(ReadStatus, Page), NandError> {
        self.geometry.check_read(ppa, 0, 0, oob.len())?;
        let (status, mut page) = self.chip.read_page(self.place(ppa), oob)?;
        if status.is_readable() || status.is_erased() {
            return Ok((status, page));
        }
        let (block, row, column) = self.spot(ppa);
        let Some(rebuilt) = self.rebuild(block, row, column)? else { return Ok((status, page)) };
        let (whole, beside) = rebuilt.split_at(self.geometry.page_bytes as usize);
        page.fill_from(whole);
        oob.copy_from_slice(&beside[..oob.len()]);
        Ok((ReadStatus::all(self.geometry.codewords(), REBUILT), page))
    }

    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.geometry.check_block(block)?;
        self.rows.retain(|r| r.block != block.0);
        for member in self.members(block) {
            let first = self.geometry.ppa(block, 0);
            self.chip.erase(member).map_err(|e| self.outward(e, first))?;
        }
        Ok(())
    }

    /// Over the bus: the target's row needs the bytes.
    fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        let mut page = vec![0; self.geometry.page_bytes as usize];
        let status = self.read(from, 0, &mut page, &mut [])?;
        if status.is_readable() {
            self.program(to, &page, oob)?;
        }
        Ok(status)
    }

    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        self.geometry.check_block(block)?;
        for member in self.members(block) {
            if self.chip.is_marked_bad(member)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.geometry.check_block(block)?;
        let mut result = Ok(());
        for member in self.members(block) {
            result = result.and(self.chip.mark_bad(member));
        }
        result
    }

    fn retry_levels(&self) -> u8 {
        self.chip.retry_levels()
    }

    fn set_retry(&mut self, level: u8) -> Result<(), NandError> {
        self.chip.set_retry(level)
    }

    fn read_offsets(&self) -> u8 {
        self.chip.read_offsets()
    }

    fn set_read_offset(&mut self, offset: i8) -> Result<(), NandError> {
        self.chip.set_read_offset(offset)
    }
}
