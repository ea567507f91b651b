//! The processor's entry: which register holds what, and NaN-boxing.

use super::operands::{operand, triple};
use crate::Op;
use crate::float::{self, F32, F64, Flags, Float, Rounding, boxed, execute, unboxed};
use proptest::prelude::*;

const MODE: Rounding = Rounding::Rup;

fn run(op: Op, a: u64, b: u64, c: u64) -> (u64, Flags) {
    let mut flags = Flags::NONE;
    (execute(op, MODE, a, b, c, &mut flags), flags)
}

#[test]
fn singles_that_are_not_boxed_are_nan() {
    let one = u64::from(1.0_f32.to_bits());
    let nan = boxed(F32::NAN_VALUE);
    assert_eq!(run(Op::FaddS, one, boxed(F32(0)), 0), (nan, Flags::NONE));
    assert_eq!(run(Op::FmaddS, boxed(F32(0)), boxed(F32(0)), one,), (nan, Flags::NONE));
    assert_eq!(
        run(Op::FsgnjS, one, boxed(F32(0x8000_0000)), 0),
        (boxed(F32(0xffc0_0000)), Flags::NONE)
    );
    assert_eq!(run(Op::FclassS, one, 0, 0), (1 << 9, Flags::NONE));
    assert_eq!(run(Op::FcvtDS, one, 0, 0), (F64::NAN, Flags::NONE));
    assert_eq!(run(Op::FcvtWS, one, 0, 0), (i32::MAX as u64, Flags::NV));
    // Moves look at the bits alone.
    assert_eq!(run(Op::FmvXW, 0x1234_5678_8000_0001, 0, 0), (0xffff_ffff_8000_0001, Flags::NONE));
    assert_eq!(run(Op::FmvWX, 0x1234_5678_8000_0001, 0, 0), (0xffff_ffff_8000_0001, Flags::NONE));
    assert_eq!(run(Op::FmvXD, one, 0, 0), (one, Flags::NONE));
    assert_eq!(run(Op::FmvDX, one, 0, 0), (one, Flags::NONE));
}

#[test]
fn words_are_sign_extended() {
    let big = 4_000_000_000.0;
    assert_eq!(run(Op::FcvtWuD, F64::from(big).0, 0, 0), (0xffff_ffff_ee6b_2800, Flags::NONE));
    assert_eq!(run(Op::FcvtWuS, boxed(F32::from(big as f32)), 0, 0).0, 0xffff_ffff_ee6b_2800);
    assert_eq!(run(Op::FcvtWD, F64::from(-1.0).0, 0, 0), (u64::MAX, Flags::NONE));
    // Only the low word of the x register counts.
    assert_eq!(run(Op::FcvtDW, 0x7_ffff_ffff, 0, 0), (F64::from(-1.0).0, Flags::NONE));
    assert_eq!(run(Op::FcvtDWu, 0x7_ffff_ffff, 0, 0).0, F64::from(4_294_967_295.0).0);
    assert_eq!(run(Op::FcvtSW, 0x7_ffff_ffff, 0, 0).0, boxed(F32::from(-1.0)));
    assert_eq!(run(Op::FcvtSWu, 0x7_0000_0001, 0, 0).0, boxed(F32::from(1.0)));
    assert_eq!(run(Op::FcvtSL, u64::MAX, 0, 0).0, boxed(F32::from(-1.0)));
    assert_eq!(run(Op::FcvtSLu, 1 << 63, 0, 0).0, boxed(F32::from(9_223_372_036_854_775_808.0)));
    assert_eq!(run(Op::FcvtDL, u64::MAX, 0, 0).0, F64::from(-1.0).0);
    assert_eq!(run(Op::FcvtDLu, 1 << 63, 0, 0).0, F64::from(9_223_372_036_854_775_808.0).0);
}

