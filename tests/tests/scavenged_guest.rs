//! The small guest with the scavenger on: it must not notice, and two of it must share.

use std::sync::Arc;
use vellum::frames::{FramePool, Options as PoolOptions};
use vellum::scavenger::{
    Domain, FileSpill, Mode, Options, Policy, Report, Scavenger, Share, SharedScavenger,
};
use vellum_machine::{Config, Machine, Pace, Paging, Stop};
use vellum_tests::{assert_same_state, config, machine, run};

const SELFTEST: &str = "quiet run=selftest";
const SLICE: u64 = 1_000_000;
const GOOD: Stop = Stop::PowerOff { code: 0 };
/// Far more work than a host would allow: pages are packed almost as soon as they rest.
const HASTE: Pace = Pace { per_mille: 3_000, interval: 500_000 };

fn scavenger(frames: u64, policy: Policy, spill: u64) -> (Arc<FramePool>, SharedScavenger) {
    let pool = FramePool::new(PoolOptions { frames: 1 << 16, quota: frames }).unwrap();
    let spill = FileSpill::new(tempfile::tempfile().unwrap(), spill).unwrap();
    let options = Options { policy, spill: Some(Box::new(spill)), ..Options::default() };
    let scavenger = Scavenger::new(Arc::clone(&pool), options).shared();
    (pool, scavenger)
}

fn scavenged(config: Config, mode: Mode, policy: Policy) -> (Machine, SharedScavenger) {
    let (pool, scavenger) = scavenger(40_000, policy, 0);
    (attached(config, &pool, &scavenger, mode), scavenger)
}

fn attached(
    mut config: Config,
    pool: &Arc<FramePool>,
    scavenger: &SharedScavenger,
    mode: Mode,
) -> Machine {
    config.frames = Some(Arc::clone(pool));
    let mut machine = machine(config, 1);
    machine.attach_scavenger(Arc::clone(scavenger), Domain(0), mode, HASTE).unwrap();
    machine
}

#[test]
fn a_run_is_the_same_with_the_scavenger_on_and_off() {
    for paging in [Paging::Shadow, Paging::Nested, Paging::Unsync, Paging::Hybrid] {
        let mut plain = machine(config(SELFTEST, paging), 1);
        let wanted = run(&mut plain, SLICE, |_| {});
        assert_eq!(wanted.stop, GOOD, "{}", wanted.text);
        let eager = Policy { delta_after: 1, compress_after: 2, ..Policy::default() };
        for (mode, policy) in
            [(Mode::Share, Policy::default()), (Mode::Share, eager), (Mode::Conceal, eager)]
        {
            let (mut machine, scavenger) = scavenged(config(SELFTEST, paging), mode, policy);
            let ran = run(&mut machine, SLICE, |machine| {
                assert_eq!(machine.memory().audit(), vec![]);
            });
            assert_eq!((ran.stop, ran.text), (GOOD, wanted.text.clone()), "{paging}, {mode:?}");
            assert_eq!(machine.instructions(), plain.instructions());
            // Packed pages are hashed where they are.
            assert_same_state(paging, &machine, &plain, &format!("{mode:?}"));
            let counters = scavenger.lock().counters();
            assert!(counters.passes > 10, "{counters:?}");
            assert!(counters.restored > 10, "packed pages were wanted: {counters:?}");
            if mode == Mode::Share {
                assert!(counters.merged > 0 && counters.compressed > 10, "{counters:?}");
            }
            drop(machine);
            let report = scavenger.lock().report();
            assert_eq!((report.objects, report.store.live), (0, 0), "nothing is left");
        }
    }
}

/// What a thread of its own does differs from run to run; how the guest ends does not.
#[test]
fn a_run_is_the_same_with_the_scavenger_on_a_thread_of_its_own() {
    for paging in [Paging::Shadow, Paging::Unsync] {
        let mut plain = machine(config(SELFTEST, paging), 1);
        let wanted = run(&mut plain, SLICE, |_| {});
        let eager = Policy { delta_after: 1, compress_after: 2, ..Policy::default() };
        for mode in [Mode::Share, Mode::Conceal] {
            let (pool, scavenger) = scavenger(40_000, eager, 0);
            let mut config = config(SELFTEST, paging);
            config.frames = Some(Arc::clone(&pool));
            let mut machine = machine(config, 1);
            let share = Share { per_mille: 1000, piece: 300_000 };
            machine
                .attach_scavenger_beside(Arc::clone(&scavenger), Domain(0), mode, share)
                .unwrap();
            let ran = run(&mut machine, SLICE, |machine| {
                assert_eq!(machine.memory().audit(), vec![]);
                // However fast the host is, the thread has had some batches by the next slice.
                let before = scavenger.lock().counters().looked;
                while scavenger.lock().counters().looked < before + 1000 {
                    machine.memory_mut().meet_scavenger();
                    std::thread::yield_now();
                }
            });
            assert_eq!((ran.stop, ran.text), (GOOD, wanted.text.clone()), "{paging}, {mode:?}");
            assert_eq!(machine.instructions(), plain.instructions());
            assert_same_state(paging, &machine, &plain, &format!("{mode:?}, beside"));
            let counters = scavenger.lock().counters();
            assert!(counters.passes > 3 && counters.restored > 10, "{counters:?}");
            let beside = machine.memory().beside_counters().unwrap();
            assert!(beside.changed > 100, "{beside:?}");
            drop(machine);
            (0..8).for_each(|_| assert!(scavenger.lock().tidy(u64::MAX / 4)));
            let report = scavenger.lock().report();
            assert_eq!((report.objects, report.store.live), (0, 0), "nothing is left");
            // Spares for random places are the scavenger's own.
            drop(scavenger);
            assert_eq!(pool.counters().used, 0, "every frame went back");
        }
    }
}

