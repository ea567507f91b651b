//! Arithmetic on doubles of ordinary size, with rounding mode and flags, to nearest.

use crate::{Args, compare, measure};
use anyhow::Result;
use rustc_apfloat::ieee::Double;
use rustc_apfloat::{Float, Round, StatusAnd};
use std::hint::black_box;
use vellum_bench::Table;
use vellum_isa::Op;
use vellum_isa::float::{Flags, Rounding, execute};

const OPERANDS: usize = 1 << 10;
const NEAREST: Round = Round::NearestTiesToEven;

/// An operation of the peer.
type Theirs = fn(Double, Double, Double) -> StatusAnd<Double>;

pub fn rows(args: &Args, table: &mut Table) -> Result<()> {
    let rows: [(&str, Op, Option<Theirs>); 5] = [
        ("add doubles", Op::FaddD, Some(|a, b, _| a.add_r(b, NEAREST))),
        ("multiply doubles", Op::FmulD, Some(|a, b, _| a.mul_r(b, NEAREST))),
        ("divide doubles", Op::FdivD, Some(|a, b, _| a.div_r(b, NEAREST))),
        ("fused multiply-add of doubles", Op::FmaddD, Some(|a, b, c| a.mul_add_r(b, c, NEAREST))),
        ("square root of doubles", Op::FsqrtD, None),
    ];
    for (what, op, theirs) in rows {
        let sign = if op == Op::FsqrtD { 0 } else { 1 << 63 };
        let values: Vec<u64> = (0..OPERANDS as u64).map(|n| operand(n, sign)).collect();
        let pick = |n: usize, step: usize| values[(n * step + step) % OPERANDS];
        let ours = move |n: usize| {
            let mut flags = Flags::NONE;
            // The operation is not known when the processor is compiled, either.
            let op = black_box(op);
            let bits = execute(op, Rounding::Rne, pick(n, 1), pick(n, 3), pick(n, 7), &mut flags);
            (bits, flags)
        };
        let calls = args.calls;
        let mut all: Vec<vellum_bench::Contestant<'_>> =
            vec![("Vellum", Box::new(move || measure(calls, ours)))];
        let value = |n, step| Double::from_bits(u128::from(pick(n, step)));
        match theirs {
            Some(f) => all.push((
                "rustc_apfloat",
                Box::new(move || measure(calls, |n| f(value(n, 1), value(n, 3), value(n, 7)))),
            )),
            // It has none; the host's own root, without flags, is the floor.
            None => all.push((
                "host, no flags",
                Box::new(move || measure(calls, |n| f64::from_bits(pick(n, 1)).sqrt())),
            )),
        }
        compare(args, table, what, all)?;
    }
    Ok(())
}

/// A double of magnitude 2⁻³² to 2³², its bits spread by Fibonacci hashing; half of them carry `sign`.
fn operand(number: u64, sign: u64) -> u64 {
    let hash = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let exponent = 1023 - 32 + (hash >> 58);
    (hash << 31) & sign | exponent << 52 | hash & 0x000f_ffff_ffff_ffff
}
