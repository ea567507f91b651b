//! The 32-bit encodings: a match on the major opcode, then on its function fields.

mod float;

use super::{field, illegal, sign};
use crate::{Insn, Op};

/// Decodes a 32-bit instruction (its two lowest bits are set).
#[inline]
pub(super) const fn decode(bits: u32) -> Insn {
    match field(bits, 2, 5) {
        0x00 => load(bits),
        0x01 => float::load(bits),
        0x03 => misc_mem(bits),
        0x04 => op_imm(bits),
        0x05 => upper(Op::Auipc, bits),
        0x06 => op_imm_32(bits),
        0x08 => store(bits),
        0x09 => float::store(bits),
        0x0b => amo(bits),
        0x0c => op(bits),
        0x0d => upper(Op::Lui, bits),
        0x0e => op_32(bits),
        0x10 => float::fused(bits, Op::FmaddS, Op::FmaddD),
        0x11 => float::fused(bits, Op::FmsubS, Op::FmsubD),
        0x12 => float::fused(bits, Op::FnmsubS, Op::FnmsubD),
        0x13 => float::fused(bits, Op::FnmaddS, Op::FnmaddD),
        0x14 => float::op_fp(bits),
        0x18 => branch(bits),
        0x19 if funct3(bits) == 0 => i_type(Op::Jalr, bits),
        0x1b => jal(bits),
        0x1c => system(bits),
        _ => illegal(bits, 4),
    }
}

const fn rd(bits: u32) -> u8 {
    field(bits, 7, 5) as u8
}

const fn rs1(bits: u32) -> u8 {
    field(bits, 15, 5) as u8
}

const fn rs2(bits: u32) -> u8 {
    field(bits, 20, 5) as u8
}

const fn funct3(bits: u32) -> u32 {
    field(bits, 12, 3)
}

const fn funct7(bits: u32) -> u32 {
    field(bits, 25, 7)
}

