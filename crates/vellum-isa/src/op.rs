//! What can be asked of an operation: its name, and the list of all.

use crate::Op;
use crate::table::{Shape, row};

/// Which registers a field of an instruction names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bank {
    /// None: the field is not a register.
    None,
    /// The integer registers.
    X,
    /// The floating-point registers.
    F,
}

/// The banks of an operation's register fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Banks {
    /// What is written.
    pub rd: Bank,
    /// The first source, or the base of an address.
    pub rs1: Bank,
    /// The second source, or what is stored.
    pub rs2: Bank,
    /// The addend of a fused multiply-add.
    pub rs3: Bank,
}

impl Op {
    /// Every operation but [`Op::Illegal`], in order.
    #[rustfmt::skip]
    pub const ALL: [Self; Op::Illegal as usize] = {
        use Op::*;
        [
            Lui, Auipc, Jal, Jalr, Beq, Bne, Blt, Bge, Bltu, Bgeu, Lb, Lh, Lw, Ld, Lbu, Lhu, Lwu, Sb,
            Sh, Sw, Sd, Addi, Slti, Sltiu, Xori, Ori, Andi, Slli, Srli, Srai, Add, Sub, Sll, Slt,
            Sltu, Xor, Srl, Sra, Or, And, Addiw, Slliw, Srliw, Sraiw, Addw, Subw, Sllw, Srlw, Sraw,
            Fence, FenceI, Ecall, Ebreak, Mul, Mulh, Mulhsu, Mulhu, Div, Divu, Rem, Remu, Mulw, Divw,
            Divuw, Remw, Remuw, LrW, ScW, AmoSwapW, AmoAddW, AmoXorW, AmoAndW, AmoOrW, AmoMinW,
            AmoMaxW, AmoMinuW, AmoMaxuW, LrD, ScD, AmoSwapD, AmoAddD, AmoXorD, AmoAndD, AmoOrD,
            AmoMinD, AmoMaxD, AmoMinuD, AmoMaxuD, AddUw, Sh1add, Sh2add, Sh3add, Sh1addUw, Sh2addUw,
            Sh3addUw, SlliUw, Andn, Orn, Xnor, Clz, Ctz, Cpop, Clzw, Ctzw, Cpopw, Max, Maxu, Min,
            Minu, SextB, SextH, ZextH, Rol, Ror, Rori, Rolw, Rorw, Roriw, OrcB, Rev8, Bclr, Bclri,
            Bext, Bexti, Binv, Binvi, Bset, Bseti, Flw, Fld, Fsw, Fsd, FmaddS, FmsubS, FnmsubS,
            FnmaddS, FaddS, FsubS, FmulS, FdivS, FsqrtS, FsgnjS, FsgnjnS, FsgnjxS, FminS, FmaxS, FeqS,
            FltS, FleS, FclassS, FcvtWS, FcvtWuS, FcvtLS, FcvtLuS, FcvtSW, FcvtSWu, FcvtSL, FcvtSLu,
            FmvXW, FmvWX, FmaddD, FmsubD, FnmsubD, FnmaddD, FaddD, FsubD, FmulD, FdivD, FsqrtD,
            FsgnjD, FsgnjnD, FsgnjxD, FminD, FmaxD, FeqD, FltD, FleD, FclassD, FcvtSD, FcvtDS, FcvtWD,
            FcvtWuD, FcvtLD, FcvtLuD, FcvtDW, FcvtDWu, FcvtDL, FcvtDLu, FmvXD, FmvDX, Csrrw, Csrrs,
            Csrrc, Csrrwi, Csrrsi, Csrrci, Sret, Wfi, SfenceVma, SinvalVma, SfenceWInval,
            SfenceInvalIr,
        ]
    };

    /// The assembler's name for it: `fcvt.w.s`, `amoadd.d`.
    #[must_use]
    pub const fn mnemonic(self) -> &'static str {
        row(self).mnemonic
    }

    /// Which registers its fields name. Registers that are implied or ignored don't count.
    #[must_use]
    pub const fn banks(self) -> Banks {
        use Bank::{F, None, X};
        let (rd, rs1, rs2, rs3) = match row(self).shape {
            Shape::Upper | Shape::Jump | Shape::CsrImmediate => (X, None, None, None),
            Shape::JumpRegister
            | Shape::Load
            | Shape::Immediate
            | Shape::Shift6
            | Shape::Shift5
            | Shape::Unary
            | Shape::LoadReserved
            | Shape::Csr => (X, X, None, None),
            Shape::FloatLoad | Shape::IntegerToFloat | Shape::BitsToFloat => (F, X, None, None),
            Shape::Register | Shape::Atomic => (X, X, X, None),
            Shape::Branch | Shape::Store | Shape::TranslationFence => (None, X, X, None),
            Shape::FloatStore => (None, X, F, None),
            Shape::Fused => (F, F, F, F),
            Shape::FloatRounded | Shape::FloatRegister => (F, F, F, None),
            Shape::FloatRoundedUnary => (F, F, None, None),
            Shape::FloatCompare => (X, F, F, None),
            Shape::FloatToInteger | Shape::FloatToBits => (X, F, None, None),
            Shape::Fence | Shape::Plain | Shape::Illegal => (None, None, None, None),
        };
        Banks { rd, rs1, rs2, rs3 }
    }
}

// The list is complete and in order.
const _: () = {
    let mut at = 0;
    while at < Op::ALL.len() {
        assert!(Op::ALL[at] as usize == at);
        at += 1;
    }
};

#[cfg(test)]
mod tests {
    use crate::asm::reg::{F_NAMES, X_NAMES};
    use crate::testing::insn;
    use crate::{Bank, Banks};
    use proptest::prelude::*;
    use std::format;
    use std::vec::Vec;

    proptest! {
        /// The text names a register for every bank, and no other.
        #[test]
        fn banks_agree_with_the_disassembly(insn in insn()) {
            let Banks { rd, rs1, rs2, rs3 } = insn.op.banks();
            let count = |bank| [rd, rs1, rs2, rs3].into_iter().filter(|&b| b == bank).count();
            let text = format!("{insn:#}");
            let operands = text.split_once(' ').map_or("", |(_, operands)| operands);
            let words: Vec<&str> = operands.split([',', '(', ')']).collect();
            let named = |names: &[&str]| words.iter().filter(|word| names.contains(word)).count();
            prop_assert_eq!(named(&X_NAMES), count(Bank::X), "{}", text);
            prop_assert_eq!(named(&F_NAMES), count(Bank::F), "{}", text);
        }
    }
}
