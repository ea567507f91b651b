//! The driver trait: what an FTL, a tool or a test needs of a chip, real or modelled.

use crate::Page;
use crate::{EraseBlock, Geometry, NandError, Ppa, ReadStatus};

/// A NAND chip, or several behind one controller.
///
/// The legal order of calls: a block is erased before its pages are programmed, pages are
/// programmed in ascending order, and no block with a bad-block marker is erased or programmed. Out-
/// of-band buffers are the user's part alone, [`Geometry::user_oob_bytes`] long; marker and parity
/// belong to the driver.
pub trait Nand {
    /// The chip's shape.
    fn geometry(&self) -> &Geometry;

    /// Reads a page: its data from byte `at` on, and its out-of-band bytes. Either buffer may be
    /// empty, so a partial read costs what it transfers.
    ///
    /// # Errors
    /// Bad addresses, a dead bus, no power. An uncorrectable page is `Ok`: see [`ReadStatus`].
    fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError>;

    /// Programs a whole page and its out-of-band bytes; `oob` may be shorter, the rest stays 0xff.
    ///
    /// # Errors
    /// [`NandError::ProgramFailed`] when the chip says so; the block should be retired.
    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError>;

    /// A page's worth of bytes to fill for [`Nand::program_page`], of any content: one that the chip has no
    /// more use for, if there is one.
    fn page(&mut self) -> Page {
        Page::zeroed(self.geometry().page_bytes as usize)
    }

    /// As [`Nand::program`], with a page that the chip may keep instead of copying it.
    ///
    /// # Errors
    /// As for programming.
    fn program_page(&mut self, ppa: Ppa, page: &Page, oob: &[u8]) -> Result<(), NandError> {
        self.program(ppa, page, oob)
    }

    /// As [`Nand::read`] of a whole page, which the chip need not copy.
    ///
    /// # Errors
    /// As for reading.
    fn read_page(&mut self, ppa: Ppa, oob: &mut [u8]) -> Result<(ReadStatus, Page), NandError> {
        let mut page = self.page();
        let status = self.read(ppa, 0, page.bytes_mut(), oob)?;
        Ok((status, page))
    }

    /// As [`Nand::read`] from a page's first byte on, for a look: where the chip's memory can be lent, no byte
    /// is copied and `buffer` stays as it is.
    ///
    /// # Errors
    /// As for reading.
    fn view<'a>(
        &'a mut self,
        ppa: Ppa,
        oob: &mut [u8],
        buffer: &'a mut [u8],
    ) -> Result<(ReadStatus, &'a [u8]), NandError> {
        let status = self.read(ppa, 0, buffer, oob)?;
        Ok((status, buffer))
    }

    /// Erases a block.
    ///
    /// # Errors
    /// [`NandError::EraseFailed`] when the chip says so; the block should be retired.
    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError>;

    /// Copies a page inside the chip, with new out-of-band bytes; the data is checked and corrected
    /// on the way, and when it is not readable nothing is programmed. Within one plane.
    ///
    /// # Errors
    /// As for reading and programming; [`NandError::Unsupported`] when the chip can't, and
    /// [`NandError::CopyBack`] between planes: the caller then reads and programs.
    fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        let _ = (from, to, oob);
        Err(NandError::Unsupported { what: "copy-back" })
    }

    /// Whether the block carries a bad-block marker, the factory's or a later one.
    ///
    /// # Errors
    /// As for reading.
    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError>;

    /// Marks a block bad. Best effort: a failing block may refuse the marker too.
    ///
    /// # Errors
    /// As for programming.
    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError>;

    /// Levels of read retry beyond the normal read; 0 when there are none.
    fn retry_levels(&self) -> u8 {
        0
    }

    /// Makes later reads use read-retry level `level` (0: normal).
    ///
    /// # Errors
    /// [`NandError::Unsupported`] when there is no such level.
    fn set_retry(&mut self, level: u8) -> Result<(), NandError> {
        if level == 0 { Ok(()) } else { Err(NandError::Unsupported { what: "read retry" }) }
    }

    /// Steps by which the read references can be moved, each way; 0 when they can't be.
    fn read_offsets(&self) -> u8 {
        0
    }

    /// Makes later reads use references that stand `offset` steps higher than read retry has them (0: as it has
    /// them). That makes reads worse, and a bit that then reads as another is one that lay close to them: what soft
    /// decisions are made of.
    ///
    /// # Errors
    /// [`NandError::Unsupported`] when there is no such offset.
    fn set_read_offset(&mut self, offset: i8) -> Result<(), NandError> {
        no_offset_but_none(offset)
    }

    /// Whether a page is not programmed, by reading it.
    ///
    /// # Errors
    /// As for reading.
    fn is_erased(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        self.read(ppa, 0, &mut [], &mut []).map(|status| status.is_erased())
    }
}

/// What a chip says whose references can't be moved.
pub(crate) fn no_offset_but_none(offset: i8) -> Result<(), NandError> {
    let refused = NandError::Unsupported { what: "an offset of the read references" };
    if offset == 0 { Ok(()) } else { Err(refused) }
}

impl<N: Nand + ?Sized> Nand for &mut N {
    fn geometry(&self) -> &Geometry {
        (**self).geometry()
    }
    fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        (**self).read(ppa, at, data, oob)
    }
    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        (**self).program(ppa, data, oob)
    }
    fn page(&mut self) -> Page {
        (**self).page()
    }
    fn program_page(&mut self, ppa: Ppa, page: &Page, oob: &[u8]) -> Result<(), NandError> {
        (**self).program_page(ppa, page, oob)
    }
    fn read_page(&mut self, ppa: Ppa, oob: &mut [u8]) -> Result<(ReadStatus, Page), NandError> {
        (**self).read_page(ppa, oob)
    }
    fn view<'a>(
        &'a mut self,
        ppa: Ppa,
        oob: &mut [u8],
        buffer: &'a mut [u8],
    ) -> Result<(ReadStatus, &'a [u8]), NandError> {
        (**self).view(ppa, oob, buffer)
    }
    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        (**self).erase(block)
    }
    fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        (**self).copy_back(from, to, oob)
    }
    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        (**self).is_marked_bad(block)
    }
    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        (**self).mark_bad(block)
    }
    fn retry_levels(&self) -> u8 {
        (**self).retry_levels()
    }
    fn set_retry(&mut self, level: u8) -> Result<(), NandError> {
        (**self).set_retry(level)
    }
    fn read_offsets(&self) -> u8 {
        (**self).read_offsets()
    }
    fn set_read_offset(&mut self, offset: i8) -> Result<(), NandError> {
        (**self).set_read_offset(offset)
    }
    fn is_erased(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        (**self).is_erased(ppa)
    }
}
