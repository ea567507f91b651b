//! [`Insn`] to bits, the inverse of [`decode`]: 32-bit forms here, 16-bit forms in
//! [`compress`](crate::compress).

use crate::table::{Row, Shape, row};
use crate::{Insn, Op, decode};

/// Why an instruction has no encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A register number beyond 31.
    #[error("{mnemonic}: {field} is register {number}, of 32")]
    Register {
        /// The instruction's name.
        mnemonic: &'static str,
        /// `rd`, `rs1`, `rs2` or `rs3`.
        field: &'static str,
        /// What was asked for.
        number: u8,
    },
    /// An immediate, offset, shift amount or CSR number that its field cannot hold.
    #[error("{mnemonic}: immediate {value} is not a multiple of {multiple} in {min}..={max}")]
    Immediate {
        /// The instruction's name.
        mnemonic: &'static str,
        /// What was asked for.
        value: i32,
        /// Lowest value that fits.
        min: i32,
        /// Highest value that fits.
        max: i32,
        /// What it must be a multiple of.
        multiple: i32,
    },
    /// A reserved rounding mode, or ordering bits beyond `aq` and `rl`.
    #[error("{mnemonic}: rounding mode or ordering bits {value} are reserved")]
    Mode {
        /// The instruction's name.
        mnemonic: &'static str,
        /// What was asked for.
        value: u8,
    },
    /// A field that the instruction does not have is not 0, or the bits of an illegal instruction are
    /// those of a legal one.
    #[error("{mnemonic}: a field that it does not have is set")]
    UnusedField {
        /// The instruction's name.
        mnemonic: &'static str,
    },
}

/// The range of an immediate field.
#[derive(Clone, Copy)]
struct Range {
    min: i32,
    max: i32,
    multiple: i32,
}

const I_RANGE: Range = Range { min: -2048, max: 2047, multiple: 1 };
const BRANCH_RANGE: Range = Range { min: -4096, max: 4094, multiple: 2 };
const JUMP_RANGE: Range = Range { min: -(1 << 20), max: (1 << 20) - 2, multiple: 2 };
const UPPER_RANGE: Range = Range { min: i32::MIN, max: i32::MAX & !0xfff, multiple: 4096 };
const CSR_RANGE: Range = Range { min: 0, max: 4095, multiple: 1 };

const fn shift_range(bits: u32) -> Range {
    Range { min: 0, max: (1 << bits) - 1, multiple: 1 }
}

/// The 32-bit encoding of an instruction, whatever its `len`. An illegal instruction gives its bits
/// back.
///
/// # Errors
/// [`Error`] says which operand its field cannot hold. What is returned always decodes to the
/// instruction that was given, with `len` 4.
///
/// ```
/// use vellum_isa::{Op, decode, encode};
/// let insn = decode(0x0505); // c.addi a0, 1
/// assert_eq!(encode(&insn), Ok(0x0015_0513));
/// ```
pub fn encode(insn: &Insn) -> Result<u32, Error> {
    let Row { mnemonic, shape, bits } = row(insn.op);
    if insn.op == Op::Illegal {
        return checked(insn, mnemonic, insn.imm as u32);
    }
    let registers = [("rd", insn.rd), ("rs1", insn.rs1), ("rs2", insn.rs2), ("rs3", insn.rs3)];
    for (field, number) in registers {
        if number > 31 {
            return Err(Error::Register { mnemonic, field, number });
        }
    }
    let bits = bits | operands(insn, mnemonic, shape)?;
    checked(insn, mnemonic, bits)
}

/// The bits, if they mean the instruction.
fn checked(insn: &Insn, mnemonic: &'static str, bits: u32) -> Result<u32, Error> {
    let same = decode(bits) == Insn { len: 4, ..*insn };
    if same { Ok(bits) } else { Err(Error::UnusedField { mnemonic }) }
}

