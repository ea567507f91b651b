//! Roots of the error locator with carry-less multiplication: few by the trace algorithm, which knows
//! early of a polynomial that it hasn't enough, many by norms.
//!
//! [`coefficients`] is the arithmetic of both, [`poly`] division and greatest common divisors for
//! [`trace`], [`product`] and [`values`] what [`norms`] is made of.

mod coefficients;
mod norms;
mod poly;
mod product;
mod trace;
mod values;

use super::locator::MAX_ERRORS;
use crate::bch::{CLOSED, Solver};
use crate::field::Field;
use crate::kernels::Kernels;
use alloc::vec::Vec;
use coefficients::Barrett;
use norms::Norms;
use trace::{FEW, by_trace};

/// Finds roots of polynomials over one field.
#[derive(Debug, Clone)]
pub(crate) struct FieldRoots {
    barrett: Barrett,
    norms: Norms,
}

impl FieldRoots {
    /// If the processor can and `t` is not too large.
    pub(crate) fn new(kernels: Kernels, field: &Field, t: usize) -> Option<Self> {
        let kernels = kernels.min(Kernels::detect());
        if kernels < Kernels::Clmul || t > MAX_ERRORS {
            return None;
        }
        // SAFETY: these kernels are among those that `Kernels::detect` found VPCLMULQDQ and AVX2 for.
        let norms = unsafe { Norms::new(field, kernels >= Kernels::Vpclmul) };
        Some(Self { barrett: Barrett::new(field), norms })
    }

    /// All roots of `poly`, of degree 5 or more, if it has as many distinct ones in the field as its
    /// degree says.
    pub(crate) fn roots(&self, field: &Field, solver: &Solver, poly: &[u16]) -> Option<Vec<u16>> {
        assert!(poly.len() > CLOSED);
        if poly.len() <= FEW + 1 {
            // SAFETY: a value of this type exists only if `Kernels::detect` found PCLMULQDQ and SSSE3.
            unsafe { by_trace(&self.barrett, field, solver, poly) }
        } else {
            self.by_norms(field, solver, poly)
        }
    }

    fn by_norms(&self, field: &Field, solver: &Solver, poly: &[u16]) -> Option<Vec<u16>> {
        assert!(poly.len() <= MAX_ERRORS + 1);
        // SAFETY: a value of this type exists only if `Kernels::detect` found PCLMULQDQ and SSSE3.
        let roots = unsafe { self.norms.roots(&self.barrett, field, solver, poly) }?;
        (roots.len() == poly.len() - 1).then_some(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Products of linear factors, distinct or one of them twice, and the same with a coefficient
        /// changed.
        #[test]
        fn agrees_with_the_plain_version(
            m in 5u32..=15,
            seeds in proptest::collection::btree_set(1u32..32_767, 5..=MAX_ERRORS),
            change in 0usize..200,
            again in proptest::option::weighted(0.2, 0usize..64),
            kernels in 0usize..2,
        ) {
            let field = Field::new(m, None).unwrap();
            let solver = Solver::new(&field);
            let kernels = [Kernels::Clmul, Kernels::detect()][kernels];
            let Some(fast) = FieldRoots::new(kernels, &field, MAX_ERRORS) else {
                return Ok(());
            };
            let mut roots: Vec<u16> =
                seeds.into_iter().map(|s| (1 + s % field.n() as u32) as u16).collect();
            roots.sort_unstable();
            roots.dedup();
            prop_assume!(roots.len() >= CLOSED);
            if let Some(again) = again {
                let twice = again % roots.len();
                let other = (twice + 1) % roots.len();
                roots[other] = roots[twice];
            }
            let mut poly = vec![3u16];
            for root in &roots {
                poly.push(0);
                for k in (0..poly.len()).rev() {
                    let below = if k == 0 { 0 } else { poly[k - 1] };
                    poly[k] = below ^ field.mul(poly[k], *root);
                }
            }
            if let Some(c) = poly.get_mut(change) {
                *c ^= 1;
            }
            if *poly.last().unwrap() == 0 {
                return Ok(());
            }
            let sorted = |found: Option<Vec<u16>>| found.map(|mut f| {
                f.sort_unstable();
                f
            });
            let found = sorted(fast.roots(&field, &solver, &poly));
            prop_assert_eq!(&found, &sorted(solver.roots(&field, &poly)));
            // Norms serve any degree.
            prop_assert_eq!(&found, &sorted(fast.by_norms(&field, &solver, &poly)));
            if change >= poly.len() {
                prop_assert_eq!(found, again.is_none().then_some(roots));
            }
        }
    }
}
