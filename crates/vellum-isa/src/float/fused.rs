//! The fused multiply-adds: one rounding for a product and a sum.

use super::arith::{multiply, nan_result, zero_sum_sign};
use super::flags::{Flags, Rounding};
use super::format::{Float, Kind, Parts};
use super::round::{high_jam, infinity, invalid, round, shift_right_jam_128, zero};

/// `a × b + c`, rounded once (`fmadd`).
#[inline]
pub fn mul_add<F: Float>(a: F, b: F, c: F, mode: Rounding, flags: &mut Flags) -> F {
    let (x, y, z) = (Parts::of(a), Parts::of(b), Parts::of(c));
    let negative = x.negative != y.negative;
    if (x.kind, y.kind, z.kind) == (Kind::Finite, Kind::Finite, Kind::Finite) {
        let (exp, product) = multiply(x, y);
        return sum(negative, exp, product, z, mode, flags);
    }
    special(c, [x, y, z], mode, flags)
}

/// `a × b − c`, rounded once (`fmsub`).
#[inline]
pub fn mul_sub<F: Float>(a: F, b: F, c: F, mode: Rounding, flags: &mut Flags) -> F {
    mul_add(a, b, negated(c), mode, flags)
}

/// `−(a × b) − c`, rounded once (`fnmadd`).
#[inline]
pub fn neg_mul_add<F: Float>(a: F, b: F, c: F, mode: Rounding, flags: &mut Flags) -> F {
    mul_add(negated(a), b, negated(c), mode, flags)
}

/// `−(a × b) + c`, rounded once (`fnmsub`).
#[inline]
pub fn neg_mul_sub<F: Float>(a: F, b: F, c: F, mode: Rounding, flags: &mut Flags) -> F {
    mul_add(negated(a), b, c, mode, flags)
}

fn negated<F: Float>(value: F) -> F {
    F::from_raw(value.raw() ^ F::SIGN)
}

/// At least one operand is zero, infinite or NaN. ∞ × 0 is invalid even where `c` is a quiet NaN.
fn special<F: Float>(c: F, [x, y, z]: [Parts; 3], mode: Rounding, flags: &mut Flags) -> F {
    let negative = x.negative != y.negative;
    let any = |kind| x.kind == kind || y.kind == kind;
    if any(Kind::Infinite) && any(Kind::Zero) {
        return invalid(flags);
    }
    if x.is_nan() || y.is_nan() || z.is_nan() {
        return nan_result(&[x, y, z], flags);
    }
    if any(Kind::Infinite) {
        let opposed = z.kind == Kind::Infinite && z.negative != negative;
        return if opposed { invalid(flags) } else { infinity(negative) };
    }
    if z.kind == Kind::Infinite {
        return c;
    }
    if !any(Kind::Zero) {
        // The addend is what is zero.
        let (exp, product) = multiply(x, y);
        return round(negative, exp, high_jam(product), mode, flags);
    }
    if z.kind == Kind::Zero { zero(zero_sum_sign(negative, z.negative, mode)) } else { c }
}

/// Adds a finite `z` to a finite product ±`product` · 2^(`exp` − 127) in 128 bits. At least 22 low
/// bits of either are clear, so the short shifts that can precede a cancellation lose nothing.
#[inline]
fn sum<F: Float>(
    negative: bool,
    exp: i32,
    product: u128,
    z: Parts,
    mode: Rounding,
    flags: &mut Flags,
) -> F {
    let (p, c) = ((exp, product), (z.exp, u128::from(z.sig) << 64));
    let ((exp, big), small, big_negative) =
        if p >= c { (p, c, negative) } else { (c, p, z.negative) };
    let aligned = shift_right_jam_128(small.1, (exp - small.0) as u32);
    if negative == z.negative {
        let (sum, carry) = big.overflowing_add(aligned);
        return if carry {
            round(negative, exp + 1, 1 << 63 | high_jam(sum >> 1 | sum & 1), mode, flags)
        } else {
            round(negative, exp, high_jam(sum), mode, flags)
        };
    }
    let difference = big - aligned;
    if difference == 0 {
        return zero(mode == Rounding::Rdn);
    }
    let zeros = difference.leading_zeros();
    round(big_negative, exp - zeros as i32, high_jam(difference << zeros), mode, flags)
}
