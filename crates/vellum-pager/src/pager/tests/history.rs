//! What is kept of faults, against a model that keeps all of it.

use super::*;
use crate::store::Slow;
use std::collections::{BTreeMap, BTreeSet};
use vellum_block::{Duration, Histogram, Rng, Values};

const QUOTA: usize = 6;
const BATCH: Duration = Duration::from_us(10);
const EACH: Duration = Duration::from_us(1);

/// A space under LRU, and what its faults were like.
#[derive(Default)]
struct Model {
    /// The least recently used one first.
    present: Vec<u32>,
    dirty: BTreeSet<u32>,
    stored: BTreeSet<u32>,
    left: BTreeMap<u32, u64>,
    faults: u64,
    returns: BTreeMap<u32, u64>,
    distances: Values,
    time: Histogram,
    written: Values,
}

impl Model {
    fn access(&mut self, page: u32, write: bool) {
        match self.present.iter().position(|&other| other == page) {
            Some(at) => _ = self.present.remove(at),
            None => self.fault(page),
        }
        self.present.push(page);
        if write {
            self.dirty.insert(page);
        }
    }

    fn fault(&mut self, page: u32) {
        self.faults += 1;
        let mut batches = u64::from(self.stored.contains(&page));
        if self.present.len() == QUOTA {
            let gone = self.present.remove(0);
            self.left.insert(gone, self.faults);
            if self.dirty.remove(&gone) {
                self.stored.insert(gone);
                self.written.record(1);
                batches += 1;
            }
        }
        self.time.record((BATCH + EACH).times(batches));
        if let Some(left) = self.left.remove(&page) {
            self.distances.record(self.faults - left);
            *self.returns.entry(page).or_default() += 1;
        }
    }

    fn removed(&mut self, page: u32) {
        self.present.retain(|&other| other != page);
        self.dirty.remove(&page);
        self.stored.remove(&page);
        self.left.remove(&page);
    }

    fn most_returned(&self, most: usize) -> Vec<(PageNo, u64)> {
        let mut all: Vec<_> = self.returns.iter().map(|(&page, &times)| (p(page), times)).collect();
        // Stable: pages are in order.
        all.sort_by_key(|&(_, times)| std::cmp::Reverse(times));
        all.truncate(most);
        all
    }
}

fn kept(options: Options, store: RamStore) -> Bench {
    let options = Options { policy: "lru".into(), history: true, ..options };
    Bench::new(options, Box::new(Slow::new(store, BATCH, EACH)))
}

#[test]
fn a_history_is_what_a_model_that_notes_every_fault_says() {
    let mut bench = kept(Options::new(PAGES, QUOTA as u32), RamStore::new(64));
    let (mut model, mut rng) = (Model::default(), Rng::new(7));
    for _ in 0..5000 {
        // Low numbers more often than high ones.
        let page =
            (rng.below(u64::from(PAGES)) * rng.below(u64::from(PAGES)) / u64::from(PAGES)) as u32;
        match rng.below(20) {
            0 => {
                bench.space.lose(p(page));
                bench.pager.removed(page..page + 1).unwrap();
                model.removed(page);
            }
            1..10 => {
                bench.store(page, 0, 1).unwrap();
                model.access(page, true);
            }
            _ => {
                bench.load(page, 0).unwrap();
                model.access(page, false);
            }
        }
    }
    let history = bench.pager.history().unwrap();
    assert_eq!(bench.pager.counters().missing, model.faults);
    assert!(model.distances.count() > 1000 && model.distances.max() > 64);
    assert_eq!(history.distances(), &model.distances);
    assert_eq!(history.store_time(), &model.time);
    assert_eq!(history.pages_put(), &model.written);
    assert_eq!(history.pages_got().count(), bench.pager.traffic().get_batches);
    for most in [0, 1, 5, 1000] {
        assert_eq!(history.most_returned(most), model.most_returned(most));
    }
    for page in 0..PAGES {
        assert_eq!(history.returns(p(page)), model.returns.get(&page).copied().unwrap_or(0));
    }
}

#[test]
fn batches_are_counted_by_their_pages() {
    let mut bench = kept(Options { batch: 3, ..Options::new(PAGES, 12) }, RamStore::new(64));
    bench.pager = bench.pager.with_prefetch(Box::new(Sequential::new(4)));
    (0..13).for_each(|page| bench.store(page, 0, 1).unwrap());
    let history = bench.pager.history().unwrap();
    assert_eq!((history.pages_put().count(), history.pages_put().max()), (1, 3));
    assert_eq!(history.pages_got().count(), 0);
    (3..13).for_each(|page| bench.pager.evict(&mut bench.space, p(page)).unwrap());
    (0..12).for_each(|page| _ = bench.load(page, 0).unwrap());
    // Alone, alone and two, one and four, one and two.
    let got = bench.pager.history().unwrap().pages_got();
    let sizes = got.powers().map(|(range, count)| (*range.start(), count));
    assert_eq!(sizes.collect::<Vec<_>>(), [(1, 1), (2, 2), (4, 1)]);
    assert_eq!((got.max(), got.mean()), (5, 3));
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for() {
    let bench = Bench::new(Options::new(PAGES, 8), Box::new(RamStore::new(64)));
    assert!(bench.pager.history().is_none());
    let kept = kept(Options::new(PAGES, 8), RamStore::new(64));
    assert_eq!(kept.pager.overhead() - bench.pager.overhead(), 16 * PAGES as usize);
}
