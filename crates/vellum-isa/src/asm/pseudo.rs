//! The pseudo-instructions that programs are written with.

use super::{Asm, Fixup, Label, Use, X, plain, reg};
use crate::{Insn, Op};

impl Asm {
    /// Loads any constant: one to eight instructions.
    pub fn li(&mut self, rd: X, value: i64) -> &mut Self {
        let lower = (value << 52 >> 52) as i32;
        if value == i64::from(lower) {
            return self.addi(rd, reg::ZERO, lower);
        }
        let rest = value.wrapping_sub(i64::from(lower));
        if let Ok(word) = i32::try_from(value) {
            // The upper part may wrap; `addiw` wraps it back.
            self.lui(rd, word.wrapping_sub(lower));
            return if lower == 0 { self } else { self.addiw(rd, rd, lower) };
        }
        let shift = rest.trailing_zeros();
        self.li(rd, rest >> shift).slli(rd, rd, shift as i32);
        if lower == 0 { self } else { self.addi(rd, rd, lower) }
    }

    /// The address of a label, relative to the program counter.
    pub fn la(&mut self, rd: X, label: Label) -> &mut Self {
        self.fixups.push(Fixup { offset: self.here(), label, what: Use::Address(rd) });
        self.raw(&[0; 8])
    }

    /// Copies a register.
    pub fn mv(&mut self, rd: X, rs1: X) -> &mut Self {
        self.addi(rd, rs1, 0)
    }

    /// Does nothing.
    pub fn nop(&mut self) -> &mut Self {
        self.addi(reg::ZERO, reg::ZERO, 0)
    }

    /// Complements every bit.
    pub fn not(&mut self, rd: X, rs1: X) -> &mut Self {
        self.xori(rd, rs1, -1)
    }

    /// Negates.
    pub fn neg(&mut self, rd: X, rs1: X) -> &mut Self {
        self.sub(rd, reg::ZERO, rs1)
    }

    /// Whether it is zero.
    pub fn seqz(&mut self, rd: X, rs1: X) -> &mut Self {
        self.sltiu(rd, rs1, 1)
    }

    /// Whether it is not zero.
    pub fn snez(&mut self, rd: X, rs1: X) -> &mut Self {
        self.sltu(rd, reg::ZERO, rs1)
    }

    /// Jumps.
    pub fn j(&mut self, to: Label) -> &mut Self {
        self.jal(reg::ZERO, to)
    }

    /// Calls a function within 1 MiB; clobbers `ra`.
    pub fn call(&mut self, to: Label) -> &mut Self {
        self.jal(reg::RA, to)
    }

    /// Returns to `ra`.
    pub fn ret(&mut self) -> &mut Self {
        self.jr(reg::RA)
    }

    /// Jumps to an address in a register.
    pub fn jr(&mut self, rs1: X) -> &mut Self {
        self.jalr(reg::ZERO, 0, rs1)
    }

    /// Branches if zero.
    pub fn beqz(&mut self, rs1: X, to: Label) -> &mut Self {
        self.beq(rs1, reg::ZERO, to)
    }

    /// Branches unless zero.
    pub fn bnez(&mut self, rs1: X, to: Label) -> &mut Self {
        self.bne(rs1, reg::ZERO, to)
    }

    /// Reads a CSR.
    pub fn csrr(&mut self, rd: X, csr: u16) -> &mut Self {
        self.csrrs(rd, csr, reg::ZERO)
    }

    /// Writes a CSR.
    pub fn csrw(&mut self, csr: u16, rs1: X) -> &mut Self {
        self.csrrw(reg::ZERO, csr, rs1)
    }

    /// Sets bits of a CSR.
    pub fn csrs(&mut self, csr: u16, rs1: X) -> &mut Self {
        self.csrrs(reg::ZERO, csr, rs1)
    }

    /// Clears bits of a CSR.
    pub fn csrc(&mut self, csr: u16, rs1: X) -> &mut Self {
        self.csrrc(reg::ZERO, csr, rs1)
    }

    /// 32 bits that are no instruction on any RISC-V machine.
    pub fn unimp(&mut self) -> &mut Self {
        self.emit(Insn { imm: 0xc000_1073_u32 as i32, ..plain(Op::Illegal) })
    }
}
