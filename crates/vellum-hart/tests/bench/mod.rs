//! A hart over bare memory, with a program at its start.

use vellum_hart::{CodeCache, Exit, FlatMemory, Hart};
use vellum_isa::asm::Asm;

pub const BASE: u64 = 0x8000_0000;
/// Where the data of these programs stands: two pages, code far below.
pub const DATA: u64 = BASE + 0x8000;
pub const MEMORY: u64 = 0x1_0000;

/// A processor and its memory, a program at the start of it.
pub struct Bench {
    pub hart: Hart,
    pub code: CodeCache,
    pub memory: FlatMemory,
}

impl Bench {
    pub fn new(program: &Asm) -> Self {
        let mut memory = FlatMemory::new(BASE, MEMORY).expect("64 KiB can be had");
        memory.write(BASE, &program.bytes().expect("it assembles")).expect("it fits");
        let mut hart = Hart::new(0);
        hart.pc = BASE;
        hart.float.enabled = true;
        Bench { hart, code: CodeCache::default(), memory }
    }

    pub fn run(&mut self, budget: u64) -> Exit {
        self.hart.run(&mut self.code, &mut self.memory, budget)
    }

    pub fn dword(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read(at, &mut bytes).expect("it is memory");
        u64::from_le_bytes(bytes)
    }
}

/// Runs a program to its `ecall`.
pub fn finish(program: &mut Asm) -> Bench {
    let mut bench = Bench::new(program.ecall());
    assert_eq!(bench.run(100_000), Exit::Ecall);
    bench
}
