//! Many roots by norms.
//!
//! y = x² + x takes x and x + 1 to the same place. A polynomial written as a(y) + x·b(y) has the norm
//!
//! ```text
//! (a + x·b)·(a + (x + 1)·b) = a·(a + b) + y·b²
//! ```
//!
//! a polynomial in y of the same degree, whose roots are the images of the roots. They lie in half of
//! the field; scaled so that 1 is among them, the same halves them again, until [`LAST`] places are
//! left to try. Then back: over a root y of a norm the root is x = a(y)/b(y), or, where both are zero,
//! both x and x + 1 are roots. Nothing is factored, nothing is divided by a polynomial, and nobody needs
//! to know how often a root occurs on the way: who ends with fewer roots than the degree is refused.
//!
//! This is Graeffe's method with the additive group in the place of the multiplicative one, as Grenet, van
//! der Hoeven and Lecerf use that (*Deterministic root finding over finite fields using Graeffe transforms*,
//! 2016); writing in powers of x² + x is Gao and Mateer's (*Additive fast Fourier transforms over finite
//! fields*, 2010).

use super::coefficients::{Barrett, Reducer, by_place, load, reduce, store};
use super::{product, values};
use crate::bch::Solver;
use crate::field::Field;
use crate::simd::locator::MAX_ERRORS;
use alloc::vec::Vec;

/// Coefficients of a polynomial and places of its roots, with zeros behind.
pub(super) const ROOM: usize = MAX_ERRORS + 1;

/// Places that are tried one by one.
const LAST: usize = 16;

/// A polynomial over the field: coefficients, lowest first.
pub(super) type Poly = [u32; ROOM];

/// What finds roots of polynomials over one field: 256 bytes a step, m − 4 steps.
#[derive(Debug, Clone)]
pub(super) struct Norms {
    /// Powers of what each step scales by.
    scales: Vec<Poly>,
    /// Where roots of the last norm may lie.
    last: [u16; LAST],
    /// Evaluates four places an instruction, not two: there are VPCLMULQDQ and AVX2.
    wide: bool,
}

impl Norms {
    /// # Safety
    /// `wide` only where the processor has VPCLMULQDQ and AVX2.
    pub(super) unsafe fn new(field: &Field, wide: bool) -> Self {
        let m = field.order();
        // A basis of where roots may lie. Scaled by its first element, which thereby goes to 1 and by
        // x² + x to zero; the others stay independent.
        let mut basis: Vec<u16> = (0..m).map(|i| 1 << i).collect();
        let mut scales = Vec::new();
        while 1 << basis.len() > LAST {
            let scale = basis.remove(0);
            for b in &mut basis {
                let x = field.div(*b, scale);
                *b = field.square(x) ^ x;
            }
            let log = field.log(scale);
            scales.push(core::array::from_fn(|k| field.alpha(log * k).into()));
        }
        let last = core::array::from_fn(|i| {
            basis.iter().enumerate().fold(0, |sum, (k, b)| sum ^ ((i as u16 >> k & 1) * b))
        });
        Self { scales, last, wide }
    }

    /// All distinct roots in the field; `None` if there are more than can be.
    #[target_feature(enable = "pclmulqdq,ssse3")]
    pub(super) fn roots(
        &self,
        barrett: &Barrett,
        field: &Field,
        solver: &Solver,
        poly: &[u16],
    ) -> Option<Vec<u16>> {
        let (len, reducer) = (poly.len(), barrett.reducer());
        let mut norm: Poly = [0; ROOM];
        norm.iter_mut().zip(poly).for_each(|(to, c)| *to = u32::from(*c));
        let mut parts = [[0; ROOM]; 11];
        for (i, (parts, scale)) in parts.iter_mut().zip(&self.scales).enumerate() {
            *parts = norm;
            if i > 0 {
                stretch(parts, scale, len, &reducer);
            }
            in_powers(parts, len);
            norm = product::norm(parts, len, &reducer);
        }
        // By even and odd coefficients p(y) = e(y²) + y·o(y²).
        let squares = self.last.map(|y| field.square(y));
        let mut values = [[0; 2]; ROOM];
        self.values(&norm, len, &squares, &mut values, &reducer);
        let mut places = [0u16; ROOM];
        let mut count = 0;
        for (y, [even, odd]) in self.last.iter().zip(values) {
            if even == field.mul(*y, odd) {
                places[count] = *y;
                count += 1;
            }
        }
        for (parts, scale) in parts.iter().zip(&self.scales).rev() {
            self.values(parts, len, &places[..count], &mut values, &reducer);
            let images = places;
            let images = &images[..core::mem::take(&mut count)];
            for (y, [a, b]) in images.iter().zip(values) {
                let scale = scale[1] as u16;
                let x = if b == 0 { solver.solve(field, *y)? } else { field.div(a, b) };
                *places.get_mut(count)? = field.mul(x, scale);
                count += 1;
                if b == 0 {
                    *places.get_mut(count)? = field.mul(x ^ 1, scale);
                    count += 1;
                }
            }
        }
        Some(places[..count].to_vec())
    }

    /// Both parts' values at some places.
    #[inline]
    #[target_feature(enable = "pclmulqdq,ssse3")]
    fn values(
        &self,
        parts: &Poly,
        len: usize,
        at: &[u16],
        values: &mut [[u16; 2]; ROOM],
        r: &Reducer,
    ) {
        let parts = &parts.as_chunks::<2>().0[..len.div_ceil(2)];
        if self.wide {
            // SAFETY: who set `wide` vouched for VPCLMULQDQ and AVX2.
            unsafe { values::by_fours(parts, at, values, r) }
        } else {
            values::by_pairs(parts, at, values, r);
        }
    }
}

/// p(x) to p(scale·x).
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn stretch(poly: &mut Poly, scale: &Poly, len: usize, r: &Reducer) {
    let scale = &scale.as_chunks::<4>().0[..len.div_ceil(4)];
    for (c, scale) in poly.as_chunks_mut::<4>().0.iter_mut().zip(scale) {
        store(c, reduce(by_place(load(c), load(scale)), r));
    }
}

/// p(x) to a(y) + x·b(y): the coefficients of a at even places, those of b at odd ones.
#[inline]
fn in_powers(poly: &mut Poly, len: usize) {
    // Divided by (x² + x)^h = x^2h + x^h, then quotient and remainder in the same way.
    let mut block = len.next_power_of_two();
    while block >= 4 {
        let h = block / 4;
        for block in poly[..len.next_multiple_of(block)].chunks_exact_mut(block) {
            for i in 0..h {
                block[2 * h + i] ^= block[3 * h + i];
            }
            for i in 0..h {
                block[h + i] ^= block[2 * h + i];
            }
        }
        block /= 2;
    }
}
