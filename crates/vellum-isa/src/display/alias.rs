//! The pseudo-instructions that an assembler's reader expects.

use super::{Csr, Target};
use crate::asm::{F, X};
use crate::csr::{CYCLE, FCSR, FFLAGS, FRM, INSTRET, TIME};
use crate::{Insn, Op};
use core::fmt::{Formatter, Result};

/// Prints the pseudo-instruction that an instruction is; `None` if it is none.
pub(super) fn print(insn: &Insn, pc: Option<u64>, f: &mut Formatter<'_>) -> Option<Result> {
    match insn.op {
        Op::Jal | Op::Beq | Op::Bne | Op::Blt | Op::Bge => jump(insn, Target(insn.imm, pc), f),
        Op::Jalr => jump_register(insn, f),
        Op::Csrrw | Op::Csrrs | Op::Csrrc => csr(insn, f),
        Op::Csrrwi | Op::Csrrsi | Op::Csrrci => csr_immediate(insn, f),
        _ => other(insn, f),
    }
}

fn jump(insn: &Insn, to: Target, f: &mut Formatter<'_>) -> Option<Result> {
    let (s, t) = (X(insn.rs1), X(insn.rs2));
    Some(match (insn.op, insn.rd, insn.rs1, insn.rs2) {
        (Op::Jal, 0, ..) => write!(f, "j {to}"),
        (Op::Jal, 1, ..) => write!(f, "jal {to}"),
        (Op::Beq, _, _, 0) => write!(f, "beqz {s},{to}"),
        (Op::Bne, _, _, 0) => write!(f, "bnez {s},{to}"),
        (Op::Blt, _, _, 0) => write!(f, "bltz {s},{to}"),
        (Op::Bge, _, _, 0) => write!(f, "bgez {s},{to}"),
        (Op::Blt, _, 0, _) => write!(f, "bgtz {t},{to}"),
        (Op::Bge, _, 0, _) => write!(f, "blez {t},{to}"),
        _ => return None,
    })
}

fn jump_register(insn: &Insn, f: &mut Formatter<'_>) -> Option<Result> {
    let (d, s, offset) = (X(insn.rd), X(insn.rs1), insn.imm);
    Some(match (insn.rd, insn.rs1, offset) {
        (0, 1, 0) => write!(f, "ret"),
        (0, _, 0) => write!(f, "jr {s}"),
        (0, ..) => write!(f, "jr {offset}({s})"),
        (1, _, 0) => write!(f, "jalr {s}"),
        (1, ..) => write!(f, "jalr {offset}({s})"),
        (_, _, 0) => write!(f, "jalr {d},{s}"),
        _ => return None,
    })
}

/// What the floating-point CSRs are called in the names of their own instructions.
const fn float_csr(number: u16) -> Option<&'static str> {
    match number {
        FFLAGS => Some("flags"),
        FRM => Some("rm"),
        FCSR => Some("csr"),
        _ => None,
    }
}

fn csr(insn: &Insn, f: &mut Formatter<'_>) -> Option<Result> {
    let (d, s, csr) = (X(insn.rd), X(insn.rs1), Csr(insn.imm));
    let number = insn.imm as u16;
    Some(match (insn.op, insn.rd, insn.rs1, float_csr(number)) {
        (Op::Csrrw, 0, 0, _) if number == CYCLE => write!(f, "unimp"),
        (Op::Csrrw, 0, _, Some(name)) => write!(f, "fs{name} {s}"),
        (Op::Csrrw, _, _, Some(name)) => write!(f, "fs{name} {d},{s}"),
        (Op::Csrrs, _, 0, Some(name)) => write!(f, "fr{name} {d}"),
        (Op::Csrrs, _, 0, _) if matches!(number, CYCLE | TIME | INSTRET) => {
            write!(f, "rd{csr} {d}")
        }
        (Op::Csrrs, _, 0, _) => write!(f, "csrr {d},{csr}"),
        (Op::Csrrw, 0, ..) => write!(f, "csrw {csr},{s}"),
        (Op::Csrrs, 0, ..) => write!(f, "csrs {csr},{s}"),
        (Op::Csrrc, 0, ..) => write!(f, "csrc {csr},{s}"),
        _ => return None,
    })
}

fn csr_immediate(insn: &Insn, f: &mut Formatter<'_>) -> Option<Result> {
    let (d, bits, csr) = (X(insn.rd), insn.rs1, Csr(insn.imm));
    let settable = float_csr(insn.imm as u16).filter(|name| *name != "csr");
    Some(match (insn.op, insn.rd, settable) {
        (Op::Csrrwi, 0, Some(name)) => write!(f, "fs{name}i {bits}"),
        (Op::Csrrwi, _, Some(name)) => write!(f, "fs{name}i {d},{bits}"),
        (Op::Csrrwi, 0, _) => write!(f, "csrwi {csr},{bits}"),
        (Op::Csrrsi, 0, _) => write!(f, "csrsi {csr},{bits}"),
        (Op::Csrrci, 0, _) => write!(f, "csrci {csr},{bits}"),
        _ => return None,
    })
}

fn other(insn: &Insn, f: &mut Formatter<'_>) -> Option<Result> {
    let (d, s, t) = (X(insn.rd), X(insn.rs1), X(insn.rs2));
    let (fd, fs, same) = (F(insn.rd), F(insn.rs1), insn.rs1 == insn.rs2);
    Some(match (insn.op, insn.rs1, insn.rs2, insn.imm) {
        (Op::Addi, 0, _, 0) if insn.rd == 0 => write!(f, "nop"),
        (Op::Addi, 0, _, imm) => write!(f, "li {d},{imm}"),
        (Op::Addi, _, _, 0) => write!(f, "mv {d},{s}"),
        (Op::Add, 0, ..) if insn.len == 2 => write!(f, "mv {d},{t}"),
        (Op::Addiw, _, _, 0) => write!(f, "sext.w {d},{s}"),
        (Op::AddUw, _, 0, _) => write!(f, "zext.w {d},{s}"),
        (Op::Andi, _, _, 255) => write!(f, "zext.b {d},{s}"),
        (Op::Xori, _, _, -1) => write!(f, "not {d},{s}"),
        (Op::Sub, 0, ..) => write!(f, "neg {d},{t}"),
        (Op::Subw, 0, ..) => write!(f, "negw {d},{t}"),
        (Op::Sltiu, _, _, 1) => write!(f, "seqz {d},{s}"),
        (Op::Sltu, 0, ..) => write!(f, "snez {d},{t}"),
        (Op::Slt, _, 0, _) => write!(f, "sltz {d},{s}"),
        (Op::Slt, 0, ..) => write!(f, "sgtz {d},{t}"),
        (Op::FsgnjS, ..) if same => write!(f, "fmv.s {fd},{fs}"),
        (Op::FsgnjD, ..) if same => write!(f, "fmv.d {fd},{fs}"),
        (Op::FsgnjnS, ..) if same => write!(f, "fneg.s {fd},{fs}"),
        (Op::FsgnjnD, ..) if same => write!(f, "fneg.d {fd},{fs}"),
        (Op::FsgnjxS, ..) if same => write!(f, "fabs.s {fd},{fs}"),
        (Op::FsgnjxD, ..) if same => write!(f, "fabs.d {fd},{fs}"),
        (Op::SfenceVma, 0, 0, _) => write!(f, "sfence.vma"),
        (Op::SfenceVma, _, 0, _) => write!(f, "sfence.vma {s}"),
        (Op::Fence, _, _, 0x0ff) => write!(f, "fence"),
        (Op::Fence, _, _, 0x010) => write!(f, "pause"),
        _ => return None,
    })
}
