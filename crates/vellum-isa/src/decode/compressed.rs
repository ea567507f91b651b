//! The 16-bit encodings, each expanded to the 32-bit instruction that it stands for.

use super::{field, illegal, sign};
use crate::{Insn, Op};

/// The stack pointer, which several encodings imply.
const SP: u8 = 2;
/// The return address, which `c.jalr` implies.
const RA: u8 = 1;

/// Decodes a 16-bit instruction; the upper half of `bits` is clear.
#[inline]
pub(super) const fn decode(bits: u32) -> Insn {
    match bits & 3 {
        0 => quadrant_0(bits),
        1 => quadrant_1(bits),
        _ => quadrant_2(bits),
    }
}

const fn insn(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> Insn {
    Insn { op, rd, rs1, rs2, rs3: 0, rm: 0, len: 2, imm }
}

/// The full register field, source and destination in one.
const fn full(bits: u32) -> u8 {
    field(bits, 7, 5) as u8
}

/// The full second register field.
const fn second(bits: u32) -> u8 {
    field(bits, 2, 5) as u8
}

/// The 3-bit register field at bit 2: registers 8–15.
const fn low(bits: u32) -> u8 {
    8 + field(bits, 2, 3) as u8
}

/// The 3-bit register field at bit 7: registers 8–15.
const fn high(bits: u32) -> u8 {
    8 + field(bits, 7, 3) as u8
}

/// The 6-bit immediate of CI instructions, unsigned.
const fn imm6(bits: u32) -> u32 {
    field(bits, 12, 1) << 5 | field(bits, 2, 5)
}

/// Offset of word accesses through a register of three bits.
const fn word(bits: u32) -> i32 {
    (field(bits, 10, 3) << 3 | field(bits, 6, 1) << 2 | field(bits, 5, 1) << 6) as i32
}

/// Offset of doubleword accesses through a register of three bits.
const fn double(bits: u32) -> i32 {
    (field(bits, 10, 3) << 3 | field(bits, 5, 2) << 6) as i32
}

const fn quadrant_0(bits: u32) -> Insn {
    match field(bits, 13, 3) {
        0 => add_to_sp(bits),
        1 => insn(Op::Fld, low(bits), high(bits), 0, double(bits)),
        2 => insn(Op::Lw, low(bits), high(bits), 0, word(bits)),
        3 => insn(Op::Ld, low(bits), high(bits), 0, double(bits)),
        5 => insn(Op::Fsd, 0, high(bits), low(bits), double(bits)),
        6 => insn(Op::Sw, 0, high(bits), low(bits), word(bits)),
        7 => insn(Op::Sd, 0, high(bits), low(bits), double(bits)),
        _ => illegal(bits, 2),
    }
}

/// `c.addi4spn`; an offset of 0 is reserved, all-zero bits among them.
const fn add_to_sp(bits: u32) -> Insn {
    let imm = field(bits, 11, 2) << 4
        | field(bits, 7, 4) << 6
        | field(bits, 6, 1) << 2
        | field(bits, 5, 1) << 3;
    if imm == 0 {
        return illegal(bits, 2);
    }
    insn(Op::Addi, low(bits), SP, 0, imm as i32)
}

const fn quadrant_1(bits: u32) -> Insn {
    let (rd, imm) = (full(bits), sign(imm6(bits), 6));
    match field(bits, 13, 3) {
        0 => insn(Op::Addi, rd, rd, 0, imm),
        1 if rd != 0 => insn(Op::Addiw, rd, rd, 0, imm),
        2 => insn(Op::Addi, rd, 0, 0, imm),
        3 => lui_or_sp(bits),
        4 => arithmetic(bits),
        5 => insn(Op::Jal, 0, 0, 0, jump(bits)),
        6 => insn(Op::Beq, 0, high(bits), 0, branch(bits)),
        7 => insn(Op::Bne, 0, high(bits), 0, branch(bits)),
        _ => illegal(bits, 2),
    }
}

/// `c.lui` and, for `sp`, `c.addi16sp`; an immediate of 0 is reserved for both.
const fn lui_or_sp(bits: u32) -> Insn {
    let rd = full(bits);
    if imm6(bits) == 0 {
        return illegal(bits, 2);
    }
    if rd != SP {
        return insn(Op::Lui, rd, 0, 0, sign(imm6(bits), 6) << 12);
    }
    let imm = field(bits, 12, 1) << 9
        | field(bits, 3, 2) << 7
        | field(bits, 5, 1) << 6
        | field(bits, 2, 1) << 5
        | field(bits, 6, 1) << 4;
    insn(Op::Addi, SP, SP, 0, sign(imm, 10))
}

const fn arithmetic(bits: u32) -> Insn {
    let rd = high(bits);
    let op = match (field(bits, 10, 2), field(bits, 12, 1), field(bits, 5, 2)) {
        (0, _, _) => return insn(Op::Srli, rd, rd, 0, imm6(bits) as i32),
        (1, _, _) => return insn(Op::Srai, rd, rd, 0, imm6(bits) as i32),
        (2, _, _) => return insn(Op::Andi, rd, rd, 0, sign(imm6(bits), 6)),
        (_, 0, 0) => Op::Sub,
        (_, 0, 1) => Op::Xor,
        (_, 0, 2) => Op::Or,
        (_, 0, _) => Op::And,
        (_, _, 0) => Op::Subw,
        (_, _, 1) => Op::Addw,
        _ => return illegal(bits, 2),
    };
    insn(op, rd, rd, low(bits), 0)
}

const fn jump(bits: u32) -> i32 {
    let imm = field(bits, 12, 1) << 11
        | field(bits, 11, 1) << 4
        | field(bits, 9, 2) << 8
        | field(bits, 8, 1) << 10
        | field(bits, 7, 1) << 6
        | field(bits, 6, 1) << 7
        | field(bits, 3, 3) << 1
        | field(bits, 2, 1) << 5;
    sign(imm, 12)
}

const fn branch(bits: u32) -> i32 {
    let imm = field(bits, 12, 1) << 8
        | field(bits, 10, 2) << 3
        | field(bits, 5, 2) << 6
        | field(bits, 3, 2) << 1
        | field(bits, 2, 1) << 5;
    sign(imm, 9)
}

const fn quadrant_2(bits: u32) -> Insn {
    let rd = full(bits);
    match field(bits, 13, 3) {
        0 => insn(Op::Slli, rd, rd, 0, imm6(bits) as i32),
        1 => insn(Op::Fld, rd, SP, 0, double_from_sp(bits)),
        2 if rd != 0 => insn(Op::Lw, rd, SP, 0, word_from_sp(bits)),
        3 if rd != 0 => insn(Op::Ld, rd, SP, 0, double_from_sp(bits)),
        4 => jump_move_add(bits),
        5 => insn(Op::Fsd, 0, SP, second(bits), double_to_sp(bits)),
        6 => insn(Op::Sw, 0, SP, second(bits), word_to_sp(bits)),
        7 => insn(Op::Sd, 0, SP, second(bits), double_to_sp(bits)),
        _ => illegal(bits, 2),
    }
}

const fn jump_move_add(bits: u32) -> Insn {
    let (rd, rs2) = (full(bits), second(bits));
    match (field(bits, 12, 1), rd, rs2) {
        (0, 0, 0) => illegal(bits, 2),
        (0, _, 0) => insn(Op::Jalr, 0, rd, 0, 0),
        (0, _, _) => insn(Op::Add, rd, 0, rs2, 0),
        (_, 0, 0) => insn(Op::Ebreak, 0, 0, 0, 0),
        (_, _, 0) => insn(Op::Jalr, RA, rd, 0, 0),
        (_, _, _) => insn(Op::Add, rd, rd, rs2, 0),
    }
}

const fn word_from_sp(bits: u32) -> i32 {
    (field(bits, 12, 1) << 5 | field(bits, 4, 3) << 2 | field(bits, 2, 2) << 6) as i32
}

const fn double_from_sp(bits: u32) -> i32 {
    (field(bits, 12, 1) << 5 | field(bits, 5, 2) << 3 | field(bits, 2, 3) << 6) as i32
}

const fn word_to_sp(bits: u32) -> i32 {
    (field(bits, 9, 4) << 2 | field(bits, 7, 2) << 6) as i32
}

const fn double_to_sp(bits: u32) -> i32 {
    (field(bits, 10, 3) << 3 | field(bits, 7, 3) << 6) as i32
}
