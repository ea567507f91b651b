//! The checksum that a page is held to while this process has it. It is on no medium.
//!
//! NH (Black et al., *UMAC: Fast and Secure Message Authentication*, CRYPTO 1999): the two halves of each
//! word, with a key on them, are multiplied, and the products added up. Nothing waits for anything, so a
//! processor's vector unit does several words at once. The sums are added up in turn, as in Fletcher's
//! checksum, and the keys are those of the page's number: what is at another place, or another page's, is
//! as wrong as what is damaged. Of damaged pages one in about 2³² passes, as with CRC-32, but for bursts
//! of up to 32 bits, which CRC-32 finds always.

use crate::{PAGE, Page, PageNo};
use vellum_block::Rng;

/// Words that are taken together: as many as keep a vector unit's registers busy.
const LANES: usize = 16;
const _: () = assert!(PAGE.is_multiple_of(LANES * 8), "no byte is left out");

/// Words without pattern.
const KEYS: [u64; LANES] = {
    let (mut keys, mut rng) = ([0; LANES], Rng::new(0));
    let mut at = 0;
    while at < LANES {
        keys[at] = rng.next_u64();
        at += 1;
    }
    keys
};
/// The golden ratio's fraction, in 64 bits.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Both halves of the product, folded.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The checksum of a page: of its number and its bytes.
pub(crate) fn checksum(page: PageNo, content: &Page) -> u32 {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "functions that are compiled for newer processors")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has just said that it has the instructions.
            return unsafe { checksum_avx512(page, content) };
        }
        if std::is_x86_feature_detected!("avx2") {
            // SAFETY: likewise.
            return unsafe { checksum_avx2(page, content) };
        }
    }
    plain(page, content)
}

/// The same, with registers of four times the width.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn checksum_avx512(page: PageNo, content: &Page) -> u32 {
    plain(page, content)
}

/// The same, with registers of twice the width.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn checksum_avx2(page: PageNo, content: &Page) -> u32 {
    plain(page, content)
}

#[inline(always)]
fn plain(page: PageNo, content: &Page) -> u32 {
    let page = u64::from(page.get()).wrapping_add(1).wrapping_mul(STEP);
    let keys: [u64; LANES] = core::array::from_fn(|at| KEYS[at] ^ page);
    let mut sums = [0_u64; LANES];
    let mut sums_of_sums = [0_u64; LANES];
    for block in content.as_chunks::<{ LANES * 8 }>().0 {
        let (words, _) = block.as_chunks::<8>();
        for at in 0..LANES {
            let word = u64::from_le_bytes(words[at]) ^ keys[at];
            sums[at] = sums[at].wrapping_add((word & 0xffff_ffff) * (word >> 32));
            sums_of_sums[at] = sums_of_sums[at].wrapping_add(sums[at]);
        }
    }
    let mut all = page;
    for at in 0..LANES {
        // Odd, so that nothing of a lane is lost.
        let lane = sums[at] ^ sums_of_sums[at].rotate_left(32);
        all = all.wrapping_add(lane.wrapping_mul(KEYS[at] | 1));
    }
    let all = fold(all ^ KEYS[0], STEP);
    (all ^ all >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LINE;

    #[test]
    fn whatever_the_processor_has_the_sum_is_the_same() {
        for page in (0..50).map(PageNo::new) {
            let content: Page = core::array::from_fn(|at| (at * at / 7 + at * 31) as u8);
            assert_eq!(checksum(page, &content), plain(page, &content));
        }
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
