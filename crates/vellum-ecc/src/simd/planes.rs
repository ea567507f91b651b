//! Berlekamp–Massey with AVX2, low and high bytes of the coefficients in planes of their own.
//!
//! The recursion is that of [`super::locator`]: beside Λ and B their products with the syndromes are
//! kept, so a step needs no sum of products, only one constant c times a few vectors. That product is
//! eight table look-ups by `PSHUFB`, a nibble of the operand each (Plank, Greenan and Miller,
//! *Screaming fast Galois field arithmetic using Intel SIMD instructions*, FAST 2013); the tables of c
//! are sums of four prepared ones, a nibble of c each.
//!
//! Nothing is moved: R is read from place k on, and B from as far before its start as it was shifted.

use super::locator::{Locator, MAX_ERRORS};
use crate::field::Field;
use crate::kernels::Kernels;
use alloc::boxed::Box;
use core::arch::x86_64::*;

/// For each nibble of the operand: products' low bytes, then their high bytes.
type Tables = [[u8; 32]; 4];

/// Room for the syndromes and for what is read past them.
const ROOM: usize = 2 * MAX_ERRORS + 2 * VECTOR;

/// Coefficients a vector.
const VECTOR: usize = 32;

/// Zeros before B: the farthest that it can be shifted.
const BEFORE: usize = 2 * MAX_ERRORS + 2;

/// Finds error locators.
#[derive(Debug, Clone)]
pub(crate) struct PlaneLocator {
    /// `tables[i][v]` multiply by v·x^(4i).
    tables: Box<[[Tables; 16]; 4]>,
}

/// The tables of one constant, each in both lanes: low bytes, high bytes.
struct Constant([[__m256i; 2]; 4]);

/// Low and high bytes of some coefficients.
type Planes<const N: usize> = [[u8; N]; 2];

impl PlaneLocator {
    /// Tables of 8 KiB, if the processor can and `t` is not too large.
    pub(crate) fn new(kernels: Kernels, field: &Field, t: usize) -> Option<Self> {
        if kernels.min(Kernels::detect()) < Kernels::Avx2 || t > MAX_ERRORS {
            return None;
        }
        let element =
            |nibble: usize, value: usize| (value << (4 * nibble)) as u16 & field.n() as u16;
        let mut tables = Box::new([[[[0; 32]; 4]; 16]; 4]);
        for (i, values) in tables.iter_mut().enumerate() {
            for (v, tables) in values.iter_mut().enumerate() {
                for (q, table) in tables.iter_mut().enumerate() {
                    for operand in 0..16 {
                        let product = field.mul(element(i, v), element(q, operand));
                        [table[operand], table[operand + 16]] = product.to_le_bytes();
                    }
                }
            }
        }
        Some(Self { tables })
    }

    /// Finds Λ for the syndromes S_1 … S_2t, or `None` if it would take more than t errors.
    pub(crate) fn locator(&self, field: &Field, syndromes: &[u16]) -> Option<Locator> {
        assert!(syndromes.len() <= 2 * MAX_ERRORS);
        // SAFETY: a value of this type exists only if `Kernels::detect` found AVX2.
        unsafe {
            if syndromes.len() / 2 < VECTOR {
                self.run::<1>(field, syndromes)
            } else {
                self.run::<2>(field, syndromes)
            }
        }
    }

