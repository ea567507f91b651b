//! Sets of harts, as calls name them: a word of bits and the hart that its lowest bit stands for.

use super::SbiError;

/// A set of harts (chapter 3, "Hart list parameter").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HartMask {
    bits: u64,
    base: u64,
}

impl HartMask {
    /// A base that says "all harts", whatever the bits.
    const ALL: u64 = u64::MAX;

    /// The set with these two arguments.
    pub const fn new(bits: u64, base: u64) -> Self {
        HartMask { bits, base }
    }

    /// The harts of the set in a machine with `count` harts, in ascending order.
    ///
    /// # Errors
    /// [`SbiError::InvalidParam`] when one of them is not there.
    pub fn harts(self, count: u32) -> Result<Harts, SbiError> {
        if self.base == HartMask::ALL {
            return Ok(Harts { bits: 0, base: 0, all: 0..count });
        }
        if self.bits != 0 {
            let highest = self.base.checked_add(63 - u64::from(self.bits.leading_zeros()));
            if highest.is_none_or(|h| h >= u64::from(count)) {
                return Err(SbiError::InvalidParam);
            }
        }
        // With a bit set, `base` is below `count`; without one it is not looked at.
        Ok(Harts { bits: self.bits, base: self.base as u32, all: 0..0 })
    }
}

/// The harts of a set that was checked.
#[derive(Debug, Clone)]
pub struct Harts {
    bits: u64,
    base: u32,
    all: core::ops::Range<u32>,
}

impl Iterator for Harts {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.bits == 0 {
            return self.all.next();
        }
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(self.base + bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_reading(
            bits in prop_oneof![any::<u64>(), 0u64..16, Just(1 << 63)],
            base in prop_oneof![0u64..80, any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1)],
            count in 1u32..100,
        ) {
            let named: Vec<u128> =
                (0..64).filter(|b| bits >> b & 1 == 1).map(|b| u128::from(base) + b as u128).collect();
            let plain = if base == u64::MAX {
                Ok((0..count).collect())
            } else if named.iter().any(|&h| h >= count.into()) {
                Err(SbiError::InvalidParam)
            } else {
                Ok(named.iter().map(|&h| h as u32).collect::<Vec<_>>())
            };
            prop_assert_eq!(HartMask::new(bits, base).harts(count).map(Iterator::collect), plain);
        }
    }
}
