//! Two instructions that are carried out as one are still two: whatever stands together, a run in one
//! go leaves what a run instruction by instruction leaves, also where an access does not go through.

use proptest::prelude::*;
use vellum_hart::{CodeCache, Exit, FlatMemory, Hart};
use vellum_isa::asm::Asm;
use vellum_isa::{Insn, Op, decode};

const BASE: u64 = 0x8000_0000;
const MEMORY: u64 = 0x4000;
const DATA: u64 = BASE + 0x2000;

/// What pairs are made of. Programs are longer than a block may be, so that pairs also end blocks.
const OPS: [Op; 23] = [
    Op::Addi,
    Op::Addiw,
    Op::Andi,
    Op::Sltiu,
    Op::Slli,
    Op::Slliw,
    Op::Srli,
    Op::Srliw,
    Op::Add,
    Op::Addw,
    Op::Mulw,
    Op::Xor,
    Op::Or,
    Op::Ld,
    Op::Lh,
    Op::Lbu,
    Op::Sd,
    Op::Sb,
    Op::Beq,
    Op::Bne,
    Op::Bltu,
    Op::Bgeu,
    Op::Lui,
];

/// Where accesses go: to data, over the end of memory, to the code itself, and anywhere.
const BASES: [(u8, u64); 4] =
    [(8, DATA + 0x100), (9, BASE + MEMORY - 8), (18, BASE + 0x10), (10, 0x1234_5678)];

/// Both halves of the next two are the same operation as often as not, since pairs of accesses are.
#[derive(Debug, Clone)]
struct Two {
    ops: (usize, usize),
    same: bool,
    registers: [u8; 6],
    distances: [i8; 2],
    base: usize,
    compressed: bool,
}

fn two() -> impl Strategy<Value = Two> {
    let plain = (0..OPS.len(), 0..OPS.len(), any::<bool>());
    (plain, any::<[u8; 6]>(), any::<[i8; 2]>(), 0..8_usize, any::<bool>()).prop_map(
        |((a, b, same), registers, distances, base, compressed)| Two {
            ops: (a, b),
            same,
            registers,
            distances,
            // Data more often than what ends the run.
            base: base.saturating_sub(4),
            compressed,
        },
    )
}

fn instruction(op: Op, registers: &[u8], distance: i8, base: usize) -> Insn {
    let register = |byte: u8| [0, 10, 11, 12][usize::from(byte % 4)];
    let (rd, rs1, rs2) = (register(registers[0]), register(registers[1]), register(registers[2]));
    let distance = i32::from(distance);
    let address = BASES[base].0;
    // A field that an instruction does not have is zero.
    let (rd, rs1, rs2, imm) = match op {
        Op::Ld => (rd, address, 0, distance * 8),
        Op::Lh => (rd, address, 0, distance * 2),
        Op::Lbu => (rd, address, 0, distance),
        Op::Sd => (0, address, rs2, distance * 8),
        Op::Sb => (0, address, rs2, distance),
        Op::Slli | Op::Srli => (rd, rs1, 0, distance & 63),
        Op::Slliw | Op::Srliw => (rd, rs1, 0, distance & 31),
        Op::Addi | Op::Addiw | Op::Andi | Op::Sltiu => (rd, rs1, 0, distance),
        Op::Beq | Op::Bne | Op::Bltu | Op::Bgeu => (0, rs1, rs2, 8),
        Op::Lui => (rd, 0, 0, distance << 12),
        _ => (rd, rs1, rs2, 0),
    };
    Insn { op, rd, rs1, rs2, imm, ..decode(0x13) }
}

fn program(all: &[Two]) -> Vec<u8> {
    let mut asm = Asm::new();
    for two in all {
        let (a, b) = (OPS[two.ops.0], OPS[if two.same { two.ops.0 } else { two.ops.1 }]);
        if two.compressed {
            asm.compressed();
        }
        asm.emit(instruction(a, &two.registers[..3], two.distances[0], two.base));
        asm.emit(instruction(b, &two.registers[3..], two.distances[1], two.base));
    }
    asm.ecall().bytes().expect("it assembles")
}

struct Bench {
    hart: Hart,
    code: CodeCache,
    memory: FlatMemory,
}

impl Bench {
    fn new(program: &[u8]) -> Self {
        let mut memory = FlatMemory::new(BASE, MEMORY).expect("16 KiB can be had");
        memory.write(BASE, program).expect("it fits");
        let mut hart = Hart::new(0);
        hart.pc = BASE;
        BASES.into_iter().for_each(|(register, value)| hart.set_x(register, value));
        hart.set_x(11, 0x8000_0000_7fff_ffff);
        hart.set_x(12, DATA);
        Bench { hart, code: CodeCache::default(), memory }
    }

    /// Runs at most 200 instructions in slices of `slice`, and tells all that can be seen.
    fn run(mut self, slice: u64) -> (Exit, Vec<u64>, Vec<u8>) {
        let mut exit = Exit::Budget;
        while exit == Exit::Budget && self.hart.instret < 200 {
            let left = 200 - self.hart.instret;
            exit = self.hart.run(&mut self.code, &mut self.memory, slice.min(left));
        }
        let mut seen: Vec<u64> = (0..32).map(|register| self.hart.x(register)).collect();
        seen.extend([self.hart.pc, self.hart.instret, self.hart.accesses]);
        let mut bytes = vec![0; MEMORY as usize];
        self.memory.read(BASE, &mut bytes).expect("it is memory");
        (exit, seen, bytes)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pairs_do_what_their_instructions_do(all in prop::collection::vec(two(), 1..40)) {
        let program = program(&all);
        prop_assert_eq!(Bench::new(&program).run(u64::MAX), Bench::new(&program).run(1));
    }
}
