//! The pager: what it does with lines, rules, pins and prefetch; against a plain model, and against stores
//! that lie.

mod history;
mod lies;
mod model;

use super::*;
use crate::PAGE;
use crate::prefetch::{MajorityTrend, Sequential};
use crate::rules::Verdict;
use crate::space::PlainSpace;
use crate::store::{CompressedPool, RamStore};
use vellum_translate::Rights;

const PAGES: u32 = 24;

fn p(page: u32) -> PageNo {
    PageNo::new(page)
}

/// What a program sees of a space that is paged.
struct Bench {
    pager: Pager,
    space: PlainSpace,
}

impl Bench {
    fn new(options: Options, store: Box<dyn PageStore>) -> Self {
        let space = PlainSpace::new(options.pages);
        Bench { pager: Pager::new(options, store).unwrap(), space }
    }

    fn load(&mut self, page: u32, at: usize) -> Result<u8, Error> {
        for _ in 0..3 {
            if let Some(byte) = self.space.load(p(page), at) {
                self.pager.touch(p(page));
                return Ok(byte);
            }
            self.pager.fault(&mut self.space, p(page), Access::Load)?;
        }
        panic!("page {page} is absent after its fault was resolved");
    }

    fn store(&mut self, page: u32, at: usize, value: u8) -> Result<(), Error> {
        for _ in 0..3 {
            if self.space.store(p(page), at, value) {
                self.pager.touch(p(page));
                return Ok(());
            }
            self.pager.fault(&mut self.space, p(page), Access::Store)?;
        }
        panic!("page {page} can't be written after its fault was resolved");
    }
}

fn options(policy: &str, batch: u32, twins: u32) -> Options {
    Options {
        policy: policy.into(),
        batch,
        twins,
        free_low: 1,
        free_high: 2,
        dirty_high: 4,
        dirty_low: 2,
        ..Options::new(PAGES, 8)
    }
}

#[test]
fn only_changed_lines_are_written_back() {
    let twins = Options { twins: 4, policy: "lru".into(), ..Options::new(PAGES, 4) };
    let mut bench = Bench::new(twins, Box::new(RamStore::new(64)));
    for at in 0..PAGE {
        bench.store(0, at, at as u8 | 1).unwrap();
    }
    bench.pager.evict(&mut bench.space, p(0)).unwrap();
    assert_eq!(bench.pager.counters().lines_written, 64, "new to the store");
    // By a write that brings it, and by a write to a page that was only read.
    bench.store(0, 100, 0).unwrap();
    bench.store(0, 4095, 0).unwrap();
    bench.pager.evict(&mut bench.space, p(0)).unwrap();
    assert_eq!(bench.pager.counters().lines_written, 64 + 2);
    bench.load(0, 0).unwrap();
    bench.store(0, 64, 0).unwrap();
    bench.pager.flush(&mut bench.space).unwrap();
    assert_eq!(bench.pager.counters().lines_written, 64 + 3);
    assert_eq!([100, 4095, 64, 65].map(|at| bench.load(0, at).unwrap()), [0, 0, 0, 65]);
}

#[test]
fn a_rule_refuses_until_its_handler_lifts_it() {
    let mut bench = Bench::new(Options::new(PAGES, 8), Box::new(RamStore::new(64)));
    bench.store(3, 0, 5).unwrap();
    let asked = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let (notes, mut refusals) = (asked.clone(), 1);
    let handler = move |page: PageNo, access| {
        notes.lock().push((page.get(), access));
        refusals -= 1;
        if refusals >= 0 { Verdict::Refuse } else { Verdict::Lift }
    };
    let reason = bench.pager.register("quarantine", Rights::WRITE, Box::new(handler)).unwrap();
    bench.pager.withhold(&mut bench.space, p(3), reason).unwrap();
    assert_eq!(bench.load(3, 0).unwrap(), 5, "reading is not its business");
    let error = bench.store(3, 0, 6).unwrap_err().to_string();
    assert_eq!(error, "page 3 may not be accessed: quarantine");
    bench.store(3, 0, 6).unwrap();
    bench.store(3, 0, 7).unwrap();
    assert_eq!(*asked.lock(), [(3, Access::Store); 2]);
    assert_eq!(bench.load(3, 0).unwrap(), 7);
}

#[test]
fn pinned_pages_stay_and_a_space_full_of_them_says_so() {
    let mut bench = Bench::new(Options::new(PAGES, 3), Box::new(RamStore::new(64)));
    (0..3).for_each(|page| bench.pager.pin(p(page)));
    (0..3).for_each(|page| bench.store(page, 0, 1).unwrap());
    let error = bench.load(5, 0).unwrap_err();
    assert!(matches!(error, Error::AllPinned { held: 3, quota: 3 }), "{error}");
    bench.pager.unpin(p(1));
    bench.load(5, 0).unwrap();
    assert!(!bench.pager.is_present(p(1)) && bench.pager.is_present(p(0)));
}

#[test]
fn prefetched_pages_come_in_the_batch_of_the_one_that_was_missing() {
    let quiet = Options { policy: "lru".into(), ..Options::new(PAGES, 12) };
    let mut bench = Bench::new(quiet, Box::new(RamStore::new(64)));
    bench.pager = bench.pager.with_prefetch(Box::new(Sequential::new(4)));
    (0..12).for_each(|page| bench.store(page, 0, page as u8 + 1).unwrap());
    (0..12).for_each(|page| bench.pager.evict(&mut bench.space, p(page)).unwrap());
    let before = bench.pager.traffic().get_batches;
    for page in 0..12 {
        assert_eq!(bench.load(page, 0).unwrap(), page as u8 + 1);
    }
    // Alone, alone and two, one and four, one and the rest.
    assert_eq!(bench.pager.traffic().get_batches - before, 4);
    let counters = bench.pager.counters();
    assert_eq!((counters.prefetched, counters.prefetch_used), (8, 8));
}

#[test]
fn pressure_tells_refaults_from_first_uses() {
    let mut bench = Bench::new(Options::new(PAGES, 8), Box::new(RamStore::new(64)));
    (0..PAGES).for_each(|page| bench.store(page, 0, 1).unwrap());
    assert_eq!(bench.pager.pressure().some(), 0.0);
    for at in 0..1000 {
        bench.load(at % PAGES, 0).unwrap();
    }
    assert!(bench.pager.pressure().some() > 0.3);
    bench.pager.set_quota(&mut bench.space, PAGES).unwrap();
    for at in 0..20_000 {
        bench.load(at % PAGES, 0).unwrap();
    }
    bench.pager.evict(&mut bench.space, p(0)).unwrap();
    bench.load(0, 0).unwrap();
    assert!(bench.pager.pressure().some() < 0.01);
}

#[test]
fn impossible_options_are_named() {
    for (options, field) in [
        (Options::new(8, 0), "quota"),
        (Options { policy: "best".into(), ..Options::new(8, 4) }, "policy"),
        (Options { batch: 5, ..Options::new(8, 4) }, "batch"),
        (Options { free_low: 2, ..Options::new(8, 4) }, "free_high"),
        (Options { dirty_high: 1, ..Options::new(8, 4) }, "dirty_low"),
        (Options::new(u32::MAX, 4), "pages"),
    ] {
        let error = Pager::new(options, Box::new(RamStore::new(1))).unwrap_err().to_string();
        assert!(error.starts_with(field), "{error}");
    }
}
