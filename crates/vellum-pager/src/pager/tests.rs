//! The pager against a plain model, and against stores that lie.

use super::*;
use crate::prefetch::{MajorityTrend, Sequential};
use crate::rules::Verdict;
use crate::space::PlainSpace;
use crate::store::{Answer, CompressedPool, Get, Put, RamStore};
use crate::{PAGE, StoreError};
use proptest::prelude::*;
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

#[derive(Debug, Clone)]
enum Step {
    Load(u32, usize),
    Store(u32, usize, u8),
    Evict(u32),
    WriteBack(u32),
    Flush,
    Quota(u32),
    Pin(u32),
    Unpin(u32),
    Remove(u32),
    Withhold(u32, bool),
    Balance,
    Prefault(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (page, at) = (0..PAGES, 0..PAGE);
    let step = prop_oneof![
        10 => (page.clone(), at.clone()).prop_map(|(page, at)| Step::Load(page, at)),
        10 => (page.clone(), at, any::<u8>()).prop_map(|(p, at, v)| Step::Store(p, at, v)),
        1 => page.clone().prop_map(Step::Evict),
        1 => (1..6_u32).prop_map(Step::WriteBack),
        1 => Just(Step::Flush),
        1 => (4..12_u32).prop_map(Step::Quota),
        1 => page.clone().prop_map(Step::Pin),
        1 => page.clone().prop_map(Step::Unpin),
        1 => page.clone().prop_map(Step::Remove),
        1 => (page.clone(), any::<bool>()).prop_map(|(page, all)| Step::Withhold(page, all)),
        1 => Just(Step::Balance),
        1 => page.prop_map(Step::Prefault),
    ];
    proptest::collection::vec(step, 1..200)
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the policy, the store, the prefetcher and the order of things: a read gives what was
    /// last written, the quota holds, and at the end every page can be had from the store alone.
    #[test]
    fn what_is_read_is_what_was_written(
        steps in steps(),
        policy in 0..crate::policy::NAMES.len(),
        batch in 1..4_u32,
        twins in 0..3_u32,
        pooled in any::<bool>(),
        prefetch in 0..3,
    ) {
        let store: Box<dyn PageStore> = match pooled {
            true => Box::new(CompressedPool::new(1 << 30)),
            false => Box::new(RamStore::new(u64::from(PAGES))),
        };
        let mut bench = Bench::new(options(crate::policy::NAMES[policy], batch, twins), store);
        bench.pager = match prefetch {
            0 => bench.pager,
            1 => bench.pager.with_prefetch(Box::new(Sequential::new(4))),
            _ => bench.pager.with_prefetch(Box::new(MajorityTrend::new(4))),
        };
        let lift = || Box::new(|_, _| Verdict::Lift);
        let watch = bench.pager.register("watch", Rights::WRITE, lift()).unwrap();
        let closed = bench.pager.register("closed", Rights::all(), lift()).unwrap();
        let mut model = vec![[0_u8; PAGE]; PAGES as usize];
        let mut pinned: BTreeMap<u32, u32> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Load(page, at) => {
                    prop_assert_eq!(bench.load(page, at).unwrap(), model[page as usize][at]);
                }
                Step::Store(page, at, value) => {
                    bench.store(page, at, value).unwrap();
                    model[page as usize][at] = value;
                }
                Step::Evict(page) => match bench.pager.evict(&mut bench.space, p(page)) {
                    Ok(()) => prop_assert!(!bench.pager.is_present(p(page))),
                    Err(error) => prop_assert!(pinned.contains_key(&page), "{error}"),
                },
                Step::WriteBack(count) => {
                    bench.pager.write_back(&mut bench.space, count).unwrap();
                }
                Step::Flush => {
                    bench.pager.flush(&mut bench.space).unwrap();
                    prop_assert_eq!(bench.pager.dirty(), 0);
                }
                Step::Quota(quota) => bench.pager.set_quota(&mut bench.space, quota).unwrap(),
                // At most three pages, so that room can always be made.
                Step::Pin(page) if pinned.len() < 3 => {
                    bench.pager.pin(p(page));
                    *pinned.entry(page).or_default() += 1;
                }
                Step::Pin(_) => {}
                Step::Unpin(page) => {
                    bench.pager.unpin(p(page));
                    if let Some(pins) = pinned.get_mut(&page) {
                        *pins -= 1;
                        if *pins == 0 {
                            pinned.remove(&page);
                        }
                    }
                }
                Step::Remove(page) => {
                    bench.space.lose(p(page));
                    bench.pager.removed(page..page + 1).unwrap();
                    model[page as usize] = [0; PAGE];
                }
                Step::Withhold(page, all) if !pinned.contains_key(&page) => {
                    let reason = if all { closed } else { watch };
                    bench.pager.withhold(&mut bench.space, p(page), reason).unwrap();
                    prop_assert!(!bench.space.store(p(page), 0, model[page as usize][0]));
                    prop_assert!(!all || bench.space.load(p(page), 0).is_none());
                }
                Step::Withhold(..) => {}
                Step::Balance => bench.pager.balance(&mut bench.space).unwrap(),
                Step::Prefault(page) => {
                    let pages = [p(page), p((page + 5) % PAGES)];
                    bench.pager.prefault(&mut bench.space, &pages).unwrap();
                }
            }
            prop_assert!(bench.pager.present() <= bench.pager.quota());
            let present = (0..PAGES).filter(|&page| bench.space.load(p(page), 0).is_some()).count();
            prop_assert_eq!(present, bench.pager.present() as usize);
            let dirty = bench.pager.known.iter().filter(|known| known.flags & flag::DIRTY != 0).count();
            prop_assert_eq!(dirty, bench.pager.dirty() as usize);
        }
        bench.pager.flush(&mut bench.space).unwrap();
        for page in 0..PAGES {
            let mut content = [1; PAGE];
            if bench.pager.peek(p(page), &mut content).unwrap() {
                prop_assert!(content == model[page as usize], "page {} in the store", page);
            } else {
                prop_assert!(model[page as usize] == [0; PAGE], "page {} is nowhere", page);
            }
        }
    }
}