/// The operand fields that the shape has.
fn operands(insn: &Insn, mnemonic: &'static str, shape: Shape) -> Result<u32, Error> {
    let rd = u32::from(insn.rd) << 7;
    let rs1 = u32::from(insn.rs1) << 15;
    let rs2 = u32::from(insn.rs2) << 20;
    let imm = |range| immediate(insn, mnemonic, range);
    let rm = |legal: bool| {
        if legal { Ok(u32::from(insn.rm)) } else { Err(Error::Mode { mnemonic, value: insn.rm }) }
    };
    let rounding = matches!(insn.rm, 0..=4 | 7);
    Ok(match shape {
        Shape::Upper => rd | imm(UPPER_RANGE)?,
        Shape::Jump => rd | jump_bits(imm(JUMP_RANGE)?),
        Shape::Branch => rs1 | rs2 | branch_bits(imm(BRANCH_RANGE)?),
        Shape::JumpRegister | Shape::Load | Shape::FloatLoad | Shape::Immediate => {
            rd | rs1 | imm(I_RANGE)? << 20
        }
        Shape::Store | Shape::FloatStore => {
            let imm = imm(I_RANGE)?;
            rs1 | rs2 | (imm & 0x1f) << 7 | (imm >> 5) << 25
        }
        Shape::Shift6 => rd | rs1 | imm(shift_range(6))? << 20,
        Shape::Shift5 => rd | rs1 | imm(shift_range(5))? << 20,
        Shape::Register | Shape::FloatRegister | Shape::FloatCompare => rd | rs1 | rs2,
        Shape::Unary | Shape::FloatToBits | Shape::BitsToFloat => rd | rs1,
        Shape::LoadReserved => rd | rs1 | rm(insn.rm < 4)? << 25,
        Shape::Atomic => rd | rs1 | rs2 | rm(insn.rm < 4)? << 25,
        Shape::Fused => rd | rs1 | rs2 | u32::from(insn.rs3) << 27 | rm(rounding)? << 12,
        Shape::FloatRounded => rd | rs1 | rs2 | rm(rounding)? << 12,
        Shape::FloatRoundedUnary | Shape::FloatToInteger | Shape::IntegerToFloat => {
            rd | rs1 | rm(rounding)? << 12
        }
        Shape::Csr | Shape::CsrImmediate => rd | rs1 | imm(CSR_RANGE)? << 20,
        Shape::Fence => imm(CSR_RANGE)? << 20,
        Shape::TranslationFence => rs1 | rs2,
        Shape::Plain | Shape::Illegal => 0,
    })
}

fn immediate(insn: &Insn, mnemonic: &'static str, range: Range) -> Result<u32, Error> {
    let Range { min, max, multiple } = range;
    let value = insn.imm;
    if (min..=max).contains(&value) && value % multiple == 0 {
        Ok(value as u32)
    } else {
        Err(Error::Immediate { mnemonic, value, min, max, multiple })
    }
}

const fn jump_bits(imm: u32) -> u32 {
    (imm >> 20 & 1) << 31 | (imm >> 1 & 0x3ff) << 21 | (imm >> 11 & 1) << 20 | imm & 0xf_f000
}

const fn branch_bits(imm: u32) -> u32 {
    (imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25 | (imm >> 1 & 0xf) << 8 | (imm >> 11 & 1) << 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::insn;
    use proptest::prelude::*;

    #[test]
    fn operands_that_do_not_fit_are_named() {
        let nop = decode(0x13);
        let encoded = |insn| encode(&insn).map_err(|error| std::format!("{error}"));
        for (insn, text) in [
            (
                Insn { imm: 2048, ..nop },
                "addi: immediate 2048 is not a multiple of 1 in -2048..=2047",
            ),
            (
                Insn { op: Op::Beq, imm: 3, ..nop },
                "beq: immediate 3 is not a multiple of 2 in -4096..=4094",
            ),
            (
                Insn { op: Op::Slliw, imm: 32, ..nop },
                "slliw: immediate 32 is not a multiple of 1 in 0..=31",
            ),
            (Insn { rd: 32, ..nop }, "addi: rd is register 32, of 32"),
            (
                Insn { op: Op::FaddS, rm: 5, ..nop },
                "fadd.s: rounding mode or ordering bits 5 are reserved",
            ),
            (Insn { rs2: 1, ..nop }, "addi: a field that it does not have is set"),
            (
                Insn { op: Op::Illegal, imm: 0x13, ..nop },
                "illegal: a field that it does not have is set",
            ),
        ] {
            assert_eq!(encoded(insn), Err(text.into()));
        }
    }

    /// The table and the decoder agree on every operation, with its operands at rest.
    #[test]
    fn every_row_decodes_to_its_operation() {
        for op in Op::ALL {
            assert_eq!(decode(row(op).bits).op, op);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50_000))]

        #[test]
        fn encoding_is_undone_by_decoding(insn in insn()) {
            prop_assert_eq!(encode(&insn).map(decode), Ok(insn));
        }

        /// What is encoded is what was decoded, but for the fields that are ignored.
        #[test]
        fn decoding_is_undone_by_encoding(bits: u32) {
            let bits = bits | 3;
            let insn = decode(bits);
            let again = encode(&insn);
            prop_assert!(again.is_ok(), "{:?}", insn);
            let ignored = matches!(insn.op, Op::Fence | Op::FenceI);
            prop_assert!(ignored || again == Ok(bits), "{:?} {:x?}", insn, again);
        }
    }
}
