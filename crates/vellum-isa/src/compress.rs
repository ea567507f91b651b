//! [`Insn`] to the 16-bit encoding, where it has one.

use crate::{Insn, Op, decode};

/// The 16-bit encoding of an instruction, whatever its `len`; `None` where there is none. An illegal
/// 16-bit instruction gives its bits back.
///
/// What is returned decodes to the instruction that was given, with `len` 2. Offsets are as given:
/// they are relative to the instruction itself, so shrinking one never changes its own target.
///
/// ```
/// use vellum_isa::{compress, decode};
/// assert_eq!(compress(&decode(0x0015_0513)), Some(0x0505)); // addi a0, a0, 1
/// assert_eq!(compress(&decode(0x0015_8513)), None); // addi a0, a1, 1
/// ```
#[must_use]
pub fn compress(insn: &Insn) -> Option<u16> {
    let bits = candidate(insn)?;
    // One check covers every rule about operands: registers, ranges, reserved zeros, unused fields.
    (decode(bits) == Insn { len: 2, ..*insn }).then_some(bits as u16)
}

/// The 16-bit instruction that would be meant, if its fields can hold the operands.
fn candidate(insn: &Insn) -> Option<u32> {
    let Insn { op, rd, rs1, rs2, imm, .. } = *insn;
    let (d, s, t) = (u32::from(rd), u32::from(rs1), u32::from(rs2));
    Some(match op {
        Op::Addi => add_immediate(d, s, imm),
        Op::Addiw => ci(1, 1, d, imm),
        Op::Lui => ci(3, 1, d, imm >> 12),
        Op::Slli => ci(0, 2, d, imm),
        Op::Srli => ca(0, s) | six(imm),
        Op::Srai => ca(1, s) | six(imm),
        Op::Andi => ca(2, s) | six(imm),
        Op::Sub => ca(3, s) | low(t),
        Op::Xor => ca(3, s) | 1 << 5 | low(t),
        Op::Or => ca(3, s) | 2 << 5 | low(t),
        Op::And => ca(3, s) | 3 << 5 | low(t),
        Op::Subw => ca(3, s) | 1 << 12 | low(t),
        Op::Addw => ca(3, s) | 1 << 12 | 1 << 5 | low(t),
        Op::Jal => 5 << 13 | 1 | jump(imm as u32),
        Op::Beq => 6 << 13 | 1 | high(s) | branch(imm as u32),
        Op::Bne => 7 << 13 | 1 | high(s) | branch(imm as u32),
        Op::Jalr => cr(d, s, 0),
        Op::Add if rs1 == 0 => cr(0, d, t),
        Op::Add => cr(1, d, t),
        Op::Ebreak => cr(1, 0, 0),
        Op::Fld => load(1, d, s, imm as u32, true),
        Op::Lw => load(2, d, s, imm as u32, false),
        Op::Ld => load(3, d, s, imm as u32, true),
        Op::Fsd => store(5, s, t, imm as u32, true),
        Op::Sw => store(6, s, t, imm as u32, false),
        Op::Sd => store(7, s, t, imm as u32, true),
        Op::Illegal => imm as u32,
        _ => return None,
    })
}

/// A register of 8–15 in the field at bit 2.
const fn low(register: u32) -> u32 {
    (register & 7) << 2
}

/// A register of 8–15 in the field at bit 7.
const fn high(register: u32) -> u32 {
    (register & 7) << 7
}

/// Six immediate bits, split between bits 12 and 6–2.
const fn six(imm: i32) -> u32 {
    let imm = imm as u32;
    (imm >> 5 & 1) << 12 | (imm & 0x1f) << 2
}

/// The CI format: a full register and six immediate bits.
const fn ci(funct3: u32, quadrant: u32, rd: u32, imm: i32) -> u32 {
    funct3 << 13 | (rd & 31) << 7 | six(imm) | quadrant
}

/// The formats of quadrant 1's arithmetic: a register of 8–15, read and written.
const fn ca(funct2: u32, register: u32) -> u32 {
    4 << 13 | funct2 << 10 | high(register) | 1
}

/// The CR format: two full registers.
const fn cr(bit: u32, rd: u32, rs2: u32) -> u32 {
    4 << 13 | bit << 12 | (rd & 31) << 7 | (rs2 & 31) << 2 | 2
}

