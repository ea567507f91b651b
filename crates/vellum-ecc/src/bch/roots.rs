//! Roots of the error locator without a search: closed forms up to degree 4, Berlekamp's trace
//! algorithm above.
//!
//! The trace Tr(x) = x + x² + … + x^(2^(m−1)) takes GF(2^m) to GF(2), so Tr(β·x) splits the roots
//! of a polynomial into those where it is zero and those where it is one; with β running over a
//! basis, any two roots part at some β. Berlekamp, *Factoring polynomials over large finite fields*
//! (1970). Cost for degree d: O(m·d²) multiplications, whatever the roots.

pub(crate) use super::closed::{CLOSED, Solver};
use crate::field::Field;
use alloc::vec;
use alloc::vec::Vec;

/// A polynomial over the field, lowest coefficient first, without leading zeros.
type Poly = Vec<u16>;

impl Solver {
    /// All roots of `poly`, if it has as many distinct ones in the field as its degree says.
    pub(crate) fn roots(&self, field: &Field, poly: &[u16]) -> Option<Vec<u16>> {
        let mut roots = Vec::with_capacity(poly.len());
        if poly.len() <= CLOSED {
            self.closed(field, poly, &mut roots)?;
        } else {
            self.by_trace(field, poly, &mut roots)?;
        }
        Some(roots)
    }

    fn by_trace(&self, field: &Field, poly: &[u16], roots: &mut Vec<u16>) -> Option<()> {
        let poly = monic(field, poly);
        let powers = frobenius(field, &poly)?;
        let mut factors = vec![poly];
        for i in 0..field.order() as usize {
            let trace = trace_of(field, &powers, i);
            let mut next = Vec::with_capacity(factors.len() * 2);
            for factor in factors {
                for part in split(field, factor, &trace) {
                    if part.len() <= CLOSED {
                        self.closed(field, &part, roots)?;
                    } else {
                        next.push(part);
                    }
                }
            }
            factors = next;
            if factors.is_empty() {
                return Some(());
            }
        }
        None
    }
}

/// x^(2^k) mod `poly` for k < m, or `None` if x^(2^m) ≠ x: then not all roots are distinct and in
/// the field.
fn frobenius(field: &Field, poly: &[u16]) -> Option<Vec<Poly>> {
    let degree = poly.len() - 1;
    // x^(2j) mod poly for the j whose square overflows.
    let mut row = poly[..degree].to_vec();
    let mut rows = Vec::with_capacity(degree / 2);
    for exponent in degree..2 * degree - 1 {
        if exponent.is_multiple_of(2) {
            rows.push(row.clone());
        }
        let top = row[degree - 1];
        row.copy_within(..degree - 1, 1);
        row[0] = 0;
        add_scaled(field, &mut row, &poly[..degree], top);
    }
    let mut power = vec![0u16; degree];
    power[1] = 1;
    let mut powers = Vec::with_capacity(field.order() as usize);
    for _ in 0..field.order() {
        let mut squared = vec![0u16; degree];
        for (j, coefficient) in power.iter().enumerate() {
            let square = field.square(*coefficient);
            match squared.get_mut(2 * j) {
                Some(to) => *to ^= square,
                None => add_scaled(field, &mut squared, &rows[j - degree.div_ceil(2)], square),
            }
        }
        powers.push(core::mem::replace(&mut power, squared));
    }
    let comes_back = power.iter().enumerate().all(|(j, c)| *c == u16::from(j == 1));
    comes_back.then_some(powers)
}

/// Tr(α^i·x) mod poly, from the powers x^(2^k) mod poly.
fn trace_of(field: &Field, powers: &[Poly], i: usize) -> Poly {
    let mut trace = vec![0u16; powers[0].len()];
    for (k, power) in powers.iter().enumerate() {
        add_scaled(field, &mut trace, power, field.alpha(i << k));
    }
    trace
}