const fn insn(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> Insn {
    Insn { op, rd, rs1, rs2, rs3: 0, rm: 0, len: 4, imm }
}

const fn r_type(op: Op, bits: u32) -> Insn {
    insn(op, rd(bits), rs1(bits), rs2(bits), 0)
}

/// An instruction of one source register, whose `rs2` field selects the operation.
const fn unary(op: Op, bits: u32) -> Insn {
    insn(op, rd(bits), rs1(bits), 0, 0)
}

const fn i_type(op: Op, bits: u32) -> Insn {
    insn(op, rd(bits), rs1(bits), 0, (bits as i32) >> 20)
}

const fn s_type(op: Op, bits: u32) -> Insn {
    let imm = ((bits as i32) >> 25 << 5) | field(bits, 7, 5) as i32;
    insn(op, 0, rs1(bits), rs2(bits), imm)
}

const fn shift(op: Op, bits: u32, width: u32) -> Insn {
    insn(op, rd(bits), rs1(bits), 0, field(bits, 20, width) as i32)
}

const fn upper(op: Op, bits: u32) -> Insn {
    insn(op, rd(bits), 0, 0, (bits & 0xffff_f000) as i32)
}

const fn jal(bits: u32) -> Insn {
    let imm = field(bits, 31, 1) << 20
        | field(bits, 12, 8) << 12
        | field(bits, 20, 1) << 11
        | field(bits, 21, 10) << 1;
    insn(Op::Jal, rd(bits), 0, 0, sign(imm, 21))
}

const fn branch(bits: u32) -> Insn {
    let op = match funct3(bits) {
        0 => Op::Beq,
        1 => Op::Bne,
        4 => Op::Blt,
        5 => Op::Bge,
        6 => Op::Bltu,
        7 => Op::Bgeu,
        _ => return illegal(bits, 4),
    };
    let imm = field(bits, 31, 1) << 12
        | field(bits, 7, 1) << 11
        | field(bits, 25, 6) << 5
        | field(bits, 8, 4) << 1;
    insn(op, 0, rs1(bits), rs2(bits), sign(imm, 13))
}

const fn load(bits: u32) -> Insn {
    let op = match funct3(bits) {
        0 => Op::Lb,
        1 => Op::Lh,
        2 => Op::Lw,
        3 => Op::Ld,
        4 => Op::Lbu,
        5 => Op::Lhu,
        6 => Op::Lwu,
        _ => return illegal(bits, 4),
    };
    i_type(op, bits)
}

const fn store(bits: u32) -> Insn {
    let op = match funct3(bits) {
        0 => Op::Sb,
        1 => Op::Sh,
        2 => Op::Sw,
        3 => Op::Sd,
        _ => return illegal(bits, 4),
    };
    s_type(op, bits)
}

/// Fences. Their register fields, and all the other fields of `fence.i`, are reserved and ignored.
const fn misc_mem(bits: u32) -> Insn {
    match funct3(bits) {
        0 => insn(Op::Fence, 0, 0, 0, field(bits, 20, 12) as i32),
        1 => insn(Op::FenceI, 0, 0, 0, 0),
        _ => illegal(bits, 4),
    }
}

const fn op_imm(bits: u32) -> Insn {
    match funct3(bits) {
        0 => i_type(Op::Addi, bits),
        1 => left_imm(bits),
        2 => i_type(Op::Slti, bits),
        3 => i_type(Op::Sltiu, bits),
        4 => i_type(Op::Xori, bits),
        5 => right_imm(bits),
        6 => i_type(Op::Ori, bits),
        _ => i_type(Op::Andi, bits),
    }
}

const fn left_imm(bits: u32) -> Insn {
    match field(bits, 26, 6) {
        0x00 => shift(Op::Slli, bits, 6),
        0x0a => shift(Op::Bseti, bits, 6),
        0x12 => shift(Op::Bclri, bits, 6),
        0x1a => shift(Op::Binvi, bits, 6),
        0x18 => match field(bits, 20, 6) {
            0 => unary(Op::Clz, bits),
            1 => unary(Op::Ctz, bits),
            2 => unary(Op::Cpop, bits),
            4 => unary(Op::SextB, bits),
            5 => unary(Op::SextH, bits),
            _ => illegal(bits, 4),
        },
        _ => illegal(bits, 4),
    }
}

const fn right_imm(bits: u32) -> Insn {
    match field(bits, 26, 6) {
        0x00 => shift(Op::Srli, bits, 6),
        0x10 => shift(Op::Srai, bits, 6),
        0x18 => shift(Op::Rori, bits, 6),
        0x12 => shift(Op::Bexti, bits, 6),
        0x0a if field(bits, 20, 6) == 0x07 => unary(Op::OrcB, bits),
        0x1a if field(bits, 20, 6) == 0x38 => unary(Op::Rev8, bits),
        _ => illegal(bits, 4),
    }
}

const fn op_imm_32(bits: u32) -> Insn {
    match (funct3(bits), funct7(bits)) {
        (0, _) => i_type(Op::Addiw, bits),
        (1, 0x00) => shift(Op::Slliw, bits, 5),
        (1, 0x04 | 0x05) => shift(Op::SlliUw, bits, 6),
        (1, 0x30) => match rs2(bits) {
            0 => unary(Op::Clzw, bits),
            1 => unary(Op::Ctzw, bits),
            2 => unary(Op::Cpopw, bits),
            _ => illegal(bits, 4),
        },
        (5, 0x00) => shift(Op::Srliw, bits, 5),
        (5, 0x20) => shift(Op::Sraiw, bits, 5),
        (5, 0x30) => shift(Op::Roriw, bits, 5),
        _ => illegal(bits, 4),
    }
}

const fn op(bits: u32) -> Insn {
    let op = match (funct7(bits), funct3(bits)) {
        (0x00, 0) => Op::Add,
        (0x00, 1) => Op::Sll,
        (0x00, 2) => Op::Slt,
        (0x00, 3) => Op::Sltu,
        (0x00, 4) => Op::Xor,
        (0x00, 5) => Op::Srl,
        (0x00, 6) => Op::Or,
        (0x00, 7) => Op::And,
        (0x01, 0) => Op::Mul,
        (0x01, 1) => Op::Mulh,
        (0x01, 2) => Op::Mulhsu,
        (0x01, 3) => Op::Mulhu,
        (0x01, 4) => Op::Div,
        (0x01, 5) => Op::Divu,
        (0x01, 6) => Op::Rem,
        (0x01, 7) => Op::Remu,
        (0x05, 4) => Op::Min,
        (0x05, 5) => Op::Minu,
        (0x05, 6) => Op::Max,
        (0x05, 7) => Op::Maxu,
        (0x10, 2) => Op::Sh1add,
        (0x10, 4) => Op::Sh2add,
        (0x10, 6) => Op::Sh3add,
        (0x14, 1) => Op::Bset,
        (0x20, 0) => Op::Sub,
        (0x20, 4) => Op::Xnor,
        (0x20, 5) => Op::Sra,
        (0x20, 6) => Op::Orn,
        (0x20, 7) => Op::Andn,
        (0x24, 1) => Op::Bclr,
        (0x24, 5) => Op::Bext,
        (0x30, 1) => Op::Rol,
        (0x30, 5) => Op::Ror,
        (0x34, 1) => Op::Binv,
        _ => return illegal(bits, 4),
    };
    r_type(op, bits)
}

const fn op_32(bits: u32) -> Insn {
    let op = match (funct7(bits), funct3(bits)) {
        (0x00, 0) => Op::Addw,
        (0x00, 1) => Op::Sllw,
        (0x00, 5) => Op::Srlw,
        (0x01, 0) => Op::Mulw,
        (0x01, 4) => Op::Divw,
        (0x01, 5) => Op::Divuw,
        (0x01, 6) => Op::Remw,
        (0x01, 7) => Op::Remuw,
        (0x04, 0) => Op::AddUw,
        (0x04, 4) if rs2(bits) == 0 => return unary(Op::ZextH, bits),
        (0x10, 2) => Op::Sh1addUw,
        (0x10, 4) => Op::Sh2addUw,
        (0x10, 6) => Op::Sh3addUw,
        (0x20, 0) => Op::Subw,
        (0x20, 5) => Op::Sraw,
        (0x30, 1) => Op::Rolw,
        (0x30, 5) => Op::Rorw,
        _ => return illegal(bits, 4),
    };
    r_type(op, bits)
}

/// Atomics: `rm` holds `aq` and `rl`.
const fn amo(bits: u32) -> Insn {
    let op = match (funct3(bits), field(bits, 27, 5)) {
        (2, 0x02) if rs2(bits) == 0 => Op::LrW,
        (2, 0x03) => Op::ScW,
        (2, 0x01) => Op::AmoSwapW,
        (2, 0x00) => Op::AmoAddW,
        (2, 0x04) => Op::AmoXorW,
        (2, 0x0c) => Op::AmoAndW,
        (2, 0x08) => Op::AmoOrW,
        (2, 0x10) => Op::AmoMinW,
        (2, 0x14) => Op::AmoMaxW,
        (2, 0x18) => Op::AmoMinuW,
        (2, 0x1c) => Op::AmoMaxuW,
        (3, 0x02) if rs2(bits) == 0 => Op::LrD,
        (3, 0x03) => Op::ScD,
        (3, 0x01) => Op::AmoSwapD,
        (3, 0x00) => Op::AmoAddD,
        (3, 0x04) => Op::AmoXorD,
        (3, 0x0c) => Op::AmoAndD,
        (3, 0x08) => Op::AmoOrD,
        (3, 0x10) => Op::AmoMinD,
        (3, 0x14) => Op::AmoMaxD,
        (3, 0x18) => Op::AmoMinuD,
        (3, 0x1c) => Op::AmoMaxuD,
        _ => return illegal(bits, 4),
    };
    let mut insn = r_type(op, bits);
    insn.rm = field(bits, 25, 2) as u8;
    insn
}

const fn system(bits: u32) -> Insn {
    let op = match funct3(bits) {
        0 => return privileged(bits),
        1 => Op::Csrrw,
        2 => Op::Csrrs,
        3 => Op::Csrrc,
        5 => Op::Csrrwi,
        6 => Op::Csrrsi,
        7 => Op::Csrrci,
        _ => return illegal(bits, 4),
    };
    insn(op, rd(bits), rs1(bits), 0, field(bits, 20, 12) as i32)
}

const fn privileged(bits: u32) -> Insn {
    if rd(bits) != 0 {
        return illegal(bits, 4);
    }
    let op = match (funct7(bits), rs2(bits), rs1(bits)) {
        (0x00, 0, 0) => Op::Ecall,
        (0x00, 1, 0) => Op::Ebreak,
        (0x08, 2, 0) => Op::Sret,
        (0x08, 5, 0) => Op::Wfi,
        (0x0c, 0, 0) => Op::SfenceWInval,
        (0x0c, 1, 0) => Op::SfenceInvalIr,
        (0x09, _, _) => return r_type(Op::SfenceVma, bits),
        (0x0b, _, _) => return r_type(Op::SinvalVma, bits),
        _ => return illegal(bits, 4),
    };
    insn(op, 0, 0, 0, 0)
}
