//! Random sequences of writes, reads, passes, clones and kept copies, against a plain array of pages:
//! every page reads what was last written, every byte is accounted for, and nothing is left at the
//! end.

use proptest::prelude::*;
use std::sync::Arc;
use vellum_frames::{FramePool, Options as PoolOptions, PAGE_SIZE};
use vellum_scavenger::{
    Domain, FileSpill, Mode, Options, Pages, Policy, Scavenger, SetId, content::Page,
};

const PAGES: usize = 24;

#[derive(Debug, Clone)]
enum Op {
    /// Fill a page with one of a few contents, so that pages meet.
    Fill {
        set: usize,
        page: u64,
        content: u8,
    },
    /// Change a few bytes.
    Edit {
        set: usize,
        page: u64,
        at: usize,
        byte: u8,
    },
    Read {
        set: usize,
        page: u64,
    },
    Hint {
        set: usize,
        page: u64,
    },
    Pass,
    Step {
        set: usize,
        work: u64,
    },
    Tidy {
        work: u64,
    },
    Reclaim {
        set: usize,
        want: u64,
    },
    Fork {
        set: usize,
    },
    DropFork,
}

fn op() -> impl Strategy<Value = Op> {
    let (set, page) = (0..2_usize, 0..PAGES as u64);
    prop_oneof![
        6 => (set.clone(), page.clone(), 0..12_u8)
            .prop_map(|(set, page, content)| Op::Fill { set, page, content }),
        4 => (set.clone(), page.clone(), 0..PAGE_SIZE, any::<u8>())
            .prop_map(|(set, page, at, byte)| Op::Edit { set, page, at, byte }),
        3 => (set.clone(), page.clone()).prop_map(|(set, page)| Op::Read { set, page }),
        1 => (set.clone(), page).prop_map(|(set, page)| Op::Hint { set, page }),
        6 => Just(Op::Pass),
        2 => (set.clone(), 0..50_000_u64).prop_map(|(set, work)| Op::Step { set, work }),
        2 => (0..100_000_u64).prop_map(|work| Op::Tidy { work }),
        1 => (set.clone(), 0..6_u64).prop_map(|(set, want)| Op::Reclaim { set, want }),
        1 => set.prop_map(|set| Op::Fork { set }),
        1 => Just(Op::DropFork),
    ]
}

/// Contents of all classes: zeros, patterns, text that deltas and compressors like, noise.
fn content(number: u8) -> Page {
    let noise = |seed: u32, at: usize| {
        ((at as u32 ^ seed << 16).wrapping_mul(2_654_435_761) ^ (at as u32).rotate_left(9))
            .wrapping_mul(0x9e37_79b9)
            >> 24
    };
    match number {
        0 => [0; PAGE_SIZE],
        1 => [0xcc; PAGE_SIZE],
        2..=8 => core::array::from_fn(|at| {
            // One text, with a part of its own for each number.
            let own = at / 512 == usize::from(number % 8);
            (noise(u32::from(own) * u32::from(number), at) % 20) as u8 + b'a'
        }),
        _ => core::array::from_fn(|at| noise(u32::from(number), at) as u8),
    }
}

struct World {
    pool: Arc<FramePool>,
    scavenger: Scavenger,
    ids: [SetId; 2],
    sets: [Pages; 2],
    model: [Vec<Page>; 2],
    forks: Vec<(usize, Pages, Vec<Page>)>,
}

impl World {
    fn new(mode: Mode, domains: [Domain; 2], store_limit: u64, frames: u64) -> World {
        let pool = FramePool::new(PoolOptions { frames: 4096, quota: frames }).unwrap();
        let spill = FileSpill::new(tempfile::tempfile().unwrap(), 256).unwrap();
        let options = Options {
            policy: Policy { store_limit, ..Policy::default() },
            lottery: 8,
            similar_per_page: 8.0,
            spill: Some(Box::new(spill)),
            ..Options::default()
        };
        let mut scavenger = Scavenger::new(Arc::clone(&pool), options);
        let ids = domains.map(|domain| scavenger.add_set(PAGES as u64, domain, mode).unwrap());
        World {
            sets: [0, 1].map(|_| Pages::new(Arc::clone(&pool), PAGES)),
            model: [0, 1].map(|_| vec![[0; PAGE_SIZE]; PAGES]),
            forks: Vec::new(),
            pool,
            scavenger,
            ids,
        }
    }

