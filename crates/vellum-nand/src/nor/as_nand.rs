//! NOR flash as a NAND chip.
//!
//! A block is a whole number of the flash's erase units. Its pages stand one behind the other, a slot
//! each, and a slot for the marker ends it:
//!
//! ```text
//! slot:   | data | user out-of-band bytes, 0xff where none | CRC-32 of both, little-endian | 0xff … |
//! block:  | slot 0 | slot 1 | … | marker: 0xff or 0x00 … | 0xff … |
//! ```
//!
//! Slots are a whole number of the flash's write units. NOR flash has no error correction: the CRC
//! (IEEE 802.3) tells a page that a power cut tore, or that lost bits, from a whole one.

use crate::{
    CellKind, Codeword, EccSpec, EraseBlock, Geometry, MARKER_BYTES, Nand, NandError, Ppa,
    ReadStatus,
};
use alloc::vec;
use alloc::vec::Vec;
use embedded_storage::nor_flash::NorFlash;

/// Bytes of a page's CRC.
const CRC_BYTES: u32 = 4;
/// A block whose next page is not known.
const UNKNOWN: u32 = u32::MAX;

/// What the chip is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NorShape {
    /// Data bytes of a page.
    pub page_bytes: u32,
    /// Out-of-band bytes of a page that the user has.
    pub user_bytes: u32,
    /// Pages of a block.
    pub pages_per_block: u32,
}

/// NOR flash as a chip with pages and blocks of a shape of your choice.
///
/// A read checks the page's CRC, so it reads the whole slot, however little is asked for. A page is
/// programmed once between erases, in ascending order.
#[derive(Debug)]
pub struct NorAsNand<F> {
    flash: F,
    geometry: Geometry,
    /// Bytes from slot to slot, and from block to block.
    slot_bytes: usize,
    block_bytes: usize,
    slot: Vec<u8>,
    /// The next page of each block, or [`UNKNOWN`].
    next: Vec<u32>,
}

impl<F: NorFlash> NorAsNand<F> {
    /// As many blocks of that shape as fit.
    ///
    /// # Errors
    /// [`NandError::Geometry`] if none fits or the shape can't work.
    pub fn new(flash: F, shape: NorShape) -> Result<Self, NandError> {
        let NorShape { page_bytes, user_bytes, pages_per_block } = shape;
        let bad = |field, value: u64| Err(NandError::Geometry { field, value });
        let page = u64::from(page_bytes) + u64::from(user_bytes) + u64::from(CRC_BYTES);
        let slot = page.next_multiple_of((F::WRITE_SIZE as u64).max(F::READ_SIZE as u64).max(1));
        let span = slot.saturating_mul(u64::from(pages_per_block) + 1);
        let Some(span) = span.checked_next_multiple_of((F::ERASE_SIZE as u64).max(1)) else {
            return bad("pages per block", pages_per_block.into());
        };
        // The end of the last block is an offset too.
        let capacity = (flash.capacity() as u64).min(u32::MAX.into());
        let blocks = (capacity / span).min(1 << 24) as u32;
        let Some(oob_bytes) = user_bytes.checked_add(MARKER_BYTES + CRC_BYTES) else {
            return bad("out-of-band bytes", user_bytes.into());
        };
        let geometry = Geometry {
            blocks,
            pages_per_block,
            page_bytes,
            oob_bytes,
            planes: 1,
            units: 1,
            cell: CellKind::Slc,
            programs_per_page: 1,
            row: 1,
            ecc: EccSpec {
                codeword_bytes: page_bytes,
                correctable: 0,
                parity_bytes: CRC_BYTES as u16,
            },
        };
        geometry.check()?;
        Ok(NorAsNand {
            flash,
            geometry,
            slot_bytes: slot as usize,
            block_bytes: span as usize,
            slot: vec![0; slot as usize],
            next: vec![UNKNOWN; blocks as usize],
        })
    }

    /// Gives the flash back.
    pub fn release(self) -> F {
        self.flash
    }

    /// Where slot `slot` of `block` begins; the one behind the last page's is the marker's.
    fn offset(&self, block: EraseBlock, slot: u32) -> u32 {
        (block.0 as usize * self.block_bytes + slot as usize * self.slot_bytes) as u32
    }

    fn load(&mut self, block: EraseBlock, slot: u32) -> Result<(), NandError> {
        let offset = self.offset(block, slot);
        let read = self.flash.read(offset, &mut self.slot);
        read.map_err(|_| NandError::Bus { what: "a read" })
    }

    /// Bytes of a slot before its CRC.
    fn covered(&self) -> usize {
        (self.geometry.page_bytes + self.geometry.user_oob_bytes()) as usize
    }
}

impl<F: NorFlash> Nand for NorAsNand<F> {
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
        let g = self.geometry;
        g.check_read(ppa, at, data.len(), oob.len())?;
        self.load(g.block_of(ppa), g.page_of(ppa))?;
        data.copy_from_slice(&self.slot[at as usize..][..data.len()]);
        oob.copy_from_slice(&self.slot[g.page_bytes as usize..][..oob.len()]);
        let (covered, rest) = self.slot.split_at(self.covered());
        let word = if crc32fast::hash(covered).to_le_bytes() == rest[..CRC_BYTES as usize] {
            Codeword::Corrected(0)
        } else if self.slot.iter().all(|byte| *byte == 0xff) {
            Codeword::Erased
        } else {
            Codeword::Uncorrectable
        };
        Ok(ReadStatus::all(1, word))
    }

    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        let g = self.geometry;
        g.check_program(ppa, data.len(), oob.len())?;
        let (block, page) = (g.block_of(ppa), g.page_of(ppa));
        let next = self.next[block.0 as usize];
        if next != UNKNOWN && page < next {
            return Err(NandError::Order { ppa, next });
        }
        // What the flash does with a second write to the same place is its own affair.
        self.load(block, page)?;
        if self.slot.iter().any(|byte| *byte != 0xff) {
            return Err(NandError::Reprogrammed { ppa, times: 1, limit: 1 });
        }
        self.slot[..data.len()].copy_from_slice(data);
        self.slot[data.len()..][..oob.len()].copy_from_slice(oob);
        let covered = self.covered();
        let crc = crc32fast::hash(&self.slot[..covered]).to_le_bytes();
        self.slot[covered..][..crc.len()].copy_from_slice(&crc);
        self.next[block.0 as usize] = page + 1;
        let offset = self.offset(block, page);
        self.flash.write(offset, &self.slot).map_err(|_| NandError::ProgramFailed { ppa })
    }

    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.geometry.check_block(block)?;
        let from = self.offset(block, 0);
        let done = self.flash.erase(from, from + self.block_bytes as u32);
        done.map_err(|_| NandError::EraseFailed { block })?;
        self.next[block.0 as usize] = 0;
        Ok(())
    }

    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        self.geometry.check_block(block)?;
        self.load(block, self.geometry.pages_per_block)?;
        Ok(self.slot[0] != 0xff)
    }

    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        if self.is_marked_bad(block)? {
            return Ok(());
        }
        let pages = self.geometry.pages_per_block;
        let (offset, ppa) = (self.offset(block, pages), self.geometry.ppa(block, 0));
        self.slot.fill(0);
        self.flash.write(offset, &self.slot).map_err(|_| NandError::ProgramFailed { ppa })
    }
}
