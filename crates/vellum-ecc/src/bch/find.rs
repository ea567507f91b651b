//! From a difference of remainders to the places of the errors: syndromes, locator, roots, by
//! whichever kernels were chosen.

use super::locator::locator;
use super::roots::Solver;
use super::syndrome::Syndromes;
use crate::field::Field;
use crate::kernels::Kernels;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use crate::simd::{FieldRoots, PlaceSearch, PlaneLocator, WideLocator};
use alloc::vec::Vec;

/// Syndromes up to this many live on the stack.
const SHORT: usize = 128;

/// Finds errors of one code.
#[derive(Debug, Clone)]
pub(super) struct Finder {
    t: usize,
    /// Bits of a codeword.
    bits: usize,
    syndromes: Syndromes,
    solver: Solver,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    wide: Option<Wide>,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    planes: Option<PlaneLocator>,
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    by_kernel: Option<FieldRoots>,
}

impl Finder {
    /// For up to `t` errors among `bits`, the last `parity_bits` of which are parity.
    #[cfg_attr(not(all(feature = "std", target_arch = "x86_64")), expect(unused_variables))]
    pub(super) fn new(
        kernels: Kernels,
        field: &Field,
        t: usize,
        bits: usize,
        parity_bits: usize,
    ) -> Self {
        Self {
            t,
            bits,
            syndromes: Syndromes::new(field, t, parity_bits),
            solver: Solver::new(field),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            wide: Wide::new(kernels, field, t),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            planes: PlaneLocator::new(kernels, field, t),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            by_kernel: FieldRoots::new(kernels, field, t),
        }
    }

    /// Bit numbers of the errors, from the codeword's first bit, for a non-zero difference of
    /// remainders; `None` if no t errors explain it.
    pub(super) fn places(&self, field: &Field, difference: &[u64]) -> Option<Vec<usize>> {
        let (mut short, mut long) = ([0; SHORT], Vec::new());
        let syndromes = match short.get_mut(..2 * self.t) {
            Some(syndromes) => syndromes,
            None => {
                long.resize(2 * self.t, 0);
                &mut long[..]
            }
        };
        self.syndromes.compute(field, difference, syndromes);
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(wide) = &self.wide {
            let (locator, len) = wide.locator.locator(field, syndromes)?;
            if len > super::roots::CLOSED {
                let places = wide.search.places(&locator, len, self.bits);
                let all = places.len() == len - 1;
                return all.then(|| places.into_iter().map(|e| self.bits - 1 - e).collect());
            }
            return self.by_roots(field, &locator[..len]);
        }
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(planes) = &self.planes {
            let (locator, len) = planes.locator(field, syndromes)?;
            return self.by_roots(field, &locator[..len]);
        }
        self.by_roots(field, &locator(field, syndromes, self.t)?)
    }

    /// Bit numbers of the errors from the locator's roots.
    fn by_roots(&self, field: &Field, locator: &[u16]) -> Option<Vec<usize>> {
        let place = |root: u16| {
            let exponent = (field.n() - field.log(root)) % field.n();
            self.bits.checked_sub(exponent + 1)
        };
        self.roots(field, locator)?.into_iter().map(place).collect()
    }

    fn roots(&self, field: &Field, locator: &[u16]) -> Option<Vec<u16>> {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(roots) =
            self.by_kernel.as_ref().filter(|_| locator.len() > super::roots::CLOSED)
        {
            return roots.roots(field, &self.solver, locator);
        }
        self.solver.roots(field, locator)
    }
}

/// Finding errors with wide vectors.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[derive(Debug, Clone)]
struct Wide {
    locator: WideLocator,
    search: PlaceSearch,
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
impl Wide {
    fn new(kernels: Kernels, field: &Field, t: usize) -> Option<Self> {
        let locator = WideLocator::new(kernels, field, t)?;
        Some(Self { locator, search: PlaceSearch::new(kernels, field, t)? })
    }
}
