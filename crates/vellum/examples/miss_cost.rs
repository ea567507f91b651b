//! What a TLB miss costs: entries read and nanoseconds, with a composite of both tables (shadow),
//! with the guest's word cached and the host asked (virtual TLB), and with both tables walked at
//! each step (nested); and beside them the two stages of the privileged specification, whose second
//! has as many levels as the first.
//!
//! `cargo run --release -p vellum --example miss_cost`

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use vellum::translate::riscv::{Extensions, Hgatp, Mode, Pte, Satp, TwoStage, walk_two_stage};
use vellum::translate::tlb::Tlb;
use vellum::translate::{Access, Environment, Gfn, Gpa, Gva, PAGE_SIZE, TableMemory, Words};
use vellum::{Builder, Paging, VmMemory};
use vellum_hart::Memory;

const RAM: u64 = 0x8000_0000;
/// Pages that are touched in turn: four times what the TLB holds, so that every access misses.
const PAGES: u64 = 4096;
/// Pages for tables, from the first page of memory on.
const TABLES: u64 = 64;
const ROUNDS: u64 = 60;

/// Lays out the guest's tables: page `i` of the address space is page `TABLES + i` of memory.
fn tables(mode: Mode, mut store: impl FnMut(u64, u64)) -> Satp {
    let rwx = Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;
    let first = RAM >> 12;
    let levels = u64::from(mode.levels());
    // One table a level above the leaves', in the first pages.
    for level in 0..levels - 2 {
        store(RAM + level * 4096, Pte::table(Gfn::new(first + level + 1)).0);
    }
    let middle = RAM + (levels - 2) * 4096;
    for leaf in 0..PAGES / 512 {
        let table = first + levels + leaf;
        store(middle + leaf * 8, Pte::table(Gfn::new(table)).0);
        for index in 0..512 {
            let page = first + TABLES + leaf * 512 + index;
            store((table << 12) + index * 8, Pte::leaf(Gfn::new(page), rwx).0);
        }
    }
    Satp { mode, asid: 1, root: Gfn::new(first) }
}

/// Entries read and time, of one miss.
fn report(mode: Mode, what: &str, entries: u64, misses: u64, time: Duration) {
    let each = |total: f64| total / misses as f64;
    println!(
        "{mode:?}  {what:<22} {:>7.2} entries {:>8.1} ns",
        each(entries as f64),
        each(time.as_nanos() as f64)
    );
}

#[expect(clippy::disallowed_methods, reason = "an example that measures")]
fn now() -> Instant {
    Instant::now()
}

fn policy(mode: Mode, paging: Paging) -> Result<(), Box<dyn std::error::Error>> {
    let bytes = (TABLES + PAGES) * PAGE_SIZE as u64;
    let mut vm: VmMemory =
        Builder::new(Gpa::new(RAM), bytes).paging(paging).shadow_pages(256).build()?;
    let mut wrong = None;
    let satp = tables(mode, |at, value| {
        wrong = vm.write(Gpa::new(at), &value.to_le_bytes()).err().or(wrong.take());
    });
    for page in 0..PAGES {
        vm.write(Gpa::new(RAM + (TABLES + page) * 4096), &page.to_le_bytes())?;
    }
    if let Some(wrong) = wrong {
        return Err(wrong.into());
    }
    let mut tlb = Tlb::new();
    vm.load_root(0, &mut tlb, satp);
    tlb.set_environment(Environment::SUPERVISOR);
    let mut sum = 0;
    let mut touch = |vm: &mut VmMemory| {
        for page in 0..PAGES {
            sum += vm.load(0, &mut tlb, Gva::new(page << 12), 8).unwrap_or(u64::MAX);
        }
    };
    touch(&mut vm);
    let before = vm.counters;
    let begin = now();
    (0..ROUNDS).for_each(|_| touch(&mut vm));
    let time = begin.elapsed();
    let after = vm.counters;
    let read = |c: &vellum::Counters| c.shadow_references + c.guest_references + c.host_references;
    assert_eq!(sum, PAGES * (PAGES - 1) / 2 * (ROUNDS + 1), "every page is where it should be");
    let misses = after.misses[0] - before.misses[0];
    report(mode, paging.name(), read(&after) - read(&before), misses, time);
    Ok(())
}

/// The two stages as the specification has them.
fn two_stages(mode: Mode) -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<AtomicU64> =
        (0..(TABLES + PAGES + 128) * 512).map(|_| AtomicU64::new(0)).collect();
    let store =
        |at: u64, value: u64| words[(at - RAM) as usize / 8].store(value, Ordering::Relaxed);
    let vsatp = tables(mode, store);
    // The second stage leads each page of memory to itself. Its root has four pages.
    let flags = Pte::R | Pte::W | Pte::X | Pte::U | Pte::A | Pte::D;
    let root = (RAM >> 12) + TABLES + PAGES;
    let mut free = root + 4;
    for page in RAM >> 12..(RAM >> 12) + TABLES + PAGES {
        let mut table = root;
        for level in (1..u32::from(mode.levels())).rev() {
            let index = page >> (9 * level) & if table == root { 0x7ff } else { 0x1ff };
            let at = (table << 12) + index * 8;
            let entry = words[(at - RAM) as usize / 8].load(Ordering::Relaxed);
            table = match entry {
                0 => {
                    store(at, Pte::table(Gfn::new(free)).0);
                    free += 1;
                    free - 1
                }
                entry => Pte(entry).gfn().get(),
            };
        }
        store((table << 12) + (page & 0x1ff) * 8, Pte::leaf(Gfn::new(page), flags).0);
    }
    let memory: &dyn TableMemory = &Words::new(Gpa::new(RAM), &words);
    let state = TwoStage {
        vsatp,
        hgatp: Hgatp { mode, vmid: 0, root: Gfn::new(root) },
        environment: Environment::SUPERVISOR,
        mxr: false,
        first: Extensions::NONE,
        second: Extensions::NONE,
    };
    let (mut entries, mut sum) = (0, 0);
    let begin = now();
    for _ in 0..ROUNDS {
        for page in 0..PAGES {
            let va = Gva::new(page << 12);
            let leaf = walk_two_stage(memory, &state, va, Access::Load, |_| entries += 1);
            sum += leaf.map_err(|fault| fault.to_string())?.second.gfn.get();
        }
    }
    let time = begin.elapsed();
    assert!(sum > 0, "they lead somewhere");
    report(mode, "two stages, as many", entries, ROUNDS * PAGES, time);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for mode in [Mode::Sv39, Mode::Sv48, Mode::Sv57] {
        for paging in [Paging::Shadow, Paging::Unsync, Paging::VirtualTlb, Paging::Nested] {
            policy(mode, paging)?;
        }
        two_stages(mode)?;
    }
    Ok(())
}
