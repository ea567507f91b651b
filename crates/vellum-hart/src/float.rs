//! Floating-point operations: rounding mode and flags around the soft-float core.

use crate::Hart;
use crate::code::MicroOp;
use vellum_isa::Op;
use vellum_isa::float::{Flags, Rounding, execute};

/// Whether the destination is an integer register.
fn to_x(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        FeqS | FltS
            | FleS
            | FclassS
            | FcvtWS
            | FcvtWuS
            | FcvtLS
            | FcvtLuS
            | FmvXW
            | FeqD
            | FltD
            | FleD
            | FclassD
            | FcvtWD
            | FcvtWuD
            | FcvtLD
            | FcvtLuD
            | FmvXD
    )
}

/// Whether the first source is an integer register.
fn from_x(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        FcvtSW | FcvtSWu | FcvtSL | FcvtSLu | FmvWX | FcvtDW | FcvtDWu | FcvtDL | FcvtDLu | FmvDX
    )
}

/// Whether the `rm` field chooses a rounding mode; elsewhere it is part of the opcode.
fn rounds(op: Op) -> bool {
    use Op::*;
    !matches!(
        op,
        FsgnjS
            | FsgnjnS
            | FsgnjxS
            | FminS
            | FmaxS
            | FeqS
            | FltS
            | FleS
            | FclassS
            | FmvXW
            | FmvWX
            | FsgnjD
            | FsgnjnD
            | FsgnjxD
            | FminD
            | FmaxD
            | FeqD
            | FltD
            | FleD
            | FclassD
            | FmvXD
            | FmvDX
    )
}

impl Hart {
    /// Carries out a floating-point operation; `false` when it is illegal now: floating point is
    /// off, or the dynamic rounding mode is none.
    pub(crate) fn float(&mut self, op: MicroOp) -> bool {
        if !self.fp_enabled {
            return false;
        }
        let rm = (op.imm >> 8) as u8;
        let rm = match rm {
            _ if !rounds(op.op) => 0,
            7 => self.fcsr >> 5,
            rm => rm,
        };
        let Some(rounding) = Rounding::from_bits(rm) else { return false };
        let f = |r: u8| self.fregs[usize::from(r & 31)];
        let a = if from_x(op.op) { self.regs[usize::from(op.rs1)] } else { f(op.rs1) };
        let mut flags = Flags::default();
        let result = execute(op.op, rounding, a, f(op.rs2), f(op.imm as u8), &mut flags);
        if flags.bits() != 0 {
            self.fcsr |= flags.bits();
            self.fp_dirty = true;
        }
        if to_x(op.op) {
            self.regs[usize::from(op.rd)] = result;
        } else {
            self.fregs[usize::from(op.rd & 31)] = result;
            self.fp_dirty = true;
        }
        true
    }
}
