//! Floating-point operations: rounding mode and flags around the soft-float core.

use crate::code::MicroOp;
use crate::hart::Float;
use vellum_isa::float::{Flags, Rounding, execute};
use vellum_isa::{Bank, Op};

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

impl Float {
    /// Carries out a floating-point operation; `false` when it is illegal now: floating point is
    /// off, or the dynamic rounding mode is none.
    #[inline(never)]
    pub(crate) fn operate(&mut self, x: &mut [u64; 256], op: MicroOp) -> bool {
        let what = op.op.op();
        if !self.enabled {
            return false;
        }
        let rm = match (op.imm >> 8) as u8 {
            _ if !rounds(what) => 0,
            7 => self.fcsr >> 5,
            rm => rm,
        };
        let Some(rounding) = Rounding::from_bits(rm) else { return false };
        let f = |r: u8| self.regs[usize::from(r & 31)];
        let a = if what.banks().rs1 == Bank::X { x[usize::from(op.rs1)] } else { f(op.rs1) };
        let mut flags = Flags::default();
        let result = execute(what, rounding, a, f(op.rs2), f(op.imm as u8), &mut flags);
        if flags.bits() != 0 {
            self.fcsr |= flags.bits();
            self.dirty = true;
        }
        if what.banks().rd == Bank::X {
            x[usize::from(op.rd)] = result;
        } else {
            self.write(op.rd, result);
        }
        true
    }
}
