//! The search for the errors' places: Λ(α^−e) for every place e, 128 of them a step, by GFNI.
//!
//! Multiplication by a constant is linear over GF(2): with an element split into its low and high
//! byte, four 8×8 bit matrices. Place e = 128·step + 64·half + 8·a + k; for each coefficient λ_j
//! the state holds λ_j·α^(−j·(e−k)), the eight *a* of a half in the bytes of one word, and lane *k*
//! of a vector multiplies it by the constant α^(−jk). The matrices therefore depend on the field
//! alone. Between steps the state is multiplied by α^(−128j), eight coefficients a vector.
//!
//! Four multiplications of a vector a coefficient and half, whatever the errors: the time of a
//! search depends on their number only.

use crate::field::Field;
use crate::kernels::Kernels;
use alloc::vec;
use alloc::vec::Vec;
use core::arch::x86_64::*;

/// Places a step.
const STEP: usize = 128;

/// Four matrices: low ← low, low ← high, high ← low, high ← high; a lane each of eight.
type Matrices = [[u64; 8]; 4];

/// States of eight coefficients: low and high bytes of both halves.
type States = [[u64; 8]; 4];

/// Matrices for one field and a largest number of errors.
#[derive(Debug, Clone)]
pub(crate) struct PlaceSearch {
    /// For coefficient j = 1, 2, …: multiplication by α^(−jk) in lane k.
    lanes: Vec<Matrices>,
    /// For eight coefficients at a time: multiplication by α^(−128j) in the lane of j.
    steps: Vec<Matrices>,
}

impl PlaceSearch {
    /// Matrices for up to `t` errors, if the processor can.
    pub(crate) fn new(kernels: Kernels, field: &Field, t: usize) -> Option<Self> {
        if kernels.min(Kernels::detect()) < Kernels::Avx512 {
            return None;
        }
        let mut lanes = vec![[[0; 8]; 4]; t.next_multiple_of(8)];
        let mut steps = vec![[[0; 8]; 4]; t.div_ceil(8)];
        for (i, lanes) in lanes.iter_mut().enumerate().take(t) {
            for k in 0..8 {
                set_lane(lanes, k, field, inverse_power(field, (i + 1) * k));
            }
            set_lane(&mut steps[i / 8], i % 8, field, inverse_power(field, (i + 1) * STEP));
        }
        Some(Self { lanes, steps })
    }

    /// Every e < `places` with Λ(α^−e) = 0, ascending; `lambda[0]` comes first and no more than `t`
    /// others. Gives up once there are as many as the degree.
    pub(crate) fn places(&self, field: &Field, lambda: &[u16], places: usize) -> Vec<usize> {
        let errors = lambda.len() - 1;
        assert!(errors <= self.lanes.len());
        let mut states = vec![[[0; 8]; 4]; errors.div_ceil(8)];
        for (i, coefficient) in lambda[1..].iter().enumerate() {
            let mut element = *coefficient;
            let factor = inverse_power(field, (i + 1) * 8);
            for at in 0..16 {
                let (half, a) = (at / 8, at % 8);
                let [lo, hi] = element.to_le_bytes();
                states[i / 8][2 * half][i % 8] |= u64::from(lo) << (8 * a);
                states[i / 8][2 * half + 1][i % 8] |= u64::from(hi) << (8 * a);
                element = field.mul(element, factor);
            }
        }
        let mut found = Vec::with_capacity(errors);
        let mut base = 0;
        while base < places && found.len() < errors {
            // SAFETY: a value of this type exists only if `Kernels::detect` found the features that
            // the function is compiled for.
            let zeros = unsafe { step(lambda[0], &self.lanes[..errors], &mut states, &self.steps) };
            for (half, mut zeros) in zeros.into_iter().enumerate() {
                while zeros != 0 {
                    // Bit 8k + a is place 8a + k.
                    let bit = zeros.trailing_zeros() as usize;
                    zeros &= zeros - 1;
                    let place = base + 64 * half + 8 * (bit % 8) + bit / 8;
                    if place < places {
                        found.push(place);
                    }
                }
            }
            base += STEP;
        }
        found
    }
}

/// α^−i.
fn inverse_power(field: &Field, i: usize) -> u16 {
    field.alpha(field.n() - i % field.n())
}

/// Sets lane `lane` of all four matrices to multiplication by `constant`.
fn set_lane(matrices: &mut Matrices, lane: usize, field: &Field, constant: u16) {
    for input in 0..field.order() {
        let product = field.mul(constant, 1 << input);
        for output in (0..field.order()).filter(|output| product >> output & 1 == 1) {
            let matrix = &mut matrices[(output / 8 * 2 + input / 8) as usize][lane];
            // The instruction takes the row of output bit i from byte 7 − i.
            *matrix |= 1 << (8 * (7 - output % 8) + input % 8);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u64; 8]) -> __m512i {
    // SAFETY: the reference covers 64 readable bytes; the load has no alignment to keep.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(words: &mut [u64; 8], v: __m512i) {
    // SAFETY: the reference covers 64 writable bytes; the store has no alignment to keep.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), v) }
}

/// Sum ⊕ matrix·x, both parts of a row at once.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn add_row(sum: __m512i, lo: __m512i, hi: __m512i, row: [__m512i; 2]) -> __m512i {
    let a = _mm512_gf2p8affine_epi64_epi8::<0>(lo, row[0]);
    let b = _mm512_gf2p8affine_epi64_epi8::<0>(hi, row[1]);
    // 0x96: the exclusive or of all three.
    _mm512_ternarylogic_epi64::<0x96>(sum, a, b)
}

/// Evaluates Λ at 128 places, a mask of zeros for each half, and moves the states on.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn step(constant: u16, lanes: &[Matrices], states: &mut [States], steps: &[Matrices]) -> [u64; 2] {
    let [lo, hi] = constant.to_le_bytes().map(|byte| _mm512_set1_epi8(byte.cast_signed()));
    let mut sums = [lo, hi, lo, hi];
    for (lanes, states) in lanes.chunks(8).zip(states.iter()) {
        for (j, matrices) in lanes.iter().enumerate() {
            let m =
                [load(&matrices[0]), load(&matrices[1]), load(&matrices[2]), load(&matrices[3])];
            for half in 0..2 {
                let lo = _mm512_set1_epi64(states[2 * half][j].cast_signed());
                let hi = _mm512_set1_epi64(states[2 * half + 1][j].cast_signed());
                sums[2 * half] = add_row(sums[2 * half], lo, hi, [m[0], m[1]]);
                sums[2 * half + 1] = add_row(sums[2 * half + 1], lo, hi, [m[2], m[3]]);
            }
        }
    }
    let zero = _mm512_setzero_si512();
    for (states, m) in states.iter_mut().zip(steps) {
        let m = [load(&m[0]), load(&m[1]), load(&m[2]), load(&m[3])];
        for half in 0..2 {
            let (lo, hi) = (load(&states[2 * half]), load(&states[2 * half + 1]));
            store(&mut states[2 * half], add_row(zero, lo, hi, [m[0], m[1]]));
            store(&mut states[2 * half + 1], add_row(zero, lo, hi, [m[2], m[3]]));
        }
    }
    let any = [_mm512_or_si512(sums[0], sums[1]), _mm512_or_si512(sums[2], sums[3])];
    [_mm512_testn_epi8_mask(any[0], any[0]), _mm512_testn_epi8_mask(any[1], any[1])]
}
