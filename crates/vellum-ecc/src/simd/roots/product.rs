//! The norm: one product of polynomials, one square.
//!
//! Products of coefficients stand side by side in the product of words that hold two each, so that a
//! polynomial of n coefficients is multiplied as a number of n/2 digits of 64 bits.

use super::coefficients::{Reducer, reduce, store};
use super::norms::{Poly, ROOM};
use core::arch::x86_64::*;

/// Words of a part, and a zero before and behind.
const WORDS: usize = ROOM / 4 + 2;

/// a·(a + b) + y·b² for the parts a at even and b at odd places.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn norm(parts: &Poly, len: usize, r: &Reducer) -> Poly {
    let words = len.div_ceil(4);
    // The second with a word of zeros in front.
    let (mut a, mut sum, mut b) = ([0u64; WORDS], [0u64; WORDS], [0u64; WORDS]);
    for (i, [a0, b0, a1, b1]) in parts.as_chunks::<4>().0[..words].iter().enumerate() {
        a[i] = u64::from(*a0) | u64::from(*a1) << 32;
        b[i] = u64::from(*b0) | u64::from(*b1) << 32;
        sum[i + 1] = a[i] ^ b[i];
    }
    let mut norm = [0u64; ROOM / 2];
    let mut carry = _mm_setzero_si128();
    for (k, to) in norm.iter_mut().enumerate().take(2 * words) {
        let mut column = carry;
        // a[i]·sum[k − i], two at a time.
        for i in (k.saturating_sub(words - 1)..words.min(k + 1)).step_by(2) {
            let (x, y) = (pair(&a, i), pair(&sum, k - i));
            column = _mm_xor_si128(column, _mm_clmulepi64_si128::<0x10>(x, y));
            column = _mm_xor_si128(column, _mm_clmulepi64_si128::<0x01>(x, y));
        }
        *to = _mm_cvtsi128_si64(column).cast_unsigned();
        carry = _mm_srli_si128::<8>(column);
    }
    let mut reduced = [0; ROOM];
    let pairs = norm.as_chunks::<2>().0.iter().zip(&b).take(words);
    for (to, (product, b)) in reduced.as_chunks_mut::<4>().0.iter_mut().zip(pairs) {
        let b = _mm_cvtsi64_si128(b.cast_signed());
        let square = _mm_slli_epi64::<32>(_mm_clmulepi64_si128::<0x00>(b, b));
        store(to, reduce(_mm_xor_si128(pair(product, 0), square), r));
    }
    reduced
}

#[inline]
#[target_feature(enable = "sse2")]
fn pair(words: &[u64], at: usize) -> __m128i {
    let two: &[u64; 2] = words[at..].first_chunk().expect("a zero stands behind the words");
    // SAFETY: the reference covers 16 readable bytes; the load has no alignment to keep.
    unsafe { _mm_loadu_si128(two.as_ptr().cast()) }
}
