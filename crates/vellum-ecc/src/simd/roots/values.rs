//! Two polynomials' values at many places, by Horner's rule.
//!
//! A word holds what has been summed of either polynomial; times a place it is one multiplication.

use super::coefficients::{Reducer, reduce};
use super::norms::ROOM;
use core::arch::x86_64::*;

/// Places that are gone through together: one multiplication takes longer than it keeps others waiting.
const TOGETHER: usize = 8;

/// Two places an instruction.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn by_pairs(parts: &[[u32; 2]], at: &[u16], values: &mut [[u16; 2]; ROOM], r: &Reducer) {
    for (at, values) in at.chunks(TOGETHER).zip(values.as_chunks_mut::<TOGETHER>().0) {
        let place = |i: usize| at.get(i).map_or(0, |x| i64::from(*x));
        let x: [__m128i; TOGETHER / 2] =
            core::array::from_fn(|i| _mm_set_epi64x(place(2 * i + 1), place(2 * i)));
        let mut sums = [_mm_setzero_si128(); TOGETHER / 2];
        for part in parts.iter().rev() {
            let part = _mm_set1_epi64x(word(part));
            for (sum, x) in sums.iter_mut().zip(&x) {
                let low = _mm_clmulepi64_si128::<0x00>(*sum, *x);
                let high = _mm_clmulepi64_si128::<0x11>(*sum, *x);
                *sum = _mm_xor_si128(reduce(_mm_unpacklo_epi64(low, high), r), part);
            }
        }
        for (values, sum) in values.as_chunks_mut::<2>().0.iter_mut().zip(sums) {
            let high = _mm_unpackhi_epi64(sum, sum);
            *values = [sum, high].map(|v| both(_mm_cvtsi128_si64(v)));
        }
    }
}

/// Four places an instruction.
#[target_feature(enable = "vpclmulqdq,pclmulqdq,avx2")]
pub(super) fn by_fours(parts: &[[u32; 2]], at: &[u16], values: &mut [[u16; 2]; ROOM], r: &Reducer) {
    let polynomial = _mm256_broadcastsi128_si256(r.polynomial);
    let quotient = _mm256_broadcastsi128_si256(r.quotient);
    let times = |v: __m256i, k: __m256i| {
        let low = _mm256_clmulepi64_epi128::<0x00>(v, k);
        _mm256_unpacklo_epi64(low, _mm256_clmulepi64_epi128::<0x01>(v, k))
    };
    for (at, values) in at.chunks(TOGETHER).zip(values.as_chunks_mut::<TOGETHER>().0) {
        let place = |i: usize| at.get(i).map_or(0, |x| i64::from(*x));
        let x: [__m256i; TOGETHER / 4] = core::array::from_fn(|i| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|k| place(4 * i + k));
            _mm256_set_epi64x(d, c, b, a)
        });
        let mut sums = [_mm256_setzero_si256(); TOGETHER / 4];
        for part in parts.iter().rev() {
            let part = _mm256_set1_epi64x(word(part));
            for (sum, x) in sums.iter_mut().zip(&x) {
                let low = _mm256_clmulepi64_epi128::<0x00>(*sum, *x);
                let high = _mm256_clmulepi64_epi128::<0x11>(*sum, *x);
                let v = _mm256_unpacklo_epi64(low, high);
                let above = _mm256_srl_epi32(v, r.m);
                let multiple = _mm256_srl_epi32(times(above, quotient), r.m);
                let reduced = _mm256_xor_si256(v, times(multiple, polynomial));
                *sum = _mm256_xor_si256(reduced, part);
            }
        }
        for (values, sum) in values.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
            let (low, high) = (_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let words = [low, _mm_unpackhi_epi64(low, low), high, _mm_unpackhi_epi64(high, high)];
            *values = words.map(|v| both(_mm_cvtsi128_si64(v)));
        }
    }
}

/// A coefficient of either polynomial.
fn word([a, b]: &[u32; 2]) -> i64 {
    (u64::from(*a) | u64::from(*b) << 32).cast_signed()
}

/// A value of either polynomial.
fn both(word: i64) -> [u16; 2] {
    [word as u16, (word >> 32) as u16]
}
