//! Fusing: two micro-operations that stand together become one, where that spares a dispatch.
//!
//! Both of a pair are plain operations on integer registers, or the second is a branch: nothing in
//! them can fault, so a pair is retired as a whole or not begun. A run that must end between the two
//! takes them from memory one by one. Which pairs there are follows from what a Linux boot and an
//! integer workload execute most.
//!
//! The first operation keeps its registers, with a short immediate in `rs2`. The second is packed
//! into `imm`: register numbers in bytes 0 and 1, and in byte 2 a third one or a short immediate, or
//! in bytes 2 and 3 a branch's distance.

use super::MicroOp;
use super::opcode::Code;

/// A second operation, as `imm` holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Second(pub(crate) i32);

impl Second {
    fn new(a: u8, b: u8, rest: i16) -> Second {
        let [low, high] = rest.to_le_bytes();
        Second(i32::from_le_bytes([a, b, low, high]))
    }

    /// Byte 0: `rd`, or a branch's `rs1`.
    #[inline(always)]
    pub(crate) fn first(self) -> u8 {
        self.0 as u8
    }

    /// Byte 1: `rs1`, or a branch's `rs2`.
    #[inline(always)]
    pub(crate) fn source(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Byte 2: `rs2`.
    #[inline(always)]
    pub(crate) fn other(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Bytes 2 and 3: a branch's distance, or an immediate.
    #[inline(always)]
    pub(crate) fn distance(self) -> u64 {
        (self.0 >> 16) as u64
    }
}

/// One operation for two, if there is one.
pub(super) fn fuse(a: MicroOp, b: MicroOp) -> Option<MicroOp> {
    whole(a, b).or_else(|| pair(a, b))
}

/// Two instructions that make one value or one jump.
fn whole(a: MicroOp, b: MicroOp) -> Option<MicroOp> {
    if a.rd != b.rs1 || a.rd != b.rd {
        return None;
    }
    let sum = i64::from(a.imm) + i64::from(b.imm);
    let (op, imm) = match (a.op, b.op) {
        (Code::Lui, Code::Addiw) => (Code::Lui, sum as i32),
        (Code::Lui, Code::Addi) => (Code::Lui, i32::try_from(sum).ok()?),
        (Code::Auipc, Code::Addi) => (Code::Auipc, i32::try_from(sum).ok()?),
        // A far call. Block and target are even, so that clearing bit 0 is clearing it here.
        (Code::Auipc, Code::Jalr) => (Code::Jal, i32::try_from(sum & !1).ok()?),
        _ => return None,
    };
    Some(MicroOp { op, imm, rs1: 0, rs2: 0, ..b })
}

fn pair(a: MicroOp, b: MicroOp) -> Option<MicroOp> {
    use Code::*;
    let op = match (a.op, b.op) {
        (Addi, Beq) => AddiBeq,
        (Addi, Bne) => AddiBne,
        (Addi, Bltu) => AddiBltu,
        (Addi, Bgeu) => AddiBgeu,
        (Addiw, Beq) => AddiwBeq,
        (Addiw, Bne) => AddiwBne,
        (Andi, Beq) => AndiBeq,
        (Andi, Bne) => AndiBne,
        (Addw, Beq) => AddwBeq,
        (Addw, Bne) => AddwBne,
        (Srliw, Beq) => SrliwBeq,
        (Srliw, Bne) => SrliwBne,
        (Or, Beq) => OrBeq,
        (Or, Bne) => OrBne,
        (Addi, Addi) => AddiAddi,
        (Addi, Add) => AddiAdd,
        (Add, Add) => AddAdd,
        (Mulw, Addw) => MulwAddw,
        (Slli, Srli) => SlliSrli,
        (Slli, Add) => SlliAdd,
        (Xor, Andi) => XorAndi,
        (Xor, Slli) => XorSlli,
        (Sltiu, Andi) => SltiuAndi,
        (Andi, Or) => AndiOr,
        (Addiw, Addi) => AddiwAddi,
        _ => return None,
    };
    let short = |imm: i32| i8::try_from(imm).ok().map(|imm| imm as u8);
    let immediate = |op| matches!(op, Addi | Addiw | Andi | Slli | Srli | Srliw | Sltiu);
    let rs2 = if immediate(a.op) { short(a.imm)? } else { a.rs2 };
    let second = match b.op {
        Beq | Bne | Bltu | Bgeu => Second::new(b.rs1, b.rs2, i16::try_from(b.imm).ok()?),
        op if immediate(op) => Second::new(b.rd, b.rs1, i16::try_from(b.imm).ok()?),
        _ => Second::new(b.rd, b.rs1, i16::from(b.rs2)),
    };
    Some(MicroOp { op, rd: a.rd, rs1: a.rs1, rs2, imm: second.0, ..b })
}
