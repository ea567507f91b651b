//! Coefficients in vectors.
//!
//! A coefficient takes 32 bits. One instruction multiplies two of them by a factor, and the products,
//! 2m − 1 ≤ 29 bits long, do not meet. Sums of products are reduced once, at their end, by Barrett's
//! method: two more multiplications, for any field polynomial.

use crate::field::Field;
use core::arch::x86_64::*;

/// A field's order m, its polynomial p, and ⌊x^(2m)/p⌋.
#[derive(Debug, Clone, Copy)]
pub(super) struct Barrett {
    m: i32,
    polynomial: u32,
    quotient: u32,
}

impl Barrett {
    pub(super) fn new(field: &Field) -> Self {
        let (m, p) = (field.order(), field.polynomial());
        let (mut rest, mut quotient) = (1u64 << (2 * m), 0);
        for i in (0..=m).rev() {
            if rest >> (i + m) & 1 == 1 {
                quotient |= 1 << i;
                rest ^= u64::from(p) << i;
            }
        }
        Self { m: m.cast_signed(), polynomial: p, quotient }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn reducer(&self) -> Reducer {
        let word = |w: u32| _mm_cvtsi32_si128(w.cast_signed());
        Reducer {
            m: _mm_cvtsi32_si128(self.m),
            polynomial: word(self.polynomial),
            quotient: word(self.quotient),
        }
    }
}

/// What reduces products.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reducer {
    pub(super) m: __m128i,
    pub(super) polynomial: __m128i,
    pub(super) quotient: __m128i,
}

/// Four coefficients, times the factor in the low word of `k`, not reduced.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn times(v: __m128i, k: __m128i) -> __m128i {
    _mm_unpacklo_epi64(_mm_clmulepi64_si128::<0x00>(v, k), _mm_clmulepi64_si128::<0x01>(v, k))
}

/// Products modulo the field's polynomial.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn reduce(v: __m128i, r: &Reducer) -> __m128i {
    let high = _mm_srl_epi32(v, r.m);
    let quotient = _mm_srl_epi32(times(high, r.quotient), r.m);
    _mm_xor_si128(v, times(quotient, r.polynomial))
}

/// The product of two elements.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn product(a: u32, b: u32, r: &Reducer) -> u32 {
    let both = [a, b].map(|x| _mm_cvtsi32_si128(x.cast_signed()));
    let v = _mm_clmulepi64_si128::<0x00>(both[0], both[1]);
    _mm_cvtsi128_si32(reduce(v, r)).cast_unsigned()
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load(four: &[u32; 4]) -> __m128i {
    // SAFETY: the reference covers 16 readable bytes; the load has no alignment to keep.
    unsafe { _mm_loadu_si128(four.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn store(four: &mut [u32; 4], v: __m128i) {
    // SAFETY: the reference covers 16 writable bytes; the store has no alignment to keep.
    unsafe { _mm_storeu_si128(four.as_mut_ptr().cast(), v) }
}

/// Vectors that hold `n` coefficients.
#[inline]
pub(super) fn fours(lanes: &[u32], n: usize) -> &[[u32; 4]] {
    &lanes.as_chunks::<4>().0[..n.div_ceil(4)]
}

/// to\[i\] ⊕= q0·b\[i\] ⊕ q1·b\[i − 1\] for i ≤ `n`, where b\[n\] and what follows it is zero.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn add_products(to: &mut [u32], b: &[u32], n: usize, q0: u32, q1: u32, r: &Reducer) {
    let k = _mm_set_epi64x(q1.into(), q0.into());
    let mut before = _mm_setzero_si128();
    for (to, b) in to.as_chunks_mut::<4>().0.iter_mut().zip(fours(b, n + 1)) {
        let here = load(b);
        let below = _mm_alignr_epi8::<12>(here, before);
        before = here;
        let low = _mm_xor_si128(
            _mm_clmulepi64_si128::<0x00>(here, k),
            _mm_clmulepi64_si128::<0x10>(below, k),
        );
        let high = _mm_xor_si128(
            _mm_clmulepi64_si128::<0x01>(here, k),
            _mm_clmulepi64_si128::<0x11>(below, k),
        );
        let sum = reduce(_mm_unpacklo_epi64(low, high), r);
        store(to, _mm_xor_si128(load(to), sum));
    }
}

/// The products of coefficients at the same places, not reduced.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn by_place(v: __m128i, w: __m128i) -> __m128i {
    // Of two pairs' product the middle is a sum; what stands at either side of it is wanted.
    let low = _mm_castsi128_ps(_mm_clmulepi64_si128::<0x00>(v, w));
    let high = _mm_castsi128_ps(_mm_clmulepi64_si128::<0x11>(v, w));
    _mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(low, high))
}

/// Σ vector·weight, not reduced.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn weighted<'a>(
    vectors: impl Iterator<Item = &'a [u32; 4]>,
    weights: &[u32],
) -> __m128i {
    let mut low = _mm_setzero_si128();
    let mut high = _mm_setzero_si128();
    for (vector, weight) in vectors.zip(weights) {
        let (v, k) = (load(vector), _mm_cvtsi32_si128(weight.cast_signed()));
        low = _mm_xor_si128(low, _mm_clmulepi64_si128::<0x00>(v, k));
        high = _mm_xor_si128(high, _mm_clmulepi64_si128::<0x01>(v, k));
    }
    _mm_unpacklo_epi64(low, high)
}
