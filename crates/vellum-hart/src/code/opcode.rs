//! What a micro-operation does: every instruction by its mnemonic, and pairs of instructions that
//! often stand together and are carried out as one.

use vellum_isa::Op;

macro_rules! codes {
    ($($name:ident)*; $($(#[$doc:meta])* $pair:ident)*) => {
        /// What a micro-operation does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Code {
            $($name = Op::$name as u8,)*
            $($(#[$doc])* $pair,)*
        }

        impl Code {
            /// All of them.
            pub(crate) const ALL: &[Code] = &[$(Code::$name,)* $(Code::$pair,)*];

            /// The code of one instruction.
            pub(crate) const fn of(op: Op) -> Code {
                match op {
                    $(Op::$name => Code::$name,)*
                }
            }

            /// The instruction, unless it is a pair.
            pub(crate) const fn op(self) -> Op {
                match self {
                    $(Code::$name => Op::$name,)*
                    $(Code::$pair => Op::Illegal,)*
                }
            }
        }
    };
}

codes! {
    Lui Auipc Jal Jalr Beq Bne Blt Bge Bltu Bgeu
    Lb Lh Lw Ld Lbu Lhu Lwu Sb Sh Sw Sd
    Addi Slti Sltiu Xori Ori Andi Slli Srli Srai
    Add Sub Sll Slt Sltu Xor Srl Sra Or And
    Addiw Slliw Srliw Sraiw Addw Subw Sllw Srlw Sraw
    Fence FenceI Ecall Ebreak
    Mul Mulh Mulhsu Mulhu Div Divu Rem Remu Mulw Divw Divuw Remw Remuw
    LrW ScW AmoSwapW AmoAddW AmoXorW AmoAndW AmoOrW AmoMinW AmoMaxW AmoMinuW AmoMaxuW
    LrD ScD AmoSwapD AmoAddD AmoXorD AmoAndD AmoOrD AmoMinD AmoMaxD AmoMinuD AmoMaxuD
    AddUw Sh1add Sh2add Sh3add Sh1addUw Sh2addUw Sh3addUw SlliUw
    Andn Orn Xnor Clz Ctz Cpop Clzw Ctzw Cpopw Max Maxu Min Minu SextB SextH ZextH
    Rol Ror Rori Rolw Rorw Roriw OrcB Rev8
    Bclr Bclri Bext Bexti Binv Binvi Bset Bseti
    Flw Fld Fsw Fsd
    FmaddS FmsubS FnmsubS FnmaddS FaddS FsubS FmulS FdivS FsqrtS
    FsgnjS FsgnjnS FsgnjxS FminS FmaxS FeqS FltS FleS FclassS
    FcvtWS FcvtWuS FcvtLS FcvtLuS FcvtSW FcvtSWu FcvtSL FcvtSLu FmvXW FmvWX
    FmaddD FmsubD FnmsubD FnmaddD FaddD FsubD FmulD FdivD FsqrtD
    FsgnjD FsgnjnD FsgnjxD FminD FmaxD FeqD FltD FleD FclassD
    FcvtSD FcvtDS FcvtWD FcvtWuD FcvtLD FcvtLuD FcvtDW FcvtDWu FcvtDL FcvtDLu FmvXD FmvDX
    Csrrw Csrrs Csrrc Csrrwi Csrrsi Csrrci
    Sret Wfi SfenceVma SinvalVma SfenceWInval SfenceInvalIr
    Illegal;
    // Pairs: an operation on integer registers, then a branch.
    AddiBeq AddiBne AddiBltu AddiBgeu AddiwBeq AddiwBne AndiBeq AndiBne
    AddwBeq AddwBne SrliwBeq SrliwBne OrBeq OrBne AddBeq AddBne
    // Pairs: two operations on integer registers.
    AddiAddi AddiAdd AddAdd MulwAddw SlliSrli SlliAdd XorAndi XorSlli SltiuAndi AndiOr AddiwAddi
    XorXor SlliOr SrliSlli SlliwXor SrliwXor
    // Pairs: two accesses of one kind.
    LdLd LhLh SdSd SbSb
    // Pairs: an operation on integer registers, then an access.
    AddLd AddLbu AddiSd
}
