//! Lowering: one decoded instruction to one micro-operation.

use super::opcode::Code;
use super::{MicroOp, NO_LINK};
use crate::SINK;
use vellum_isa::{Bank, Insn, Op};

/// Instructions in a block at most, so that offsets and counts fit a byte.
pub(super) const MAX_INSNS: usize = 48;

/// What an instruction is to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Access,
    /// May leave the block, and goes on otherwise.
    Branch,
    /// Always ends the block.
    End,
}

pub(super) fn kind(op: Op) -> Kind {
    use Op::*;
    match op {
        Beq | Bne | Blt | Bge | Bltu | Bgeu => Kind::Branch,
        Jal | Jalr | Ecall | Ebreak | FenceI | Sret | Wfi | SfenceVma | SinvalVma
        | SfenceWInval | SfenceInvalIr | Csrrw | Csrrs | Csrrc | Csrrwi | Csrrsi | Csrrci
        | Illegal => Kind::End,
        Lb | Lh | Lw | Ld | Lbu | Lhu | Lwu | Sb | Sh | Sw | Sd | Flw | Fld | Fsw | Fsd => {
            Kind::Access
        }
        op if (LrW..=AmoMaxuD).contains(&op) => Kind::Access,
        _ => Kind::Plain,
    }
}

/// Whether the operation loads or stores.
pub(crate) fn is_access(op: Op) -> bool {
    kind(op) == Kind::Access
}

/// Whether the operation takes a rounding mode or `fflags` along: all of F and D but memory.
fn is_float(op: Op) -> bool {
    (Op::FmaddS..=Op::FmvDX).contains(&op)
}

/// The jump that ends a block which runs on, `offset` bytes behind its start.
pub(crate) fn run_on(before: MicroOp, offset: u32) -> MicroOp {
    MicroOp {
        op: Code::Jal,
        rd: SINK,
        rs1: 0,
        rs2: 0,
        imm: offset as i32,
        offset: (offset / 2) as u8,
        len: 0,
        link: NO_LINK,
        ..before
    }
}

/// Lowers an instruction that stands `offset` bytes behind its block's start; the counts are those of
/// a block of this one alone.
pub(crate) fn lower(insn: &Insn, offset: u32) -> MicroOp {
    let mut op = MicroOp {
        op: Code::of(insn.op),
        rd: insn.rd,
        rs1: insn.rs1,
        rs2: insn.rs2,
        imm: insn.imm,
        offset: (offset / 2) as u8,
        insns: 1,
        accesses: u8::from(is_access(insn.op)),
        len: insn.len,
        link: NO_LINK,
    };
    if op.rd == 0 && insn.op.banks().rd == Bank::X {
        op.rd = SINK;
    }
    match insn.op {
        Op::Auipc | Op::Jal | Op::Beq | Op::Bne | Op::Blt | Op::Bge | Op::Bltu | Op::Bgeu => {
            // Offsets are below 256 and the largest `auipc` is below 2^31 - 4095: no overflow.
            op.imm = op.imm.wrapping_add(offset as i32);
        }
        Op::Illegal => op.rs1 = 0,
        _ if is_float(insn.op) => op.imm = i32::from(insn.rs3) | i32::from(insn.rm) << 8,
        _ => {}
    }
    op
}