/// How a store may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    Nothing,
    Noise,
    Another,
    Stale,
    Forgets,
    Dead,
    /// Fails twice, then works.
    Shaky(u32),
    RefusesPuts,
}

#[derive(Debug)]
struct Liar {
    store: RamStore,
    old: BTreeMap<u32, Page>,
    lie: Arc<parking_lot::Mutex<Lie>>,
}

impl Liar {
    fn error(&self, page: PageNo) -> StoreError {
        let (store, why) = ("liar".into(), "it is dead".into());
        StoreError::Failed { store, what: "asking", page, why }
    }
}

impl PageStore for Liar {
    fn name(&self) -> &str {
        "liar"
    }

    fn get(&mut self, batch: &mut [Get<'_>]) {
        self.store.get(batch);
        let mut lie = self.lie.lock();
        for get in batch.iter_mut() {
            match *lie {
                Lie::Noise => get.into[1234] ^= 0x10,
                Lie::Another => get.into.copy_from_slice(&[9; PAGE]),
                Lie::Stale => get.into.copy_from_slice(&self.old[&get.page.get()]),
                Lie::Forgets => get.answer = Answer::Missing,
                Lie::Dead => get.answer = Answer::Failed(self.error(get.page)),
                Lie::Shaky(left) if left > 0 => {
                    *lie = Lie::Shaky(left - 1);
                    get.answer = Answer::Failed(self.error(get.page));
                }
                _ => {}
            }
        }
    }

    fn put(&mut self, batch: &[Put<'_>]) -> Result<(), StoreError> {
        if *self.lie.lock() == Lie::RefusesPuts {
            return Err(self.error(batch[0].page));
        }
        for put in batch {
            let mut old = [0; PAGE];
            self.store.get(&mut [Get::new(put.page, &mut old)]);
            self.old.insert(put.page.get(), old);
        }
        self.store.put(batch)
    }

    fn discard(&mut self, pages: &[PageNo]) -> Result<(), StoreError> {
        self.store.discard(pages)
    }

    fn traffic(&self) -> Traffic {
        self.store.traffic()
    }
}

/// Pages 0 to 11 hold their number; 0 to 3 are evicted.
fn lied_to() -> (Bench, Arc<parking_lot::Mutex<Lie>>) {
    let lie = Arc::new(parking_lot::Mutex::new(Lie::Nothing));
    let (store, old) = (RamStore::new(1 << 20), BTreeMap::new());
    let store = Liar { store, old, lie: lie.clone() };
    let mut bench =
        Bench::new(Options { policy: "lru".into(), ..Options::new(PAGES, 8) }, Box::new(store));
    for round in 0..2 {
        for page in 0..12 {
            bench.store(page, 7, page as u8 + round).unwrap();
        }
    }
    (bench, lie)
}

#[test]
fn a_store_that_lies_gives_an_error_and_never_a_wrong_byte() {
    for what in [Lie::Noise, Lie::Another, Lie::Stale, Lie::Forgets, Lie::Dead] {
        let (mut bench, lie) = lied_to();
        *lie.lock() = what;
        let error = bench.load(2, 7).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("page 2"), "{what:?}: {text}");
        match what {
            Lie::Dead => assert!(matches!(error, Error::Store(StoreError::Failed { .. }))),
            Lie::Forgets => assert!(matches!(error, Error::Store(StoreError::Lost { .. }))),
            _ => assert!(matches!(error, Error::Store(StoreError::Corrupt { .. })), "{text}"),
        }
        assert!(bench.space.load(p(2), 7).is_none(), "the page is still absent");
        // Those that are present are not concerned, and the store may come back to its senses.
        assert_eq!(bench.load(11, 7).unwrap(), 12);
        *lie.lock() = Lie::Nothing;
        assert_eq!(bench.load(2, 7).unwrap(), 3);
    }
}

#[test]
fn a_read_is_tried_again_as_often_as_said() {
    let (mut bench, lie) = lied_to();
    *lie.lock() = Lie::Shaky(2);
    assert_eq!(bench.load(1, 7).unwrap(), 2);
    assert_eq!(bench.pager.counters().retries, 2);
    *lie.lock() = Lie::Shaky(3);
    bench.load(0, 7).unwrap_err();
}

#[test]
fn a_store_that_takes_nothing_costs_no_data() {
    let (mut bench, lie) = lied_to();
    // Two clean pages among the eight: they may still make room.
    bench.pager.write_back(&mut bench.space, 2).unwrap();
    *lie.lock() = Lie::RefusesPuts;
    assert_eq!(bench.load(0, 7).unwrap(), 1);
    assert_eq!(bench.load(1, 7).unwrap(), 2);
    // What was just read is clean as well, and takes turns; what is dirty stays and can be read.
    assert_eq!(bench.load(2, 7).unwrap(), 3);
    let error = bench.pager.flush(&mut bench.space).unwrap_err();
    assert!(matches!(error, Error::Store(StoreError::Failed { .. })), "{error}");
    let dirty = bench.pager.dirty();
    assert_eq!(dirty, 6);
    *lie.lock() = Lie::Nothing;
    for page in 0..12 {
        assert_eq!(bench.load(page, 7).unwrap(), page as u8 + 1);
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