/// Splits monic `factor` into gcd(factor, trace) and what is left of it; one part if that is all.
fn split(field: &Field, factor: Poly, trace: &[u16]) -> Vec<Poly> {
    let mut rest = trace.to_vec();
    divide(field, &mut rest, &factor);
    if rest.is_empty() {
        return vec![factor];
    }
    let (mut a, mut b) = (factor.clone(), monic(field, &rest));
    while !b.is_empty() {
        divide(field, &mut a, &b);
        core::mem::swap(&mut a, &mut b);
        b = monic(field, &b);
    }
    if a.len() == 1 {
        return vec![factor];
    }
    let mut rest = factor;
    let quotient = divide(field, &mut rest, &a);
    vec![a, quotient]
}

/// `dividend` becomes its remainder by monic `divisor`; the quotient comes back.
fn divide(field: &Field, dividend: &mut Poly, divisor: &[u16]) -> Poly {
    let degree = divisor.len() - 1;
    let mut quotient = vec![0; dividend.len().saturating_sub(degree)];
    for shift in (0..quotient.len()).rev() {
        let top = dividend[shift + degree];
        quotient[shift] = top;
        add_scaled(field, &mut dividend[shift..], divisor, top);
    }
    trim(dividend);
    quotient
}

/// to ⊕= scale · from, over the shorter of both.
fn add_scaled(field: &Field, to: &mut [u16], from: &[u16], scale: u16) {
    if scale == 0 {
        return;
    }
    let log = field.log(scale);
    for (to, from) in to.iter_mut().zip(from) {
        *to ^= field.mul_exp(log, *from);
    }
}

/// Drops leading zeros.
fn trim(poly: &mut Poly) {
    while poly.last() == Some(&0) {
        poly.pop();
    }
}

/// `poly` divided by its leading coefficient.
fn monic(field: &Field, poly: &[u16]) -> Poly {
    let mut poly = poly.to_vec();
    trim(&mut poly);
    if let Some(top) = poly.last().copied() {
        let log = field.log(field.inverse(top));
        for c in &mut poly {
            *c = field.mul_exp(log, *c);
        }
    }
    poly
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every x where the polynomial is zero, by trying all.
    fn brute(field: &Field, poly: &[u16]) -> Vec<u16> {
        let value = |x| poly.iter().rev().fold(0, |sum, c| field.mul(sum, x) ^ c);
        (1..=field.n() as u16).filter(|x| value(*x) == 0).collect()
    }

    proptest! {
        #[test]
        fn finds_the_roots_it_was_built_from(
            m in 5u32..=10,
            seeds in proptest::collection::btree_set(1u16..1023, 1..24),
        ) {
            let field = Field::new(m, None).unwrap();
            let mut roots: Vec<u16> =
                seeds.into_iter().map(|s| 1 + s % field.n() as u16).collect();
            roots.sort_unstable();
            roots.dedup();
            let mut poly = vec![1u16];
            for root in &roots {
                poly.push(0);
                for k in (0..poly.len()).rev() {
                    let below = if k == 0 { 0 } else { poly[k - 1] };
                    poly[k] = below ^ field.mul(poly[k], *root);
                }
            }
            let mut found = Solver::new(&field).roots(&field, &poly).unwrap();
            found.sort_unstable();
            prop_assert_eq!(found, roots);
        }

        #[test]
        fn agrees_with_trying_all_on_any_polynomial(
            m in 5u32..=8,
            mut poly in proptest::collection::vec(0u16..256, 2..9),
        ) {
            let field = Field::new(m, None).unwrap();
            for c in &mut poly {
                *c &= field.n() as u16;
            }
            poly[0] |= 1;
            *poly.last_mut().unwrap() |= 1;
            let roots = brute(&field, &poly);
            let found = Solver::new(&field).roots(&field, &poly).map(|mut found| {
                found.sort_unstable();
                found
            });
            let all = roots.len() == poly.len() - 1;
            prop_assert_eq!(found, all.then_some(roots));
        }
    }
}