    /// The tables of `c`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn constant(&self, c: u16) -> Constant {
        let parts: [&Tables; 4] =
            core::array::from_fn(|i| &self.tables[i][usize::from(c >> (4 * i) & 0xF)]);
        Constant(core::array::from_fn(|q| {
            let sum = _mm256_xor_si256(
                _mm256_xor_si256(load(&parts[0][q]), load(&parts[1][q])),
                _mm256_xor_si256(load(&parts[2][q]), load(&parts[3][q])),
            );
            [
                _mm256_permute2x128_si256::<0x00>(sum, sum),
                _mm256_permute2x128_si256::<0x11>(sum, sum),
            ]
        }))
    }

    /// With Λ in V vectors: 32·V > t.
    #[target_feature(enable = "avx2")]
    fn run<const V: usize>(&self, field: &Field, syndromes: &[u16]) -> Option<Locator> {
        let (t, all) = (syndromes.len() / 2, syndromes.len());
        let (mut r, mut r_b): (Planes<ROOM>, Planes<ROOM>) = ([[0; ROOM]; 2], [[0; ROOM]; 2]);
        for (i, syndrome) in syndromes.iter().enumerate() {
            let bytes = syndrome.to_le_bytes();
            for part in 0..2 {
                (r[part][i], r_b[part][i + 1]) = (bytes[part], bytes[part]);
            }
        }
        let mut lambda: Planes<64> = [[0; 64]; 2];
        let mut b: Planes<{ BEFORE + 64 }> = [[0; BEFORE + 64]; 2];
        (lambda[0][0], b[0][BEFORE]) = (1, 1);
        // B is seen this far below its start.
        let (mut shift, mut errors, mut b_log) = (1, 0, 0);
        for k in (0..all).step_by(2) {
            let discrepancy = u16::from_le_bytes([r[0][k], r[1][k]]);
            if discrepancy != 0 {
                let log = field.log(discrepancy);
                let c = self.constant(field.alpha(log + field.n() - b_log));
                let longer = 2 * errors <= k;
                let products: [[__m256i; 2]; V] =
                    core::array::from_fn(|v| c.times(planes(&b, BEFORE - shift + VECTOR * v)));
                for (v, product) in products.into_iter().enumerate() {
                    let old = planes(&lambda, VECTOR * v);
                    put(&mut lambda, VECTOR * v, sum(old, product));
                    if longer {
                        put(&mut b, BEFORE + VECTOR * v, old);
                    }
                }
                for at in (0..all - k).step_by(VECTOR) {
                    let (old, product) = (planes(&r, k + at), c.times(planes(&r_b, at)));
                    put(&mut r, k + at, sum(old, product));
                    if longer {
                        put(&mut r_b, at, old);
                    }
                }
                if longer {
                    (shift, b_log) = (0, log);
                    errors = k + 1 - errors;
                    if errors > t {
                        return None;
                    }
                }
            }
            shift += 2;
        }
        let coefficients =
            core::array::from_fn(|i| u16::from_le_bytes([lambda[0][i], lambda[1][i]]));
        // A leading zero means that fewer roots exist than errors are claimed.
        (coefficients[errors] != 0).then_some((coefficients, errors + 1))
    }
}

impl Constant {
    /// 32 coefficients times the constant.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn times(&self, [low, high]: [__m256i; 2]) -> [__m256i; 2] {
        let mask = _mm256_set1_epi8(0x0F);
        let nibbles = [
            _mm256_and_si256(low, mask),
            _mm256_and_si256(_mm256_srli_epi16::<4>(low), mask),
            _mm256_and_si256(high, mask),
            _mm256_and_si256(_mm256_srli_epi16::<4>(high), mask),
        ];
        let mut product = [_mm256_setzero_si256(); 2];
        for (tables, nibble) in self.0.iter().zip(nibbles) {
            for (product, table) in product.iter_mut().zip(tables) {
                *product = _mm256_xor_si256(*product, _mm256_shuffle_epi8(*table, nibble));
            }
        }
        product
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_xor_si256(a[0], b[0]), _mm256_xor_si256(a[1], b[1])]
}

/// The 32 coefficients from `at` on.
#[inline]
#[target_feature(enable = "avx2")]
fn planes<const N: usize>(from: &Planes<N>, at: usize) -> [__m256i; 2] {
    let part = |plane: &[u8; N]| -> __m256i {
        load(plane[at..].first_chunk().expect("a vector's room stands behind the coefficients"))
    };
    [part(&from[0]), part(&from[1])]
}

#[inline]
#[target_feature(enable = "avx2")]
fn put<const N: usize>(to: &mut Planes<N>, at: usize, values: [__m256i; 2]) {
    for (plane, value) in to.iter_mut().zip(values) {
        let bytes: &mut [u8; 32] =
            plane[at..].first_chunk_mut().expect("a vector's room stands behind the coefficients");
        // SAFETY: the reference covers 32 writable bytes; the store has no alignment to keep.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), value) };
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference covers 32 readable bytes; the load has no alignment to keep.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bch::plain_locator;
    use proptest::prelude::*;

    proptest! {
        /// Syndromes of some errors, and syndromes at random.
        #[test]
        fn agrees_with_the_plain_version(
            m in 8u32..=15,
            t in 1usize..=MAX_ERRORS,
            places in proptest::collection::vec(any::<u16>(), 0..70),
            noise in proptest::option::of(any::<u16>()),
        ) {
            let field = Field::new(m, None).unwrap();
            let Some(fast) = PlaneLocator::new(Kernels::detect(), &field, t) else { return Ok(()) };
            let mut syndromes = vec![0u16; 2 * t];
            for (i, syndrome) in syndromes.iter_mut().enumerate() {
                for place in &places {
                    *syndrome ^= field.alpha(usize::from(*place) * (i + 1) % field.n());
                }
            }
            if let Some(noise) = noise {
                syndromes[2 * (t / 2)] ^= noise & field.n() as u16;
                for i in 1..=t {
                    syndromes[2 * i - 1] = field.square(syndromes[i - 1]);
                }
            }
            let plain = plain_locator(&field, &syndromes, t);
            let found = fast.locator(&field, &syndromes).map(|(c, len)| c[..len].to_vec());
            prop_assert_eq!(found, plain);
        }
    }
}
