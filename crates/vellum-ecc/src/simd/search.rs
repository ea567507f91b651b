//! The search for the errors' places: Λ(α^−e) for every place e, 128 of them a step, by GFNI.
//!
//! Place e = 128·step + 64·half + 8·a + k; for each coefficient λ_j the state holds
//! λ_j·α^(−j·(e−k)), the eight *a* of a half in the bytes of one word, and lane *k* of a vector
//! multiplies it by the constant α^(−jk). The matrices therefore depend on the field alone. Between
//! steps the state is multiplied by α^(−128j), eight coefficients a vector.
//!
//! A value's low byte is summed up first; only where one is zero, the high byte too: one in 256
//! places by chance. The time of a search depends on the number of errors only, to within that.

use super::locator::MAX_ERRORS;
use super::matrix::{Matrices, add_byte, add_product, load, set_lane, store};
use crate::field::Field;
use crate::kernels::Kernels;
use alloc::vec;
use alloc::vec::Vec;
use core::arch::x86_64::*;

/// Places a step.
const STEP: usize = 128;

/// A word of eight places for each coefficient.
type Words = [u64; MAX_ERRORS + 1];

/// Low and high bytes of both halves.
type States = [[Words; 2]; 2];

/// Matrices for one field and a largest number of errors.
#[derive(Debug, Clone)]
pub(crate) struct PlaceSearch {
    /// For coefficient j = 1, 2, …: multiplication by α^(−jk) in lane k.
    lanes: Vec<Matrices>,
    /// For eight coefficients at a time, the lane of j: multiplication by α^(−8j), α^(−16j),
    /// α^(−32j) and α^(−64j), which spread λ_j over the first step's places, and by α^(−128j),
    /// which leads to the next step.
    spread: Vec<[Matrices; 5]>,
}

impl PlaceSearch {
    /// Matrices for up to `t` errors, if the processor can and `t` is not too large.
    pub(crate) fn new(kernels: Kernels, field: &Field, t: usize) -> Option<Self> {
        if kernels.min(Kernels::detect()) < Kernels::Avx512 || t > MAX_ERRORS {
            return None;
        }
        let inverse_power = |i: usize| field.alpha(field.n() - i % field.n());
        let mut lanes = vec![[[0; 8]; 4]; t];
        let mut spread = vec![[[[0; 8]; 4]; 5]; t.div_ceil(8)];
        for (i, lanes) in lanes.iter_mut().enumerate() {
            for k in 0..8 {
                set_lane(lanes, k, field, inverse_power((i + 1) * k));
            }
            for (power, spread) in spread[i / 8].iter_mut().enumerate() {
                set_lane(spread, i % 8, field, inverse_power((i + 1) * (8 << power)));
            }
        }
        Some(Self { lanes, spread })
    }

    /// Every e < `places` with Λ(α^−e) = 0, ascending; `lambda[0]` comes first and no more than `t`
    /// others. Gives up once there are as many as the degree.
    pub(crate) fn places(&self, lambda: &[u16; 64], len: usize, places: usize) -> Vec<usize> {
        assert!(len <= self.lanes.len() + 1);
        // SAFETY: a value of this type exists only if `Kernels::detect` found the features that the
        // function is compiled for.
        unsafe { self.search(lambda, len - 1, places) }
    }

    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn search(&self, lambda: &[u16; 64], errors: usize, places: usize) -> Vec<usize> {
        let mut states = [[[0; MAX_ERRORS + 1]; 2]; 2];
        let spread = &self.spread[..errors.div_ceil(8)];
        self.first_states(lambda, &mut states, spread);
        let lanes = &self.lanes[..errors];
        let constant = lambda[0].to_le_bytes().map(|byte| _mm512_set1_epi8(byte.cast_signed()));
        let mut found = Vec::with_capacity(errors);
        for base in (0..places).step_by(STEP) {
            let zeros = low_zeros(constant[0], lanes, &states);
            for (half, mut zeros) in zeros.into_iter().enumerate() {
                if zeros == 0 {
                    continue;
                }
                zeros &= high_zeros(constant[1], lanes, &states[half]);
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
            if found.len() >= errors {
                break;
            }
            next_states(&mut states, spread);
        }
        found
    }

    /// The states of places 0, 8, 16 … 120: λ_j alone, then twice as many places each time.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn first_states(&self, lambda: &[u16; 64], states: &mut States, spread: &[[Matrices; 5]]) {
        let [first, second] = states;
        for (i, spread) in spread.iter().enumerate() {
            let (mut lo, mut hi) = ([0; 8], [0; 8]);
            for j in 0..8 {
                // Coefficient 64 would be one more than there are: MAX_ERRORS is 63.
                let [l, h] = lambda.get(i * 8 + j + 1).map_or([0; 2], |c| c.to_le_bytes());
                (lo[j], hi[j]) = (l.into(), h.into());
            }
            let mut x = [load(&lo), load(&hi)];
            x = doubled::<8>(x, &spread[0]);
            x = doubled::<16>(x, &spread[1]);
            x = doubled::<32>(x, &spread[2]);
            let y = product(x, &spread[3]);
            for part in 0..2 {
                store(eight(&mut first[part], i), x[part]);
                store(eight(&mut second[part], i), y[part]);
            }
        }
    }
}

