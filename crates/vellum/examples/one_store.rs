//! The way of a guest store: what happens between the processor and the frame, step by step, for
//! the first store to a page, the second, and a store to a page table.

use vellum::translate::riscv::{Mode, Pte, Satp};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Environment, Gfn, Gpa, Gva};
use vellum::{Builder, Paging, VmMemory};
use vellum_hart::{Memory, Stop};

const RAM: u64 = 0x8000_0000;

fn table(number: u64) -> Gfn {
    Gpa::new(RAM).gfn().plus(number)
}

/// A store, and what it took.
fn store(
    vm: &mut VmMemory,
    tlb: &mut Tlb,
    what: &str,
    va: u64,
    value: u64,
) -> Result<String, Stop> {
    let title = format!("{what}: sd {value:#x} → {va:#x}");
    if tlb.store(Gva::new(va), 8).is_some() {
        return Ok(format!("{title}\n  1  tlb     hit: nothing else is touched\n\n"));
    }
    vm.start_trace();
    vm.store(0, tlb, Gva::new(va), 8, value)?;
    Ok(format!("{title}\n{}\n", vm.take_trace().unwrap_or_default()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", story()?);
    Ok(())
}

/// All of it, as the book shows it.
pub fn story() -> Result<String, Box<dyn std::error::Error>> {
    let mut story = String::new();
    for paging in [Paging::Shadow, Paging::Nested] {
        story += &format!("== {paging} paging\n\n");
        let mut vm = Builder::new(Gpa::new(RAM), 1 << 20).paging(paging).build()?;
        // Three levels of Sv39: 0x1000 is a page of data, 0x2000 the lowest table itself.
        let rwx = Pte::R | Pte::W | Pte::A | Pte::D;
        let entries = [
            (0, 0, Pte::table(table(1))),
            (1, 0, Pte::table(table(2))),
            (2, 1, Pte::leaf(table(9), rwx)),
            (2, 2, Pte::leaf(table(2), rwx)),
        ];
        for (number, index, pte) in entries {
            let at = Gpa::new(table(number).base().get() + index * 8);
            vm.write(at, &pte.0.to_le_bytes())?;
        }
        let mut tlb = Tlb::new();
        vm.load_root(0, &mut tlb, Satp { mode: Mode::Sv39, asid: 0, root: table(0) });
        tlb.set_environment(Environment::SUPERVISOR);

        story += &store(&mut vm, &mut tlb, "first store to a page", 0x1008, 42)?;
        story += &store(&mut vm, &mut tlb, "second store to it", 0x1010, 43)?;
        let entry = Pte::leaf(table(10), rwx).0;
        story += &store(&mut vm, &mut tlb, "the guest maps another page", 0x2018, entry)?;
        story += &store(&mut vm, &mut tlb, "first store through it", 0x3000, 44)?;
        story += &format!("{:?}\n\n", vm.counters);
    }
    Ok(story)
}