fn add_immediate(rd: u32, rs1: u32, imm: i32) -> u32 {
    let six_bits = (-32..32).contains(&imm);
    let bits = imm as u32;
    if rd == rs1 && six_bits {
        ci(0, 1, rd, imm)
    } else if rs1 == 0 && six_bits {
        ci(2, 1, rd, imm)
    } else if rd == 2 {
        // c.addi16sp
        3 << 13
            | (bits >> 9 & 1) << 12
            | 2 << 7
            | (bits >> 4 & 1) << 6
            | (bits >> 6 & 1) << 5
            | (bits >> 7 & 3) << 3
            | (bits >> 5 & 1) << 2
            | 1
    } else {
        // c.addi4spn
        (bits >> 4 & 3) << 11
            | (bits >> 6 & 15) << 7
            | (bits >> 2 & 1) << 6
            | (bits >> 3 & 1) << 5
            | low(rd)
    }
}

const fn jump(imm: u32) -> u32 {
    (imm >> 11 & 1) << 12
        | (imm >> 4 & 1) << 11
        | (imm >> 8 & 3) << 9
        | (imm >> 10 & 1) << 8
        | (imm >> 6 & 1) << 7
        | (imm >> 7 & 1) << 6
        | (imm >> 1 & 7) << 3
        | (imm >> 5 & 1) << 2
}

const fn branch(imm: u32) -> u32 {
    (imm >> 8 & 1) << 12
        | (imm >> 3 & 3) << 10
        | (imm >> 6 & 3) << 5
        | (imm >> 1 & 3) << 3
        | (imm >> 5 & 1) << 2
}

/// Loads: from the stack with a full register, else between registers of 8–15.
fn load(funct3: u32, rd: u32, rs1: u32, imm: u32, double: bool) -> u32 {
    if rs1 != 2 {
        return funct3 << 13 | high(rs1) | low(rd) | offset(imm, double);
    }
    let split = if double {
        (imm >> 3 & 3) << 5 | (imm >> 6 & 7) << 2
    } else {
        (imm >> 2 & 7) << 4 | (imm >> 6 & 3) << 2
    };
    funct3 << 13 | (imm >> 5 & 1) << 12 | (rd & 31) << 7 | split | 2
}

/// Stores: to the stack with a full register, else between registers of 8–15.
fn store(funct3: u32, rs1: u32, rs2: u32, imm: u32, double: bool) -> u32 {
    if rs1 != 2 {
        return funct3 << 13 | high(rs1) | low(rs2) | offset(imm, double);
    }
    let split = if double {
        (imm >> 3 & 7) << 10 | (imm >> 6 & 7) << 7
    } else {
        (imm >> 2 & 15) << 9 | (imm >> 6 & 3) << 7
    };
    funct3 << 13 | split | (rs2 & 31) << 2 | 2
}

/// The offset of accesses through a register of 8–15.
fn offset(imm: u32, double: bool) -> u32 {
    let upper = (imm >> 3 & 7) << 10;
    if double {
        upper | (imm >> 6 & 3) << 5
    } else {
        upper | (imm >> 2 & 1) << 6 | (imm >> 6 & 1) << 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use crate::testing::insn;
    use proptest::prelude::*;

    /// Every halfword that begins a 16-bit instruction comes back, or another that means the same.
    #[test]
    fn every_short_instruction_is_found() {
        let mut others = 0;
        for bits in (0..=0xffff_u32).filter(|bits| bits & 3 != 3) {
            let insn = decode(bits);
            let again = compress(&insn).expect("it was decoded from 16 bits");
            assert_eq!(decode(u32::from(again)), insn, "{bits:#06x}");
            others += u32::from(u32::from(again) != bits);
            if insn.op != Op::Illegal {
                let wide = encode(&insn).expect("every short instruction has a long form");
                assert_eq!(compress(&decode(wide)), Some(again), "{bits:#06x}");
            }
        }
        // c.li zero means what c.addi zero does (64), c.add zero what c.mv zero does (31), and
        // c.addi16sp of −32, −16 and 16 what c.addi sp does.
        assert_eq!(others, 64 + 31 + 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50_000))]

        #[test]
        fn compression_is_undone_by_decoding(insn in insn()) {
            if let Some(bits) = compress(&insn) {
                prop_assert_eq!(decode(u32::from(bits)), Insn { len: 2, ..insn });
            }
        }
    }
}
