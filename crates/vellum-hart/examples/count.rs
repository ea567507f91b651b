//! Runs a loop on a hart over bare memory and stops it at an exact instruction.

use vellum_hart::{CodeCache, Exit, FlatMemory, Hart};
use vellum_isa::asm::Asm;
use vellum_isa::asm::reg::A0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut asm = Asm::new();
    let again = asm.label();
    asm.bind(again).addi(A0, A0, 1).j(again);
    let mut memory = FlatMemory::new(0, 16 << 12)?;
    memory.write(0, &asm.bytes()?)?;

    let (mut hart, mut code) = (Hart::new(0), CodeCache::default());
    for budget in [1, 10, 1_000_001] {
        let exit = hart.run(&mut code, &mut memory, budget);
        assert_eq!(exit, Exit::Budget);
        println!("{} instructions: a0 = {}, pc = {:#x}", hart.instret, hart.x(10), hart.pc);
    }
    Ok(())
}
