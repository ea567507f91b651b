//! The rounding modes and the accrued exceptions, in the bits of `frm` and `fflags`.

use core::ops::{BitOr, BitOrAssign};

/// A rounding mode, numbered as in `frm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Rounding {
    /// To nearest, ties to even.
    #[default]
    Rne = 0,
    /// Towards zero.
    Rtz = 1,
    /// Down, towards −∞.
    Rdn = 2,
    /// Up, towards +∞.
    Rup = 3,
    /// To nearest, ties away from zero ("to maximum magnitude").
    Rmm = 4,
}

impl Rounding {
    /// All five, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Rne, Self::Rtz, Self::Rdn, Self::Rup, Self::Rmm];

    /// The mode of this number; `None` for the reserved 5 and 6, for 7 (dynamic) and beyond.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Rne),
            1 => Some(Self::Rtz),
            2 => Some(Self::Rdn),
            3 => Some(Self::Rup),
            4 => Some(Self::Rmm),
            _ => None,
        }
    }

    /// Its number in `frm` and in the `rm` field.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// A set of accrued exceptions, with the bits of `fflags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// No exception.
    pub const NONE: Self = Self(0);
    /// Inexact: the result was rounded.
    pub const NX: Self = Self(1);
    /// Underflow: tiny after rounding, and inexact.
    pub const UF: Self = Self(2);
    /// Overflow: beyond the largest finite number.
    pub const OF: Self = Self(4);
    /// Divide by zero: an exact infinity from finite operands.
    pub const DZ: Self = Self(8);
    /// Invalid operation.
    pub const NV: Self = Self(16);

    /// The flags of the low five bits; the rest is dropped.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x1f)
    }

    /// As `fflags` holds them.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every flag of `other` is raised.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Raises the flags of `other`; none is ever lowered by arithmetic.
    #[inline]
    pub const fn raise(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.raise(other);
    }
}
