//! Syndromes from the remainder alone: S_j = ρ(α^j) for the difference ρ of stored and computed
//! parity, which has r bits where the codeword has thousands. Only odd j are computed; squares give
//! the even ones.

use crate::field::Field;
use alloc::vec;
use alloc::vec::Vec;

/// A table larger than this (bytes) is not built; powers are stepped through instead.
const TABLE_LIMIT: usize = 128 << 10;

/// What maps a remainder to syndromes.
#[derive(Debug, Clone)]
pub(crate) struct Syndromes {
    t: usize,
    /// Bits of a remainder.
    r: usize,
    /// α^(e·j) for j = 1, 3, …, 2t−1, a row for each bit of the remainder from the first (e = r−1);
    /// empty if too large.
    rows: Vec<u16>,
}

impl Syndromes {
    pub(crate) fn new(field: &Field, t: usize, r: usize) -> Self {
        let mut rows = Vec::new();
        if r * t * 2 <= TABLE_LIMIT {
            rows.reserve_exact(r * t);
            for e in (0..r).rev() {
                rows.extend((0..t).map(|j| field.alpha(e * (2 * j + 1))));
            }
        }
        Self { t, r, rows }
    }

    /// S_1 … S_2t (in places 0 … 2t−1) of a left-aligned remainder.
    pub(crate) fn compute(&self, field: &Field, remainder: &[u64]) -> Vec<u16> {
        let t = self.t;
        let mut odd = vec![0u16; t];
        for (i, word) in remainder.iter().enumerate() {
            let mut word = *word;
            while word != 0 {
                let at = i * 64 + word.leading_zeros() as usize;
                word &= !(1 << (63 - at % 64));
                self.add_bit(field, at, &mut odd);
            }
        }
        let mut all = vec![0u16; 2 * t];
        for (j, s) in odd.into_iter().enumerate() {
            all[2 * j] = s;
        }
        for j in 1..=t {
            all[2 * j - 1] = field.square(all[j - 1]);
        }
        all
    }

    fn add_bit(&self, field: &Field, at: usize, odd: &mut [u16]) {
        if let Some(row) = self.rows.get(at * self.t..(at + 1) * self.t) {
            for (s, power) in odd.iter_mut().zip(row) {
                *s ^= power;
            }
            return;
        }
        let n = field.n();
        let e = (self.r - 1 - at) % n;
        let (mut log, step) = (e, 2 * e % n);
        for s in odd {
            *s ^= field.alpha(log);
            log += step;
            if log >= n {
                log -= n;
            }
        }
    }
}
