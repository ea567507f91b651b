//! Addition, subtraction, multiplication, division and square root.

use super::flags::{Flags, Rounding};
use super::format::{Float, Kind, Parts};
use super::round::{high_jam, infinity, invalid, round, shift_right_jam, zero};

/// The NaN that an operation on `operands` gives: canonical, and invalid where one was signaling.
#[cold]
pub(super) fn nan_result<F: Float>(operands: &[Parts], flags: &mut Flags) -> F {
    if operands.iter().any(Parts::is_signaling) {
        flags.raise(Flags::NV);
    }
    F::NAN_VALUE
}

/// `a + b`.
#[inline]
pub fn add<F: Float>(a: F, b: F, mode: Rounding, flags: &mut Flags) -> F {
    let (x, y) = (Parts::of(a), Parts::of(b));
    if x.kind == Kind::Finite && y.kind == Kind::Finite {
        return if x.negative == y.negative {
            add_magnitudes(x, y, mode, flags)
        } else {
            sub_magnitudes(x, y, mode, flags)
        };
    }
    add_special(a, b, x, y, mode, flags)
}

/// `a - b`.
#[inline]
pub fn sub<F: Float>(a: F, b: F, mode: Rounding, flags: &mut Flags) -> F {
    add(a, F::from_raw(b.raw() ^ F::SIGN), mode, flags)
}

fn add_special<F: Float>(a: F, b: F, x: Parts, y: Parts, mode: Rounding, flags: &mut Flags) -> F {
    if x.is_nan() || y.is_nan() {
        return nan_result(&[x, y], flags);
    }
    match (x.kind, y.kind) {
        (Kind::Infinite, Kind::Infinite) if x.negative != y.negative => invalid(flags),
        (Kind::Zero, Kind::Zero) => zero(zero_sum_sign(x.negative, y.negative, mode)),
        (Kind::Infinite, _) | (_, Kind::Zero) => a,
        _ => b,
    }
}

/// Whether a sum that is exactly zero, of operands with these signs, is −0.
#[inline]
pub(super) fn zero_sum_sign(a: bool, b: bool, mode: Rounding) -> bool {
    if a == b { a } else { mode == Rounding::Rdn }
}

fn add_magnitudes<F: Float>(x: Parts, y: Parts, mode: Rounding, flags: &mut Flags) -> F {
    let (big, small) = if x.exp >= y.exp { (x, y) } else { (y, x) };
    let aligned = shift_right_jam(small.sig, (big.exp - small.exp) as u32);
    let (sum, carry) = big.sig.overflowing_add(aligned);
    if carry {
        let sig = 1 << 63 | sum >> 1 | sum & 1;
        round(x.negative, big.exp + 1, sig, mode, flags)
    } else {
        round(x.negative, big.exp, sum, mode, flags)
    }
}

/// The difference of magnitudes. A shift by two or more loses at most one leading bit, and a shorter
/// one loses nothing to the sticky bit, so that the bits that decide the rounding are exact.
fn sub_magnitudes<F: Float>(x: Parts, y: Parts, mode: Rounding, flags: &mut Flags) -> F {
    let (big, small) = if (x.exp, x.sig) >= (y.exp, y.sig) { (x, y) } else { (y, x) };
    let aligned = shift_right_jam(small.sig, (big.exp - small.exp) as u32);
    let difference = big.sig - aligned;
    if difference == 0 {
        return zero(mode == Rounding::Rdn);
    }
    let zeros = difference.leading_zeros();
    round(big.negative, big.exp - zeros as i32, difference << zeros, mode, flags)
}

/// `a × b`.
#[inline]
pub fn mul<F: Float>(a: F, b: F, mode: Rounding, flags: &mut Flags) -> F {
    let (x, y) = (Parts::of(a), Parts::of(b));
    let negative = x.negative != y.negative;
    if x.kind == Kind::Finite && y.kind == Kind::Finite {
        let (exp, product) = multiply(x, y);
        return round(negative, exp, high_jam(product), mode, flags);
    }
    if x.is_nan() || y.is_nan() {
        return nan_result(&[x, y], flags);
    }
    match (x.kind, y.kind) {
        (Kind::Infinite, Kind::Zero) | (Kind::Zero, Kind::Infinite) => invalid(flags),
        (Kind::Infinite, _) | (_, Kind::Infinite) => infinity(negative),
        _ => zero(negative),
    }
}

/// The exact product of two finite values' magnitudes: `sig` · 2^(`exp` − 127), top bit set.
#[inline]
pub(super) fn multiply(x: Parts, y: Parts) -> (i32, u128) {
    let product = u128::from(x.sig) * u128::from(y.sig);
    let exp = x.exp + y.exp;
    if product >> 127 == 1 { (exp + 1, product) } else { (exp, product << 1) }
}

/// `a ÷ b`.
#[inline]
pub fn div<F: Float>(a: F, b: F, mode: Rounding, flags: &mut Flags) -> F {
    let (x, y) = (Parts::of(a), Parts::of(b));
    let negative = x.negative != y.negative;
    if x.kind == Kind::Finite && y.kind == Kind::Finite {
        // The quotient of significands lies in (1/2, 2): shifted so that its top bit is bit 63.
        let less = u32::from(x.sig < y.sig);
        let dividend = u128::from(x.sig) << (63 + less);
        let divisor = u128::from(y.sig);
        let quotient = (dividend / divisor) as u64;
        let exact = u128::from(quotient) * divisor == dividend;
        let exp = x.exp - y.exp - less as i32;
        return round(negative, exp, quotient | u64::from(!exact), mode, flags);
    }
    if x.is_nan() || y.is_nan() {
        return nan_result(&[x, y], flags);
    }
    match (x.kind, y.kind) {
        (Kind::Infinite, Kind::Infinite) | (Kind::Zero, Kind::Zero) => invalid(flags),
        (Kind::Infinite, _) => infinity(negative),
        (Kind::Zero, _) | (_, Kind::Infinite) => zero(negative),
        _ => {
            flags.raise(Flags::DZ);
            infinity(negative)
        }
    }
}

/// The square root; of −0 it is −0.
#[inline]
pub fn sqrt<F: Float>(a: F, mode: Rounding, flags: &mut Flags) -> F {
    let x = Parts::of(a);
    match x.kind {
        Kind::QuietNan | Kind::SignalingNan => nan_result(&[x], flags),
        Kind::Zero => a,
        _ if x.negative => invalid(flags),
        Kind::Infinite => a,
        Kind::Finite => {
            // An even exponent under the root: the radicand lies in [2^126, 2^128), its root in
            // [2^63, 2^64).
            let radicand = u128::from(x.sig) << (63 + (x.exp & 1));
            let root = radicand.isqrt();
            let exact = root * root == radicand;
            round(false, x.exp >> 1, root as u64 | u64::from(!exact), mode, flags)
        }
    }
}
