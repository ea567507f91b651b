//! Closed forms for the roots of polynomials up to degree 4.
//!
//! Degree 2 is brought to y² + y = u, whose solutions are linear in u. Degrees 3 and 4 are brought to
//! the affine form y⁴ + a·y² + b·y = c, whose left side is linear over GF(2): m columns of m bits,
//! solved by elimination. Berlekamp, Rumsey and Solomon, *On the solution of algebraic equations over
//! finite fields* (1967).

use crate::field::Field;
use alloc::vec::Vec;

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
    pub(crate) fn solve(&self, field: &Field, u: u16) -> Option<u16> {
        let y = (0..15).filter(|i| u >> i & 1 == 1).fold(0, |y, i| y ^ self.half[i]);
        (field.square(y) ^ y == u).then_some(y)
    }

    /// Degree 0 to 4, leading coefficient not zero.
    pub(crate) fn closed(&self, field: &Field, poly: &[u16], roots: &mut Vec<u16>) -> Option<()> {
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
