//! Random instructions for the property tests.

use crate::table::{Shape, row};
use crate::{Insn, Op};
use proptest::prelude::*;

/// Any instruction but an illegal one, with operands that its fields hold, `len` 4.
pub(crate) fn insn() -> impl Strategy<Value = Insn> {
    let op = proptest::sample::select(Op::ALL.to_vec());
    (op, any::<[u8; 4]>(), any::<u8>(), any::<i32>(), any::<bool>()).prop_map(
        |(op, registers, rm, imm, tight)| {
            let [rd, rs1, rs2, rs3] = registers.map(|r| r % if tight { 3 } else { 32 });
            let full = Insn { op, rd, rs1, rs2, rs3, rm: 0, len: 4, imm: 0 };
            with_operands(full, rm, if tight { imm % 256 } else { imm })
        },
    )
}

/// Keeps the registers that the shape has, and gives it a fitting immediate and mode.
fn with_operands(full: Insn, rm: u8, imm: i32) -> Insn {
    let Insn { op, rd, rs1, rs2, rs3, .. } = full;
    let none = Insn { rd: 0, rs1: 0, rs2: 0, rs3: 0, ..full };
    let rounding = [0, 1, 2, 3, 4, 7][usize::from(rm) % 6];
    match row(op).shape {
        Shape::Upper => Insn { rd, imm: imm << 12, ..none },
        Shape::Jump => Insn { rd, imm: imm << 12 >> 11, ..none },
        Shape::Branch => Insn { rs1, rs2, imm: imm << 20 >> 19, ..none },
        Shape::JumpRegister | Shape::Load | Shape::FloatLoad | Shape::Immediate => {
            Insn { rd, rs1, imm: imm << 20 >> 20, ..none }
        }
        Shape::Store | Shape::FloatStore => Insn { rs1, rs2, imm: imm << 20 >> 20, ..none },
        Shape::Shift6 => Insn { rd, rs1, imm: imm & 63, ..none },
        Shape::Shift5 => Insn { rd, rs1, imm: imm & 31, ..none },
        Shape::Register | Shape::FloatRegister | Shape::FloatCompare => Insn { rs3: 0, ..full },
        Shape::Unary | Shape::FloatToBits | Shape::BitsToFloat => Insn { rd, rs1, ..none },
        Shape::LoadReserved => Insn { rd, rs1, rm: rm & 3, ..none },
        Shape::Atomic => Insn { rs3: 0, rm: rm & 3, ..full },
        Shape::Fused => Insn { rs3, rm: rounding, ..full },
        Shape::FloatRounded => Insn { rs3: 0, rm: rounding, ..full },
        Shape::FloatRoundedUnary | Shape::FloatToInteger | Shape::IntegerToFloat => {
            Insn { rd, rs1, rm: rounding, ..none }
        }
        Shape::Csr | Shape::CsrImmediate => Insn { rd, rs1, imm: imm & 4095, ..none },
        Shape::Fence => Insn { imm: imm & 4095, ..none },
        Shape::TranslationFence => Insn { rs1, rs2, ..none },
        Shape::Plain | Shape::Illegal => none,
    }
}
