//! Disassembly: an [`Insn`] as text, in the notation of GNU `objdump`.
//!
//! `{}` prints the usual pseudo-instructions (`li`, `ret`, `beqz`), `{:#}` never does. Unlike
//! `objdump`, immediate forms keep their own names (`addi`, not `add`), and 16-bit instructions are
//! shown as what they stand for. Jumps print relative to themselves (`j .+16`), or with
//! [`Insn::at`] as addresses.

mod alias;

use crate::asm::{F, X};
use crate::table::{Row, Shape, row};
use crate::{Insn, Op, csr};
use core::fmt::{self, Display, Formatter};

/// An instruction at an address, for printing; made by [`Insn::at`].
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    insn: &'a Insn,
    pc: u64,
}

impl Insn {
    /// The instruction as it reads at this address: jumps show where they lead.
    ///
    /// ```
    /// use vellum_isa::decode;
    /// let branch = decode(0xfe05_1ee3); // bnez a0, four bytes back
    /// assert_eq!(branch.to_string(), "bnez a0,.-4");
    /// assert_eq!(branch.at(0x8000_0010).to_string(), "bnez a0,0x8000000c");
    /// assert_eq!(format!("{branch:#}"), "bne a0,zero,.-4");
    /// ```
    #[must_use]
    pub const fn at(&self, pc: u64) -> At<'_> {
        At { insn: self, pc }
    }
}

impl Display for Insn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        print(self, None, f)
    }
}

impl Display for At<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        print(self.insn, Some(self.pc), f)
    }
}

/// Prints an instruction, at an address if it is known.
fn print(insn: &Insn, pc: Option<u64>, f: &mut Formatter<'_>) -> fmt::Result {
    if !f.alternate()
        && let Some(done) = alias::print(insn, pc, f)
    {
        return done;
    }
    let Row { mnemonic, shape, .. } = row(insn.op);
    let (rd, rs1, rs2) = (X(insn.rd), X(insn.rs1), X(insn.rs2));
    let (fd, fs1, fs2, fs3) = (F(insn.rd), F(insn.rs1), F(insn.rs2), F(insn.rs3));
    let (imm, rm) = (insn.imm, Mode(insn));
    match shape {
        Shape::Upper => write!(f, "{mnemonic} {rd},{:#x}", imm as u32 >> 12),
        Shape::Jump => write!(f, "{mnemonic} {rd},{}", Target(imm, pc)),
        Shape::Branch => write!(f, "{mnemonic} {rs1},{rs2},{}", Target(imm, pc)),
        Shape::JumpRegister | Shape::Load => write!(f, "{mnemonic} {rd},{imm}({rs1})"),
        Shape::FloatLoad => write!(f, "{mnemonic} {fd},{imm}({rs1})"),
        Shape::Store => write!(f, "{mnemonic} {rs2},{imm}({rs1})"),
        Shape::FloatStore => write!(f, "{mnemonic} {fs2},{imm}({rs1})"),
        Shape::Immediate => write!(f, "{mnemonic} {rd},{rs1},{imm}"),
        Shape::Shift6 | Shape::Shift5 => write!(f, "{mnemonic} {rd},{rs1},{imm:#x}"),
        Shape::Register => write!(f, "{mnemonic} {rd},{rs1},{rs2}"),
        Shape::Unary => write!(f, "{mnemonic} {rd},{rs1}"),
        Shape::LoadReserved => write!(f, "{mnemonic}{} {rd},({rs1})", ordering(insn.rm)),
        Shape::Atomic => write!(f, "{mnemonic}{} {rd},{rs2},({rs1})", ordering(insn.rm)),
        Shape::Fused => write!(f, "{mnemonic} {fd},{fs1},{fs2},{fs3}{rm}"),
        Shape::FloatRounded => write!(f, "{mnemonic} {fd},{fs1},{fs2}{rm}"),
        Shape::FloatRoundedUnary => write!(f, "{mnemonic} {fd},{fs1}{rm}"),
        Shape::FloatRegister => write!(f, "{mnemonic} {fd},{fs1},{fs2}"),
        Shape::FloatCompare => write!(f, "{mnemonic} {rd},{fs1},{fs2}"),
        Shape::FloatToInteger => write!(f, "{mnemonic} {rd},{fs1}{rm}"),
        Shape::IntegerToFloat => write!(f, "{mnemonic} {fd},{rs1}{rm}"),
        Shape::FloatToBits => write!(f, "{mnemonic} {rd},{fs1}"),
        Shape::BitsToFloat => write!(f, "{mnemonic} {fd},{rs1}"),
        Shape::Csr => write!(f, "{mnemonic} {rd},{},{rs1}", Csr(imm)),
        Shape::CsrImmediate => write!(f, "{mnemonic} {rd},{},{}", Csr(imm), insn.rs1),
        Shape::Fence => fence(imm as u32, f),
        Shape::TranslationFence => write!(f, "{mnemonic} {rs1},{rs2}"),
        Shape::Plain => f.write_str(mnemonic),
        Shape::Illegal if insn.len == 2 => write!(f, ".2byte {:#06x}", imm as u16),
        Shape::Illegal => write!(f, ".4byte {imm:#010x}"),
    }
}

/// Where a jump leads: its offset, and its own address if known.
struct Target(i32, Option<u64>);

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(pc) => write!(f, "{:#x}", pc.wrapping_add_signed(i64::from(self.0))),
            None => write!(f, ".{:+}", self.0),
        }
    }
}

/// A CSR by its name, else its number.
struct Csr(i32);

impl Display for Csr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match csr::name(self.0 as u16) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

/// The rounding mode as a last operand, unless it is what the assembler would take anyway: `dyn`, or
/// `rne` of a conversion that never rounds.
struct Mode<'a>(&'a Insn);

