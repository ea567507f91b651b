//! Against the host's arithmetic, to nearest: and square roots in every mode, since the sign of
//! `n² − x` in one fused operation tells on which side of the true root the nearest one lies.

use super::operands::{magnitude, mode, pair, triple};
use crate::float::{self, F32, F64, Flags, Float, Rounding};
use proptest::prelude::*;

/// A result of the host: any of its NaNs stands for the canonical one.
fn single(value: f32) -> F32 {
    if value.is_nan() { F32::NAN_VALUE } else { F32::from(value) }
}

fn double(value: f64) -> F64 {
    if value.is_nan() { F64::NAN_VALUE } else { F64::from(value) }
}

/// The root and its exactness in `mode`, from the nearest one and the sign of its error.
fn directed<F: Float>(nearest: F, error: f64, mode: Rounding) -> F {
    let (too_big, too_small) = (error > 0.0, error < 0.0);
    match mode {
        Rounding::Rne | Rounding::Rmm => nearest,
        Rounding::Rtz | Rounding::Rdn if too_big => F::from_raw(nearest.raw() - 1),
        Rounding::Rup if too_small => F::from_raw(nearest.raw() + 1),
        _ => nearest,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn nearest_singles((a, b, c) in triple::<F32>()) {
        let (x, y, z) = (f32::from(a), f32::from(b), f32::from(c));
        let (mode, f) = (Rounding::Rne, &mut Flags::default());
        prop_assert_eq!(float::add(a, b, mode, f), single(x + y));
        prop_assert_eq!(float::sub(a, b, mode, f), single(x - y));
        prop_assert_eq!(float::mul(a, b, mode, f), single(x * y));
        prop_assert_eq!(float::div(a, b, mode, f), single(x / y));
        prop_assert_eq!(float::sqrt(a, mode, f), single(x.sqrt()));
        prop_assert_eq!(float::mul_add(a, b, c, mode, f), single(x.mul_add(y, z)));
    }

    #[test]
    fn nearest_doubles((a, b, c) in triple::<F64>()) {
        let (x, y, z) = (f64::from(a), f64::from(b), f64::from(c));
        let (mode, f) = (Rounding::Rne, &mut Flags::default());
        prop_assert_eq!(float::add(a, b, mode, f), double(x + y));
        prop_assert_eq!(float::sub(a, b, mode, f), double(x - y));
        prop_assert_eq!(float::mul(a, b, mode, f), double(x * y));
        prop_assert_eq!(float::div(a, b, mode, f), double(x / y));
        prop_assert_eq!(float::sqrt(a, mode, f), double(x.sqrt()));
        prop_assert_eq!(float::mul_add(a, b, c, mode, f), double(x.mul_add(y, z)));
    }

    #[test]
    fn comparisons((a, b) in pair::<F64>(), (s, t) in pair::<F32>()) {
        let f = &mut Flags::default();
        let (x, y) = (f64::from(a), f64::from(b));
        prop_assert_eq!((float::eq(a, b, f), float::lt(a, b, f), float::le(a, b, f)), (x == y, x < y, x <= y));
        let (x, y) = (f32::from(s), f32::from(t));
        prop_assert_eq!((float::eq(s, t, f), float::lt(s, t, f), float::le(s, t, f)), (x == y, x < y, x <= y));
    }

    #[test]
    fn roots_of_singles(a in magnitude::<F32>(), mode in mode()) {
        let x = f64::from(f32::from(a));
        if !(x > 0.0 && x.is_finite()) {
            return Ok(()); // `directed` has those rows
        }
        let nearest = f32::from(a).sqrt();
        // 48 bits of square, exact in a double.
        let error = f64::from(nearest) * f64::from(nearest) - x;
        let mut raised = Flags::NONE;
        prop_assert_eq!(float::sqrt(a, mode, &mut raised), directed(F32::from(nearest), error, mode));
        prop_assert_eq!(raised, if error == 0.0 { Flags::NONE } else { Flags::NX });
    }

    #[test]
    fn roots_of_doubles(a in magnitude::<F64>(), mode in mode()) {
        let x = f64::from(a);
        if !(x > 0.0 && x.is_finite()) {
            return Ok(()); // `directed` has those rows
        }
        let nearest = x.sqrt();
        // Away from the subnormals, where the error itself would vanish: both scalings are exact.
        let scale = if x < 1.0 { f64::from_bits((1023 + 600) << 52) } else { 1.0 };
        let root_scale = if x < 1.0 { f64::from_bits((1023 + 300) << 52) } else { 1.0 };
        let error = (nearest * root_scale).mul_add(nearest * root_scale, -(x * scale));
        let mut raised = Flags::NONE;
        prop_assert_eq!(float::sqrt(a, mode, &mut raised), directed(F64::from(nearest), error, mode));
        prop_assert_eq!(raised, if error == 0.0 { Flags::NONE } else { Flags::NX });
    }
}
