//! How a run stops, that it can stop anywhere, and what happens to decoded code.

mod bench;

use bench::{BASE, Bench, DATA, finish};
use proptest::prelude::*;
use vellum_hart::{Exit, FlatError, FlatMemory};
use vellum_isa::asm::{Asm, Order, reg::*};
use vellum_isa::decode;

/// Code that was run, then stored over, then run after `fence.i`.
#[test]
fn code_may_change() {
    let mut asm = Asm::new();
    let (patch, again, done) = (asm.label(), asm.label(), asm.label());
    asm.li(A0, 0).la(S0, patch).li(S1, 2).li(T0, 0x0645_0513); // addi a0, a0, 100
    asm.bind(again).bind(patch).addi(A0, A0, 1);
    asm.sw(T0, 0, S0).fence_i().addi(S1, S1, -1).beqz(S1, done).j(again);
    asm.bind(done);
    assert_eq!(finish(&mut asm).hart.x(10), 101);
}

#[test]
fn what_stops_a_run_is_not_retired() {
    for (program, expected) in [
        (Asm::new().nop().ecall().clone(), Exit::Ecall),
        (Asm::new().nop().ebreak().clone(), Exit::Breakpoint),
        (Asm::new().nop().raw(&[0xff; 4]).clone(), Exit::Illegal(0xffff_ffff)),
        (Asm::new().nop().sret().clone(), Exit::Privileged(decode(0x1020_0073))),
    ] {
        let mut bench = Bench::new(&program);
        assert_eq!(bench.run(1000), expected);
        assert_eq!((bench.hart.pc, bench.hart.instret), (BASE + 4, 1), "{expected:?}");
    }
}

/// Everything that a run can change.
fn state(bench: &Bench) -> Vec<u64> {
    let mut all: Vec<u64> = (0..32).map(|r| bench.hart.x(r)).collect();
    all.extend((0..32).map(|r| bench.hart.f(r)));
    all.extend([bench.hart.pc, bench.hart.instret, bench.hart.float.fcsr.into()]);
    all.extend((0..64).map(|i| bench.dword(DATA + 8 * i)));
    all
}

/// A loop over random work: arithmetic, memory, branches, floats.
fn workload(words: &[(u8, u8)]) -> Asm {
    let mut asm = Asm::new();
    let again = asm.label();
    asm.li(S0, DATA as i64).li(S1, 5).li(A0, 0x1234_5678).li(A1, 77).fcvt_d_l(FA0, A0, None);
    asm.bind(again);
    for &(kind, operand) in words {
        let operand = i32::from(operand);
        let over = asm.label();
        match kind % 8 {
            0 => asm.add(A0, A0, A1).xori(A1, A0, operand),
            1 => asm.sd(A0, 2 * operand, S0),
            2 => asm.ld(A1, operand, S0),
            3 => asm.andi(T0, A0, 1 << (operand % 8)).beqz(T0, over).addi(A0, A0, operand),
            4 => asm.fcvt_d_l(FA1, A1, None).fmul_d(FA0, FA0, FA1, None),
            5 => asm.compressed().addi(A0, A0, operand % 32).srli(A1, A0, operand % 64),
            6 => asm.fence_i(),
            _ => asm.amoadd_d(A1, A0, S0, Order::Relaxed),
        };
        asm.bind(over);
    }
    asm.addi(S1, S1, -1).bnez(S1, again).ecall();
    asm
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A run in slices of any length ends as one run does: the budget is exact, wherever it falls.
    #[test]
    fn a_run_can_stop_anywhere(words: Vec<(u8, u8)>, slices in prop::collection::vec(1..9_u64, 1..6)) {
        let program = workload(&words);
        let mut whole = Bench::new(&program);
        prop_assert_eq!(whole.run(1 << 20), Exit::Ecall);
        let mut parts = Bench::new(&program);
        for &slice in slices.iter().cycle() {
            let before = parts.hart.instret;
            match parts.run(slice) {
                Exit::Budget => prop_assert_eq!(parts.hart.instret, before + slice),
                exit => {
                    prop_assert_eq!(exit, Exit::Ecall);
                    break;
                }
            }
        }
        prop_assert_eq!(state(&parts), state(&whole));
    }

    /// Dropping every decoded block at any instant changes nothing.
    #[test]
    fn decoded_code_is_disposable(words: Vec<(u8, u8)>, slice in 1..200_u64) {
        let program = workload(&words);
        let mut whole = Bench::new(&program);
        prop_assert_eq!(whole.run(1 << 20), Exit::Ecall);
        let mut parts = Bench::new(&program);
        while parts.run(slice) == Exit::Budget {
            parts.code.clear();
        }
        prop_assert_eq!(state(&parts), state(&whole));
    }
}

