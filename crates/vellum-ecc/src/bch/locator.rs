//! The error locator Λ, the polynomial whose roots are the inverses of the errors' places, by the
//! Berlekamp–Massey algorithm. Over GF(2) every second discrepancy is zero, so t rounds suffice.

use crate::field::Field;
use alloc::vec;
use alloc::vec::Vec;

/// Finds Λ (lowest coefficient first, Λ_0 = 1) for the syndromes S_1 … S_2t, or `None` if it would
/// take more than `t` errors. Cost: at most 2·t² multiplications.
pub(crate) fn locator(field: &Field, syndromes: &[u16], t: usize) -> Option<Vec<u16>> {
    let mut lambda = vec![0u16; t + 2];
    let mut before = vec![0u16; t + 2];
    let mut scratch = vec![0u16; t + 2];
    (lambda[0], before[0]) = (1, 1);
    let (mut errors, mut before_len, mut before_log, mut shift) = (0, 1, 0, 1);
    for k in (0..2 * t).step_by(2) {
        let mut discrepancy = syndromes[k];
        for i in 1..=errors {
            discrepancy ^= field.mul(lambda[i], syndromes[k - i]);
        }
        if discrepancy != 0 {
            let factor = (field.log(discrepancy) + field.n() - before_log) % field.n();
            let longer = 2 * errors <= k;
            if longer {
                scratch.copy_from_slice(&lambda);
            }
            for (i, coefficient) in before[..before_len].iter().enumerate() {
                let term = field.mul_exp(factor, *coefficient);
                match lambda.get_mut(i + shift) {
                    Some(to) => *to ^= term,
                    None if term == 0 => {}
                    None => return None,
                }
            }
            if longer {
                core::mem::swap(&mut before, &mut scratch);
                before_len = errors + 1;
                errors = k + 1 - errors;
                before_log = field.log(discrepancy);
                shift = 0;
                if errors > t {
                    return None;
                }
            }
        }
        shift += 2;
    }
    lambda.truncate(errors + 1);
    // A leading zero means that fewer roots exist than errors are claimed.
    (lambda[errors] != 0).then_some(lambda)
}
