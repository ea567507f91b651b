//! Walks an Sv39 table for each kind of access and prints what the guest would get.

use vellum_translate::riscv::{Mode, Pte, Satp, TableMemory, walk};
use vellum_translate::{Access, Environment, Gfn, Gpa, Gva};

/// Three pages of tables, from physical address 0 on.
struct Tables(Vec<u64>);

impl TableMemory for Tables {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.0.get(usize::try_from(at.get() / 8).ok()?).copied()
    }
}

fn main() {
    let mut tables = Tables(vec![0; 3 * 512]);
    tables.0[0] = Pte::table(Gfn::new(1)).0;
    tables.0[512] = Pte::table(Gfn::new(2)).0;
    tables.0[512 + 1] = Pte::leaf(Gfn::new(0x80200), Pte::R | Pte::X | Pte::A).0;
    tables.0[1024] = Pte::leaf(Gfn::new(0x80007), Pte::R | Pte::W | Pte::A | Pte::D).0;
    tables.0[1024 + 1] = Pte::leaf(Gfn::new(0x80008), Pte::R | Pte::W | Pte::U | Pte::A).0;

    let satp = Satp { mode: Mode::Sv39, asid: 0, root: Gfn::new(0) };
    for (name, va) in [("data", 0x10), ("user", 0x1010), ("text", 0x20_3010), ("hole", 0x40_0000)] {
        for access in [Access::Load, Access::Store, Access::Fetch] {
            let walked =
                walk(&tables, satp, Environment::SUPERVISOR, Gva::new(va), access, |_, _, _| {});
            match walked {
                Ok(leaf) => println!("{name}: {access:?} of {va:#x}: {}", leaf.gfn),
                Err(fault) => println!("{name}: cause {:2}: {fault}", fault.cause()),
            }
        }
    }
}
