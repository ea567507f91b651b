//! Against `rustc_apfloat`, in every rounding mode, values and flags.
//!
//! Two known faults of it are allowed for; `directed` has rows for both. Towards zero, down and up,
//! where the result saturates at the largest finite number, it reports no overflow. And it takes a
//! result that rounding lifted to the smallest normal number for not tiny, which is so only if
//! rounding without a limit on the exponent lifts it as far.

use super::operands::{mode, operand, pair, triple};
use crate::float::{self, F32, F64, Flags, Float, Rounding};
use proptest::prelude::*;
use rustc_apfloat::ieee::{Double, Single};
use rustc_apfloat::{Float as _, FloatConvert, Round, Status, StatusAnd};

const CASES: u32 = 20_000;

/// The reference's type for each of ours.
trait Reference: Float {
    type Ap: rustc_apfloat::Float + Copy;
    fn ap(self) -> Self::Ap {
        rustc_apfloat::Float::from_bits(u128::from(self.raw()))
    }
}

impl Reference for F32 {
    type Ap = Single;
}

impl Reference for F64 {
    type Ap = Double;
}

fn round(mode: Rounding) -> Round {
    match mode {
        Rounding::Rne => Round::NearestTiesToEven,
        Rounding::Rtz => Round::TowardZero,
        Rounding::Rdn => Round::TowardNegative,
        Rounding::Rup => Round::TowardPositive,
        Rounding::Rmm => Round::NearestTiesToAway,
    }
}

fn flags(status: Status) -> Flags {
    let rows = [
        (Status::INVALID_OP, Flags::NV),
        (Status::DIV_BY_ZERO, Flags::DZ),
        (Status::OVERFLOW, Flags::OF),
        (Status::UNDERFLOW, Flags::UF),
        (Status::INEXACT, Flags::NX),
    ];
    rows.into_iter()
        .filter(|(from, _)| status.contains(*from))
        .fold(Flags::NONE, |all, (_, to)| all | to)
}

/// Runs ours and compares both value and flags with the reference's.
fn same<F: Float, A: rustc_apfloat::Float>(
    expected: StatusAnd<A>,
    mode: Rounding,
    ours: impl FnOnce(Rounding, &mut Flags) -> F,
) -> Result<(), TestCaseError> {
    let mut raised = Flags::NONE;
    let value = ours(mode, &mut raised);
    if expected.value.is_nan() {
        prop_assert_eq!(value, F::NAN_VALUE);
    } else {
        prop_assert_eq!(u128::from(value.raw()), expected.value.to_bits(), "{:?}", value);
    }
    let excused = match value.raw() & !F::SIGN {
        at if at == F::MAX && raised.contains(Flags::NX) => Flags::OF,
        at if at == 1 << F::FRACTION && raised.contains(Flags::NX) => Flags::UF,
        _ => Flags::NONE,
    };
    prop_assert_eq!(raised | excused, flags(expected.status) | excused);
    Ok(())
}

fn check_pair<F: Reference>((a, b): (F, F), mode: Rounding) -> Result<(), TestCaseError> {
    let (x, y, r) = (a.ap(), b.ap(), round(mode));
    same(x.add_r(y, r), mode, |m, f| float::add(a, b, m, f))?;
    same(x.sub_r(y, r), mode, |m, f| float::sub(a, b, m, f))?;
    same(x.mul_r(y, r), mode, |m, f| float::mul(a, b, m, f))?;
    same(x.div_r(y, r), mode, |m, f| float::div(a, b, m, f))
}

fn check_fused<F: Reference>((a, b, c): (F, F, F), mode: Rounding) -> Result<(), TestCaseError> {
    let (x, y, z, r) = (a.ap(), b.ap(), c.ap(), round(mode));
    same(x.mul_add_r(y, z, r), mode, |m, f| float::mul_add(a, b, c, m, f))?;
    same(x.mul_add_r(y, -z, r), mode, |m, f| float::mul_sub(a, b, c, m, f))?;
    same((-x).mul_add_r(y, -z, r), mode, |m, f| float::neg_mul_add(a, b, c, m, f))?;
    same((-x).mul_add_r(y, z, r), mode, |m, f| float::neg_mul_sub(a, b, c, m, f))
}

fn check_to_integers<F: Reference>(a: F, mode: Rounding) -> Result<(), TestCaseError> {
    let (x, r) = (a.ap(), round(mode));
    let nan = x.is_nan();
    for width in [32_usize, 64] {
        let mut raised = Flags::NONE;
        let ours = match width {
            32 => i128::from(float::to_i32(a, mode, &mut raised)),
            _ => i128::from(float::to_i64(a, mode, &mut raised)),
        };
        let expected = x.to_i128_r(width, r, &mut false);
        let value = if nan { (1 << (width - 1)) - 1 } else { expected.value };
        prop_assert_eq!((ours, raised), (value, flags(expected.status)), "signed {}", width);

        let mut raised = Flags::NONE;
        let ours = match width {
            32 => u128::from(float::to_u32(a, mode, &mut raised)),
            _ => u128::from(float::to_u64(a, mode, &mut raised)),
        };
        let expected = x.to_u128_r(width, r, &mut false);
        let value = if nan { (1 << width) - 1 } else { expected.value };
        prop_assert_eq!((ours, raised), (value, flags(expected.status)), "unsigned {}", width);
    }
    Ok(())
}

fn check_from_integers<F: Reference>(v: u64, mode: Rounding) -> Result<(), TestCaseError> {
    let r = round(mode);
    same(F::Ap::from_u128_r(u128::from(v), r), mode, |m, f| float::from_u64::<F>(v, m, f))?;
    same(F::Ap::from_i128_r(i128::from(v as i64), r), mode, |m, f| {
        float::from_i64::<F>(v as i64, m, f)
    })?;
    same(F::Ap::from_u128_r(u128::from(v as u32), r), mode, |m, f| {
        float::from_u32::<F>(v as u32, m, f)
    })?;
    same(F::Ap::from_i128_r(i128::from(v as i32), r), mode, |m, f| {
        float::from_i32::<F>(v as i32, m, f)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn singles(operands in pair::<F32>(), mode in mode()) {
        check_pair(operands, mode)?;
    }

    #[test]
    fn doubles(operands in pair::<F64>(), mode in mode()) {
        check_pair(operands, mode)?;
    }

    #[test]
    fn fused_singles(operands in triple::<F32>(), mode in mode()) {
        check_fused(operands, mode)?;
    }

    #[test]
    fn fused_doubles(operands in triple::<F64>(), mode in mode()) {
        check_fused(operands, mode)?;
    }

    #[test]
    fn between_formats(s in operand::<F32>(), d in operand::<F64>(), mode in mode()) {
        let wide: StatusAnd<Double> = s.ap().convert_r(round(mode), &mut false);
        same(wide, mode, |m, f| float::convert::<F32, F64>(s, m, f))?;
        let narrow: StatusAnd<Single> = d.ap().convert_r(round(mode), &mut false);
        same(narrow, mode, |m, f| float::convert::<F64, F32>(d, m, f))?;
    }

    #[test]
    fn to_integers(s in operand::<F32>(), d in operand::<F64>(), mode in mode()) {
        check_to_integers(s, mode)?;
        check_to_integers(d, mode)?;
    }

    #[test]
    fn from_integers(v: u64, keep in 0..64_u32, mode in mode()) {
        check_from_integers::<F32>(v >> keep, mode)?;
        check_from_integers::<F64>(v >> keep, mode)?;
        check_from_integers::<F64>(!(v >> keep), mode)?;
    }
}
