//! The two interchange formats: their constants, taking a value apart, and NaN-boxing.

use core::fmt::Debug;

/// A binary interchange format of IEEE 754, at most 64 bits wide. Implemented by [`F32`] and [`F64`]
/// and by nothing else.
///
/// Values compare by their bits (`==` says that a NaN equals itself and that −0 differs from +0);
/// [`eq`](super::eq) compares numbers.
pub trait Float: Copy + Eq + Debug + sealed::Sealed {
    /// Stored bits of the significand, without the hidden one.
    const FRACTION: u32;
    /// Bits of the exponent field.
    const EXPONENT: u32;

    /// The format's value in the low bits; the others are ignored.
    fn from_raw(raw: u64) -> Self;
    /// The value's bits, zero-extended.
    fn raw(self) -> u64;

    /// Exponent bias.
    const BIAS: i32 = (1 << (Self::EXPONENT - 1)) - 1;
    /// The exponent field of infinities and NaNs.
    const EXPONENT_MAX: u64 = (1 << Self::EXPONENT) - 1;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::EXPONENT + Self::FRACTION);
    /// Positive infinity.
    const INFINITY: u64 = Self::EXPONENT_MAX << Self::FRACTION;
    /// The largest finite number.
    const MAX: u64 = Self::INFINITY - 1;
    /// The canonical NaN: quiet, positive, no payload.
    const NAN: u64 = Self::INFINITY | 1 << (Self::FRACTION - 1);

    /// The canonical NaN as a value.
    const NAN_VALUE: Self;
}

mod sealed {
    pub trait Sealed {}
}

/// Binary32, as its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct F32(pub u32);

/// Binary64, as its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct F64(pub u64);

impl sealed::Sealed for F32 {}
impl sealed::Sealed for F64 {}

impl Float for F32 {
    const FRACTION: u32 = 23;
    const EXPONENT: u32 = 8;
    const NAN_VALUE: Self = Self(Self::NAN as u32);
    #[inline]
    fn from_raw(raw: u64) -> Self {
        Self(raw as u32)
    }
    #[inline]
    fn raw(self) -> u64 {
        u64::from(self.0)
    }
}

impl Float for F64 {
    const FRACTION: u32 = 52;
    const EXPONENT: u32 = 11;
    const NAN_VALUE: Self = Self(Self::NAN);
    #[inline]
    fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
    #[inline]
    fn raw(self) -> u64 {
        self.0
    }
}

impl From<f32> for F32 {
    fn from(value: f32) -> Self {
        Self(value.to_bits())
    }
}

impl From<F32> for f32 {
    fn from(value: F32) -> Self {
        Self::from_bits(value.0)
    }
}

impl From<f64> for F64 {
    fn from(value: f64) -> Self {
        Self(value.to_bits())
    }
}

impl From<F64> for f64 {
    fn from(value: F64) -> Self {
        Self::from_bits(value.0)
    }
}

/// A single in a 64-bit register: the upper half all ones.
#[inline]
#[must_use]
pub const fn boxed(value: F32) -> u64 {
    0xffff_ffff_0000_0000 | value.0 as u64
}

/// The single that a 64-bit register holds: the canonical NaN where it is not properly boxed.
#[inline]
#[must_use]
pub const fn unboxed(register: u64) -> F32 {
    if register >> 32 == 0xffff_ffff { F32(register as u32) } else { F32::NAN_VALUE }
}

/// What kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Zero,
    /// Normal or subnormal.
    Finite,
    Infinite,
    QuietNan,
    SignalingNan,
}

/// A value taken apart. Where finite it is ±`sig` · 2^(`exp` − 63), and the top bit of `sig` is set
/// (subnormals are normalised); elsewhere `exp` and `sig` are 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub(super) kind: Kind,
    pub(super) negative: bool,
    pub(super) exp: i32,
    pub(super) sig: u64,
}

impl Parts {
    #[inline]
    pub(super) fn of<F: Float>(value: F) -> Self {
        let raw = value.raw();
        let negative = raw & F::SIGN != 0;
        let field = raw >> F::FRACTION & F::EXPONENT_MAX;
        let fraction = raw & ((1 << F::FRACTION) - 1);
        let to_top = 63 - F::FRACTION;
        if field != 0 && field != F::EXPONENT_MAX {
            let sig = (fraction | 1 << F::FRACTION) << to_top;
            return Self { kind: Kind::Finite, negative, exp: field as i32 - F::BIAS, sig };
        }
        if field == 0 && fraction != 0 {
            let sig = fraction << to_top;
            let zeros = sig.leading_zeros();
            let exp = 1 - F::BIAS - zeros as i32;
            return Self { kind: Kind::Finite, negative, exp, sig: sig << zeros };
        }
        let kind = match (field, fraction) {
            (0, _) => Kind::Zero,
            (_, 0) => Kind::Infinite,
            (_, f) if f >> (F::FRACTION - 1) != 0 => Kind::QuietNan,
            _ => Kind::SignalingNan,
        };
        Self { kind, negative, exp: 0, sig: 0 }
    }

    #[inline]
    pub(super) fn is_nan(&self) -> bool {
        matches!(self.kind, Kind::QuietNan | Kind::SignalingNan)
    }

    #[inline]
    pub(super) fn is_signaling(&self) -> bool {
        self.kind == Kind::SignalingNan
    }
}
