//! A micro-operation: an instruction with its operands laid out for the run loop.

use super::opcode::Code;

/// Sixteen bytes: eight that are read for every instruction, and eight that are looked at only
/// where control leaves the block.
///
/// Differences from [`vellum_isa::Insn`]: a destination `x0` is the sink register; `imm` of `auipc`,
/// `jal` and branches counts from the block's first instruction; a `jal` into the sink without an
/// instruction behind it (`len` 0) ends a block that just runs on; `Illegal` with `rs1` 1 is the
/// mark of a stale block; fused multiply-adds have `rs3` in bits 0..8 of `imm` and every
/// floating-point operation its rounding mode in bits 8..16.
///
/// A block is a header, whose `insns` is the number of its instructions and whose `imm` its code
/// page, and behind it its operations. Its number is its header's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(16))]
pub(crate) struct MicroOp {
    pub(crate) op: Code,
    pub(crate) rd: u8,
    pub(crate) rs1: u8,
    pub(crate) rs2: u8,
    pub(crate) imm: i32,
    /// The instruction's place, in halfwords from the block's start.
    pub(crate) offset: u8,
    /// Instructions retired once this one is.
    pub(crate) insns: u8,
    /// Memory accesses made once this one is retired.
    pub(crate) accesses: u8,
    /// The instruction's length in bytes; 0 for the jump that ends a block which runs on.
    pub(crate) len: u8,
    /// The block that a taken jump leads to, when it lies in the same page and is known; of a pair
    /// without a jump, the first one's length in bytes.
    pub(crate) link: u32,
}

impl MicroOp {
    /// In place of the first operation of a block whose page has changed.
    pub(crate) const STALE: MicroOp = MicroOp {
        op: Code::Illegal,
        rd: 0,
        rs1: 1,
        rs2: 0,
        imm: 0,
        offset: 0,
        insns: 0,
        accesses: 0,
        len: 0,
        link: super::NO_LINK,
    };

    /// The header of a block of `insns` instructions in code page `page`.
    pub(super) const fn header(insns: u8, page: u32) -> MicroOp {
        MicroOp { insns, imm: page as i32, rs1: 0, ..MicroOp::STALE }
    }

    /// Bytes from the block's start to the instruction behind this one.
    #[inline(always)]
    pub(crate) const fn next(self) -> u64 {
        2 * self.offset as u64 + self.len as u64
    }
}
