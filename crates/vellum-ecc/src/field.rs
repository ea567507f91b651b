//! The Galois field GF(2^m), 5 ≤ m ≤ 15, by tables of logarithms.
//!
//! Elements are polynomials over GF(2) modulo a primitive polynomial; bit *i* of a `u16` is the
//! coefficient of *x^i*, and α = *x* generates the non-zero elements. Two tables, 6·2^m bytes.

use crate::codec::EccError;
use crate::params::PRIMITIVE;
use alloc::vec;
use alloc::vec::Vec;

/// GF(2^m) with its tables.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    m: u32,
    polynomial: u32,
    /// `exp[i]` = α^i for 0 ≤ i < 2·(2^m − 1), so that a sum of two logarithms needs no reduction.
    exp: Vec<u16>,
    /// `log[x]` for x ≠ 0.
    log: Vec<u16>,
}

impl Field {
    /// The field of order `m`, modulo `polynomial` or the usual one.
    pub(crate) fn new(m: u32, polynomial: Option<u32>) -> Result<Self, EccError> {
        if !(5..=15).contains(&m) {
            return Err(EccError::FieldOrder { m });
        }
        let polynomial = polynomial.unwrap_or(PRIMITIVE[m as usize - 5]);
        let n = (1usize << m) - 1;
        let mut exp = vec![0u16; 2 * n];
        let mut log = vec![0u16; n + 1];
        if polynomial >> m != 1 {
            return Err(EccError::NotPrimitive { polynomial, m });
        }
        let mut x = 1u32;
        for i in 0..n {
            if i > 0 && x == 1 {
                return Err(EccError::NotPrimitive { polynomial, m });
            }
            exp[i] = x as u16;
            exp[i + n] = x as u16;
            log[x as usize] = i as u16;
            x <<= 1;
            if x >> m != 0 {
                x ^= polynomial;
            }
        }
        // An even polynomial walks into zero and never comes back to one.
        if x != 1 {
            return Err(EccError::NotPrimitive { polynomial, m });
        }
        Ok(Self { m, polynomial, exp, log })
    }

    /// The order *m*: an element has that many bits.
    pub(crate) fn order(&self) -> u32 {
        self.m
    }

    /// The primitive polynomial.
    pub(crate) fn polynomial(&self) -> u32 {
        self.polynomial
    }

    /// 2^m − 1: the number of non-zero elements, and of bits in the longest codeword.
    pub(crate) fn n(&self) -> usize {
        self.log.len() - 1
    }

    /// α^i for any i.
    pub(crate) fn alpha(&self, i: usize) -> u16 {
        self.exp[i % self.n()]
    }

    /// The logarithm of `x` to base α; `x` is not zero.
    pub(crate) fn log(&self, x: u16) -> usize {
        debug_assert!(x != 0, "zero has no logarithm");
        usize::from(self.log[usize::from(x)])
    }

    /// a·b.
    pub(crate) fn mul(&self, a: u16, b: u16) -> u16 {
        if a == 0 || b == 0 { 0 } else { self.exp[self.log(a) + self.log(b)] }
    }

    /// α^`log_a` · b, `log_a` < n.
    pub(crate) fn mul_exp(&self, log_a: usize, b: u16) -> u16 {
        if b == 0 { 0 } else { self.exp[log_a + self.log(b)] }
    }

    /// a².
    pub(crate) fn square(&self, a: u16) -> u16 {
        if a == 0 { 0 } else { self.exp[2 * self.log(a)] }
    }

    /// The only square root of a: a^(2^(m−1)).
    pub(crate) fn sqrt(&self, a: u16) -> u16 {
        if a == 0 {
            return 0;
        }
        let log = self.log(a);
        self.exp[if log.is_multiple_of(2) { log / 2 } else { (log + self.n()) / 2 }]
    }

    /// a / b; b is not zero.
    pub(crate) fn div(&self, a: u16, b: u16) -> u16 {
        if a == 0 { 0 } else { self.exp[self.log(a) + self.n() - self.log(b)] }
    }

    /// 1 / a; a is not zero.
    pub(crate) fn inverse(&self, a: u16) -> u16 {
        self.exp[self.n() - self.log(a)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiplication by shift and add, without tables.
    fn plain_mul(field: &Field, a: u16, b: u16) -> u16 {
        let (mut product, mut a) = (0u32, u32::from(a));
        for i in 0..field.order() {
            if b >> i & 1 == 1 {
                product ^= a;
            }
            a <<= 1;
            if a >> field.order() & 1 == 1 {
                a ^= field.polynomial();
            }
        }
        product as u16
    }

    #[test]
    fn tables_agree_with_shift_and_add() {
        for m in 5..=15 {
            let field = Field::new(m, None).unwrap();
            let mask = field.n() as u16;
            let mut x = 0x1234_5678u32;
            for _ in 0..2000 {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (a, b) = ((x >> 16) as u16 & mask, (x >> 3) as u16 & mask);
                let product = plain_mul(&field, a, b);
                assert_eq!(field.mul(a, b), product, "m {m}: {a} * {b}");
                assert_eq!(field.square(a), plain_mul(&field, a, a));
                assert_eq!(field.square(field.sqrt(a)), a);
                if b != 0 {
                    assert_eq!(field.div(product, b), a);
                    assert_eq!(field.mul(b, field.inverse(b)), 1);
                }
            }
        }
    }

    #[test]
    fn refuses_what_is_no_field() {
        assert_eq!(Field::new(4, None).unwrap_err(), EccError::FieldOrder { m: 4 });
        assert_eq!(Field::new(16, None).unwrap_err(), EccError::FieldOrder { m: 16 });
        // Of the wrong degree; even; irreducible but of order 17 only; reducible.
        for (m, polynomial) in [(8, 0x211), (8, 0x11c), (8, 0x139), (5, 0x21)] {
            assert_eq!(
                Field::new(m, Some(polynomial)).unwrap_err(),
                EccError::NotPrimitive { polynomial, m }
            );
        }
    }
}
