//! Multiplication in GF(2^m) by GFNI: with an element split into its low and high byte, a constant
//! factor is four 8×8 bit matrices, and one instruction applies eight of them to eight bytes each.

use crate::field::Field;
use core::arch::x86_64::*;

/// Four matrices: low ← low, low ← high, high ← low, high ← high; a lane each of eight.
pub(super) type Matrices = [[u64; 8]; 4];

/// The four matrices of multiplication by `constant`.
pub(super) fn matrices(field: &Field, constant: u16) -> [u64; 4] {
    let mut matrices = [0; 4];
    for input in 0..field.order() {
        let product = field.mul(constant, 1 << input);
        for output in (0..field.order()).filter(|output| product >> output & 1 == 1) {
            // The instruction takes the row of output bit i from byte 7 − i.
            matrices[(output / 8 * 2 + input / 8) as usize] |=
                1 << (8 * (7 - output % 8) + input % 8);
        }
    }
    matrices
}

/// Sets lane `lane` of all four matrices to multiplication by `constant`.
pub(super) fn set_lane(to: &mut Matrices, lane: usize, field: &Field, constant: u16) {
    for (to, matrix) in to.iter_mut().zip(matrices(field, constant)) {
        to[lane] = matrix;
    }
}

/// Loads eight words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(words: &[u64; 8]) -> __m512i {
    // SAFETY: the reference covers 64 readable bytes; the load has no alignment to keep.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Stores eight words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(words: &mut [u64; 8], v: __m512i) {
    // SAFETY: the reference covers 64 writable bytes; the store has no alignment to keep.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), v) }
}

/// sum ⊕ one byte of the product: the part from low bytes and the part from high bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn add_byte(
    sum: __m512i,
    [lo, hi]: [__m512i; 2],
    from_lo: __m512i,
    from_hi: __m512i,
) -> __m512i {
    let a = _mm512_gf2p8affine_epi64_epi8::<0>(lo, from_lo);
    let b = _mm512_gf2p8affine_epi64_epi8::<0>(hi, from_hi);
    // 0x96: the exclusive or of all three.
    _mm512_ternarylogic_epi64::<0x96>(sum, a, b)
}

/// sum ⊕ matrices·x, low and high bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn add_product(sum: [__m512i; 2], x: [__m512i; 2], m: &[__m512i; 4]) -> [__m512i; 2] {
    [add_byte(sum[0], x, m[0], m[1]), add_byte(sum[1], x, m[2], m[3])]
}
