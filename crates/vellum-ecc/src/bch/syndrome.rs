//! Syndromes from the remainder alone: S_j = ρ(α^j) for the difference ρ of stored and computed
//! parity, which has r bits where the codeword has thousands. Only odd j are computed; squares give
//! the even ones.

use crate::field::Field;
use alloc::vec;
use alloc::vec::Vec;

/// A table larger than this (bytes) is not built; powers are stepped through instead.
const TABLE_LIMIT: usize = 128 << 10;

/// Syndromes that one pass over the remainder's bits gathers, in registers.
const BLOCK: usize = 16;

/// What maps a remainder to syndromes.
#[derive(Debug, Clone)]
pub(crate) struct Syndromes {
    t: usize,
    /// Bits of a remainder.
    r: usize,
    /// For each block of odd syndromes, a row for each bit of the remainder from the first
    /// (e = r−1): α^(e·j) for the block's j. Empty if too large.
    rows: Vec<[u16; BLOCK]>,
}

impl Syndromes {
    pub(crate) fn new(field: &Field, t: usize, r: usize) -> Self {
        let mut rows = Vec::new();
        let blocks = t.div_ceil(BLOCK);
        if r * blocks * BLOCK * 2 <= TABLE_LIMIT {
            rows.reserve_exact(r * blocks);
            for block in 0..blocks {
                rows.extend((0..r).rev().map(|e| {
                    core::array::from_fn(|i| field.alpha(e * (2 * (block * BLOCK + i) + 1)))
                }));
            }
        }
        Self { t, r, rows }
    }

    /// S_1 … S_2t of a left-aligned remainder into `all`, which holds 2t.
    pub(crate) fn compute(&self, field: &Field, remainder: &[u64], all: &mut [u16]) {
        debug_assert_eq!(all.len(), 2 * self.t);
        if self.rows.is_empty() {
            self.step_through(field, remainder, all);
        } else {
            for (block, rows) in self.rows.chunks_exact(self.r).enumerate() {
                let mut sums = [0u16; BLOCK];
                each_bit(remainder, |at| {
                    if let Some(row) = rows.get(at) {
                        for (sum, power) in sums.iter_mut().zip(row) {
                            *sum ^= power;
                        }
                    }
                });
                let odd = all[2 * block * BLOCK..].iter_mut().step_by(2);
                odd.zip(sums).for_each(|(to, sum)| *to = sum);
            }
        }
        for j in 1..=self.t {
            all[2 * j - 1] = field.square(all[j - 1]);
        }
    }

    /// Without a table: the powers of each bit's α^e one after the other.
    fn step_through(&self, field: &Field, remainder: &[u64], all: &mut [u16]) {
        let n = field.n();
        let mut odd = vec![0u16; self.t];
        each_bit(remainder, |at| {
            let e = (self.r - 1 - at) % n;
            let (mut log, step) = (e, 2 * e % n);
            for sum in &mut odd {
                *sum ^= field.alpha(log);
                log += step;
                if log >= n {
                    log -= n;
                }
            }
        });
        all.iter_mut().step_by(2).zip(odd).for_each(|(to, sum)| *to = sum);
    }
}

/// Calls `each` with the place of every set bit, the most significant bit of the first word first.
#[inline(always)]
fn each_bit(words: &[u64], mut each: impl FnMut(usize)) {
    for (i, word) in words.iter().enumerate() {
        let mut word = *word;
        while word != 0 {
            let at = word.leading_zeros() as usize;
            word ^= 1 << (63 - at);
            each(i * 64 + at);
        }
    }
}
