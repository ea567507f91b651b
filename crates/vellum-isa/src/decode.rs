//! Bits to [`Insn`]: total, without tables in memory, usable in constants.
//!
//! Source of every encoding: *The RISC-V Instruction Set Manual*, volume I (unprivileged, 20240411)
//! and volume II (privileged). Reserved encodings decode to [`Op::Illegal`]; HINTs decode to the
//! ordinary instruction that they look like, whose destination is `x0`.

mod compressed;
mod wide;

use crate::{Insn, Op};

/// Decodes one instruction from its bits, lowest address first.
///
/// The two lowest bits give the length. Of a 16-bit instruction only the low half of `bits` is
/// looked at, so a caller may hand over whatever follows. It never fails: what this machine does not
/// have is [`Op::Illegal`], with the (16 or 32) raw bits in `imm`. `cargo xtask bench-compare isa` says what it costs: about ten
/// nanoseconds on code that it sees for the first time.
///
/// ```
/// use vellum_isa::{Op, decode};
/// let insn = decode(0x0015_0513); // addi a0, a0, 1
/// assert_eq!((insn.op, insn.rd, insn.rs1, insn.imm, insn.len), (Op::Addi, 10, 10, 1, 4));
/// let insn = decode(0xffff_0505); // c.addi a0, 1, and two bytes of something else
/// assert_eq!((insn.op, insn.rd, insn.rs1, insn.imm, insn.len), (Op::Addi, 10, 10, 1, 2));
/// ```
#[inline]
#[must_use]
pub const fn decode(bits: u32) -> Insn {
    if bits & 3 == 3 { wide::decode(bits) } else { compressed::decode(bits & 0xffff) }
}

/// No instruction of `len` bytes; keeps its bits.
const fn illegal(bits: u32, len: u8) -> Insn {
    Insn { op: Op::Illegal, rd: 0, rs1: 0, rs2: 0, rs3: 0, rm: 0, len, imm: bits as i32 }
}

/// The `width` bits of `bits` from bit `from` upwards.
const fn field(bits: u32, from: u32, width: u32) -> u32 {
    (bits >> from) & ((1 << width) - 1)
}

/// Sign-extends the low `width` bits of `value`.
const fn sign(value: u32, width: u32) -> i32 {
    ((value << (32 - width)) as i32) >> (32 - width)
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::Op;
    use proptest::prelude::*;

    /// Encodings that the specification reserves, or that belong to extensions not present.
    #[test]
    fn reserved_encodings_are_illegal() {
        let halves: &[u32] = &[
            0x0000, // all zero
            0x0004, // c.addi4spn s1, sp, 0
            0x8000, // quadrant 0, funct3 100
            0x2001, // c.addiw zero
            0x6101, // c.addi16sp 0
            0x6281, // c.lui t0, 0
            0x9c41, // quadrant 1, misc-alu 1 10
            0x9c61, // quadrant 1, misc-alu 1 11
            0x4002, // c.lwsp zero
            0x6002, // c.ldsp zero
            0x8002, // c.jr zero
        ];
        for &bits in halves {
            let insn = decode(bits | 0xabcd_0000);
            assert_eq!((insn.op, insn.len, insn.imm as u32), (Op::Illegal, 2, bits), "{bits:#06x}");
        }
        let words: &[u32] = &[
            0xffff_ffff,           // all ones
            0x3020_0073,           // mret
            0x0020_0073,           // uret
            0x0200_0007,           // a vector load
            0x0000_200f,           // cbo.inval
            0x0a55_1533,           // clmul
            0x1015_252f | 1 << 20, // lr.w with a second source
            0x0800_452f,           // an atomic of an unknown width
            0x0015_d553,           // fadd.s with rounding mode 5
            0x0015_6553,           // fadd.s with rounding mode 6
            0x4205_d553,           // fcvt.d.s with rounding mode 5
            0x0400_0043 | 2 << 25, // fused multiply-add of half width
            0x0205_151b,           // slliw by 32
            0x0815_453b,           // zext.h with a second source
            0x0000_7003,           // load of width 7
            0x0000_1067,           // jalr with funct3 1
        ];
        for &bits in words {
            let insn = decode(bits);
            assert_eq!(
                (insn.op, insn.len, insn.imm as u32),
                (Op::Illegal, 4, bits),
                "{bits:#010x}"
            );
        }
    }

    /// HINTs keep the shape of their instruction and write nothing but `x0`, or nothing new.
    #[test]
    fn hints_are_ordinary_instructions() {
        let nop = decode(0x0001);
        assert_eq!((nop.op, nop.rd, nop.rs1, nop.imm), (Op::Addi, 0, 0, 0));
        let li = decode(0x4015); // c.li zero, 5
        assert_eq!((li.op, li.rd, li.imm), (Op::Addi, 0, 5));
        let lui = decode(0x6005); // c.lui zero, 1
        assert_eq!((lui.op, lui.rd, lui.imm), (Op::Lui, 0, 4096));
        let slli = decode(0x0006); // c.slli zero, 1
        assert_eq!((slli.op, slli.rd, slli.imm), (Op::Slli, 0, 1));
        let mv = decode(0x802a); // c.mv zero, a0
        assert_eq!((mv.op, mv.rd, mv.rs1, mv.rs2), (Op::Add, 0, 0, 10));
    }

    proptest! {
        #[test]
        fn decoding_is_total(bits: u32) {
            let insn = decode(bits);
            prop_assert_eq!(insn.len, if bits & 3 == 3 { 4 } else { 2 });
            prop_assert!(insn.rd < 32 && insn.rs1 < 32 && insn.rs2 < 32 && insn.rs3 < 32);
            prop_assert!(insn.rm < 8 && insn.rm != 5 && insn.rm != 6);
        }

        #[test]
        fn a_short_instruction_ignores_what_follows(bits: u16, next: u16) {
            prop_assume!(bits & 3 != 3);
            prop_assert_eq!(decode(u32::from(bits)), decode(u32::from(bits) | u32::from(next) << 16));
        }
    }
}
