//! Comparison, minimum and maximum, classification: exact, whatever the rounding mode.

use super::flags::Flags;
use super::format::{Float, Kind, Parts};

/// What `fclass` tells of a value; the discriminant is the number of the bit that it sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum Class {
    NegativeInfinity = 0,
    NegativeNormal = 1,
    NegativeSubnormal = 2,
    NegativeZero = 3,
    PositiveZero = 4,
    PositiveSubnormal = 5,
    PositiveNormal = 6,
    PositiveInfinity = 7,
    SignalingNan = 8,
    QuietNan = 9,
}

/// The class of a value. Raises nothing.
#[must_use]
pub fn classify<F: Float>(value: F) -> Class {
    let parts = Parts::of(value);
    let subnormal = parts.exp < 1 - F::BIAS;
    match (parts.kind, parts.negative) {
        (Kind::SignalingNan, _) => Class::SignalingNan,
        (Kind::QuietNan, _) => Class::QuietNan,
        (Kind::Infinite, true) => Class::NegativeInfinity,
        (Kind::Infinite, false) => Class::PositiveInfinity,
        (Kind::Zero, true) => Class::NegativeZero,
        (Kind::Zero, false) => Class::PositiveZero,
        (Kind::Finite, true) if subnormal => Class::NegativeSubnormal,
        (Kind::Finite, false) if subnormal => Class::PositiveSubnormal,
        (Kind::Finite, true) => Class::NegativeNormal,
        (Kind::Finite, false) => Class::PositiveNormal,
    }
}

fn is_nan<F: Float>(value: F) -> bool {
    value.raw() & !F::SIGN > F::INFINITY
}

fn is_signaling<F: Float>(value: F) -> bool {
    is_nan(value) && value.raw() & F::NAN != F::NAN
}

/// A number that orders as the values do, −0 just below +0; for all but NaN.
fn order<F: Float>(value: F) -> i64 {
    let magnitude = (value.raw() & !F::SIGN) as i64;
    if value.raw() & F::SIGN != 0 { !magnitude } else { magnitude }
}

fn both_zero<F: Float>(a: F, b: F) -> bool {
    (a.raw() | b.raw()) & !F::SIGN == 0
}

/// `a = b`, the quiet comparison: invalid for signaling NaN only; false where either is NaN.
#[inline]
pub fn eq<F: Float>(a: F, b: F, flags: &mut Flags) -> bool {
    if is_nan(a) || is_nan(b) {
        if is_signaling(a) || is_signaling(b) {
            flags.raise(Flags::NV);
        }
        return false;
    }
    a == b || both_zero(a, b)
}

/// `a < b`, the signaling comparison: invalid, and false, where either is NaN.
#[inline]
pub fn lt<F: Float>(a: F, b: F, flags: &mut Flags) -> bool {
    if is_nan(a) || is_nan(b) {
        flags.raise(Flags::NV);
        return false;
    }
    order(a) < order(b) && !both_zero(a, b)
}

/// `a ≤ b`, the signaling comparison: invalid, and false, where either is NaN.
#[inline]
pub fn le<F: Float>(a: F, b: F, flags: &mut Flags) -> bool {
    if is_nan(a) || is_nan(b) {
        flags.raise(Flags::NV);
        return false;
    }
    order(a) <= order(b) || both_zero(a, b)
}

/// The lesser, `minimumNumber` of IEEE 754-2019: a NaN gives way to a number, −0 is less than +0, a
/// signaling NaN is invalid, and two NaNs give the canonical one.
#[inline]
pub fn min<F: Float>(a: F, b: F, flags: &mut Flags) -> F {
    pick(a, b, flags, |a, b| order(a) <= order(b))
}

/// The greater, `maximumNumber` of IEEE 754-2019; NaNs and zeros as in [`min`].
#[inline]
pub fn max<F: Float>(a: F, b: F, flags: &mut Flags) -> F {
    pick(a, b, flags, |a, b| order(a) >= order(b))
}

#[inline]
fn pick<F: Float>(a: F, b: F, flags: &mut Flags, first: impl Fn(F, F) -> bool) -> F {
    if is_signaling(a) || is_signaling(b) {
        flags.raise(Flags::NV);
    }
    match (is_nan(a), is_nan(b)) {
        (true, true) => F::NAN_VALUE,
        (true, false) => b,
        (false, true) => a,
        (false, false) if first(a, b) => a,
        (false, false) => b,
    }
}
