//! What the guest's trap handler reads.

use vellum_isa::asm::{Asm, reg::*};
use vellum_machine::{Config, Machine};
use vellum_replay::{Script, Seeded};
use vellum_tests::hostile;

/// `stval` and `scause` after a trap on these bytes.
fn trap_on(bytes: &[u8]) -> (u64, u64) {
    let (stvec, scause, stval): (u16, u16, u16) = (0x105, 0x142, 0x143);
    let mut asm = Asm::new();
    let (handler, end) = (asm.label(), asm.label());
    asm.la(T0, handler).csrw(stvec, T0).raw(bytes).align(4);
    asm.bind(handler).csrr(A0, stval).csrr(A1, scause).bind(end).j(end);
    let mut config = Config::new(hostile::image(&asm.words().expect("a program that assembles")));
    config.memory = hostile::MEMORY;
    let outside = Box::new(Seeded::new(1, Script::new()));
    let mut machine = Machine::new(config, outside).expect("an image that fits");
    machine.run(1000);
    let hart = machine.hart(0).expect("the first hart");
    (hart.x(10), hart.x(11))
}

/// Privileged specification, "Supervisor Trap Value": on an illegal instruction `stval` holds its
/// bits, whether it is none at all, not for this mode, or switched off.
#[test]
fn stval_holds_the_bits_of_an_illegal_instruction() {
    let rows: [&[u8]; 6] = [
        // csrr t0, mstatus; mret; csrrw x0, cycle, t0: read-only.
        &0x3000_22f3u32.to_le_bytes(),
        &0x3020_0073u32.to_le_bytes(),
        &0xc002_9073u32.to_le_bytes(),
        // fadd.d ft0, ft1, ft2 and c.fld fa0, 0(a0) with floating point off.
        &0x0220_f053u32.to_le_bytes(),
        &0x2108u16.to_le_bytes(),
        // No instruction.
        &0xffff_ffffu32.to_le_bytes(),
    ];
    for bytes in rows {
        let bits = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        assert_eq!(trap_on(bytes), (bits, 2), "{bits:#x}");
    }
}
