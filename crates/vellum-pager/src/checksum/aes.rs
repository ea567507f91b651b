//! Sixteen chains of AES rounds, two in each of the processor's registers.

use super::{KEYS, STEP};
use crate::{PAGE, Page, PageNo};
use core::arch::x86_64::{
    __m128i, __m256i, _mm_aesenc_si128, _mm_cvtsi128_si64, _mm_set1_epi64x, _mm256_aesenc_epi128,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_set_epi64x,
};

/// Registers: as many as keep the unit busy that does the rounds, each of which takes a few cycles.
const REGISTERS: usize = 8;
/// Rounds after which every bit of a state depends on each of the first one's: two, and one more, as the
/// last of them takes the other chains in.
const FINAL_ROUNDS: usize = 3;
const BLOCK: usize = REGISTERS * size_of::<__m256i>();
const _: () = assert!(PAGE.is_multiple_of(BLOCK), "no byte is left out");

/// Whether the processor has the instructions.
#[inline]
pub(super) fn is_there() -> bool {
    std::is_x86_feature_detected!("vaes") && std::is_x86_feature_detected!("avx2")
}

/// The checksum of a page.
#[target_feature(enable = "aes,vaes,avx2")]
pub(super) fn checksum(page: PageNo, content: &Page) -> u32 {
    let number = u64::from(page.get()).wrapping_add(1).wrapping_mul(STEP);
    let mut states: [__m256i; REGISTERS] = core::array::from_fn(|at| {
        let [a, b] = [KEYS[2 * at] ^ number, KEYS[2 * at + 1] ^ number];
        register([a, b, !a, !b])
    });
    for block in content.as_chunks::<BLOCK>().0 {
        for (state, bytes) in states.iter_mut().zip(block.as_chunks::<32>().0) {
            let words = bytes.as_chunks::<8>().0;
            let words = core::array::from_fn(|at| u64::from_le_bytes(words[at]));
            *state = _mm256_aesenc_epi128(*state, register(words));
        }
    }
    let mut left = REGISTERS;
    while left > 1 {
        left /= 2;
        for at in 0..left {
            states[at] = _mm256_aesenc_epi128(states[at], states[at + left]);
        }
    }
    let [low, high] = [_mm256_castsi256_si128(states[0]), _mm256_extracti128_si256::<1>(states[0])];
    let mut state: __m128i = _mm_aesenc_si128(low, high);
    for _ in 0..FINAL_ROUNDS {
        state = _mm_aesenc_si128(state, _mm_set1_epi64x(STEP as i64));
    }
    _mm_cvtsi128_si64(state) as u32
}

/// Four words, the first one lowest.
#[inline]
#[target_feature(enable = "avx2")]
fn register([a, b, c, d]: [u64; 4]) -> __m256i {
    _mm256_set_epi64x(d as i64, c as i64, b as i64, a as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the field of 256 elements that AES is made of (FIPS 197, 4.2).
    fn product(a: u8, b: u8) -> u8 {
        let mut power = a;
        let mut sum = 0;
        for bit in 0..8 {
            sum ^= power * (b >> bit & 1);
            power = (power << 1) ^ (0x1b * (power >> 7));
        }
        sum
    }

    /// FIPS 197, 5.1.1: what a byte is multiplied with to give one, and its bits mixed.
    fn substitute(byte: u8) -> u8 {
        let inverse = (0..=255).find(|&other| product(byte, other) == 1).unwrap_or(0);
        (0..5).fold(0x63, |sum, turns| sum ^ inverse.rotate_left(turns))
    }

    /// A round as it is written down: bytes are substituted, the rows of four turned, the columns mixed, and
    /// the key added.
    fn round(state: [u8; 16], key: [u8; 16]) -> [u8; 16] {
        let turned: [u8; 16] = core::array::from_fn(|at| substitute(state[(at + at % 4 * 4) % 16]));
        core::array::from_fn(|at| {
            let column = &turned[at / 4 * 4..][..4];
            let of = |row: usize| column[(at + row) % 4];
            product(of(0), 2) ^ product(of(1), 3) ^ of(2) ^ of(3) ^ key[at]
        })
    }

    fn halves(a: u64, b: u64) -> [u8; 16] {
        (u128::from(a) | (u128::from(b) << 64)).to_le_bytes()
    }

    /// The sum, a chain at a time.
    fn plain(page: PageNo, content: &Page) -> u32 {
        let number = u64::from(page.get()).wrapping_add(1).wrapping_mul(STEP);
        let (links, _) = content.as_chunks::<16>();
        let mut states: Vec<[u8; 16]> = (0..2 * REGISTERS)
            .map(|chain| {
                let [a, b] = [KEYS[chain / 2 * 2] ^ number, KEYS[chain / 2 * 2 + 1] ^ number];
                let first = if chain % 2 == 0 { halves(a, b) } else { halves(!a, !b) };
                links
                    .iter()
                    .skip(chain)
                    .step_by(2 * REGISTERS)
                    .fold(first, |s, &link| round(s, link))
            })
            .collect();
        while states.len() > 1 {
            let others = states.split_off(states.len() / 2);
            states.iter_mut().zip(others).for_each(|(state, other)| *state = round(*state, other));
        }
        let key = halves(STEP, STEP);
        let last = (0..FINAL_ROUNDS).fold(states[0], |state, _| round(state, key));
        u32::from_le_bytes([last[0], last[1], last[2], last[3]])
    }

    #[test]
    fn the_plain_round_is_that_of_the_standard() {
        // FIPS 197, appendix B: the start of rounds 1 and 2, and the key of round 1.
        let words =
            |words: [u32; 4]| words.map(u32::to_be_bytes).as_flattened().try_into().unwrap();
        let state = words([0x193de3be, 0xa0f4e22b, 0x9ac68d2a, 0xe9f84808]);
        let key = words([0xa0fafe17, 0x88542cb1, 0x23a33939, 0x2a6c7605]);
        let next: [u8; 16] = words([0xa49c7ff2, 0x689f352b, 0x6b5bea43, 0x026a5049]);
        assert_eq!(round(state, key), next);
    }

    #[test]
    #[expect(unsafe_code, reason = "a function that is compiled for newer processors")]
    fn the_sum_is_what_the_plain_rounds_give() {
        for number in [0, 1, 77, u32::MAX] {
            let content: Page = core::array::from_fn(|at| (at * at / 7 + at * 31) as u8);
            let expected = plain(PageNo::new(number), &content);
            assert_ne!(expected, plain(PageNo::new(number ^ 1), &content));
            if is_there() {
                // SAFETY: the processor has just said that it has the instructions.
                let sum = unsafe { checksum(PageNo::new(number), &content) };
                assert_eq!(sum, expected);
            }
        }
    }
}
