//! Roots of the error locator without a search: closed forms up to degree 4, Berlekamp's trace
//! algorithm above.
//!
//! The trace Tr(x) = x + x² + … + x^(2^(m−1)) takes GF(2^m) to GF(2), so Tr(β·x) splits the roots
//! of a polynomial into those where it is zero and those where it is one; with β running over a
//! basis, any two roots part at some β. Berlekamp, *Factoring polynomials over large finite fields*
//! (1970). Cost for degree d: O(m·d²) multiplications, whatever the roots.
//!
//! Degrees 3 and 4 are brought to the affine form y⁴ + a·y² + b·y = c, whose left side is linear over
//! GF(2): m columns of m bits, solved by elimination. Berlekamp, Rumsey and Solomon, *On the solution
//! of algebraic equations over finite fields* (1967).

use crate::field::Field;
use alloc::vec;
use alloc::vec::Vec;

/// A polynomial over the field, lowest coefficient first, without leading zeros.
type Poly = Vec<u16>;

/// Polynomials of at most this many coefficients have closed forms.
pub(crate) const CLOSED: usize = 5;

/// What solves y² + y = u.
#[derive(Debug, Clone)]
pub(crate) struct Solver {
    /// `half[i]`² + `half[i]` = x^i, or x^i + ε for the one ε of trace one that is used to fix
    /// those with trace one.
    half: [u16; 15],
}

impl Solver {
    pub(crate) fn new(field: &Field) -> Self {
        let trace = |x: u16| {
            let (mut sum, mut power) = (0, x);
            for _ in 0..field.order() {
                sum ^= power;
                power = field.square(power);
            }
            sum
        };
        let fix = (0..field.order()).map(|i| 1u16 << i).find(|x| trace(*x) == 1).unwrap_or(1);
        let mut half = [0u16; 15];
        for y in 0..=field.n() as u16 {
            let u = field.square(y) ^ y;
            for i in 0..field.order() {
                let basis = 1u16 << i;
                if u == basis || (u == basis ^ fix && trace(basis) == 1) {
                    half[i as usize] = y;
                }
            }
        }
        Self { half }
    }

    /// A solution y of y² + y = u (the other is y + 1), if there is one.
    fn solve(&self, field: &Field, u: u16) -> Option<u16> {
        let y = (0..15).filter(|i| u >> i & 1 == 1).fold(0, |y, i| y ^ self.half[i]);
        (field.square(y) ^ y == u).then_some(y)
    }

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

    /// Degree 0 to 4, leading coefficient not zero.
    fn closed(&self, field: &Field, poly: &[u16], roots: &mut Vec<u16>) -> Option<()> {
        match *poly {
            [_] => {}
            [c0, c1] => roots.push(field.div(c0, c1)),
            [_, 0, _] => return None,
            [c0, c1, c2] => {
                // x = y·c1/c2 turns it into y² + y = c0·c2/c1².
                let y = self.solve(field, field.div(field.mul(c0, c2), field.square(c1)))?;
                let scale = field.div(c1, c2);
                roots.extend([field.mul(y, scale), field.mul(y ^ 1, scale)]);
            }
            [c0, c1, c2, c3] => {
                let scale = field.log(field.inverse(c3));
                let [c, b, a] = [c0, c1, c2].map(|x| field.mul_exp(scale, x));
                // Times x + a, which adds the root a, the cubic term is gone.
                let linear = [field.square(a) ^ b, field.mul(a, b) ^ c];
                let all = affine(field, linear, field.mul(a, c))?;
                // Had a been a root before, the other two would be one: roots sum up to a.
                roots.extend(all.into_iter().filter(|x| *x != a));
            }
            [c0, c1, c2, c3, c4] => {
                let scale = field.log(field.inverse(c4));
                let [d, c, b, a] = [c0, c1, c2, c3].map(|x| field.mul_exp(scale, x));
                roots.extend(quartic(field, a, b, c, d)?);
            }
            _ => return None,
        }
        Some(())
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

/// Roots of x⁴ + a·x³ + b·x² + c·x + d, if there are four.
fn quartic(field: &Field, a: u16, b: u16, c: u16, d: u16) -> Option<[u16; 4]> {
    if a == 0 {
        return affine(field, [b, c], d);
    }
    // x = z + e with e² = c/a leaves no linear term; then z = 1/y turns the cubic into a linear one.
    let e = field.sqrt(field.div(c, a));
    let value = [1, a, b, c, d].into_iter().fold(0, |sum, k| field.mul(sum, e) ^ k);
    if value == 0 {
        // z² divides it: a double root.
        return None;
    }
    let scale = field.log(field.inverse(value));
    let [square, linear] = [field.mul(a, e) ^ b, a].map(|x| field.mul_exp(scale, x));
    let roots = affine(field, [square, linear], field.mul_exp(scale, 1))?;
    Some(roots.map(|y| field.inverse(y) ^ e))
}

/// Solutions of y⁴ + a·y² + b·y = c, if there are four.
fn affine(field: &Field, [a, b]: [u16; 2], c: u16) -> Option<[u16; 4]> {
    let image = |y: u16| {
        let square = field.square(y);
        field.square(square) ^ field.mul(a, square) ^ field.mul(b, y)
    };
    // pivots[i]: an image whose highest bit is i, and what it is the image of.
    let mut pivots = [(0u16, 0u16); 16];
    let reduce = |pivots: &[(u16, u16); 16], mut v: u16, mut from: u16| {
        while v != 0 {
            let (pivot, of) = pivots[v.ilog2() as usize];
            if pivot == 0 {
                break;
            }
            (v, from) = (v ^ pivot, from ^ of);
        }
        (v, from)
    };
    let mut kernel = [0u16; 2];
    let mut free = 0;
    for i in 0..field.order() {
        let (v, from) = reduce(&pivots, image(1 << i), 1 << i);
        if v != 0 {
            pivots[v.ilog2() as usize] = (v, from);
        } else {
            *kernel.get_mut(free)? = from;
            free += 1;
        }
    }
    let (rest, y) = reduce(&pivots, c, 0);
    let [p, q] = kernel;
    (rest == 0 && free == 2).then_some([y, y ^ p, y ^ q, y ^ p ^ q])
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
