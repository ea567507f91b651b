//! Berlekamp–Massey with every polynomial in registers, without a sum of products.
//!
//! Beside Λ and the polynomial B that corrects it, their products with the syndromes are kept, seen
//! from step k on: R = (S·Λ)/x^k and R_B = (S·x^s·B)/x^k. The discrepancy is then R's first
//! coefficient, and one step multiplies by a single constant c:
//!
//! ```text
//! Λ ← Λ + c·B      R ← R + c·R_B      then R moves down, B up by two
//! ```
//! (after Sarwate and Shanbhag, *High-speed architectures for Reed–Solomon decoders*, 2001). A
//! multiplication by c is four bit matrices, put together from tables a nibble of c each.

use super::matrix::{add_product, matrices};
use crate::field::Field;
use crate::kernels::Kernels;
use alloc::boxed::Box;
use core::arch::x86_64::*;

/// The most errors that the registers hold.
pub(crate) const MAX_ERRORS: usize = 63;

/// A locator: coefficients and their number.
pub(crate) type Locator = ([u16; 64], usize);

/// Matrices of c = value·x^(4·nibble).
type NibbleTables = [[[u64; 4]; 16]; 4];

/// Finds error locators.
#[derive(Debug, Clone)]
pub(crate) struct WideLocator {
    tables: Box<NibbleTables>,
}

/// Low bytes and high bytes of 64 coefficients.
type Coefficients = [__m512i; 2];

impl WideLocator {
    /// Tables of 2 KiB, if the processor can and `t` is not too large.
    pub(crate) fn new(kernels: Kernels, field: &Field, t: usize) -> Option<Self> {
        if kernels.min(Kernels::detect()) < Kernels::Avx512 || t > MAX_ERRORS {
            return None;
        }
        let mut tables = Box::new([[[0; 4]; 16]; 4]);
        for (nibble, table) in tables.iter_mut().enumerate() {
            for (value, entry) in table.iter_mut().enumerate() {
                let constant = (value << (4 * nibble)) as u16;
                *entry = matrices(field, constant & field.n() as u16);
            }
        }
        Some(Self { tables })
    }

    /// Finds Λ for the syndromes S_1 … S_2t, or `None` if it would take more than t errors.
    pub(crate) fn locator(&self, field: &Field, syndromes: &[u16]) -> Option<Locator> {
        assert!(syndromes.len() <= 2 * MAX_ERRORS);
        // SAFETY: a value of this type exists only if `Kernels::detect` found the features that the
        // function is compiled for.
        unsafe {
            if syndromes.len() <= 64 {
                self.run::<1>(field, syndromes)
            } else {
                self.run::<2>(field, syndromes)
            }
        }
    }

    /// The matrices of `c`, in every lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn constant(&self, c: u16) -> [__m512i; 4] {
        let nibbles: [usize; 4] = core::array::from_fn(|i| usize::from(c >> (4 * i) & 0xF));
        let [a, b, c, d] = &*self.tables;
        let (a, b, c, d) = (&a[nibbles[0]], &b[nibbles[1]], &c[nibbles[2]], &d[nibbles[3]]);
        core::array::from_fn(|i| _mm512_set1_epi64((a[i] ^ b[i] ^ c[i] ^ d[i]).cast_signed()))
    }

    /// H vectors of syndromes: 64·H ≥ 2t.
    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn run<const H: usize>(&self, field: &Field, syndromes: &[u16]) -> Option<Locator> {
        let t = syndromes.len() / 2;
        let mut r = split::<H>(syndromes, 0);
        let mut r_b = split::<H>(syndromes, 1);
        let [mut lambda] = split::<1>(&[1], 0);
        let [mut b] = split::<1>(&[1], 1);
        let (mut errors, mut b_log) = (0, 0);
        for k in (0..2 * t).step_by(2) {
            let discrepancy = first(r[0]);
            if discrepancy != 0 {
                let log = field.log(discrepancy);
                let c = field.alpha(log + field.n() - b_log);
                let m = self.constant(c);
                let next = add_product(lambda, b, &m);
                let mut next_r = r;
                for i in 0..H {
                    next_r[i] = add_product(r[i], r_b[i], &m);
                }
                if 2 * errors <= k {
                    (b, r_b, b_log) = (lambda, r, log);
                    errors = k + 1 - errors;
                    if errors > t {
                        return None;
                    }
                }
                (lambda, r) = (next, next_r);
            }
            b = b.map(|v| up(v));
            let mut above = [_mm512_setzero_si512(); 2];
            for v in r.iter_mut().rev() {
                let here = *v;
                *v = [down(here[0], above[0]), down(here[1], above[1])];
                above = here;
            }
        }
        let coefficients = join(lambda);
        // A leading zero means that fewer roots exist than errors are claimed.
        (coefficients[errors] != 0).then_some((coefficients, errors + 1))
    }
}

/// Splits elements into low and high bytes, starting at coefficient `from`.
#[inline]
#[target_feature(enable = "avx512f")]
fn split<const H: usize>(elements: &[u16], from: usize) -> [Coefficients; H] {
    let mut bytes = [[[0u8; 64]; 2]; H];
    for (i, element) in elements.iter().enumerate() {
        let (vector, at) = ((i + from) / 64, (i + from) % 64);
        if vector < H {
            let [lo, hi] = element.to_le_bytes();
            (bytes[vector][0][at], bytes[vector][1][at]) = (lo, hi);
        }
    }
    core::array::from_fn(|i| core::array::from_fn(|part| load_bytes(&bytes[i][part])))
}

/// The reverse of [`split`].
#[inline]
#[target_feature(enable = "avx512f")]
fn join(coefficients: Coefficients) -> [u16; 64] {
    let [lo, hi] = coefficients.map(|v| store_bytes(v));
    core::array::from_fn(|i| u16::from_le_bytes([lo[i], hi[i]]))
}

/// The first coefficient.
#[inline]
#[target_feature(enable = "avx512f")]
fn first([lo, hi]: Coefficients) -> u16 {
    let byte = |v| _mm_cvtsi128_si32(_mm512_castsi512_si128(v)) as u8;
    u16::from_le_bytes([byte(lo), byte(hi)])
}

/// Two coefficients up, zeros come in.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn up(v: __m512i) -> __m512i {
    let from = core::array::from_fn(|i| (i as i16 + 31) % 32);
    _mm512_maskz_permutexvar_epi16(!1, load_indices(&from), v)
}

/// Two coefficients down, those of `next` come in.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn down(v: __m512i, next: __m512i) -> __m512i {
    let from = core::array::from_fn(|i| i as i16 + 1);
    _mm512_permutex2var_epi16(v, load_indices(&from), next)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_indices(indices: &[i16; 32]) -> __m512i {
    // SAFETY: the reference covers 64 readable bytes; the load has no alignment to keep.
    unsafe { _mm512_loadu_si512(indices.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference covers 64 readable bytes; the load has no alignment to keep.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_bytes(v: __m512i) -> [u8; 64] {
    let mut bytes = [0; 64];
    // SAFETY: the array covers 64 writable bytes; the store has no alignment to keep.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), v) };
    bytes
}
