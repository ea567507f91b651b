//! The scavenger behind a pager: beside ordinary memory, and in how few bytes.

use proptest::prelude::*;
use vellum::ScavengedStore;
use vellum::scavenger::Options;
use vellum_pager::store::{Answer, Get, PageStore, Put, RamStore};
use vellum_pager::{Lines, PAGE, PageNo, StoreError};

const PAGES: u32 = 24;

/// Pages of a few kinds, so that some are equal and some alike.
fn content(kind: u8, version: u8) -> [u8; PAGE] {
    let mut page: [u8; PAGE] = core::array::from_fn(|at| (at / 5 * usize::from(kind)) as u8);
    page[usize::from(version) * 8] ^= version;
    page
}

fn store() -> ScavengedStore {
    ScavengedStore::new(PAGES, Options::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_gives_what_ordinary_memory_gives(
        steps in prop::collection::vec((0..10_u8, 0..PAGES, 0..4_u8, 0..5_u8), 1..400),
    ) {
        let (mut store, mut plain) = (store(), RamStore::new(PAGES.into()));
        for (what, page, kind, version) in steps {
            let page = PageNo::new(page);
            match what {
                0..=5 => {
                    let content = content(kind, version);
                    let put = [Put { page, content: &content, lines: Lines::ALL }];
                    store.put(&put).unwrap();
                    plain.put(&put).unwrap();
                }
                6 => {
                    store.discard(&[page]).unwrap();
                    plain.discard(&[page]).unwrap();
                }
                _ => {
                    let (mut a, mut b) = ([1; PAGE], [1; PAGE]);
                    let (mut ours, mut theirs) =
                        ([Get::new(page, &mut a)], [Get::new(page, &mut b)]);
                    store.get(&mut ours);
                    plain.get(&mut theirs);
                    let ([ours], [theirs]) = (ours, theirs);
                    prop_assert_eq!(ours.answer, theirs.answer);
                    prop_assert!(ours.into == theirs.into, "{}", page);
                }
            }
        }
    }
}

#[test]
fn what_nobody_asks_for_gets_smaller_and_comes_back() {
    let mut store = store();
    let versions: Vec<[u8; PAGE]> =
        (0..PAGES).map(|n| content(3 + n as u8 / 12, n as u8 % 6)).collect();
    let put = |store: &mut ScavengedStore, page: u32| {
        let content = &versions[page as usize];
        store.put(&[Put { page: PageNo::new(page), content, lines: Lines::ALL }]).unwrap();
    };
    (0..PAGES).for_each(|page| put(&mut store, page));
    // Half of them is put again and again, which gives the scavenger its time.
    for _ in 0..30 {
        (0..PAGES / 2).for_each(|page| put(&mut store, page));
    }
    // Of so few pages the bookkeeping and the one open segment would be most.
    let report = store.report();
    let bytes = report.frames * PAGE as u64 + report.store.live;
    assert!(bytes < u64::from(PAGES) * PAGE as u64 * 3 / 4, "{bytes} bytes for {PAGES} pages");
    for (page, content) in (0..).map(PageNo::new).zip(&versions) {
        let mut out = [0; PAGE];
        let mut get = [Get::new(page, &mut out)];
        store.get(&mut get);
        let [get] = get;
        assert_eq!(get.answer, Answer::Found);
        assert!(get.into == content, "{page}");
    }
    let past = PageNo::new(PAGES);
    let error = store.put(&[Put { page: past, content: &[1; PAGE], lines: Lines::ALL }]);
    assert!(matches!(error, Err(StoreError::PastEnd { limit, .. }) if limit == u64::from(PAGES)));
}
