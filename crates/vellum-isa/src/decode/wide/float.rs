//! The 32-bit encodings of F and D.

use super::{field, funct3, funct7, i_type, illegal, r_type, rs2, s_type, unary};
use crate::{Insn, Op};

pub(super) const fn load(bits: u32) -> Insn {
    match funct3(bits) {
        2 => i_type(Op::Flw, bits),
        3 => i_type(Op::Fld, bits),
        _ => illegal(bits, 4),
    }
}

pub(super) const fn store(bits: u32) -> Insn {
    match funct3(bits) {
        2 => s_type(Op::Fsw, bits),
        3 => s_type(Op::Fsd, bits),
        _ => illegal(bits, 4),
    }
}

/// A statically reserved rounding mode: the encoding itself is illegal, even where the result could
/// not depend on it. 7 (dynamic) is judged when it executes.
const fn reserved_rm(bits: u32) -> bool {
    matches!(funct3(bits), 5 | 6)
}

pub(super) const fn fused(bits: u32, single: Op, double: Op) -> Insn {
    let op = match field(bits, 25, 2) {
        0 => single,
        1 => double,
        _ => return illegal(bits, 4),
    };
    if reserved_rm(bits) {
        return illegal(bits, 4);
    }
    let mut insn = r_type(op, bits);
    insn.rs3 = field(bits, 27, 5) as u8;
    insn.rm = funct3(bits) as u8;
    insn
}

pub(super) const fn op_fp(bits: u32) -> Insn {
    match funct7(bits) {
        0x00 => rounded(Op::FaddS, bits),
        0x01 => rounded(Op::FaddD, bits),
        0x04 => rounded(Op::FsubS, bits),
        0x05 => rounded(Op::FsubD, bits),
        0x08 => rounded(Op::FmulS, bits),
        0x09 => rounded(Op::FmulD, bits),
        0x0c => rounded(Op::FdivS, bits),
        0x0d => rounded(Op::FdivD, bits),
        0x10 => by_funct3(bits, &[Op::FsgnjS, Op::FsgnjnS, Op::FsgnjxS]),
        0x11 => by_funct3(bits, &[Op::FsgnjD, Op::FsgnjnD, Op::FsgnjxD]),
        0x14 => by_funct3(bits, &[Op::FminS, Op::FmaxS]),
        0x15 => by_funct3(bits, &[Op::FminD, Op::FmaxD]),
        0x20 if rs2(bits) == 1 => by_rs2(bits, &[Op::Illegal, Op::FcvtSD]),
        0x21 => by_rs2(bits, &[Op::FcvtDS]),
        0x2c => by_rs2(bits, &[Op::FsqrtS]),
        0x2d => by_rs2(bits, &[Op::FsqrtD]),
        0x50 => by_funct3(bits, &[Op::FleS, Op::FltS, Op::FeqS]),
        0x51 => by_funct3(bits, &[Op::FleD, Op::FltD, Op::FeqD]),
        0x60 => by_rs2(bits, &[Op::FcvtWS, Op::FcvtWuS, Op::FcvtLS, Op::FcvtLuS]),
        0x61 => by_rs2(bits, &[Op::FcvtWD, Op::FcvtWuD, Op::FcvtLD, Op::FcvtLuD]),
        0x68 => by_rs2(bits, &[Op::FcvtSW, Op::FcvtSWu, Op::FcvtSL, Op::FcvtSLu]),
        0x69 => by_rs2(bits, &[Op::FcvtDW, Op::FcvtDWu, Op::FcvtDL, Op::FcvtDLu]),
        0x70 => bit_move(bits, &[Op::FmvXW, Op::FclassS]),
        0x71 => bit_move(bits, &[Op::FmvXD, Op::FclassD]),
        0x78 => bit_move(bits, &[Op::FmvWX]),
        0x79 => bit_move(bits, &[Op::FmvDX]),
        _ => illegal(bits, 4),
    }
}

/// Two sources and a rounding mode.
const fn rounded(op: Op, bits: u32) -> Insn {
    if reserved_rm(bits) {
        return illegal(bits, 4);
    }
    let mut insn = r_type(op, bits);
    insn.rm = funct3(bits) as u8;
    insn
}

/// One source and a rounding mode; the `rs2` field selects the operation.
const fn by_rs2(bits: u32, ops: &[Op]) -> Insn {
    let at = rs2(bits) as usize;
    if at >= ops.len() || reserved_rm(bits) {
        return illegal(bits, 4);
    }
    let mut insn = unary(ops[at], bits);
    insn.rm = funct3(bits) as u8;
    insn
}

/// Two sources and no rounding; the `rm` field selects the operation.
const fn by_funct3(bits: u32, ops: &[Op]) -> Insn {
    let at = funct3(bits) as usize;
    if at < ops.len() { r_type(ops[at], bits) } else { illegal(bits, 4) }
}

/// One source and no rounding; the `rm` field selects the operation.
const fn bit_move(bits: u32, ops: &[Op]) -> Insn {
    let at = funct3(bits) as usize;
    if at < ops.len() && rs2(bits) == 0 { unary(ops[at], bits) } else { illegal(bits, 4) }
}
