//! Which services a machine's memory takes together.

use std::sync::Arc;
use vellum::frames::{FramePool, Options as PoolOptions};
use vellum::scavenger::{Domain, Mode, Options as ScavengerOptions, Scavenger};
use vellum::translate::host::HostEntry;
use vellum::translate::{Gpa, PAGE_SIZE};
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

/// A packed page has one name for the machine and for the roots that share its leaf: to bring it back
/// takes the machine's, and leaves theirs.
#[test]
fn a_packed_page_that_comes_back_stays_in_the_roots_that_have_it() {
    let mut vm = memory();
    let pool = Arc::clone(vm.pool());
    let scavenger = Scavenger::new(Arc::clone(&pool), ScavengerOptions::default()).shared();
    vm.attach_scavenger(Arc::clone(&scavenger), Domain(0), Mode::Share).unwrap();
    let at = Gpa::new(0x8000_0000);
    let text: [u8; PAGE_SIZE] = core::array::from_fn(|at| b"what was kept"[at % 13]);
    vm.write(at, &text).unwrap();
    let is_packed = |vm: &VmMemory| matches!(vm.host().get(at.gfn()), HostEntry::Absent { .. });
    let sketch = vm.sketch().unwrap();
    assert_eq!(sketch.distinct(), 1);
    for _ in 0..20 {
        vm.scavenge(u64::MAX / 4).unwrap();
    }
    assert!(is_packed(&vm));
    assert_eq!(vm.sketch().unwrap(), sketch, "it is read where it is");
    let check = vm.check_packed(&mut |_| unreachable!("nothing is damaged")).unwrap();
    assert_eq!((check.records, check.mended, check.broken.len()), (1, 0, 0));
    assert!(is_packed(&vm));
    let root = vm.keep_root().unwrap();
    let mut out = [0; PAGE_SIZE];
    vm.read(at, &mut out).unwrap();
    assert!(out == text && !is_packed(&vm));
    // The next question to the scavenger tells it who holds what.
    vm.scavenge(1).unwrap();
    assert_eq!(scavenger.lock().report().objects, 1, "the root's page is still kept");
    drop((root, vm));
    let mut scavenger = scavenger.lock();
    (0..8).for_each(|_| assert!(scavenger.tidy(u64::MAX / 4)));
    assert_eq!(scavenger.report().objects, 0);
    assert_eq!(pool.counters().used, 0);
}
