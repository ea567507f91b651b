//! Division by the generator, by whichever kernel was chosen.

use super::generator::BitPoly;
use super::remainder::{Divider, Slice};
use crate::kernels::Kernels;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use crate::simd::{ClmulDivider, SeriesDivider};

/// Division by the generator, by whichever kernel.
#[derive(Debug, Clone)]
pub(super) enum Division {
    Portable(Divider),
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Clmul(ClmulDivider),
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Series(Box<SeriesDivider>),
}

impl Division {
    #[cfg_attr(not(all(feature = "std", target_arch = "x86_64")), expect(unused_variables))]
    pub(super) fn new(generator: &BitPoly, kernels: Kernels, data_len: usize) -> Self {
        let slice = if kernels == Kernels::Compact { Slice::Nibble } else { Slice::Byte };
        let divider = Divider::new(generator, slice);
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(divider) = SeriesDivider::new(kernels, &divider, data_len) {
            return Self::Series(Box::new(divider));
        }
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(divider) = ClmulDivider::new(kernels, &divider, data_len) {
            return Self::Clmul(divider);
        }
        Self::Portable(divider)
    }

    /// `state` starts at zero.
    #[inline]
    pub(super) fn divide(&self, data: &[u8], state: &mut [u64]) {
        match self {
            Self::Portable(divider) => divider.divide(data, state),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Self::Clmul(divider) => divider.divide(data, state),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Self::Series(divider) => divider.divide(data, state),
        }
    }

    /// As [`divide`](Self::divide); or true and nothing in `state` if the remainder plus `mask` is `parity`
    /// and the kernel sees that at once.
    #[cfg_attr(not(all(feature = "std", target_arch = "x86_64")), expect(unused_variables))]
    #[inline]
    pub(super) fn divide_unless(
        &self,
        data: &[u8],
        mask: &[u64],
        parity: &[u8],
        state: &mut [u64],
    ) -> bool {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Self::Series(divider) = self {
            return divider.divide_unless(data, mask, parity, state);
        }
        self.divide(data, state);
        false
    }

    /// The remainder plus `mask` as bytes into `parity`, where a kernel does this at once; whether
    /// it did.
    #[cfg_attr(not(all(feature = "std", target_arch = "x86_64")), expect(unused_variables))]
    #[inline]
    pub(super) fn encode(&self, data: &[u8], mask: &[u64], parity: &mut [u8]) -> bool {
        match self {
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Self::Series(divider) => divider.encode(data, mask, parity),
            _ => false,
        }
    }
}
