//! A guest with less host memory than it believes to have: its pages go to a store and come back, and
//! the run is the same to the last bit.

use vellum::vellum_pager::store::{Answer, CompressedPool, Get, PageStore, Put, RamStore, Traffic};
use vellum::vellum_pager::{Options, PageNo, Pager, StoreError};
use vellum_machine::{Machine, Paging, Stop};
use vellum_tests::{MEMORY, assert_same_state, config, machine, run};

const WORDS: &str = "quiet run=selftest";
const SLICE: u64 = 1_000_000;
const PAGES: u32 = (MEMORY >> 12) as u32;

fn paged(
    paging: Paging,
    harts: u32,
    quota: u32,
    policy: &str,
    store: Box<dyn PageStore>,
) -> Machine {
    let options = Options { policy: policy.into(), ..Options::new(PAGES, quota) };
    let mut config = config(WORDS, paging);
    config.harts = harts;
    config.frame_quota = Some(quota.into());
    config.pager = Some(Pager::new(options, store).unwrap());
    machine(config, 5)
}

#[test]
fn a_run_is_the_same_with_a_pager_and_without() {
    for (harts, paging, policy) in [
        (1, Paging::Shadow, "selector"),
        (2, Paging::Shadow, "random"),
        (1, Paging::Nested, "clock"),
        (1, Paging::Unsync, "lru"),
        (2, Paging::Hybrid, "sieve"),
        (1, Paging::VirtualTlb, "arc"),
    ] {
        let mut whole = config(WORDS, paging);
        whole.harts = harts;
        let mut whole = machine(whole, 5);
        let ran = run(&mut whole, SLICE, |_| {});
        let quota = whole.report().frames.peak as u32 / 3;
        let pool = Box::new(CompressedPool::new(MEMORY));
        let mut machine = paged(paging, harts, quota, policy, pool);
        let other = run(&mut machine, SLICE, |_| {});
        assert_eq!(ran, other, "{paging}, {policy}");
        assert_eq!(whole.instructions(), machine.instructions());
        let report = machine.report();
        let pager = report.pager.unwrap();
        assert!(report.frames.peak <= u64::from(quota), "{} frames", report.frames.peak);
        assert!(pager.evicted > 1000 && pager.refaults > 20, "{pager:?}");
        assert_eq!(pager.store_errors, 0);
        assert_same_state(paging, &whole, &machine, policy);
    }
}

/// As few frames as one instruction needs at once, its page tables among them: slow, and the same run.
#[test]
fn a_guest_gets_ahead_in_sixteen_pages() {
    for (paging, policy) in
        [(Paging::Shadow, "selector"), (Paging::Nested, "lru"), (Paging::Unsync, "clock")]
    {
        let mut whole = machine(config(WORDS, paging), 5);
        whole.run(300_000);
        let mut machine = paged(paging, 1, 16, policy, Box::new(RamStore::new(PAGES.into())));
        machine.run(300_000);
        assert_eq!(whole.instructions(), machine.instructions(), "{paging}, {policy}");
        assert!(machine.report().frames.peak <= 16);
        assert_same_state(paging, &whole, &machine, policy);
    }
}

#[test]
fn a_paged_machine_is_kept_and_restored_like_another() {
    let mut first = paged(Paging::Shadow, 1, 160, "clock", Box::new(RamStore::new(PAGES.into())));
    first.run(2_000_000);
    first.take_console_output();
    let kept = first.save();
    let mut whole = machine(config(WORDS, Paging::Shadow), 5);
    whole.restore_from(&kept).unwrap();
    let mut again = paged(Paging::Shadow, 1, 160, "lru", Box::new(RamStore::new(PAGES.into())));
    again.restore_from(&kept).unwrap();
    let ends = [&mut first, &mut whole, &mut again].map(|machine| {
        let ran = run(machine, SLICE, |_| {});
        assert_eq!(ran.stop, Stop::PowerOff { code: 0 }, "{}", ran.text);
        (ran.text, machine.state_hash())
    });
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0], ends[2]);
}

/// Gives nothing back.
#[derive(Debug)]
struct Hole;

impl PageStore for Hole {
    fn name(&self) -> &str {
        "hole"
    }
    fn get(&mut self, batch: &mut [Get<'_>]) {
        for get in batch {
            let (store, what, why) = ("hole".into(), "reading", "nothing comes back".into());
            let error = StoreError::Failed { store, what, page: get.page, why };
            get.answer = Answer::Failed(error);
        }
    }
    fn put(&mut self, _: &[Put<'_>]) -> Result<(), StoreError> {
        Ok(())
    }
    fn discard(&mut self, _: &[PageNo]) -> Result<(), StoreError> {
        Ok(())
    }
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}

#[test]
fn a_dead_store_is_the_guests_access_fault_and_not_the_hosts_end() {
    let mut machine = paged(Paging::Shadow, 1, 160, "clock", Box::new(Hole));
    // Whatever the guest makes of it: it goes on, stops, or hangs; the host does not.
    for _ in 0..50 {
        if machine.run(SLICE) != Stop::Slice {
            break;
        }
    }
    let report = machine.report();
    assert!(report.pager.unwrap().store_errors > 0);
    let faults: u64 = [1, 5, 7].map(|kind| report.traps(kind)).iter().sum();
    assert!(faults > 0, "the guest heard nothing of it");
    // What can't be read can't be restored as something else.
    let kept = machine.save();
    let mut other = vellum_tests::machine(config(WORDS, Paging::Shadow), 5);
    other.restore_from(&kept).unwrap_err();
}
