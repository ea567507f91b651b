//! Pages: their numbers, their bytes, and which of their lines were written.

use vellum_frames::PAGE_SIZE;

/// Bytes of a page.
pub const PAGE: usize = PAGE_SIZE;
/// Bytes of a line, the unit of dirty tracking: a cache line, as in Calciu et al., *Rethinking
/// Software Runtimes for Disaggregated Memory* (ASPLOS 2021).
pub const LINE: usize = 64;
const _: () = assert!(PAGE / LINE == u64::BITS as usize);

/// A page's content.
pub type Page = [u8; PAGE];

/// A page of a space, by its number from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageNo(u32);

impl PageNo {
    /// The page with this number.
    pub const fn new(number: u32) -> Self {
        PageNo(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Its number as an index.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The offset of its first byte in the space.
    pub const fn offset(self) -> u64 {
        self.0 as u64 * PAGE as u64
    }
}

impl core::fmt::Display for PageNo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "page {}", self.0)
    }
}

/// A set of a page's 64 lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lines(u64);

impl Lines {
    /// No line.
    pub const NONE: Lines = Lines(0);
    /// Every line.
    pub const ALL: Lines = Lines(u64::MAX);

    /// The lines whose bits are set; bit 0 is the first line.
    pub const fn from_bits(bits: u64) -> Self {
        Lines(bits)
    }

    /// One bit a line.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Lines in the set.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lines of `old` and `new` that differ: exact, byte by byte.
    pub fn between(old: &Page, new: &Page) -> Self {
        let lines = old.chunks_exact(LINE).zip(new.chunks_exact(LINE)).enumerate();
        Lines(lines.fold(0, |set, (at, (a, b))| set | u64::from(a != b) << at))
    }

    /// Lines of either.
    pub const fn union(self, other: Lines) -> Self {
        Lines(self.0 | other.0)
    }

    /// Runs of lines that follow one another, as byte ranges of the page.
    pub fn runs(self) -> impl Iterator<Item = core::ops::Range<usize>> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let start = rest.trailing_zeros();
            let len = (!(rest >> start)).trailing_zeros();
            // All 64 lines from 0 would shift by 64.
            rest = if start + len >= 64 { 0 } else { rest >> (start + len) << (start + len) };
            Some(start as usize * LINE..(start + len) as usize * LINE)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_found_and_come_in_runs() {
        let (old, mut new) = ([0; PAGE], [0; PAGE]);
        for at in [0, 63, 64, 200, 4095] {
            new[at] = 1;
        }
        let lines = Lines::between(&old, &new);
        assert_eq!(lines.bits(), 1 | 2 | 1 << 3 | 1 << 63);
        assert_eq!(lines.runs().collect::<Vec<_>>(), [0..128, 192..256, 4032..4096]);
        assert_eq!(Lines::ALL.runs().next(), Some(0..4096));
        assert_eq!(Lines::ALL.runs().count(), 1);
        assert_eq!(Lines::NONE.runs().count(), 0);
    }
}