    fn apply(&mut self, op: &Op) {
        let scavenger = &mut self.scavenger;
        match *op {
            Op::Fill { set, page, content: number } => {
                let bytes = content(number);
                self.sets[set].write(scavenger, self.ids[set], page, 0, &bytes).unwrap();
                self.model[set][page as usize] = bytes;
            }
            Op::Edit { set, page, at, byte } => {
                self.sets[set].write(scavenger, self.ids[set], page, at, &[byte]).unwrap();
                self.model[set][page as usize][at] = byte;
            }
            Op::Read { set, page } => {
                let mut out = [1; PAGE_SIZE];
                self.sets[set].read(scavenger, self.ids[set], page, &mut out).unwrap();
                assert!(out == self.model[set][page as usize], "page {page} of set {set}");
            }
            Op::Hint { set, page } => scavenger.hint(self.ids[set], page).unwrap(),
            Op::Pass => {
                let [a, b] = &mut self.sets;
                scavenger.pass(&mut [(self.ids[0], a), (self.ids[1], b)]).unwrap();
            }
            Op::Step { set, work } => {
                scavenger.step(self.ids[set], &mut self.sets[set], work).unwrap();
            }
            Op::Tidy { work } => {
                scavenger.tidy(work);
            }
            Op::Reclaim { set, want } => {
                scavenger.reclaim(self.ids[set], &mut self.sets[set], want, None).unwrap();
            }
            Op::Fork { set } => {
                if self.forks.len() < 3 {
                    let fork = self.sets[set].fork(scavenger).unwrap();
                    self.forks.push((set, fork, self.model[set].clone()));
                }
            }
            Op::DropFork => {
                if !self.forks.is_empty() {
                    let (set, mut fork, model) = self.forks.remove(0);
                    check(scavenger, self.ids[set], &mut fork, &model);
                    fork.clear(scavenger).unwrap();
                }
            }
        }
        let store = self.scavenger.report().store;
        assert_eq!(store.live + store.dead + store.free, store.allocated);
    }

    /// Everything reads as it should, and nothing is left when it is given back.
    fn end(mut self) {
        for (set, mut fork, model) in self.forks {
            check(&mut self.scavenger, self.ids[set], &mut fork, &model);
            fork.clear(&mut self.scavenger).unwrap();
        }
        for at in [0, 1] {
            check(&mut self.scavenger, self.ids[at], &mut self.sets[at], &self.model[at]);
            self.sets[at].clear(&mut self.scavenger).unwrap();
            self.scavenger.remove_set(self.ids[at]).unwrap();
        }
        let report = self.scavenger.report();
        assert_eq!(report.objects, 0, "no object is left");
        assert_eq!((report.store.live, report.store.records, report.spilled), (0, 0, 0));
        drop(self.scavenger);
        assert_eq!(self.pool.counters().used, 0, "no frame is left");
    }
}

fn check(scavenger: &mut Scavenger, id: SetId, pages: &mut Pages, model: &[Page]) {
    let mut out = [1; PAGE_SIZE];
    for (page, wanted) in model.iter().enumerate() {
        pages.read(scavenger, id, page as u64, &mut out).unwrap();
        assert!(out == *wanted, "page {page}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_page_reads_what_was_last_written(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World::new(Mode::Share, [Domain(0); 2], 1 << 30, 1000);
        ops.iter().for_each(|op| world.apply(op));
        world.end();
    }

    #[test]
    fn so_it_does_where_pages_are_concealed(ops in prop::collection::vec(op(), 1..80)) {
        let mut world = World::new(Mode::Conceal, [Domain(0), Domain(3)], 1 << 30, 1000);
        ops.iter().for_each(|op| world.apply(op));
        world.end();
    }

    #[test]
    fn so_it_does_where_frames_and_the_store_are_short(
        ops in prop::collection::vec(op(), 1..80),
        store_limit in prop_oneof![Just(0_u64), Just(64 << 10), Just(1 << 30)],
    ) {
        // Forks hold pages that nobody promised room for, so there are frames for three of them.
        let mut world = World::new(Mode::Share, [Domain(1), Domain(1)], store_limit, 20 + 3 * PAGES as u64);
        ops.iter().for_each(|op| world.apply(op));
        world.end();
    }
}
