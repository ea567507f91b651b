//! From the fraction's rows to the remainder: the product with g, whose lower half nobody needs.
//!
//! In pairs as in [`super::super::divide`]: (f₀ + c₁)·(f₁ + c₀) holds f₀·c₀ + f₁·c₁, and f₀·f₁ beside,
//! which is the same for every row.

use super::super::divide::{load_four, plain_product};
use super::WORDS;
use super::points::ROWS;
use core::arch::x86_64::*;

/// Constants of the product with g.
#[derive(Debug, Clone)]
pub(super) struct Finish {
    /// In row *r* what words 0 to 7 of the fraction multiply with, swapped in pairs.
    rows: [[[u64; 4]; 2]; WORDS],
    /// What the products of two constants come to in the remainder.
    pairs: [u64; WORDS],
    /// What the fraction's last word multiplies with, in the last row alone.
    last: u64,
}

impl Finish {
    /// For g' without its leading term, the highest word first.
    pub(super) fn new(low: &[u64]) -> Self {
        let mut rows = [[[0; 4]; 2]; WORDS];
        let mut pairs = [0; WORDS];
        for (r, row) in rows.iter_mut().enumerate() {
            for j in 0..=r.min(WORDS - 2) {
                row[j / 4][(j % 4) ^ 1] = low.get(r - j).copied().unwrap_or(0);
            }
            for pair in row.as_flattened().as_chunks::<2>().0 {
                let [lo, hi] = plain_product(pair[0], pair[1]);
                pairs[r] ^= hi;
                if let Some(next) = pairs.get_mut(r + 1) {
                    *next ^= lo;
                }
            }
        }
        Self { rows, pairs, last: low.first().copied().unwrap_or(0) }
    }

    /// Multiplies the fraction whose rows, summed over both lanes, are `rows`.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq,pclmulqdq")]
    pub(super) fn multiply(&self, rows: [__m256i; ROWS]) -> [u64; WORDS] {
        // Word j is row j's low half and the next row's high half.
        let [a, b, c, d, e, f, g, h, i, _] = rows;
        let first = lanes_summed(pair(a, b, c), pair(c, d, e));
        let second = lanes_summed(pair(e, f, g), pair(g, h, i));
        let last = _mm256_xor_si256(rows[8], _mm256_unpackhi_epi64(rows[9], rows[9]));
        let last = _mm256_xor_si256(last, _mm256_permute2x128_si256::<0x01>(last, last));

        let short = _mm256_clmulepi64_epi128::<0x01>(first, first);
        let long = _mm256_xor_si256(short, _mm256_clmulepi64_epi128::<0x01>(second, second));
        let mut products = [_mm256_setzero_si256(); WORDS];
        for (r, product) in products.iter_mut().enumerate() {
            let x = _mm256_xor_si256(first, load_four(&self.rows[r][0]));
            let mut sum = _mm256_clmulepi64_epi128::<0x01>(x, x);
            if r < 4 {
                sum = _mm256_xor_si256(sum, short);
            } else {
                let x = _mm256_xor_si256(second, load_four(&self.rows[r][1]));
                sum = _mm256_xor_si256(sum, _mm256_clmulepi64_epi128::<0x01>(x, x));
                sum = _mm256_xor_si256(sum, long);
            }
            *product = sum;
        }
        let constant = _mm_cvtsi64_si128(self.last.cast_signed());
        let end = _mm_clmulepi64_si128::<0x00>(_mm256_castsi256_si128(last), constant);
        products[8] = _mm256_xor_si256(products[8], _mm256_zextsi128_si256(end));

        // The remainder's word j: the fraction's, row j's high half and the low half of the one before.
        let mut remainder = [0; WORDS];
        let (fours, _) = remainder.as_chunks_mut::<4>();
        let (pairs, _) = self.pairs.as_chunks::<4>();
        let [a, b, c, d, e, f, g, h, _] = products;
        let words = lanes_summed(pair(_mm256_setzero_si256(), a, b), pair(b, c, d));
        let words = _mm256_xor_si256(words, load_four(&pairs[0]));
        store(&mut fours[0], _mm256_xor_si256(first, words));
        let words = lanes_summed(pair(d, e, f), pair(f, g, h));
        let words = _mm256_xor_si256(words, load_four(&pairs[1]));
        store(&mut fours[1], _mm256_xor_si256(second, words));
        let end = _mm256_xor_si256(products[7], _mm256_unpackhi_epi64(products[8], products[8]));
        let end = _mm256_xor_si256(end, _mm256_permute2x128_si256::<0x01>(end, end));
        let end = _mm256_castsi256_si128(_mm256_xor_si256(last, end));
        remainder[8] = _mm_cvtsi128_si64(end).cast_unsigned() ^ self.pairs[8];
        remainder
    }
}

/// Two words of a sum of shifted products: each product's high half belongs to the word before.
#[inline]
#[target_feature(enable = "avx2")]
fn pair(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(b, c))
}

/// The sum of a's lanes in the low lane, of b's in the high one.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes_summed(a: __m256i, b: __m256i) -> __m256i {
    let low = _mm256_permute2x128_si256::<0x20>(a, b);
    _mm256_xor_si256(low, _mm256_permute2x128_si256::<0x31>(a, b))
}

/// Stores four words.
#[inline]
#[target_feature(enable = "avx2")]
fn store(words: &mut [u64; 4], v: __m256i) {
    // SAFETY: the reference covers 32 writable bytes; the store has no alignment to keep.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), v) }
}
