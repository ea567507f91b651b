//! What can be asked of an operation: its name, and the list of all.

use crate::{Op, table};

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
        table::row(self).mnemonic
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