impl Display for Mode<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let exact = matches!(self.0.op, Op::FcvtDS | Op::FcvtDW | Op::FcvtDWu);
        f.write_str(match self.0.rm {
            0 if exact => "",
            0 => ",rne",
            1 => ",rtz",
            2 => ",rdn",
            3 => ",rup",
            4 => ",rmm",
            _ if exact => ",dyn",
            _ => "",
        })
    }
}

/// The suffix of `aq` and `rl`.
const fn ordering(bits: u8) -> &'static str {
    match bits & 3 {
        0 => "",
        1 => ".rl",
        2 => ".aq",
        _ => ".aqrl",
    }
}

/// `fence`, with what comes before and after it.
fn fence(bits: u32, f: &mut Formatter<'_>) -> fmt::Result {
    if bits == 0x833 {
        return f.write_str("fence.tso");
    }
    f.write_str("fence ")?;
    accesses(bits >> 4 & 15, f)?;
    f.write_str(",")?;
    accesses(bits & 15, f)
}

/// A set of accesses, `iorw`.
fn accesses(set: u32, f: &mut Formatter<'_>) -> fmt::Result {
    if set == 0 {
        return f.write_str("0");
    }
    for (bit, name) in [(8, "i"), (4, "o"), (2, "r"), (1, "w")] {
        if set & bit != 0 {
            f.write_str(name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::insn;
    use crate::{Op, decode, encode};
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    /// Text as GNU objdump 2.40 prints it, but for the immediate forms' names.
    #[test]
    fn instructions_read_as_in_objdump() {
        for (bits, alias, plain) in [
            (0x00c5_f553, "fadd.s fa0,fa1,fa2", "fadd.s fa0,fa1,fa2"),
            (0x00c5_9553, "fadd.s fa0,fa1,fa2,rtz", "fadd.s fa0,fa1,fa2,rtz"),
            (0x4205_8553, "fcvt.d.s fa0,fa1", "fcvt.d.s fa0,fa1"),
            (0xc005_1553, "fcvt.w.s a0,fa0,rtz", "fcvt.w.s a0,fa0,rtz"),
            (0xd025_7553, "fcvt.s.l fa0,a0", "fcvt.s.l fa0,a0"),
            (0x68c5_b543, "fmadd.s fa0,fa1,fa2,fa3,rup", "fmadd.s fa0,fa1,fa2,fa3,rup"),
            (0x20b5_9553, "fneg.s fa0,fa1", "fsgnjn.s fa0,fa1,fa1"),
            (0x0ff0_000f, "fence", "fence iorw,iorw"),
            (0x0310_000f, "fence rw,w", "fence rw,w"),
            (0x0100_000f, "pause", "fence w,0"),
            (0x8330_000f, "fence.tso", "fence.tso"),
            (0x06b6_252f, "amoadd.w.aqrl a0,a1,(a2)", "amoadd.w.aqrl a0,a1,(a2)"),
            (0x1405_b52f, "lr.d.aq a0,(a1)", "lr.d.aq a0,(a1)"),
            (0x1000_2573, "csrr a0,sstatus", "csrrs a0,sstatus,zero"),
            (0x1005_1073, "csrw sstatus,a0", "csrrw zero,sstatus,a0"),
            (0x1235_9573, "csrrw a0,0x123,a1", "csrrw a0,0x123,a1"),
            (0xc010_2573, "rdtime a0", "csrrs a0,time,zero"),
            (0x0035_9573, "fscsr a0,a1", "csrrw a0,fcsr,a1"),
            (0x1001_6073, "csrsi sstatus,2", "csrrsi zero,sstatus,2"),
            (0xc000_1073, "unimp", "csrrw zero,cycle,zero"),
            (0x757d, "lui a0,0xfffff", "lui a0,0xfffff"),
            (0x0085_00e7, "jalr 8(a0)", "jalr ra,8(a0)"),
            (0x8082, "ret", "jalr zero,0(ra)"),
            (0x0085_02e7, "jalr t0,8(a0)", "jalr t0,8(a0)"),
            (0xa801, "j .+16", "jal zero,.+16"),
            (0x0005_851b, "sext.w a0,a1", "addiw a0,a1,0"),
            (0x1205_0073, "sfence.vma a0", "sfence.vma a0,zero"),
            (0x050e, "slli a0,a0,0x3", "slli a0,a0,0x3"),
            (0x557d, "li a0,-1", "addi a0,zero,-1"),
            (0x852e, "mv a0,a1", "add a0,zero,a1"),
            (0x00a0_5463, "blez a0,.+8", "bge zero,a0,.+8"),
            (0x0000, ".2byte 0x0000", ".2byte 0x0000"),
            (0x3020_0073, ".4byte 0x30200073", ".4byte 0x30200073"),
        ] {
            let insn = decode(bits);
            assert_eq!((&*insn.to_string(), &*format!("{insn:#}")), (alias, plain));
        }
    }

    proptest! {
        /// Every operand shows: change one and the text changes. (The upper bits of `fence` have no
        /// notation.)
        #[test]
        fn plain_text_leaves_nothing_out(a in insn(), field in 0..6_usize, by in 1..32_i32) {
            let mut b = a;
            let byte = by as u8;
            match field {
                0 => b.rd ^= byte,
                1 => b.rs1 ^= byte,
                2 => b.rs2 ^= byte,
                3 => b.rs3 ^= byte,
                4 => b.rm ^= byte,
                _ if a.op == Op::Lui || a.op == Op::Auipc => b.imm ^= by << 12,
                _ => b.imm ^= by,
            }
            if encode(&b).is_ok() {
                prop_assert_ne!(format!("{a:#}"), format!("{b:#}"));
            }
        }
    }
}
