//! Operands that matter: the borders of the formats, ties, cancellations, NaNs of every kind.

use crate::float::{Float, Rounding};
use proptest::prelude::*;
use std::vec::Vec;

/// Values at which something changes.
fn landmarks<F: Float>() -> Vec<u64> {
    let one = (F::BIAS as u64) << F::FRACTION;
    let smallest_normal = 1 << F::FRACTION;
    let mut all = std::vec![0, 1, 2, 3, smallest_normal, one, F::MAX, F::INFINITY, F::NAN];
    all.extend([
        smallest_normal - 1,
        smallest_normal + 1,
        one - 1,
        one + 1,
        one + (1 << (F::FRACTION - 1)),
    ]);
    all.extend([F::MAX - 1, F::INFINITY + 1, F::NAN + 5, F::NAN - 1, F::MAX >> 1]);
    let signed: Vec<u64> = all.iter().map(|&v| v | F::SIGN).collect();
    all.extend(signed);
    all
}

/// A significand of few set bits, or of long runs: products and quotients that end in ties.
fn sparse<F: Float>() -> impl Strategy<Value = u64> {
    let mask = (1_u64 << F::FRACTION) - 1;
    (0..=F::FRACTION, 0..=F::FRACTION, any::<bool>(), 0..4_u64).prop_map(
        move |(i, j, runs, low)| {
            let (a, b) = (1_u64 << i, 1_u64 << j);
            let bits = if runs { a.wrapping_sub(b) } else { a | b };
            (bits ^ low) & mask
        },
    )
}

/// Any bits of the format, the interesting ones far oftener than chance has them.
pub(super) fn operand<F: Float>() -> impl Strategy<Value = F> {
    let width = 1 + F::EXPONENT + F::FRACTION;
    let compose = |sign: bool, exponent: u64, fraction: u64| {
        (if sign { F::SIGN } else { 0 }) | exponent << F::FRACTION | fraction
    };
    let max = F::EXPONENT_MAX;
    let near_one = F::BIAS as u64 - 70..F::BIAS as u64 + 70;
    let fraction =
        || prop_oneof![sparse::<F>(), any::<u64>().prop_map(|v| v & ((1 << F::FRACTION) - 1))];
    prop_oneof![
        2 => any::<u64>().prop_map(move |v| v >> (64 - width)),
        2 => proptest::sample::select(landmarks::<F>()),
        4 => (any::<bool>(), near_one, fraction()).prop_map(move |(s, e, f)| compose(s, e, f)),
        2 => (any::<bool>(), 0..3_u64, fraction()).prop_map(move |(s, e, f)| compose(s, e, f)),
        2 => (any::<bool>(), 0..=max, fraction()).prop_map(move |(s, e, f)| compose(s, e, f)),
        1 => (any::<bool>(), max - 3..=max, fraction()).prop_map(move |(s, e, f)| compose(s, e, f)),
    ]
    .prop_map(F::from_raw)
}

/// An operand without a sign.
pub(super) fn magnitude<F: Float>() -> impl Strategy<Value = F> {
    operand::<F>().prop_map(|v| F::from_raw(v.raw() & !F::SIGN))
}

/// Two operands, often close to one another in magnitude.
pub(super) fn pair<F: Float>() -> impl Strategy<Value = (F, F)> {
    prop_oneof![
        2 => (operand::<F>(), operand::<F>()),
        1 => (operand::<F>(), any::<bool>(), -4..5_i64, 0..3_u64).prop_map(|(a, flip, near, exponents)| {
            let b = a.raw().wrapping_add_signed(near).wrapping_add(exponents << F::FRACTION);
            let b = if flip { b ^ F::SIGN } else { b };
            (a, F::from_raw(b & (F::SIGN | (F::SIGN - 1))))
        }),
    ]
}

/// Three operands of which the third is often close to the product of the others, or to its negative.
pub(super) fn triple<F: Float>() -> impl Strategy<Value = (F, F, F)> {
    prop_oneof![
        2 => (operand::<F>(), operand::<F>(), operand::<F>()),
        2 => (operand::<F>(), operand::<F>(), any::<bool>(), -3..4_i64, 0..60_u64).prop_map(
            |(a, b, flip, near, lower)| {
                let mut ignored = crate::float::Flags::NONE;
                let product = crate::float::mul(a, b, Rounding::Rne, &mut ignored).raw();
                let c = product.wrapping_add_signed(near).wrapping_sub(lower << F::FRACTION);
                let c = if flip { c ^ F::SIGN } else { c };
                (a, b, F::from_raw(c & (F::SIGN | (F::SIGN - 1))))
            }
        ),
    ]
}

/// Any of the five modes.
pub(super) fn mode() -> impl Strategy<Value = Rounding> {
    proptest::sample::select(Rounding::ALL.to_vec())
}
