//! Random steps beside a plain model.

use super::*;
use proptest::prelude::*;

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
