//! The generator polynomial of a binary BCH code: the product of the minimal polynomials of
//! α, α³, …, α^(2t−1), each taken once.

use crate::field::Field;
use alloc::vec;
use alloc::vec::Vec;

/// A polynomial over GF(2): bit *i* of word *i / 64* is the coefficient of *x^i*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BitPoly {
    words: Vec<u64>,
    degree: usize,
}

impl BitPoly {
    fn one() -> Self {
        Self { words: vec![1], degree: 0 }
    }

    /// The degree.
    pub(crate) fn degree(&self) -> usize {
        self.degree
    }

    /// The coefficient of *x^i*.
    pub(crate) fn bit(&self, i: usize) -> bool {
        self.words.get(i / 64).is_some_and(|word| word >> (i % 64) & 1 == 1)
    }

    /// self · factor, for a factor of degree below 32.
    fn times(&self, factor: u32) -> Self {
        let degree = self.degree + factor.ilog2() as usize;
        let mut words = vec![0; degree / 64 + 1];
        for shift in (0..32).filter(|shift| factor >> shift & 1 == 1) {
            for (i, word) in self.words.iter().enumerate() {
                words[i] ^= word << shift;
                if shift > 0 && i + 1 < words.len() {
                    words[i + 1] ^= word >> (64 - shift);
                }
            }
        }
        Self { words, degree }
    }
}

/// The minimal polynomial of α^`i`: ∏ (x − α^(i·2^k)) over the distinct conjugates.
fn minimal(field: &Field, i: usize) -> u32 {
    // Coefficients lie in GF(2^m) on the way and in GF(2) at the end.
    let mut product = vec![1u16];
    let mut conjugate = i % field.n();
    loop {
        let root = field.alpha(conjugate);
        product.push(0);
        for k in (0..product.len()).rev() {
            let below = if k == 0 { 0 } else { product[k - 1] };
            product[k] = below ^ field.mul(product[k], root);
        }
        conjugate = conjugate * 2 % field.n();
        if conjugate == i % field.n() {
            break;
        }
    }
    product.iter().enumerate().fold(0, |poly, (k, c)| poly | u32::from(*c) << k)
}

/// The generator of the code that corrects `t` errors. Cost: O(*t²·m²*/64).
pub(crate) fn generator(field: &Field, t: usize) -> BitPoly {
    let mut seen = vec![false; field.n()];
    let mut product = BitPoly::one();
    for i in (1..2 * t).step_by(2) {
        if seen[i % field.n()] {
            continue;
        }
        let mut conjugate = i % field.n();
        while !seen[conjugate] {
            seen[conjugate] = true;
            conjugate = conjugate * 2 % field.n();
        }
        product = product.times(minimal(field, i));
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_generator() {
        // Lin and Costello, appendix C: the (31, 21) code of two errors over GF(2^5) has generator
        // 3551 in octal.
        let poly = generator(&Field::new(5, None).unwrap(), 2);
        assert_eq!((poly.degree(), poly.words[0]), (10, 0o3551));
        // And the (63, 45) code of three errors: 1701317.
        let poly = generator(&Field::new(6, None).unwrap(), 3);
        assert_eq!((poly.degree(), poly.words[0]), (18, 0o1_701_317));
    }

    #[test]
    fn vanishes_at_every_power_up_to_2t() {
        for (m, t) in [(5, 3), (7, 9), (10, 20), (13, 8), (14, 40), (15, 3)] {
            let field = Field::new(m, None).unwrap();
            let poly = generator(&field, t);
            assert!(poly.degree() <= m as usize * t);
            for j in 1..=2 * t {
                let value = (0..=poly.degree())
                    .filter(|i| poly.bit(*i))
                    .fold(0, |sum, i| sum ^ field.alpha(i * j));
                assert_eq!(value, 0, "m {m} t {t}: g(alpha^{j})");
            }
        }
    }
}
