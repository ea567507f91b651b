//! Random values and random instructions that stay within a block.

use crate::random::Random;
use vellum_isa::float::{F32, boxed};
use vellum_isa::{Bank, Insn, Op, compress, decode, encode};

/// Registers that point at the block's scratch memory and are never written: `sp` and `s1`, which
/// short instructions can use, and `t6`.
pub const BASES: [u8; 3] = [2, 9, 31];
/// How far loads and stores reach from a base.
const REACH: i32 = 2040;

/// The field positions of the 32-bit formats: from which bit, how many.
const FIELDS: [(u32, u32); 9] =
    [(7, 5), (15, 5), (20, 5), (12, 3), (20, 12), (25, 7), (27, 5), (25, 2), (12, 20)];

impl Random {
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// An integer as programs meet them: small, at an edge, a run of bits, or anything.
    pub fn integer(&mut self) -> u64 {
        let any = self.word();
        let shift = self.below(64) as u32;
        match self.below(6) {
            0 => self.pick(&[0, 1, u64::MAX, i64::MAX as u64, 1 << 63, 0x7fff_ffff, 0x8000_0000]),
            1 => (any as i64 >> 52) as u64,
            2 => any as i32 as u64,
            3 => any >> shift,
            4 => (1_u64 << shift).wrapping_sub(any & 1),
            _ => any,
        }
    }

    /// A floating-point register: a double, a boxed single, or rarely anything.
    pub fn float(&mut self) -> u64 {
        match self.below(9) {
            0 => self.integer(),
            1..=4 => self.format(11, 52),
            _ => boxed(F32(self.format(8, 23) as u32)),
        }
    }

    /// A value of a format, near the edges of the range or near 1, its fraction often sparse.
    fn format(&mut self, exponent: u32, fraction: u32) -> u64 {
        let (max, bias) = ((1 << exponent) - 1, (1 << (exponent - 1)) - 1);
        let e = match self.below(6) {
            0 => self.below(2),
            1 => max - self.below(2),
            2 => self.below(max + 1),
            3 => bias + self.below(80) - 10,
            _ => bias - 4 + self.below(8),
        };
        let any = self.word();
        let bits = match self.below(4) {
            0 => 0,
            1 => 1 << self.below(fraction.into()) | any & 1,
            2 => (1_u64 << self.below(fraction.into())).wrapping_neg() ^ any & 1,
            _ => any,
        };
        self.below(2) << (exponent + fraction) | e << fraction | bits & ((1 << fraction) - 1)
    }

    /// The next piece of a block's code: one instruction, or a few that belong together.
    pub fn piece(&mut self) -> Vec<Insn> {
        match self.below(20) {
            0 => self.skip(),
            1 => self.link(),
            2 => self.reservation(),
            3 if self.below(8) == 0 => self.trailing_zeros(),
            3..=5 => vec![self.float_csr()],
            6..=9 => vec![self.short()],
            _ => vec![self.any()],
        }
    }

    /// A branch or jump over one 4-byte instruction.
    fn skip(&mut self) -> Vec<Insn> {
        let op = self.pick(&[Op::Jal, Op::Beq, Op::Bne, Op::Blt, Op::Bge, Op::Bltu, Op::Bgeu]);
        let mut branch = loop {
            let branch = self.of(op);
            if self.harmless(&branch) {
                break branch;
            }
        };
        if self.below(2) == 0 && op != Op::Jal {
            branch.rs2 = 0;
        }
        branch.imm = 6;
        let short = compress(&branch).map(|bits| decode(bits.into()));
        let branch = short.unwrap_or(Insn { imm: 8, ..branch });
        vec![branch, self.any()]
    }

    /// `auipc` and `jalr`, to the next instruction.
    fn link(&mut self) -> Vec<Insn> {
        let at = self.pick(&[1, 5, 10, 28]);
        let auipc = Insn { rd: at, ..decode(0x17) };
        vec![auipc, Insn { rd: self.pick(&[0, 1, 5, at]), rs1: at, imm: 8, ..decode(0x67) }]
    }

    /// A load-reserved, perhaps something between, a store-conditional to the same place, and one
    /// that must fail.
    fn reservation(&mut self) -> Vec<Insn> {
        let (load, store) = self.pick(&[(Op::LrW, Op::ScW), (Op::LrD, Op::ScD)]);
        let rs1 = self.pick(&BASES);
        let (mut lr, mut sc, mut late) =
            (self.target(load), self.target(store), self.target(store));
        (lr.rs1, sc.rs1, late.rs1) = (rs1, rs1, rs1);
        let mut all = vec![lr];
        if self.below(2) == 0 {
            all.push(Insn { rd: 5, rs1: 6, rs2: 7, ..decode(0x33) });
        }
        all.extend([sc, late]);
        all
    }

