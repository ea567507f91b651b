//! Rows worked by hand: overflow and underflow at their borders, the NaN rules, signs of zero.

use crate::float::Rounding::{Rdn, Rmm, Rne, Rtz, Rup};
use crate::float::*;

const MAX: F64 = F64(F64::MAX);
const TINY: F64 = F64(1);
const MIN_NORMAL: F64 = F64(1 << 52);
const INF: F64 = F64(F64::INFINITY);
const QNAN: F64 = F64(F64::NAN | 0x1234);
const SNAN: F64 = F64(F64::INFINITY | 0x1234);
const ZERO: F64 = F64(0);

fn d(value: f64) -> F64 {
    F64::from(value)
}

fn neg(value: F64) -> F64 {
    F64(value.0 ^ F64::SIGN)
}

fn run<T>(what: impl FnOnce(&mut Flags) -> T) -> (T, Flags) {
    let mut flags = Flags::NONE;
    (what(&mut flags), flags)
}

/// Overflow is judged after rounding without a limit on the exponent.
#[test]
fn overflow_depends_on_the_mode() {
    let ulp = d(2.0_f64.powi(971));
    let over = Flags::OF | Flags::NX;
    for (mode, small, whole) in [
        (Rne, (MAX, Flags::NX), (INF, over)),
        (Rtz, (MAX, Flags::NX), (MAX, over)),
        (Rdn, (MAX, Flags::NX), (MAX, over)),
        (Rup, (INF, over), (INF, over)),
        (Rmm, (MAX, Flags::NX), (INF, over)),
    ] {
        assert_eq!(run(|f| add(MAX, TINY, mode, f)), small, "{mode:?}");
        assert_eq!(run(|f| add(MAX, ulp, mode, f)), whole, "{mode:?}");
        let mirrored = [(Rdn, Rup), (Rup, Rdn)].iter().find(|m| m.0 == mode).map_or(mode, |m| m.1);
        let (value, flags) = run(|f| sub(neg(MAX), ulp, mirrored, f));
        assert_eq!((neg(value), flags), whole, "{mode:?} mirrored");
    }
}

/// A result just below the smallest normal number that rounds up to it: tiny or not by what
/// rounding to full precision, with no limit on the exponent, would have given.
#[test]
fn tininess_is_detected_after_rounding() {
    let under = Flags::UF | Flags::NX;
    // (1 − 2⁻⁵³) · 2⁻¹⁰²²: 53 ones, exact at full precision, so tiny, though it packs as normal.
    let largest_below_one = F64(d(1.0).0 - 1);
    assert_eq!(run(|f| mul(MIN_NORMAL, largest_below_one, Rne, f)), (MIN_NORMAL, under));
    // (1 − 2⁻⁵⁵…) · 2⁻¹⁰²²: rounds to 2⁻¹⁰²² at full precision too, so not tiny.
    let a = F64(MIN_NORMAL.0 + 1);
    let b = F64(d(1.0).0 - 2);
    assert_eq!(run(|f| mul(a, b, Rne, f)), (MIN_NORMAL, Flags::NX));
    // Halves of the smallest subnormal.
    assert_eq!(run(|f| mul(TINY, d(0.5), Rne, f)), (ZERO, under));
    assert_eq!(run(|f| mul(TINY, d(0.5), Rmm, f)), (TINY, under));
    assert_eq!(run(|f| mul(TINY, d(0.5), Rup, f)), (TINY, under));
    assert_eq!(run(|f| mul(TINY, d(-0.5), Rup, f)), (neg(ZERO), under));
    // Exact subnormals raise nothing.
    assert_eq!(run(|f| mul(MIN_NORMAL, d(0.5), Rne, f)), (F64(1 << 51), Flags::NONE));
}

