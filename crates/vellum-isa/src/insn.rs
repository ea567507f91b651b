//! A decoded instruction: the operation and its operands, the same form for the 16-bit and the
//! 32-bit encoding.

/// One decoded instruction. Compressed instructions appear as the 32-bit instruction that they
/// expand to, with `len` 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Insn {
    /// What it does.
    pub op: Op,
    /// Destination register (x or f), 0–31.
    pub rd: u8,
    /// First source register; the zero-extended 5-bit immediate of `csrr?i`.
    pub rs1: u8,
    /// Second source register.
    pub rs2: u8,
    /// Third source register of the fused multiply-adds.
    pub rs3: u8,
    /// The 3-bit rounding mode field of floating-point operations (7: take it from `frm`);
    /// `aq`/`rl` in bits 1 and 0 for atomics; 0 elsewhere.
    pub rm: u8,
    /// Bytes it occupies: 2 or 4.
    pub len: u8,
    /// The sign-extended immediate; the shift amount; the 12-bit CSR number of `csrr??`;
    /// `pred`/`succ`/`fm` bits of `fence`; the raw bits of `Illegal`.
    pub imm: i32,
}

/// Operations of RV64IMAFDC, Zicsr, Zifencei, Zba, Zbb, Zbs, Svinval and the supervisor's
/// instructions, named by their mnemonics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[rustfmt::skip]
#[expect(missing_docs, reason = "each is the instruction of the same mnemonic")]
pub enum Op {
    // RV64I
    Lui, Auipc, Jal, Jalr, Beq, Bne, Blt, Bge, Bltu, Bgeu,
    Lb, Lh, Lw, Ld, Lbu, Lhu, Lwu, Sb, Sh, Sw, Sd,
    Addi, Slti, Sltiu, Xori, Ori, Andi, Slli, Srli, Srai,
    Add, Sub, Sll, Slt, Sltu, Xor, Srl, Sra, Or, And,
    Addiw, Slliw, Srliw, Sraiw, Addw, Subw, Sllw, Srlw, Sraw,
    Fence, FenceI, Ecall, Ebreak,
    // M
    Mul, Mulh, Mulhsu, Mulhu, Div, Divu, Rem, Remu, Mulw, Divw, Divuw, Remw, Remuw,
    // A
    LrW, ScW, AmoSwapW, AmoAddW, AmoXorW, AmoAndW, AmoOrW, AmoMinW, AmoMaxW, AmoMinuW, AmoMaxuW,
    LrD, ScD, AmoSwapD, AmoAddD, AmoXorD, AmoAndD, AmoOrD, AmoMinD, AmoMaxD, AmoMinuD, AmoMaxuD,
    // Zba
    AddUw, Sh1add, Sh2add, Sh3add, Sh1addUw, Sh2addUw, Sh3addUw, SlliUw,
    // Zbb
    Andn, Orn, Xnor, Clz, Ctz, Cpop, Clzw, Ctzw, Cpopw, Max, Maxu, Min, Minu, SextB, SextH, ZextH,
    Rol, Ror, Rori, Rolw, Rorw, Roriw, OrcB, Rev8,
    // Zbs
    Bclr, Bclri, Bext, Bexti, Binv, Binvi, Bset, Bseti,
    // F and D: loads and stores
    Flw, Fld, Fsw, Fsd,
    // F
    FmaddS, FmsubS, FnmsubS, FnmaddS, FaddS, FsubS, FmulS, FdivS, FsqrtS,
    FsgnjS, FsgnjnS, FsgnjxS, FminS, FmaxS, FeqS, FltS, FleS, FclassS,
    FcvtWS, FcvtWuS, FcvtLS, FcvtLuS, FcvtSW, FcvtSWu, FcvtSL, FcvtSLu, FmvXW, FmvWX,
    // D
    FmaddD, FmsubD, FnmsubD, FnmaddD, FaddD, FsubD, FmulD, FdivD, FsqrtD,
    FsgnjD, FsgnjnD, FsgnjxD, FminD, FmaxD, FeqD, FltD, FleD, FclassD,
    FcvtSD, FcvtDS, FcvtWD, FcvtWuD, FcvtLD, FcvtLuD, FcvtDW, FcvtDWu, FcvtDL, FcvtDLu, FmvXD, FmvDX,
    // Zicsr
    Csrrw, Csrrs, Csrrc, Csrrwi, Csrrsi, Csrrci,
    // Supervisor
    Sret, Wfi, SfenceVma, SinvalVma, SfenceWInval, SfenceInvalIr,
    /// No instruction of this machine; `imm` holds the bits.
    Illegal,
}