/// A hundred runs with the scavenger on, each again from its seed, and once without: none parts from the
/// others.
#[test]
fn runs_from_a_hundred_seeds_repeat_with_the_scavenger_on_and_off() {
    const ENOUGH: u64 = 3_000_000;
    let eager = Policy { delta_after: 1, compress_after: 2, ..Policy::default() };
    let paging = Paging::Shadow;
    let mut packed = 0;
    for seed in 0..100 {
        let mut plain = machine(config(SELFTEST, paging), seed);
        let stop = plain.run(ENOUGH);
        let ran = [(); 2].map(|()| {
            let (pool, scavenger) = scavenger(40_000, eager, 0);
            let mut config = config(SELFTEST, paging);
            config.frames = Some(Arc::clone(&pool));
            let mut machine = machine(config, seed);
            machine.attach_scavenger(scavenger.clone(), Domain(0), Mode::Share, HASTE).unwrap();
            assert_eq!(machine.run(ENOUGH), stop, "seed {seed}");
            assert_same_state(paging, &machine, &plain, &format!("seed {seed}"));
            let counters = scavenger.lock().counters();
            (counters, machine.report())
        });
        assert_eq!(ran[0], ran[1], "seed {seed}: the same pages at the same instructions");
        packed += ran[0].0.compressed;
    }
    assert!(packed > 100, "{packed} pages were packed");
}

#[test]
fn the_same_seed_scavenges_the_same_pages() {
    let once = |policy| {
        let (mut machine, scavenger) =
            scavenged(config(SELFTEST, Paging::Shadow), Mode::Share, policy);
        let ran = run(&mut machine, SLICE, |_| {});
        let scavenger = scavenger.lock();
        let report: Report = scavenger.report();
        let (_, set) = machine.memory().scavenger().unwrap();
        (ran.text, report, machine.report(), scavenger.refaults(set).unwrap())
    };
    assert_eq!(once(Policy::default()), once(Policy::default()));
    let target = Policy { refaults: Some(2000), ..Policy::default() };
    let (text, report, machine, refaults) = once(target);
    assert!(refaults.is_some_and(|refaults| refaults.target == 2000), "{refaults:?}");
    assert_eq!((text, report, machine, refaults), once(target));
}

#[test]
fn two_guests_share_what_they_have_in_common() {
    let (pool, scavenger) = scavenger(80_000, Policy::sharing_only(), 0);
    let mut machines: Vec<Machine> = (0..2)
        .map(|_| attached(config(SELFTEST, Paging::Shadow), &pool, &scavenger, Mode::Share))
        .collect();
    let mut alone = machine(config(SELFTEST, Paging::Shadow), 1);
    let wanted = run(&mut alone, SLICE, |_| {});
    // They take turns, and stop in the middle.
    for _ in 0..8 {
        for machine in &mut machines {
            assert_eq!(machine.run(SLICE / 4), Stop::Slice);
        }
    }
    // Pages that never found their like are looked at every ninth pass at least.
    for _ in 0..10 {
        for machine in &mut machines {
            let memory = machine.memory_mut();
            while memory.scavenge(u64::MAX / 4).unwrap() != vellum::scavenger::Step::Done {}
        }
    }
    let used = pool.counters().used;
    let own: Vec<u64> = machines
        .iter()
        .map(|machine| {
            let host = machine.memory().host();
            let ram = machine.memory().ram();
            let pages = ram.start.gfn().get()..ram.end.gfn().get();
            let frame = |&page: &u64| {
                let entry = host.get(vellum_translate::Gfn::new(page));
                matches!(entry, vellum_translate::host::HostEntry::Frame { frame, .. } if !frame.is_zero_frame())
            };
            pages.filter(frame).count() as u64
        })
        .collect();
    let pages: u64 = own.iter().sum();
    assert!(used * 10 < pages * 7, "{used} frames for {own:?} pages");
    // Both go on as one alone would.
    for mut machine in machines {
        let rest = run(&mut machine, SLICE, |_| {});
        assert_eq!(rest.stop, GOOD);
        assert_eq!(machine.state_hash(), alone.state_hash());
    }
    assert_eq!(wanted.stop, GOOD);
    assert_eq!(pool.counters().used, 0, "every frame went back");
}

#[test]
fn a_guest_with_half_the_frames_it_needs_ends_as_any_other() {
    let mut plain = machine(config(SELFTEST, Paging::Shadow), 1);
    let wanted = run(&mut plain, SLICE, |_| {});
    let peak = plain.report().frames.peak;
    let ram = config(SELFTEST, Paging::Shadow).memory / 4096;
    for store_limit in [1 << 30, 0] {
        let policy = Policy { store_limit, ..Policy::default() };
        let (pool, scavenger) = scavenger(peak * 3 / 4, policy, ram);
        let mut config = config(SELFTEST, Paging::Shadow);
        config.frames = Some(Arc::clone(&pool));
        // The loader runs before the scavenger is there, and must fit.
        let mut machine = machine(config, 1);
        machine
            .attach_scavenger(Arc::clone(&scavenger), Domain(0), Mode::Share, Pace::default())
            .unwrap();
        let ran = run(&mut machine, SLICE, |_| {});
        assert_eq!((ran.stop, ran.text), (GOOD, wanted.text.clone()), "store of {store_limit}");
        assert_eq!(machine.state_hash(), plain.state_hash());
        let counters = scavenger.lock().counters();
        assert!(counters.reclaimed > 0, "frames were short: {counters:?}");
        assert!(store_limit > 0 || counters.spilled > 0, "{counters:?}");
    }
}
