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

/// Chains of the checksum, which keep a multiplier busy.
const CHAINS: usize = 8;
/// Odd words without pattern, one a chain and one for the end: digits of pi, as in Blowfish.
const SECRETS: [u64; CHAINS + 1] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7345,
    0xa409_3822_299f_31d1,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6d,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
    0x9216_d5d9_8979_fb1b,
];

/// Both halves of the product, folded.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The checksum that a page is held to while this process has it: of its number and its bytes, so that
/// another page's content is as wrong as a damaged one. It is on no medium.
///
/// Multiply and fold, as in Wang Yi's *wyhash*: each chain multiplies two words at a time into what it
/// has. Half of what CRC-32 takes, since a page that comes is in the cache; a damaged page passes with a
/// probability of about 2⁻³², as it does there, but for bursts of up to 32 bits, which CRC-32 finds always.
pub(crate) fn checksum(page: PageNo, content: &Page) -> u32 {
    let mut chains: [u64; CHAINS] = core::array::from_fn(|at| {
        SECRETS[at] ^ u64::from(page.get()).wrapping_mul(SECRETS[CHAINS])
    });
    let (blocks, _) = content.as_chunks::<{ 2 * CHAINS * 8 }>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (at, chain) in chains.iter_mut().enumerate() {
            let [low, high] = [2 * at, 2 * at + 1].map(|at| u64::from_le_bytes(words[at]));
            *chain = fold(low ^ SECRETS[at], high ^ *chain);
        }
    }
    let all = chains
        .iter()
        .zip(SECRETS)
        .fold(SECRETS[CHAINS], |all, (&chain, secret)| fold(all ^ chain, secret));
    (all ^ all >> 32) as u32
}

const _: () = assert!(PAGE.is_multiple_of(2 * CHAINS * 8), "no byte is left out");

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

    #[test]
    fn a_page_in_another_ones_place_has_another_checksum() {
        for content in [[7; PAGE], [0; PAGE], core::array::from_fn(|at| at as u8)] {
            let sums = (0..1000).map(|page| checksum(PageNo::new(page), &content));
            assert_eq!(sums.collect::<std::collections::BTreeSet<_>>().len(), 1000);
        }
    }

    /// One bit, a burst up to a word, or two lines that changed places: none goes unseen.
    #[test]
    fn every_damage_of_these_kinds_changes_the_checksum() {
        let page = PageNo::new(5);
        for content in [[0; PAGE], [0xff; PAGE], core::array::from_fn(|at| (at * at / 3) as u8)] {
            let whole = checksum(page, &content);
            let mut damaged = content;
            for bit in 0..8 * PAGE {
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(checksum(page, &damaged), whole, "bit {bit}");
                damaged[bit / 8] ^= 1 << (bit % 8);
            }
            for at in 0..PAGE - 8 {
                let was = damaged;
                damaged[at..at + 1 + at % 8].iter_mut().for_each(|byte| *byte = !*byte);
                assert_ne!(checksum(page, &damaged), whole, "a burst at {at}");
                damaged = was;
            }
        }
        let content: Page = core::array::from_fn(|at| (at / LINE * 7 + at % 5) as u8);
        let whole = checksum(page, &content);
        for (a, b) in (0..64).flat_map(|a| (a + 1..64).map(move |b| (a, b))) {
            let mut swapped = content;
            (0..LINE).for_each(|at| swapped.swap(a * LINE + at, b * LINE + at));
            assert!(swapped == content || checksum(page, &swapped) != whole, "lines {a} and {b}");
        }
    }
}
