//! The driver trait: what an FTL, a tool or a test needs of a chip, real or modelled.

use crate::Page;
use crate::{EraseBlock, Geometry, MAX_CODEWORDS, NandError, Ppa};
use core::fmt;

/// What became of one codeword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codeword {
    /// Read, after correcting this many bits (0: clean).
    Corrected(u8),
    /// More errors than the code corrects; the bytes are what the cells gave.
    Uncorrectable,
    /// Not programmed since the erase (up to a few flipped bits); the bytes are 0xff.
    Erased,
}

/// What became of a page that was read: an outcome a codeword.
// In this order and without gaps, so that it is copied in the pieces in which it was filled: else the processor
// waits for the one before it can start on the other.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ReadStatus {
    code: [u8; MAX_CODEWORDS],
    /// The number of codewords, of those that were not read, and of those among them that are erased, from the
    /// lowest 16 bits up: what most callers ask for is known without a look at each.
    tally: u64,
}

const UNCORRECTABLE: u8 = 0xfe;
const ERASED: u8 = 0xff;
const _: () = assert!(MAX_CODEWORDS <= u16::MAX as usize);

impl ReadStatus {
    /// `words` codewords (at most [`MAX_CODEWORDS`]) that all came out as `each`.
    #[inline]
    pub fn all(words: u32, each: Codeword) -> ReadStatus {
        let words = u64::from(words.min(MAX_CODEWORDS as u32));
        let code = Self::encode(each);
        ReadStatus { tally: words + words * Self::weight(code), code: [code; MAX_CODEWORDS] }
    }

    fn encode(word: Codeword) -> u8 {
        match word {
            Codeword::Corrected(n) => n.min(UNCORRECTABLE - 1),
            Codeword::Uncorrectable => UNCORRECTABLE,
            Codeword::Erased => ERASED,
        }
    }

    /// What a codeword adds to the tally beyond itself.
    fn weight(code: u8) -> u64 {
        u64::from(code >= UNCORRECTABLE) << 16 | u64::from(code == ERASED) << 32
    }

    fn words(&self) -> usize {
        usize::from(self.tally as u16)
    }

    /// Sets the outcome of codeword `i`; nothing happens if there is none.
    pub fn set(&mut self, i: usize, word: Codeword) {
        if i < self.words() {
            let old = core::mem::replace(&mut self.code[i], Self::encode(word));
            self.tally = self.tally - Self::weight(old) + Self::weight(self.code[i]);
        }
    }

    /// The outcomes, in order.
    pub fn codewords(&self) -> impl Iterator<Item = Codeword> + '_ {
        self.code[..self.words()].iter().map(|&c| match c {
            UNCORRECTABLE => Codeword::Uncorrectable,
            ERASED => Codeword::Erased,
            n => Codeword::Corrected(n),
        })
    }

    /// Whether every codeword was read.
    #[inline]
    pub fn is_readable(&self) -> bool {
        (self.tally >> 16) as u16 == 0
    }

    /// Whether the page is not programmed.
    #[inline]
    pub fn is_erased(&self) -> bool {
        (self.tally >> 32) as u16 == self.tally as u16
    }

    /// The most bits corrected in one codeword: what a scrubber compares with its threshold.
    pub fn worst(&self) -> u8 {
        let read = self.code[..self.words()].iter().copied();
        read.filter(|&c| c < UNCORRECTABLE).max().unwrap_or(0)
    }

    /// Bits corrected in all.
    pub fn corrected(&self) -> u32 {
        let read = self.code[..self.words()].iter();
        read.filter(|&&c| c < UNCORRECTABLE).map(|&c| u32::from(c)).sum()
    }
}

impl fmt::Debug for ReadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.codewords()).finish()
    }
}

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

    /// Whether a page is not programmed, by reading it.
    ///
    /// # Errors
    /// As for reading.
    fn is_erased(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        self.read(ppa, 0, &mut [], &mut []).map(|status| status.is_erased())
    }
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
    fn is_erased(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        (**self).is_erased(ppa)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_keeps_each_codewords_outcome() {
        let mut s = ReadStatus::all(4, Codeword::Corrected(0));
        assert!(s.is_readable() && !s.is_erased());
        s.set(1, Codeword::Corrected(3));
        s.set(3, Codeword::Corrected(2));
        assert_eq!((s.worst(), s.corrected()), (3, 5));
        s.set(2, Codeword::Uncorrectable);
        assert!(!s.is_readable());
        assert_eq!(s.codewords().nth(2), Some(Codeword::Uncorrectable));
        s.set(2, Codeword::Corrected(0));
        assert!(s.is_readable());
        let mut erased = ReadStatus::all(4, Codeword::Erased);
        assert!(erased.is_erased() && !erased.is_readable());
        erased.set(3, Codeword::Uncorrectable);
        assert!(!erased.is_erased() && !erased.is_readable());
        erased.set(3, Codeword::Erased);
        assert!(erased.is_erased());
    }
}
