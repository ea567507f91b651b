//! Which services a machine's memory takes together.

use std::sync::Arc;
use vellum::frames::{FramePool, Options as PoolOptions};
use vellum::scavenger::{Domain, Mode, Options as ScavengerOptions, Scavenger};
use vellum::translate::Gpa;
use vellum::vellum_pager::store::RamStore;
use vellum::vellum_pager::{Options, Pager};
use vellum::{Builder, VmMemory};

const PAGES: u32 = 8;

fn memory() -> VmMemory {
    let pool = FramePool::new(PoolOptions::new(100)).unwrap();
    Builder::new(Gpa::new(0x8000_0000), u64::from(PAGES) << 12).frames_of(pool).build().unwrap()
}

fn pager(quota: u32) -> Pager {
    Pager::new(Options::new(PAGES, quota), Box::new(RamStore::new(PAGES.into()))).unwrap()
}

/// Both take pages away, and each would find the other's absent ones: a machine has one of them.
#[test]
fn a_pager_and_a_scavenger_refuse_each_other() {
    let attach = |vm: &mut VmMemory| {
        let pool = Arc::clone(vm.pool());
        let scavenger = Scavenger::new(pool, ScavengerOptions::default()).shared();
        vm.attach_scavenger(scavenger, Domain(0), Mode::Share)
    };
    let mut paged = memory();
    paged.attach_pager(pager(4)).unwrap();
    let refused = attach(&mut paged).unwrap_err().to_string();
    assert!(refused.contains("a pager has its pages"), "{refused}");

    let mut shared = memory();
    attach(&mut shared).unwrap();
    let refused = shared.attach_pager(pager(4)).unwrap_err().to_string();
    assert!(refused.contains("a scavenger has its pages"), "{refused}");
    assert!(shared.pager_counters().is_none());
}