/// The places in x and, SHIFT bits above, the same ones moved on by `matrices`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn doubled<const SHIFT: u32>(x: [__m512i; 2], matrices: &Matrices) -> [__m512i; 2] {
    let [lo, hi] = product(x, matrices);
    [
        _mm512_or_si512(x[0], _mm512_slli_epi64::<SHIFT>(lo)),
        _mm512_or_si512(x[1], _mm512_slli_epi64::<SHIFT>(hi)),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn product(x: [__m512i; 2], matrices: &Matrices) -> [__m512i; 2] {
    let m = [load(&matrices[0]), load(&matrices[1]), load(&matrices[2]), load(&matrices[3])];
    add_product([_mm512_setzero_si512(); 2], x, &m)
}

/// The i-th eight words.
#[inline]
fn eight(words: &mut Words, i: usize) -> &mut [u64; 8] {
    &mut words.as_chunks_mut::<8>().0[i]
}

/// Both bytes of coefficient j for one half, in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn spread_word(state: &[Words; 2], j: usize) -> [__m512i; 2] {
    [_mm512_set1_epi64(state[0][j].cast_signed()), _mm512_set1_epi64(state[1][j].cast_signed())]
}

/// Where the low byte of Λ is zero: a mask for each half.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn low_zeros(constant: __m512i, lanes: &[Matrices], states: &States) -> [u64; 2] {
    let [first, second] = states;
    let (mut sum, mut next) = (constant, constant);
    for (j, m) in lanes.iter().enumerate().take(MAX_ERRORS) {
        let (from_lo, from_hi) = (load(&m[0]), load(&m[1]));
        sum = add_byte(sum, spread_word(first, j), from_lo, from_hi);
        next = add_byte(next, spread_word(second, j), from_lo, from_hi);
    }
    [_mm512_testn_epi8_mask(sum, sum), _mm512_testn_epi8_mask(next, next)]
}

/// Where the high byte of Λ is zero, in one half.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn high_zeros(constant: __m512i, lanes: &[Matrices], state: &[Words; 2]) -> u64 {
    let mut sum = constant;
    for (j, m) in lanes.iter().enumerate().take(MAX_ERRORS) {
        sum = add_byte(sum, spread_word(state, j), load(&m[2]), load(&m[3]));
    }
    _mm512_testn_epi8_mask(sum, sum)
}

/// Moves the states on by one step.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn next_states(states: &mut States, spread: &[[Matrices; 5]]) {
    for (i, spread) in spread.iter().enumerate() {
        for [lo, hi] in states.iter_mut() {
            let (lo, hi) = (eight(lo, i), eight(hi, i));
            let [next_lo, next_hi] = product([load(lo), load(hi)], &spread[4]);
            store(lo, next_lo);
            store(hi, next_hi);
        }
    }
}
