//! Rounding and packing: the one place where precision is lost and flags of inexactness arise.

use super::flags::{Flags, Rounding};
use super::format::Float;

/// Shifts right; the lowest bit of the result is also set where any set bit was shifted out.
#[inline]
pub(super) const fn shift_right_jam(value: u64, by: u32) -> u64 {
    if by < 64 { value >> by | (value & ((1 << by) - 1) != 0) as u64 } else { (value != 0) as u64 }
}

/// [`shift_right_jam`] of 128 bits.
#[inline]
pub(super) const fn shift_right_jam_128(value: u128, by: u32) -> u128 {
    if by < 128 {
        value >> by | (value & ((1 << by) - 1) != 0) as u128
    } else {
        (value != 0) as u128
    }
}

/// The upper half, with a sticky lowest bit for the lower one.
#[inline]
pub(super) const fn high_jam(value: u128) -> u64 {
    (value >> 64) as u64 | (value as u64 != 0) as u64
}

/// Whether the magnitude `kept` goes up by one, for a `rest` below it of which `half` is one half.
#[inline]
pub(super) const fn rounds_up(
    mode: Rounding,
    negative: bool,
    kept: u64,
    rest: u64,
    half: u64,
) -> bool {
    match mode {
        Rounding::Rne => rest > half || (rest == half && kept & 1 == 1),
        Rounding::Rtz => false,
        Rounding::Rdn => negative && rest != 0,
        Rounding::Rup => !negative && rest != 0,
        Rounding::Rmm => rest >= half,
    }
}

/// Zero of this sign.
#[inline]
pub(super) fn zero<F: Float>(negative: bool) -> F {
    F::from_raw(if negative { F::SIGN } else { 0 })
}

/// Infinity of this sign.
#[inline]
pub(super) fn infinity<F: Float>(negative: bool) -> F {
    F::from_raw(F::INFINITY | if negative { F::SIGN } else { 0 })
}

/// The canonical NaN of an invalid operation.
#[inline]
pub(super) fn invalid<F: Float>(flags: &mut Flags) -> F {
    flags.raise(Flags::NV);
    F::NAN_VALUE
}

/// The nearest value of the format, in the given mode, to ±`sig` · 2^(`exp` − 63). The top bit of
/// `sig` is set and its lowest bit is sticky.
#[inline]
pub(super) fn round<F: Float>(
    negative: bool,
    exp: i32,
    sig: u64,
    mode: Rounding,
    flags: &mut Flags,
) -> F {
    debug_assert!(sig >> 63 == 1, "not normalised: {sig:#x}");
    let sign = if negative { F::SIGN } else { 0 };
    let below = 63 - F::FRACTION;
    let half = 1_u64 << (below - 1);
    let mask = (1_u64 << below) - 1;
    let biased = exp + F::BIAS;
    if biased >= F::EXPONENT_MAX as i32 {
        return overflow(sign, mode, flags);
    }
    let shifted = if biased > 0 { sig } else { shift_right_jam(sig, (1 - biased) as u32) };
    let (kept, rest) = (shifted >> below, shifted & mask);
    let kept = kept + u64::from(rounds_up(mode, negative, kept, rest, half));
    // `kept` carries the hidden bit (if any), so the exponent field is added less one; a carry out
    // of the significand moves into it by itself.
    let packed = ((biased.max(1) - 1) as u64) * (1 << F::FRACTION) + kept;
    if packed >= F::INFINITY {
        return overflow(sign, mode, flags);
    }
    if rest != 0 {
        flags.raise(Flags::NX);
        if biased <= 0 && is_tiny(negative, biased, sig, below, mode) {
            flags.raise(Flags::UF);
        }
    }
    F::from_raw(sign | packed)
}

/// Whether a result with this biased exponent of at most 0 stays below the smallest normal number
/// when rounded as if the exponent had no limit. Only just below it can rounding lift it there.
#[cold]
fn is_tiny(negative: bool, biased: i32, sig: u64, below: u32, mode: Rounding) -> bool {
    let kept = sig >> below;
    let rest = sig & ((1 << below) - 1);
    let all_ones = kept == u64::MAX >> below;
    biased < 0 || !(all_ones && rounds_up(mode, negative, kept, rest, 1 << (below - 1)))
}

#[cold]
fn overflow<F: Float>(sign: u64, mode: Rounding, flags: &mut Flags) -> F {
    flags.raise(Flags::OF | Flags::NX);
    let to_infinity = match mode {
        Rounding::Rne | Rounding::Rmm => true,
        Rounding::Rtz => false,
        Rounding::Rdn => sign != 0,
        Rounding::Rup => sign == 0,
    };
    F::from_raw(sign | if to_infinity { F::INFINITY } else { F::MAX })
}
