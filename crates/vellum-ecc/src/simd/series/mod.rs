//! Division by a long generator through the power series of its inverse: fewer products than one a
//! word of remainder.
//!
//! With D the data, g the generator of degree r and H = x^r/g = Σ ηₖ·x^(−k), the remainder of D·x^r is
//! g times the fraction of D·H. In words of 64 bits, row p of the fraction is Σ dₑ·hₑ₊ₚ over the
//! data's words, counted from the end: a product with a Hankel matrix, where the remainders of powers
//! of x have no such shape. Sixteen words and ten rows are the transpose of a product of
//! polynomials, so the bilinear algorithm of [`points`] serves, transposed too (the "transposition
//! principle"; Hanrot, Quercia and Zimmermann, "The middle product algorithm I", 2004): 48 products
//! where word by word there are 160, and 80 in pairs ([`super::divide`]). The constants' side is
//! done beforehand; eight blocks of a kibibyte share the way back.
//!
//! The product with g at the end is triangular, and is made in pairs.

mod finish;
mod group;
mod points;

use super::divide::quotient;
use crate::bch::Divider;
use crate::kernels::Kernels;
use alloc::vec;
use alloc::vec::Vec;
use finish::Finish;
use group::remainder;
use points::{BLOCK, COEFFICIENTS, POINTS, interpolation};

/// Words of the longest remainder: one fewer than rows.
const WORDS: usize = 9;
/// Below this, pairs take fewer products.
const MIN_WORDS: usize = 8;
/// Blocks that a vector holds a word of each.
const LANES: usize = 4;
/// Bytes of data that one step takes.
const GROUP: usize = LANES * BLOCK * 8;

/// Constants of a group: a row a point, a word a block. Aligned, so that no row lies on two cache lines.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Constants([[u64; LANES]; POINTS]);

/// Constants for one generator and data length.
#[derive(Debug, Clone)]
pub(crate) struct SeriesDivider {
    /// For each 512 bytes of data, first to last, the constants of each point for the four blocks.
    groups: Vec<Constants>,
    finish: Finish,
}

impl SeriesDivider {
    /// Constants for data of `data_len` bytes, if the processor can and it is worth it: for whole
    /// groups.
    pub(crate) fn new(kernels: Kernels, divider: &Divider, data_len: usize) -> Option<Self> {
        let words = divider.words();
        // With vectors twice as long, pairs take fewer instructions.
        let vectors = kernels.min(Kernels::detect()) == Kernels::Vpclmul;
        if !vectors || !(MIN_WORDS..=WORDS).contains(&words) || !data_len.is_multiple_of(GROUP) {
            return None;
        }
        let mut low = vec![0; words];
        divider.divide(&[1], &mut low);
        let steps = data_len / GROUP;
        let series = quotient(&low, steps * LANES * BLOCK + COEFFICIENTS);
        let coefficients = interpolation();
        let groups = (0..steps)
            .map(|step| {
                let mut rows = [[0; LANES]; POINTS];
                for lane in 0..LANES {
                    // The data's last block meets the first words of the series.
                    let block = (steps - step) * LANES - 1 - lane;
                    for (s, row) in rows.iter_mut().enumerate() {
                        row[lane] = (coefficients.iter().zip(&series[block * BLOCK..]))
                            .filter(|(products, _)| *products >> s & 1 == 1)
                            .fold(0, |sum, (_, word)| sum ^ word);
                    }
                }
                Constants(rows)
            })
            .collect();
        Some(Self { groups, finish: Finish::new(&low) })
    }

    /// data·x^(64L) mod g' into `state`, which is L words long. `data` is as long as promised.
    pub(crate) fn divide(&self, data: &[u8], state: &mut [u64]) {
        copy_words(&self.remainder(data), state);
    }

    /// The same plus `mask`, as big-endian bytes into `parity`, if both have nine words.
    pub(crate) fn encode(&self, data: &[u8], mask: &[u64], parity: &mut [u8]) -> bool {
        let Some(mask): Option<&[u64; WORDS]> = mask.first_chunk() else { return false };
        let Some((whole, tail)) = parity.split_first_chunk_mut() else { return false };
        let words = self.remainder(data);
        let ([words @ .., last], [masks @ .., mask]) = (&words, mask);
        // SAFETY: as in `remainder`.
        unsafe { to_bytes(words, masks, whole) };
        // Few bytes: cheaper one by one than a copy of unknown length.
        for (to, byte) in tail.iter_mut().zip((last ^ mask).to_be_bytes()) {
            *to = byte;
        }
        true
    }

    /// As [`divide`](Self::divide), or true and nothing in `state` if the remainder plus `mask` is `parity`.
    /// (Bits beyond the parity's count here as well: where they differ, it is for the caller to see.)
    pub(crate) fn divide_unless(
        &self,
        data: &[u8],
        mask: &[u64],
        parity: &[u8],
        state: &mut [u64],
    ) -> bool {
        let words = self.remainder(data);
        if let Some(mask) = mask.first_chunk::<WORDS>()
            && let Some((whole, tail)) = parity.split_first_chunk()
        {
            let ([words @ .., last], [masks @ .., mask]) = (&words, mask);
            // SAFETY: as in `remainder`.
            let whole = unsafe { are_bytes(words, masks, whole) };
            let last = (last ^ mask).to_be_bytes();
            if whole && tail.iter().zip(last).fold(0, |all, (a, b)| all | (a ^ b)) == 0 {
                return true;
            }
        }
        copy_words(&words, state);
        false
    }

    #[inline]
    fn remainder(&self, data: &[u8]) -> [u64; WORDS] {
        let (groups, rest) = data.as_chunks::<GROUP>();
        assert!(groups.len() == self.groups.len() && rest.is_empty());
        // SAFETY: a value of this type exists only if `Kernels::detect` found AVX2 and VPCLMULQDQ
        // beside PCLMULQDQ and SSSE3.
        unsafe { remainder(groups, &self.groups, &self.finish) }
    }
}

#[inline]
fn copy_words(words: &[u64; WORDS], state: &mut [u64]) {
    match state.first_chunk_mut() {
        // A length that is known: no call of a copy.
        Some(whole) => *whole = *words,
        None => state.copy_from_slice(&words[..state.len()]),
    }
}

/// Words plus a mask, the highest byte first. The features let the compiler do it in vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn to_bytes(words: &[u64; WORDS - 1], mask: &[u64; WORDS - 1], bytes: &mut [u8; 8 * (WORDS - 1)]) {
    let (to, _) = bytes.as_chunks_mut();
    for (to, (word, mask)) in to.iter_mut().zip(words.iter().zip(mask)) {
        *to = (word ^ mask).to_be_bytes();
    }
}

/// Whether those are `bytes`.
#[inline]
#[target_feature(enable = "avx2")]
fn are_bytes(
    words: &[u64; WORDS - 1],
    mask: &[u64; WORDS - 1],
    bytes: &[u8; 8 * (WORDS - 1)],
) -> bool {
    let (found, _) = bytes.as_chunks();
    let pairs = words.iter().zip(mask).zip(found);
    pairs.fold(0, |all, ((word, mask), found)| all | (word ^ mask ^ u64::from_be_bytes(*found)))
        == 0
}