/// A store into code is seen at the next block; one beside it leaves what was decoded as it is.
#[test]
fn code_and_hot_data_share_a_page() {
    for (patched, stores) in [(false, 0), (true, 100)] {
        let mut asm = Asm::new();
        let (start, again, here) = (asm.label(), asm.label(), asm.label());
        // addi a0, a0, 1
        asm.bind(start).la(S0, start).li(S1, 100).la(S2, here).li(T1, 0x0015_0513);
        asm.bind(again).ld(T0, 1024, S0).addi(T0, T0, 1).sd(T0, 1024, S0);
        if patched {
            asm.sw(T1, 0, S2);
        }
        asm.bind(here).nop().addi(S1, S1, -1).bnez(S1, again);
        let bench = finish(&mut asm);
        assert_eq!((bench.dword(BASE + 1024), bench.hart.x(10)), (100, stores));
        assert_eq!(
            (bench.memory.code_stores, bench.code.counters.stale_pages > 0),
            (stores, patched)
        );
    }
}

/// Code that the host writes is seen once the TLB was flushed.
#[test]
fn the_host_may_change_code() {
    let mut bench = finish(Asm::new().addi(A0, A0, 1));
    let other = Asm::new().addi(A0, A0, 100).ecall().bytes().expect("it assembles");
    bench.memory.write(BASE, &other).expect("it fits");
    bench.hart.tlb.flush();
    bench.hart.pc = BASE;
    assert_eq!((bench.run(10), bench.hart.x(10)), (Exit::Ecall, 101));
}

/// A loop at a fixed place, entered through a register after this many small blocks.
fn loop_behind(blocks: usize) -> Asm {
    let mut asm = Asm::new();
    let (again, over) = (asm.label(), asm.label());
    asm.li(S1, 50).la(S2, again);
    for _ in 0..blocks {
        let next = asm.label();
        asm.j(next).bind(next);
    }
    asm.jalr(ZERO, 0, S2);
    (blocks..64).for_each(|_| _ = asm.nop());
    asm.bind(again).addi(A0, A0, 1).addi(S1, S1, -1).beqz(S1, over).jalr(ZERO, 0, S2);
    asm.bind(over).ecall();
    asm
}

/// A hart may come to another cache and another memory, whatever it has of the last ones: a block's
/// number that it remembers is another block's there, or none.
#[test]
fn caches_and_memories_may_change_between_runs() {
    let mut bench = Bench::new(&loop_behind(60));
    assert_eq!(bench.run(100_000), Exit::Ecall);
    let other = Bench::new(&loop_behind(0));
    (bench.code, bench.memory) = (other.code, other.memory);
    bench.hart.pc = BASE;
    assert_eq!((bench.run(100_000), bench.hart.x(10)), (Exit::Ecall, 100));
}

#[test]
fn memory_ends_where_it_ends() {
    let mut memory = FlatMemory::new(BASE, 0x2000).expect("8 KiB can be had");
    memory.write(BASE + 0xffe, &[1, 2, 3, 4]).expect("over a page's end");
    let mut bytes = [0; 4];
    memory.read(BASE + 0xffe, &mut bytes).expect("the same");
    assert_eq!(bytes, [1, 2, 3, 4]);
    for at in [BASE - 1, BASE + 0x1ffd, BASE + 0x2001, 0, u64::MAX] {
        let error = memory.write(at, &[0; 4]).expect_err("not all of it is memory");
        assert!(matches!(error, FlatError::Outside { .. }), "{error}");
    }
    for (base, bytes) in [(1, 0x1000), (0, 1), (0, 0), (u64::MAX - 0xfff, 0x1000)] {
        assert!(matches!(FlatMemory::new(base, bytes), Err(FlatError::Range { .. })));
    }
}
