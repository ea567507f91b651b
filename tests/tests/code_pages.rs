//! Stores into pages that instructions were decoded from, through the whole memory subsystem.

use vellum::translate::Gpa;
use vellum::{Builder, VmMemory};
use vellum_hart::{CodeCache, Exit, Hart};
use vellum_isa::asm::{Asm, reg::*};

const BASE: u64 = 0x8000_0000;

/// A processor and its memory, after a program.
struct Bench {
    hart: Hart,
    code: CodeCache,
    memory: VmMemory,
}

impl Bench {
    fn dword(&mut self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read(Gpa::new(at), &mut bytes).expect("it is memory");
        u64::from_le_bytes(bytes)
    }
}

/// Runs a program to its `ecall`.
fn finish(program: &mut Asm) -> Bench {
    let mut memory = Builder::new(Gpa::new(BASE), 0x1_0000).build().expect("64 KiB can be had");
    let bytes = program.ecall().bytes().expect("it assembles");
    memory.write(Gpa::new(BASE), &bytes).expect("it fits");
    let (mut hart, mut code) = (Hart::new(0), CodeCache::default());
    hart.pc = BASE;
    assert_eq!(hart.run(&mut code, &mut memory, 100_000), Exit::Ecall);
    Bench { hart, code, memory }
}

/// A loop that counts in a doubleword of its own page, so many bytes behind its start, and runs an
/// instruction that it has just written where `patched`.
fn counts_in_its_own_page(distance: i32, patched: bool) -> Bench {
    let mut asm = Asm::new();
    let (start, again, here) = (asm.label(), asm.label(), asm.label());
    asm.bind(start).la(S0, start).li(S1, 1000).la(S2, here).li(T1, 0x0015_0513);
    asm.bind(again).ld(T0, distance, S0).addi(T0, T0, 1).sd(T0, distance, S0);
    if patched {
        asm.sw(T1, 0, S2);
    }
    asm.bind(here).nop().addi(S1, S1, -1).bnez(S1, again);
    finish(&mut asm)
}

/// Data beside code in a page leaves the decoded code as it is; a store into code does not.
#[test]
fn code_and_hot_data_share_a_page() {
    let mut bench = counts_in_its_own_page(1024, false);
    assert_eq!(bench.dword(BASE + 1024), 1000);
    assert_eq!((bench.memory.counters.code_stores, bench.code.counters.stale_pages), (0, 0));
    assert!(bench.code.counters.blocks < 10, "{:?}", bench.code.counters);

    let bench = counts_in_its_own_page(1024, true);
    assert_eq!(bench.hart.x(10), 1000, "the written instruction ran each time");
    assert!(bench.memory.counters.code_stores >= 1000);
}

/// The same on the last line that the code is on: slow, and right.
#[test]
fn data_on_a_line_of_code_is_seen() {
    let mut bench = counts_in_its_own_page(56, false);
    assert_eq!(bench.dword(BASE + 56), 1000);
}
