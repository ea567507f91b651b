//! Fusing: two micro-operations that stand together become one, where that spares a dispatch.
//!
//! A pair is two plain operations on integer registers, or one and a branch or an access, or two
//! accesses. Where an access of it does not go through, the operation that it belongs to is put
//! together again ([`first`], [`second`]), and the run stops there, exactly as without a pair. A run
//! that must end between the two takes them from memory one by one. Which pairs there are follows
//! from what a Linux boot and an integer workload execute most.
//!
//! The first operation keeps its registers, with a short immediate in `rs2`; a store, which has
//! something in `rs2`, has it in `rd`; and the distance of an access is counted in its own size. The
//! second is packed into `imm`: register numbers in bytes 0 and 1, and in byte 2 a third one or a
//! short immediate, or in bytes 2 and 3 a distance.

use super::MicroOp;
use super::lower::is_access;
use super::opcode::Code;

/// A second operation, as `imm` holds it: its bytes in order. The run loop reads them in place.
#[derive(Debug, Clone, Copy)]
struct Second([u8; 4]);

impl Second {
    fn new(a: u8, b: u8, rest: [u8; 2]) -> Second {
        Second([a, b, rest[0], rest[1]])
    }

    fn imm(self) -> i32 {
        i32::from_ne_bytes(self.0)
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

macro_rules! pairs {
    ($($first:ident $second:ident => $pair:ident,)*; $($from:ident $to:ident => $chain:ident,)*) => {
        /// The pair that two operations make, if there is one, and whether it is a chain.
        fn both(a: Code, b: Code) -> Option<(Code, bool)> {
            match (a, b) {
                $((Code::$first, Code::$second) => Some((Code::$pair, false)),)*
                $((Code::$from, Code::$to) => Some((Code::$chain, true)),)*
                _ => None,
            }
        }

        /// The operations that a pair is made of.
        fn parts(pair: Code) -> (Code, Code) {
            match pair {
                $(Code::$pair => (Code::$first, Code::$second),)*
                $(Code::$chain => (Code::$from, Code::$to),)*
                _ => (Code::Illegal, Code::Illegal),
            }
        }
    };
}

pairs! {
    Srliw Beq => SrliwBeq,
    Srliw Bne => SrliwBne,
    Addi Addi => AddiAddi,
    Addiw Addi => AddiwAddi,
    Addi Add => AddiAdd,
    Add Add => AddAdd,
    Ld Ld => LdLd,
    Lh Lh => LhLh,
    Sd Sd => SdSd,
    Sb Sb => SbSb,
    Add Ld => AddLd,
    Add Lbu => AddLbu,
    Addi Sd => AddiSd,
    ;
    Addi Beq => AddiBeq,
    Addi Bne => AddiBne,
    Addi Bltu => AddiBltu,
    Addi Bgeu => AddiBgeu,
    Addiw Beq => AddiwBeq,
    Addiw Bne => AddiwBne,
    Andi Beq => AndiBeq,
    Andi Bne => AndiBne,
    Addw Beq => AddwBeq,
    Addw Bne => AddwBne,
    Or Beq => OrBeq,
    Or Bne => OrBne,
    Add Beq => AddBeq,
    Add Bne => AddBne,
    Mulw Addw => MulwAddw,
    Slli Srli => SlliSrli,
    Slli Add => SlliAdd,
    Xor Andi => XorAndi,
    Xor Slli => XorSlli,
    Sltiu Andi => SltiuAndi,
    Andi Or => AndiOr,
    Xor Xor => XorXor,
    Slli Or => SlliOr,
    Srli Slli => SrliSlli,
    Slliw Xor => SlliwXor,
    Srliw Xor => SrliwXor,
}

/// Whether the operation's sources may change places.
fn commutes(op: Code) -> bool {
    use Code::*;
    matches!(op, Add | Addw | Xor | Or | And | Beq | Bne)
}

/// How an operation's registers and immediate are laid out in a pair.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Registers,
    Immediate,
    Branch,
    /// With the bytes that it moves; the first of a pair counts its distance in them.
    Load(i32),
    Store(i32),
}

fn shape(op: Code) -> Shape {
    use Code::*;
    match op {
        Beq | Bne | Bltu | Bgeu => Shape::Branch,
        Addi | Addiw | Andi | Slli | Slliw | Srli | Srliw | Sltiu => Shape::Immediate,
        Ld => Shape::Load(8),
        Lh => Shape::Load(2),
        Lbu => Shape::Load(1),
        Sd => Shape::Store(8),
        Sb => Shape::Store(1),
        _ => Shape::Registers,
    }
}

fn pair(a: MicroOp, mut b: MicroOp) -> Option<MicroOp> {
    let (op, chain) = both(a.op, b.op)?;
    if chain && b.rs1 != a.rd {
        if b.rs2 != a.rd || !commutes(b.op) {
            return None;
        }
        (b.rs1, b.rs2) = (b.rs2, b.rs1);
    }
    let short = |imm: i32| i8::try_from(imm).ok().map(|imm| imm as u8);
    let scaled = |imm: i32, size: i32| if imm % size == 0 { short(imm / size) } else { None };
    let (rd, rs2) = match shape(a.op) {
        Shape::Registers | Shape::Branch => (a.rd, a.rs2),
        Shape::Immediate => (a.rd, short(a.imm)?),
        Shape::Load(size) => (a.rd, scaled(a.imm, size)?),
        Shape::Store(size) => (scaled(a.imm, size)?, a.rs2),
    };
    let distance = || i16::try_from(b.imm).ok().map(i16::to_ne_bytes);
    let (imm, link) = match shape(b.op) {
        Shape::Branch => (Second::new(b.rs1, b.rs2, distance()?), b.link),
        Shape::Immediate | Shape::Load(_) => (Second::new(b.rd, b.rs1, distance()?), a.len.into()),
        Shape::Store(_) => (Second::new(b.rs2, b.rs1, distance()?), a.len.into()),
        Shape::Registers => (Second::new(b.rd, b.rs1, [b.rs2, 0]), a.len.into()),
    };
    Some(MicroOp { op, rd, rs1: a.rs1, rs2, imm: imm.imm(), link, ..b })
}

/// The first operation of a pair that begins with an access, as it was before.
#[cold]
pub(crate) fn first(pair: MicroOp) -> MicroOp {
    let (op, then) = parts(pair.op);
    let len = pair.link as u8;
    let (rd, rs2, imm) = match shape(op) {
        Shape::Load(size) => (pair.rd, 0, i32::from(pair.rs2 as i8) * size),
        Shape::Store(size) => (0, pair.rs2, i32::from(pair.rd as i8) * size),
        _ => (pair.rd, pair.rs2, 0),
    };
    let accesses = pair.accesses - u8::from(is_access(then.op()));
    let (offset, insns) = (pair.offset - len / 2, pair.insns - 1);
    MicroOp { op, rd, rs2, imm, offset, insns, accesses, len, ..pair }
}

/// The second operation of a pair that ends with an access, as it was before.
#[cold]
pub(crate) fn second(pair: MicroOp) -> MicroOp {
    let (_, op) = parts(pair.op);
    let [first, rs1, low, high] = pair.imm.to_ne_bytes();
    let (rd, rs2) = match shape(op) {
        Shape::Store(_) => (0, first),
        _ => (first, 0),
    };
    MicroOp { op, rd, rs1, rs2, imm: i16::from_ne_bytes([low, high]).into(), ..pair }
}
