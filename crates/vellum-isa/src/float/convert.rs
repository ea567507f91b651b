//! Conversions: between the formats, and to and from integers.

use super::arith::nan_result;
use super::flags::{Flags, Rounding};
use super::format::{Float, Kind, Parts};
use super::round::{infinity, round, rounds_up, zero};

/// Converts to another format. Exact when it widens; any NaN becomes the canonical one.
#[inline]
pub fn convert<F: Float, T: Float>(value: F, mode: Rounding, flags: &mut Flags) -> T {
    let parts = Parts::of(value);
    match parts.kind {
        Kind::Finite => round(parts.negative, parts.exp, parts.sig, mode, flags),
        Kind::Zero => zero(parts.negative),
        Kind::Infinite => infinity(parts.negative),
        Kind::QuietNan | Kind::SignalingNan => nan_result(&[parts], flags),
    }
}

/// The nearest value to an integer; inexact beyond the format's precision.
#[inline]
pub fn from_u64<F: Float>(value: u64, mode: Rounding, flags: &mut Flags) -> F {
    from_magnitude(false, value, mode, flags)
}

/// The nearest value to an integer; inexact beyond the format's precision.
#[inline]
pub fn from_i64<F: Float>(value: i64, mode: Rounding, flags: &mut Flags) -> F {
    from_magnitude(value < 0, value.unsigned_abs(), mode, flags)
}

/// The nearest value to an integer; inexact beyond the format's precision.
#[inline]
pub fn from_u32<F: Float>(value: u32, mode: Rounding, flags: &mut Flags) -> F {
    from_u64(u64::from(value), mode, flags)
}

/// The nearest value to an integer; inexact beyond the format's precision.
#[inline]
pub fn from_i32<F: Float>(value: i32, mode: Rounding, flags: &mut Flags) -> F {
    from_i64(i64::from(value), mode, flags)
}

fn from_magnitude<F: Float>(negative: bool, value: u64, mode: Rounding, flags: &mut Flags) -> F {
    if value == 0 {
        return zero(false);
    }
    let zeros = value.leading_zeros();
    round(negative, 63 - zeros as i32, value << zeros, mode, flags)
}

/// The nearest `i32`. NaN and what lies beyond raise invalid (and nothing else) and give the nearest
/// bound, NaN the upper one.
#[inline]
pub fn to_i32<F: Float>(value: F, mode: Rounding, flags: &mut Flags) -> i32 {
    to_signed(value, 32, mode, flags) as i32
}

/// The nearest `i64`; see [`to_i32`] for what does not fit.
#[inline]
pub fn to_i64<F: Float>(value: F, mode: Rounding, flags: &mut Flags) -> i64 {
    to_signed(value, 64, mode, flags)
}

/// The nearest `u32`; see [`to_i32`] for what does not fit.
#[inline]
pub fn to_u32<F: Float>(value: F, mode: Rounding, flags: &mut Flags) -> u32 {
    to_unsigned(value, u64::from(u32::MAX), mode, flags) as u32
}

/// The nearest `u64`; see [`to_i32`] for what does not fit.
#[inline]
pub fn to_u64<F: Float>(value: F, mode: Rounding, flags: &mut Flags) -> u64 {
    to_unsigned(value, u64::MAX, mode, flags)
}

fn to_signed<F: Float>(value: F, width: u32, mode: Rounding, flags: &mut Flags) -> i64 {
    let parts = Parts::of(value);
    let max = u64::MAX >> (65 - width);
    let limit = max + u64::from(parts.negative && !parts.is_nan());
    let magnitude = to_magnitude(&parts, limit, mode, flags);
    if parts.negative && !parts.is_nan() {
        (magnitude as i64).wrapping_neg()
    } else {
        magnitude as i64
    }
}

fn to_unsigned<F: Float>(value: F, max: u64, mode: Rounding, flags: &mut Flags) -> u64 {
    let parts = Parts::of(value);
    let limit = if parts.negative && !parts.is_nan() { 0 } else { max };
    to_magnitude(&parts, limit, mode, flags)
}

/// The magnitude rounded to an integer of at most `limit`; invalid, and `limit`, beyond.
fn to_magnitude(parts: &Parts, limit: u64, mode: Rounding, flags: &mut Flags) -> u64 {
    let out_of_range = parts.kind != Kind::Zero && (parts.kind != Kind::Finite || parts.exp > 63);
    if out_of_range {
        flags.raise(Flags::NV);
        return limit;
    }
    if parts.kind == Kind::Zero {
        return 0;
    }
    let (kept, rest) = match parts.exp {
        -1..=63 => {
            let fixed = u128::from(parts.sig) << 64 >> (63 - parts.exp);
            ((fixed >> 64) as u64, fixed as u64)
        }
        // Less than one half.
        _ => (0, 1),
    };
    let kept = kept + u64::from(rounds_up(mode, parts.negative, kept, rest, 1 << 63));
    if kept > limit {
        flags.raise(Flags::NV);
        return limit;
    }
    if rest != 0 {
        flags.raise(Flags::NX);
    }
    kept
}
