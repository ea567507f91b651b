//! A machine whose pages are in the hands of another while it goes on, in random orders, beside a plain
//! copy of its memory; and with a real thread.

use super::*;
use crate::{Builder, Paging};
use vellum_block::Rng;
use vellum_frames::{Options as PoolOptions, PAGE_SIZE};
use vellum_scavenger::{Domain, Mode, Options, Policy, Scavenger};
use vellum_translate::Gpa;

const BASE: Gpa = Gpa::new(0x8000_0000);
const PAGES: u64 = 300;

fn at(page: u64) -> Gpa {
    Gpa::new(BASE.get() + page * PAGE_SIZE as u64)
}

fn memory(mode: Mode, paging: Paging) -> (VmMemory, SharedScavenger) {
    let quota = PAGES + 900;
    let pool = FramePool::new(PoolOptions::new(quota)).unwrap();
    let mut vm = Builder::new(BASE, PAGES * PAGE_SIZE as u64)
        .frames_of(Arc::clone(&pool))
        .paging(paging)
        .build()
        .unwrap();
    let policy = Policy { delta_after: 1, compress_after: 2, ..Policy::default() };
    let scavenger = Scavenger::new(pool, Options { policy, ..Options::default() }).shared();
    vm.attach_scavenger(Arc::clone(&scavenger), Domain(0), mode).unwrap();
    (vm, scavenger)
}

/// One of few contents, so that pages meet.
fn content(kind: u64) -> [u8; PAGE_SIZE] {
    match kind {
        0 => [0; PAGE_SIZE],
        1 => [0x5a; PAGE_SIZE],
        _ => core::array::from_fn(|at| (at as u64 * kind / 7 % 50) as u8),
    }
}

fn assert_holds(vm: &mut VmMemory, plain: &[[u8; PAGE_SIZE]], what: &str) {
    for (page, plain) in (0..).zip(plain) {
        let mut out = [0; PAGE_SIZE];
        vm.read(at(page), &mut out).unwrap();
        assert!(out == *plain, "{what}: page {page}");
    }
}

#[test]
fn whatever_is_written_while_pages_are_handed_over_is_read_again() {
    for seed in 0..24 {
        let mut chance = Rng::new(seed);
        let mode = if seed % 3 == 2 { Mode::Conceal } else { Mode::Share };
        let paging = if seed % 2 == 0 { Paging::Shadow } else { Paging::Nested };
        let (mut vm, scavenger) = memory(mode, paging);
        let pool = Arc::clone(vm.pool());
        let errand = vm.attach_errand().unwrap();
        let set = vm.scavenger().unwrap().1;
        let mut plain = vec![[0; PAGE_SIZE]; PAGES as usize];
        for (page, plain) in (0..).zip(&mut plain) {
            *plain = content(chance.below(40));
            vm.write(at(page), plain).unwrap();
        }
        let (mut given, mut root) = (None, None);
        for _ in 0..1500 {
            let page = chance.below(PAGES);
            match chance.below(16) {
                // Whoever works on a batch would be waited for; here it is this thread.
                0..=3 => {
                    given = None;
                    let mut bytes = content(chance.below(40));
                    bytes[8] = chance.below(3) as u8;
                    let len = 1 + chance.below(PAGE_SIZE as u64) as usize;
                    vm.write(at(page), &bytes[..len]).unwrap();
                    plain[page as usize][..len].copy_from_slice(&bytes[..len]);
                }
                4 => {
                    let mut out = [0; 64];
                    vm.read(at(page), &mut out).unwrap();
                    assert_eq!(out, plain[page as usize][..64], "seed {seed}, page {page}");
                }
                5 => {
                    given = None;
                    let lent = vellum_remap::Space::lend(&mut vm, at(page).gfn().get(), 1).unwrap();
                    vellum_remap::Space::settle(&mut vm, at(page).gfn().get(), &lent);
                    vellum_remap::Space::publish(&mut vm);
                }
                6 if chance.below(8) == 0 => root = Some(vm.keep_root().unwrap()),
                6 => root = None,
                7..=9 => vm.meet_scavenger(),
                10 => assert_eq!(vm.audit(), vec![], "seed {seed}"),
                11 => {
                    scavenger.lock().tidy(100_000);
                }
                12 => {
                    given = None;
                }
                _ => {
                    if given.is_none() {
                        given = errand.ask(Duration::ZERO);
                    }
                    if let Some(batch) = given.as_mut().and_then(|given| given.batch.as_mut()) {
                        scavenger.lock().step(set, batch, 300_000).unwrap();
                    }
                }
            }
        }
        drop((given, root));
        assert_holds(&mut vm, &plain, &format!("seed {seed}"));
        let counters = vm.beside_counters().unwrap();
        assert!(counters.batches > 50 && counters.changed > 100, "{counters:?}");
        assert!(counters.hurried > 5, "{counters:?}");
        // A batch that is under way when the machine goes.
        while errand.ask(Duration::ZERO).is_none() {
            vm.meet_scavenger();
        }
        drop(vm);
        (0..8).for_each(|_| assert!(scavenger.lock().tidy(u64::MAX / 4)));
        let report = scavenger.lock().report();
        assert_eq!((report.objects, report.store.live), (0, 0), "seed {seed}");
        drop(scavenger);
        assert_eq!(pool.counters().used, 0, "seed {seed}: every frame went back");
    }
}

#[test]
fn a_thread_shares_and_packs_memory_that_is_written_meanwhile() {
    for mode in [Mode::Share, Mode::Conceal] {
        let (mut vm, scavenger) = memory(mode, Paging::Shadow);
        let mut plain = vec![[0; PAGE_SIZE]; PAGES as usize];
        for (page, plain) in (0..).zip(&mut plain) {
            *plain = content(2 + page / 2);
            vm.write(at(page), plain).unwrap();
        }
        vm.scavenge_beside(Share { per_mille: 1000, piece: 100_000 }).unwrap();
        let again = vm.scavenge_beside(Share::default()).unwrap_err().to_string();
        assert!(again.contains("a thread already"), "{again}");
        let mut chance = Rng::new(7);
        let mut turns = 0_u64;
        while scavenger.lock().counters().passes < 6 {
            let page = chance.below(20);
            vm.write(at(page), &turns.to_le_bytes()).unwrap();
            plain[page as usize][..8].copy_from_slice(&turns.to_le_bytes());
            vm.meet_scavenger();
            turns += 1;
            assert!(turns < 1_000_000_000, "{:?}", scavenger.lock().counters());
        }
        assert_holds(&mut vm, &plain, "after the thread");
        assert_eq!(vm.audit(), vec![]);
        let counters = scavenger.lock().counters();
        assert!(counters.merged > 50, "{counters:?}");
        assert!(
            mode == Mode::Conceal || counters.compressed + counters.deltas > 20,
            "{counters:?}"
        );
    }
}

#[test]
fn a_thread_needs_a_scavenger() {
    let mut vm = Builder::new(BASE, PAGES * PAGE_SIZE as u64).build().unwrap();
    let error = vm.scavenge_beside(Share::default()).unwrap_err().to_string();
    assert!(error.contains("there is none"), "{error}");
    assert_eq!(vm.beside_counters(), None);
    vm.meet_scavenger();
}
