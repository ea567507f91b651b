//! A NAND chip as NOR flash: its good blocks, one after the other.

use crate::{Codeword, EraseBlock, Nand, NandError, Ppa};
use alloc::vec::Vec;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read,
    check_write,
};

/// Why the flash did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NorError {
    /// The call does not fit the flash.
    #[error("{what} of {bytes} bytes at {offset:#x}: {kind}")]
    Call {
        /// Read, write or erase.
        what: &'static str,
        /// Where it begins.
        offset: u32,
        /// Bytes asked for.
        bytes: usize,
        /// What is wrong.
        kind: NorFlashErrorKind,
    },
    /// More bits are wrong than the chip's code corrects.
    #[error("the page at {offset:#x} is not readable")]
    Lost {
        /// The first byte asked for of that page.
        offset: u32,
    },
    /// The chip refused.
    #[error(transparent)]
    Nand(#[from] NandError),
}

impl NorFlashError for NorError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            NorError::Call { kind, .. } => *kind,
            _ => NorFlashErrorKind::Other,
        }
    }
}

/// A chip whose pages have `PAGE` bytes and whose blocks have `BLOCK` bytes of data, as NOR flash
/// with writes of `PAGE` and erases of `BLOCK` bytes.
///
/// Blocks with a bad-block marker are left out when it is made, so the capacity is that of the good
/// ones (and ends at 4 GiB, as offsets do). Nothing is moved: a block that fails later is an error.
/// Within a block, pages are written in ascending order. Out-of-band bytes are not used.
///
/// ```
/// use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
/// use vellum_nand::nor::NandAsNor;
/// use vellum_nand::{Geometry, Model, ModelConfig};
///
/// let chip = Model::new(ModelConfig::perfect(Geometry::slc_1gbit()))?;
/// let mut flash = NandAsNor::<_, 2048, 131_072>::new(chip)?;
/// flash.erase(0, 131_072)?;
/// flash.write(0, &[7; 2048])?;
/// let mut three = [0; 3];
/// flash.read(2046, &mut three)?;
/// assert_eq!(three, [7, 7, 0xFF]);
/// # Ok::<(), vellum_nand::nor::NorError>(())
/// ```
#[derive(Debug)]
pub struct NandAsNor<N, const PAGE: usize, const BLOCK: usize> {
    nand: N,
    good: Vec<EraseBlock>,
}

impl<N: Nand, const PAGE: usize, const BLOCK: usize> NandAsNor<N, PAGE, BLOCK> {
    /// Looks for the good blocks. Cost: a marker read a block.
    ///
    /// # Errors
    /// [`NandError::Geometry`] if the chip's pages or blocks are of another size, or the chip's error.
    pub fn new(mut nand: N) -> Result<Self, NorError> {
        let g = *nand.geometry();
        let block = u64::from(g.page_bytes) * u64::from(g.pages_per_block);
        if g.page_bytes as usize != PAGE {
            let (field, value) = ("page bytes", g.page_bytes.into());
            return Err(NandError::Geometry { field, value }.into());
        }
        if block != BLOCK as u64 {
            return Err(NandError::Geometry { field: "bytes of a block", value: block }.into());
        }
        let most = (u64::from(u32::MAX) / block) as usize;
        let mut good = Vec::new();
        for block in (0..g.blocks).map(EraseBlock) {
            if good.len() < most && !nand.is_marked_bad(block)? {
                good.push(block);
            }
        }
        Ok(NandAsNor { nand, good })
    }

    /// The chip.
    pub fn chip(&mut self) -> &mut N {
        &mut self.nand
    }

    /// Gives the chip back.
    pub fn release(self) -> N {
        self.nand
    }

    /// The page that byte `offset` lies in; `offset` is below the capacity.
    fn page(&self, offset: usize) -> Ppa {
        self.nand.geometry().ppa(self.good[offset / BLOCK], (offset % BLOCK / PAGE) as u32)
    }
}

impl<N, const PAGE: usize, const BLOCK: usize> ErrorType for NandAsNor<N, PAGE, BLOCK> {
    type Error = NorError;
}

impl<N: Nand, const PAGE: usize, const BLOCK: usize> ReadNorFlash for NandAsNor<N, PAGE, BLOCK> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorError> {
        let call = |kind| NorError::Call { what: "read", offset, bytes: bytes.len(), kind };
        check_read(self, offset, bytes.len()).map_err(call)?;
        let (mut at, mut rest) = (offset as usize, bytes);
        while !rest.is_empty() {
            let n = (PAGE - at % PAGE).min(rest.len());
            let (part, behind) = rest.split_at_mut(n);
            let status = self.nand.read(self.page(at), (at % PAGE) as u32, part, &mut [])?;
            if status.codewords().any(|word| word == Codeword::Uncorrectable) {
                return Err(NorError::Lost { offset: at as u32 });
            }
            (at, rest) = (at + n, behind);
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.good.len() * BLOCK
    }
}

impl<N: Nand, const PAGE: usize, const BLOCK: usize> NorFlash for NandAsNor<N, PAGE, BLOCK> {
    const WRITE_SIZE: usize = PAGE;
    const ERASE_SIZE: usize = BLOCK;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorError> {
        let bytes = to.saturating_sub(from) as usize;
        let call = |kind| NorError::Call { what: "erase", offset: from, bytes, kind };
        check_erase(self, from, to).map_err(call)?;
        for i in from as usize / BLOCK..to as usize / BLOCK {
            self.nand.erase(self.good[i])?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorError> {
        let call = |kind| NorError::Call { what: "write", offset, bytes: bytes.len(), kind };
        check_write(self, offset, bytes.len()).map_err(call)?;
        for (i, page) in bytes.chunks_exact(PAGE).enumerate() {
            let ppa = self.page(offset as usize + i * PAGE);
            self.nand.program(ppa, page, &[])?;
        }
        Ok(())
    }
}
