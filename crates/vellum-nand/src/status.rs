//! What error correction said of a page that was read.

use crate::MAX_CODEWORDS;
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
