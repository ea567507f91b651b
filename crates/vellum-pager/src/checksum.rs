//! The checksum that a page is held to while this process has it. It is on no medium, and means nothing to
//! another process: which of the two below it is, is for the processor to say.
//!
//! Where there are instructions for AES on wide registers, a page is sixteen chains of 16 bytes a link: a
//! chain's state goes through a round of AES, with the next link as the round's key. A round is one to one,
//! for either of the two, so what differs in a chain stays different unless a later difference undoes it,
//! for which it would have to be one in 2¹²⁸. Rounds are what such a processor does fastest: one
//! instruction for 32 bytes, and nothing waits for anything.
//!
//! Elsewhere it is NH (Black et al., *UMAC: Fast and Secure Message Authentication*, CRYPTO 1999): the two
//! halves of each word, with a key on them, are multiplied, and the products added up, so that a
//! processor's vector unit does several words at once. The sums are added up in turn, as in Fletcher's
//! checksum.
//!
//! In both the keys are those of the page's number: what is at another place, or another page's, is as
//! wrong as what is damaged. Of damaged pages one in about 2³² passes, as with CRC-32, but for bursts of up
//! to 32 bits, which CRC-32 finds always.

#[cfg(target_arch = "x86_64")]
mod aes;

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
        if aes::is_there() {
            // SAFETY: the processor has just said that it has the instructions.
            return unsafe { aes::checksum(page, content) };
        }
        if std::is_x86_feature_detected!("avx2") {
            // SAFETY: likewise.
            return unsafe { checksum_avx2(page, content) };
        }
    }
    plain(page, content)
}

/// [`plain`], with registers of twice the width.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn checksum_avx2(page: PageNo, content: &Page) -> u32 {
    plain(page, content)
}

/// NH.
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

    /// This processor's, and the one of all others.
    const SUMS: [fn(PageNo, &Page) -> u32; 2] = [checksum, plain];

    #[test]
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "a function that is compiled for newer processors")]
    fn with_wide_registers_the_sum_is_the_same() {
        for page in (0..50).map(PageNo::new) {
            let content: Page = core::array::from_fn(|at| (at * at / 7 + at * 31) as u8);
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has just said that it has the instructions.
                assert_eq!(unsafe { checksum_avx2(page, &content) }, plain(page, &content));
            }
            let same = checksum(page, &content) == plain(page, &content);
            assert_eq!(same, !aes::is_there(), "{page}");
        }
    }

    #[test]
    fn a_page_in_another_ones_place_has_another_checksum() {
        for sum in SUMS {
            for content in [[7; PAGE], [0; PAGE], core::array::from_fn(|at| at as u8)] {
                let sums = (0..1000).map(|page| sum(PageNo::new(page), &content));
                assert_eq!(sums.collect::<std::collections::BTreeSet<_>>().len(), 1000);
            }
        }
    }

    /// One bit, a burst up to a word, or two lines that changed places: none goes unseen.
    #[test]
    fn every_damage_of_these_kinds_changes_the_checksum() {
        for sum in SUMS {
            bits_and_bursts(sum);
            lines(sum);
        }
    }

    fn bits_and_bursts(sum: fn(PageNo, &Page) -> u32) {
        let page = PageNo::new(5);
        for content in [[0; PAGE], [0xff; PAGE], core::array::from_fn(|at| (at * at / 3) as u8)] {
            let whole = sum(page, &content);
            let mut damaged = content;
            for bit in 0..8 * PAGE {
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(sum(page, &damaged), whole, "bit {bit}");
                damaged[bit / 8] ^= 1 << (bit % 8);
            }
            for at in 0..PAGE - 8 {
                let was = damaged;
                damaged[at..at + 1 + at % 8].iter_mut().for_each(|byte| *byte = !*byte);
                assert_ne!(sum(page, &damaged), whole, "a burst at {at}");
                damaged = was;
            }
        }
    }

    fn lines(sum: fn(PageNo, &Page) -> u32) {
        let page = PageNo::new(5);
        let content: Page = core::array::from_fn(|at| (at / LINE * 7 + at % 5) as u8);
        let whole = sum(page, &content);
        for (a, b) in (0..64).flat_map(|a| (a + 1..64).map(move |b| (a, b))) {
            let mut swapped = content;
            (0..LINE).for_each(|at| swapped.swap(a * LINE + at, b * LINE + at));
            assert!(swapped == content || sum(page, &swapped) != whole, "lines {a} and {b}");
        }
    }

    /// Noise in a word at a time: none of the pages has the sum of the first, and the sums' highest and
    /// lowest bytes are each as often what they may be: 390 times, with a deviation of 20.
    #[test]
    fn sums_are_spread_evenly() {
        let page = PageNo::new(1);
        for sum in SUMS {
            let mut rng = Rng::new(1);
            let mut content = [0; PAGE];
            let first = sum(page, &content);
            let mut counts = [[0_u32; 256]; 2];
            for _ in 0..100_000 {
                let at = rng.below(PAGE as u64 / 8) as usize * 8;
                content[at..at + 8].copy_from_slice(&rng.next_u64().to_le_bytes());
                let noisy = sum(page, &content);
                assert_ne!(noisy, first);
                counts[0][(noisy & 0xff) as usize] += 1;
                counts[1][(noisy >> 24) as usize] += 1;
            }
            let counts = counts.as_flattened();
            assert!(counts.iter().all(|count| (270..510).contains(count)), "{counts:?}");
        }
    }
}
