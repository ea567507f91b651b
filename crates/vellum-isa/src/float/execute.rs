//! The processor's entry: an operation of F or D on raw registers.

use super::arith::{add, div, mul, sqrt, sub};
use super::compare::{classify, eq, le, lt, max, min};
use super::convert::{
    convert, from_i32, from_i64, from_u32, from_u64, to_i32, to_i64, to_u32, to_u64,
};
use super::flags::{Flags, Rounding};
use super::format::{F32, F64, Float, boxed, unboxed};
use super::fused::{mul_add, mul_sub, neg_mul_add, neg_mul_sub};
use crate::Op;

/// Executes an operation of F or D that does not touch memory.
///
/// `a`, `b` and `c` are the raw registers that `rs1`, `rs2` and `rs3` name: f registers, or for
/// conversions and moves from integers the x register in `a`. The result is the raw destination
/// register, f (NaN-boxed where single) or x (32-bit results sign-extended). `rm` matters to those
/// operations that round; exceptions are added to `flags`. An operation outside F and D, or a load or
/// store, is the caller's mistake: `a` comes back.
#[inline]
#[must_use]
pub fn execute(op: Op, rm: Rounding, a: u64, b: u64, c: u64, flags: &mut Flags) -> u64 {
    match op {
        Op::FmvXW => a as i32 as u64,
        Op::FmvWX => boxed(F32(a as u32)),
        Op::FmvXD | Op::FmvDX => a,
        Op::FcvtSD => boxed(convert(F64(a), rm, flags)),
        Op::FcvtDS => convert::<F32, F64>(unboxed(a), rm, flags).0,
        Op::FcvtSW => boxed(from_i32(a as i32, rm, flags)),
        Op::FcvtSWu => boxed(from_u32(a as u32, rm, flags)),
        Op::FcvtSL => boxed(from_i64(a as i64, rm, flags)),
        Op::FcvtSLu => boxed(from_u64(a, rm, flags)),
        Op::FcvtDW => from_i32::<F64>(a as i32, rm, flags).0,
        Op::FcvtDWu => from_u32::<F64>(a as u32, rm, flags).0,
        Op::FcvtDL => from_i64::<F64>(a as i64, rm, flags).0,
        Op::FcvtDLu => from_u64::<F64>(a, rm, flags).0,
        _ if op <= Op::FmvWX => single(op, rm, [a, b, c], flags),
        _ => double(op, rm, [F64(a), F64(b), F64(c)], flags).unwrap_or(a),
    }
}

/// Operations whose operands are singles.
#[inline]
fn single(op: Op, rm: Rounding, [a, b, c]: [u64; 3], flags: &mut Flags) -> u64 {
    let (x, y, z) = (unboxed(a), unboxed(b), unboxed(c));
    let value = match op {
        Op::FaddS => add(x, y, rm, flags),
        Op::FsubS => sub(x, y, rm, flags),
        Op::FmulS => mul(x, y, rm, flags),
        Op::FdivS => div(x, y, rm, flags),
        Op::FsqrtS => sqrt(x, rm, flags),
        Op::FmaddS => mul_add(x, y, z, rm, flags),
        Op::FmsubS => mul_sub(x, y, z, rm, flags),
        Op::FnmsubS => neg_mul_sub(x, y, z, rm, flags),
        Op::FnmaddS => neg_mul_add(x, y, z, rm, flags),
        Op::FsgnjS => with_sign(x, y.raw()),
        Op::FsgnjnS => with_sign(x, !y.raw()),
        Op::FsgnjxS => with_sign(x, x.raw() ^ y.raw()),
        Op::FminS => min(x, y, flags),
        Op::FmaxS => max(x, y, flags),
        _ => return to_integer(op, rm, x, y, flags).unwrap_or(a),
    };
    boxed(value)
}

/// Operations whose operands are doubles.
#[inline]
fn double(op: Op, rm: Rounding, [x, y, z]: [F64; 3], flags: &mut Flags) -> Option<u64> {
    let value = match op {
        Op::FaddD => add(x, y, rm, flags),
        Op::FsubD => sub(x, y, rm, flags),
        Op::FmulD => mul(x, y, rm, flags),
        Op::FdivD => div(x, y, rm, flags),
        Op::FsqrtD => sqrt(x, rm, flags),
        Op::FmaddD => mul_add(x, y, z, rm, flags),
        Op::FmsubD => mul_sub(x, y, z, rm, flags),
        Op::FnmsubD => neg_mul_sub(x, y, z, rm, flags),
        Op::FnmaddD => neg_mul_add(x, y, z, rm, flags),
        Op::FsgnjD => with_sign(x, y.raw()),
        Op::FsgnjnD => with_sign(x, !y.raw()),
        Op::FsgnjxD => with_sign(x, x.raw() ^ y.raw()),
        Op::FminD => min(x, y, flags),
        Op::FmaxD => max(x, y, flags),
        _ => return to_integer(op, rm, x, y, flags),
    };
    Some(value.raw())
}

/// Operations whose result goes to an x register.
#[inline]
fn to_integer<F: Float>(op: Op, rm: Rounding, x: F, y: F, flags: &mut Flags) -> Option<u64> {
    Some(match op {
        Op::FeqS | Op::FeqD => u64::from(eq(x, y, flags)),
        Op::FltS | Op::FltD => u64::from(lt(x, y, flags)),
        Op::FleS | Op::FleD => u64::from(le(x, y, flags)),
        Op::FclassS | Op::FclassD => 1 << classify(x) as u8,
        Op::FcvtWS | Op::FcvtWD => to_i32(x, rm, flags) as u64,
        Op::FcvtWuS | Op::FcvtWuD => to_u32(x, rm, flags) as i32 as u64,
        Op::FcvtLS | Op::FcvtLD => to_i64(x, rm, flags) as u64,
        Op::FcvtLuS | Op::FcvtLuD => to_u64(x, rm, flags),
        _ => return None,
    })
}

/// `value` with the sign bit of `sign`.
#[inline]
fn with_sign<F: Float>(value: F, sign: u64) -> F {
    F::from_raw(value.raw() & !F::SIGN | sign & F::SIGN)
}