#[test]
fn every_nan_result_is_canonical() {
    let nan = F64::NAN_VALUE;
    assert_eq!((F32::NAN_VALUE.0, nan.0), (0x7fc0_0000, 0x7ff8_0000_0000_0000));
    assert_eq!(run(|f| add(QNAN, d(1.0), Rne, f)), (nan, Flags::NONE));
    assert_eq!(run(|f| add(neg(SNAN), d(1.0), Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| sub(INF, INF, Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| mul(INF, ZERO, Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| div(ZERO, ZERO, Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| div(INF, INF, Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| mul_add(INF, ZERO, QNAN, Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| mul_add(INF, d(1.0), neg(INF), Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| mul_add(d(1.0), d(1.0), SNAN, Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| sqrt(neg(TINY), Rne, f)), (nan, Flags::NV));
    assert_eq!(run(|f| convert::<F64, F32>(SNAN, Rne, f)), (F32::NAN_VALUE, Flags::NV));
    assert_eq!(run(|f| convert::<F32, F64>(F32(0xffc0_0001), Rne, f)), (nan, Flags::NONE));
}

#[test]
fn division_by_zero_is_its_own_exception() {
    assert_eq!(run(|f| div(d(1.0), ZERO, Rne, f)), (INF, Flags::DZ));
    assert_eq!(run(|f| div(d(1.0), neg(ZERO), Rne, f)), (neg(INF), Flags::DZ));
    assert_eq!(run(|f| div(INF, ZERO, Rne, f)), (INF, Flags::NONE));
}

#[test]
fn zeros_keep_their_signs() {
    for mode in Rounding::ALL {
        let exact = if mode == Rdn { neg(ZERO) } else { ZERO };
        assert_eq!(run(|f| sub(d(1.5), d(1.5), mode, f)), (exact, Flags::NONE));
        assert_eq!(run(|f| add(ZERO, neg(ZERO), mode, f)), (exact, Flags::NONE));
        assert_eq!(run(|f| add(neg(ZERO), neg(ZERO), mode, f)), (neg(ZERO), Flags::NONE));
        assert_eq!(run(|f| mul_add(d(2.0), d(3.0), d(-6.0), mode, f)), (exact, Flags::NONE));
        assert_eq!(run(|f| sqrt(neg(ZERO), mode, f)), (neg(ZERO), Flags::NONE));
    }
    assert_eq!(run(|f| mul(ZERO, d(-1.0), Rne, f)), (neg(ZERO), Flags::NONE));
}

#[test]
fn minimum_and_maximum_prefer_numbers() {
    let one = d(1.0);
    assert_eq!(run(|f| min(QNAN, one, f)), (one, Flags::NONE));
    assert_eq!(run(|f| max(one, SNAN, f)), (one, Flags::NV));
    assert_eq!(run(|f| min(QNAN, QNAN, f)), (F64::NAN_VALUE, Flags::NONE));
    assert_eq!(run(|f| max(SNAN, QNAN, f)), (F64::NAN_VALUE, Flags::NV));
    for (a, b) in [(ZERO, neg(ZERO)), (neg(ZERO), ZERO)] {
        assert_eq!(run(|f| min(a, b, f)), (neg(ZERO), Flags::NONE));
        assert_eq!(run(|f| max(a, b, f)), (ZERO, Flags::NONE));
    }
    assert_eq!(run(|f| min(d(-2.0), one, f)), (d(-2.0), Flags::NONE));
    assert_eq!(run(|f| max(d(-2.0), d(-3.0), f)), (d(-2.0), Flags::NONE));
}

#[test]
fn comparisons_raise_invalid_as_the_specification_has_it() {
    assert_eq!(run(|f| eq(QNAN, QNAN, f)), (false, Flags::NONE));
    assert_eq!(run(|f| eq(SNAN, ZERO, f)), (false, Flags::NV));
    assert_eq!(run(|f| lt(QNAN, ZERO, f)), (false, Flags::NV));
    assert_eq!(run(|f| le(ZERO, QNAN, f)), (false, Flags::NV));
    assert_eq!(run(|f| le(ZERO, neg(ZERO), f)), (true, Flags::NONE));
    assert_eq!(run(|f| lt(neg(ZERO), ZERO, f)), (false, Flags::NONE));
}

#[test]
fn conversions_to_integers_saturate() {
    let invalid = |v| (v, Flags::NV);
    assert_eq!(run(|f| to_i32(QNAN, Rne, f)), invalid(i32::MAX));
    assert_eq!(run(|f| to_i32(neg(QNAN), Rne, f)), invalid(i32::MAX));
    assert_eq!(run(|f| to_i32(neg(INF), Rne, f)), invalid(i32::MIN));
    assert_eq!(run(|f| to_i32(d(2_147_483_648.0), Rne, f)), invalid(i32::MAX));
    assert_eq!(run(|f| to_i32(d(-2_147_483_648.5), Rdn, f)), invalid(i32::MIN));
    assert_eq!(run(|f| to_i32(d(-2_147_483_648.5), Rtz, f)), (i32::MIN, Flags::NX));
    assert_eq!(run(|f| to_u64(d(-1.0), Rne, f)), (0, Flags::NV));
    assert_eq!(run(|f| to_u64(d(-0.5), Rne, f)), (0, Flags::NX));
    assert_eq!(run(|f| to_u64(d(-0.5), Rmm, f)), (0, Flags::NV));
    assert_eq!(run(|f| to_u64(QNAN, Rne, f)), (u64::MAX, Flags::NV));
    assert_eq!(run(|f| to_i64(d(2.5), Rne, f)), (2, Flags::NX));
    assert_eq!(run(|f| to_i64(d(2.5), Rmm, f)), (3, Flags::NX));
}

#[test]
fn classes_have_their_bits() {
    let rows = [neg(INF), d(-1.0), neg(TINY), neg(ZERO), ZERO, TINY, MIN_NORMAL, INF, SNAN, QNAN];
    for (bit, value) in rows.into_iter().enumerate() {
        assert_eq!(classify(value) as usize, bit);
    }
    assert_eq!(classify(F32(0x007f_ffff)), Class::PositiveSubnormal);
    assert_eq!(classify(F32(0x0080_0000)), Class::PositiveNormal);
}