/// Every operation of `T` operands reaches the function that it is named after.
fn each<F: Float>(
    ops: [Op; 14],
    (x, y, z): (F, F, F),
    raw: impl Fn(F) -> u64,
) -> Result<(), TestCaseError> {
    let f = &mut Flags::default();
    let expected = [
        float::mul_add(x, y, z, MODE, f),
        float::mul_sub(x, y, z, MODE, f),
        float::neg_mul_sub(x, y, z, MODE, f),
        float::neg_mul_add(x, y, z, MODE, f),
        float::add(x, y, MODE, f),
        float::sub(x, y, MODE, f),
        float::mul(x, y, MODE, f),
        float::div(x, y, MODE, f),
        float::sqrt(x, MODE, f),
        float::min(x, y, f),
        float::max(x, y, f),
        F::from_raw(x.raw() & !F::SIGN | y.raw() & F::SIGN),
        F::from_raw(x.raw() & !F::SIGN | !y.raw() & F::SIGN),
        F::from_raw(x.raw() ^ y.raw() & F::SIGN),
    ];
    for (op, value) in ops.into_iter().zip(expected) {
        prop_assert_eq!(run(op, raw(x), raw(y), raw(z)).0, raw(value), "{:?}", op);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_operation_is_wired(s in triple::<F32>(), d in triple::<F64>()) {
        use Op::*;
        each([FmaddS, FmsubS, FnmsubS, FnmaddS, FaddS, FsubS, FmulS, FdivS, FsqrtS, FminS, FmaxS, FsgnjS, FsgnjnS, FsgnjxS], s, boxed)?;
        each([FmaddD, FmsubD, FnmsubD, FnmaddD, FaddD, FsubD, FmulD, FdivD, FsqrtD, FminD, FmaxD, FsgnjD, FsgnjnD, FsgnjxD], d, |v| v.0)?;
    }

    #[test]
    fn comparisons_and_conversions_are_wired(s in operand::<F32>(), t in operand::<F32>(), x in operand::<F64>(), y in operand::<F64>()) {
        let f = &mut Flags::default();
        let (a, b) = (boxed(s), boxed(t));
        let singles = [
            (Op::FeqS, u64::from(float::eq(s, t, f))),
            (Op::FltS, u64::from(float::lt(s, t, f))),
            (Op::FleS, u64::from(float::le(s, t, f))),
            (Op::FclassS, 1 << float::classify(s) as u8),
            (Op::FcvtWS, float::to_i32(s, MODE, f) as u64),
            (Op::FcvtWuS, float::to_u32(s, MODE, f) as i32 as u64),
            (Op::FcvtLS, float::to_i64(s, MODE, f) as u64),
            (Op::FcvtLuS, float::to_u64(s, MODE, f)),
            (Op::FcvtDS, float::convert::<F32, F64>(s, MODE, f).0),
        ];
        for (op, expected) in singles {
            prop_assert_eq!(run(op, a, b, 0).0, expected, "{:?}", op);
        }
        let doubles = [
            (Op::FeqD, u64::from(float::eq(x, y, f))),
            (Op::FltD, u64::from(float::lt(x, y, f))),
            (Op::FleD, u64::from(float::le(x, y, f))),
            (Op::FclassD, 1 << float::classify(x) as u8),
            (Op::FcvtWD, float::to_i32(x, MODE, f) as u64),
            (Op::FcvtWuD, float::to_u32(x, MODE, f) as i32 as u64),
            (Op::FcvtLD, float::to_i64(x, MODE, f) as u64),
            (Op::FcvtLuD, float::to_u64(x, MODE, f)),
            (Op::FcvtSD, boxed(float::convert(x, MODE, f))),
        ];
        for (op, expected) in doubles {
            prop_assert_eq!(run(op, x.0, y.0, 0).0, expected, "{:?}", op);
        }
    }

    #[test]
    fn boxing_round_trips(value: u32, junk: u32) {
        prop_assert_eq!(unboxed(boxed(F32(value))), F32(value));
        prop_assume!(junk != u32::MAX);
        prop_assert_eq!(unboxed(u64::from(junk) << 32 | u64::from(value)), F32::NAN_VALUE);
    }
}