    /// `ctzw` of a low word that is not 0: QEMU before 8.0 counts on into the upper one.
    fn trailing_zeros(&mut self) -> Vec<Insn> {
        let ctzw = self.target(Op::Ctzw);
        let bseti = Insn { op: Op::Bseti, rd: 5, rs1: ctzw.rs1, imm: 31, ..decode(0x13) };
        vec![bseti, Insn { rs1: 5, ..ctzw }]
    }

    /// An instruction of this operation that writes no base.
    fn target(&mut self, op: Op) -> Insn {
        loop {
            let insn = self.of(op);
            if self.harmless(&insn) {
                return insn;
            }
        }
    }

    /// Flags read and written; a legal rounding mode set.
    fn float_csr(&mut self) -> Insn {
        let rd = self.pick(&[0, 5, 10, 15]);
        let bits = self.below(32) as u8;
        let mode = self.below(5) as u8;
        let csr = |op, imm, rs1| Insn { op, rd, rs1, imm, ..decode(0x73) };
        match self.below(8) {
            0 => csr(Op::Csrrwi, 1, bits),
            1 => csr(Op::Csrrs, 3, 0),
            4 => csr(self.pick(&[Op::Csrrw, Op::Csrrs, Op::Csrrc]), 1, bits),
            2 => csr(Op::Csrrci, 1, bits),
            3 => csr(Op::Csrrsi, 1, bits),
            _ => csr(Op::Csrrwi, 2, mode),
        }
    }

    /// A 16-bit instruction.
    fn short(&mut self) -> Insn {
        loop {
            let insn = decode(self.word() as u32 & 0xffff);
            if insn.len == 2 && self.harmless(&insn) && !self.leaves(insn.op) {
                return insn;
            }
        }
    }

    /// A 4-byte instruction that goes on to the next. Floating point has its half.
    fn any(&mut self) -> Insn {
        let float = self.below(2) == 0;
        loop {
            let op = self.pick(&Op::ALL);
            let banks = op.banks();
            let is_float = banks.rd == Bank::F || banks.rs1 == Bank::F;
            let mut insn = self.of(op);
            if is_float != float || self.leaves(op) {
                continue;
            }
            if is_memory(op) {
                insn.rs1 = self.pick(&BASES);
                insn.imm = if is_atomic(op) { 0 } else { self.below(REACH as u64) as i32 };
            }
            if self.harmless(&insn) {
                return insn;
            }
        }
    }

    /// An instruction of this operation with random fields: each is filled, and kept where it did
    /// not make another operation of it.
    fn of(&mut self, op: Op) -> Insn {
        let mut bits = Op::ALL
            .into_iter()
            .find(|&other| other == op)
            .and_then(|op| encode(&Insn { op, ..decode(0x13) }).ok())
            .expect("with all fields zero, every operation encodes");
        for (from, width) in FIELDS {
            let mask = ((1_u32 << width) - 1) << from;
            let with = bits & !mask | (self.word() as u32) << from & mask;
            if decode(with).op == op {
                bits = with;
            }
        }
        decode(bits)
    }

    /// Whether it writes no base, and reaches memory only through one.
    fn harmless(&self, insn: &Insn) -> bool {
        let writes_base = insn.op.banks().rd == Bank::X && BASES.contains(&insn.rd);
        let reaches =
            !is_memory(insn.op) || BASES.contains(&insn.rs1) && (0..=REACH).contains(&insn.imm);
        !writes_base && reaches
    }

    /// Whether it may go elsewhere than to the next instruction, or needs company.
    fn leaves(&self, op: Op) -> bool {
        use Op::*;
        matches!(
            op,
            Jal | Jalr
                | Beq
                | Bne
                | Blt
                | Bge
                | Bltu
                | Bgeu
                | Ecall
                | Ebreak
                | LrW
                | LrD
                | ScW
                | ScD
                | Ctzw
                | Illegal
        ) || op >= Csrrw
    }
}

fn is_atomic(op: Op) -> bool {
    (Op::LrW..=Op::AmoMaxuD).contains(&op)
}

fn is_memory(op: Op) -> bool {
    is_atomic(op) || (Op::Lb..=Op::Sd).contains(&op) || (Op::Flw..=Op::Fsd).contains(&op)
}
