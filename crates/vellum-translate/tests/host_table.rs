//! The host table against plain maps: content, kept roots, reference counts.

use proptest::prelude::*;
use std::sync::Arc;
use vellum_frames::{FrameId, FramePool, Options};
use vellum_translate::host::{
    Guard, HostEntry, HostTable, OwnerId, Resolved, Run, Snapshot, Token,
};
use vellum_translate::{Gfn, Rights};

const PAGES: u64 = 1600;

#[derive(Debug, Clone)]
enum Step {
    /// A page gets a frame of its own, whose first word is this value.
    Write(u64, u64),
    Absent(u64, u64),
    Fill(u64, u64, bool),
    Keep,
    Reset(usize),
    Forget(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let page = prop_oneof![0..8_u64, 510..514_u64, 0..PAGES];
    let step = prop_oneof![
        8 => (page.clone(), 1..1000_u64).prop_map(|(p, v)| Step::Write(p, v)),
        2 => (page.clone(), 0..1_u64 << 48).prop_map(|(p, t)| Step::Absent(p, t)),
        1 => (0..PAGES, 0..PAGES, any::<bool>()).prop_map(|(a, b, z)| Step::Fill(a, b, z)),
        1 => Just(Step::Keep),
        1 => (0..4_usize).prop_map(Step::Reset),
        1 => (0..4_usize).prop_map(Step::Forget),
    ];
    prop::collection::vec(step, 1..120)
}

/// What a page is, plainly.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plain {
    Hole,
    Zero,
    Value(u64),
    Absent(u64),
}

struct World {
    pool: Arc<FramePool>,
    table: HostTable,
    model: Vec<Plain>,
    kept: Vec<(Snapshot, Vec<Plain>)>,
}

impl World {
    fn release(&self, old: HostEntry) {
        if let HostEntry::Frame { frame, .. } = old {
            self.pool.release(frame);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Write(page, value) => {
                let gfn = Gfn::new(page);
                let own = match (self.table.resolve(gfn), self.table.get(gfn)) {
                    // Writable as it is: nobody else may see the write.
                    (Resolved::Frame { frame, rights, .. }, _)
                        if rights.contains(Rights::WRITE) =>
                    {
                        frame
                    }
                    (_, old) => {
                        let from = match old {
                            HostEntry::Frame { frame, .. } => frame,
                            _ => FrameId::ZERO,
                        };
                        let frame = self.pool.allocate_copy(from).unwrap();
                        let entry = HostEntry::Frame { frame, rights: Rights::all() };
                        let old = self.table.replace(gfn, entry);
                        self.release(old);
                        frame
                    }
                };
                self.pool.store(own, 0, 8, value);
                self.model[page as usize] = Plain::Value(value);
            }
            Step::Absent(page, token) => {
                let token = Token::new(token).unwrap();
                let entry = HostEntry::Absent { owner: OwnerId(3), token };
                let old = self.table.replace(Gfn::new(page), entry);
                self.release(old);
                self.model[page as usize] = Plain::Absent(token.get());
            }
            Step::Fill(a, b, zero) => {
                let range = a.min(b)..a.max(b);
                let entry = if zero { HostEntry::ZERO } else { HostEntry::Hole };
                self.table.fill(range.clone(), entry);
                let plain = if zero { Plain::Zero } else { Plain::Hole };
                self.model[range.start as usize..range.end as usize].fill(plain);
            }
            Step::Keep => self.kept.push((self.table.snapshot(), self.model.clone())),
            Step::Reset(which) => {
                if let Some((kept, model)) = self.kept.get(which) {
                    let generation = self.table.generation();
                    self.table.reset_to(kept);
                    self.model.clone_from(model);
                    assert!(self.table.generation() > generation, "rights to write are void");
                }
            }
            Step::Forget(which) => {
                if which < self.kept.len() {
                    self.kept.remove(which);
                }
            }
        }
    }

    fn check(&self) {
        for (page, &plain) in self.model.iter().enumerate() {
            let found = match self.table.get(Gfn::new(page as u64)) {
                HostEntry::Hole => Plain::Hole,
                HostEntry::Absent { token, .. } => Plain::Absent(token.get()),
                HostEntry::Frame { frame, .. } if frame.is_zero_frame() => Plain::Zero,
                HostEntry::Frame { frame, .. } => Plain::Value(self.pool.load(frame, 0, 8)),
            };
            assert_eq!(found, plain, "page {page}");
        }
    }
}

/// What belongs to one machine alone: a step of guards, epochs, uses and roots.
#[derive(Debug, Clone)]
enum Own {
    Guard(u64, usize, bool),
    Stamp(u64),
    Touch(u64),
    Revoke,
    Keep,
    Taken,
}

fn owns() -> impl Strategy<Value = Vec<Own>> {
    let page = || prop_oneof![0..4_u64, 511..514_u64];
    let step = prop_oneof![
        4 => (page(), 0..3_usize, any::<bool>()).prop_map(|(p, g, on)| Own::Guard(p, g, on)),
        3 => page().prop_map(Own::Stamp),
        3 => page().prop_map(Own::Touch),
        1 => Just(Own::Revoke),
        1 => Just(Own::Keep),
        1 => Just(Own::Taken),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Guards, epochs and uses are a machine's own: a kept root has no say in them, and takes every
    /// right to write at once.
    #[test]
    fn guards_epochs_and_uses_against_plain_maps(steps in owns()) {
        const SIZE: u64 = 600;
        let pool = FramePool::new(Options::new(64)).unwrap();
        let mut table = HostTable::new(SIZE, Arc::<FramePool>::clone(&pool));
        let guards = [Rights::WRITE, Rights::READ, Rights::EXECUTE | Rights::WRITE]
            .map(|rights| (table.register_guard(rights).unwrap(), rights));
        // What can be executed can be read, where the guest makes it so (MXR): a guard of reads holds both.
        let guards = guards.map(|(guard, rights)| {
            let reads = if rights.contains(Rights::READ) { Rights::EXECUTE } else { Rights::empty() };
            (guard, rights | reads)
        });
        for page in (0..4).chain(511..514) {
            let entry = HostEntry::Frame { frame: pool.allocate().unwrap(), rights: Rights::all() };
            let _hole = table.replace(Gfn::new(page), entry);
        }
        let mut held = vec![[false; 3]; SIZE as usize];
        let mut written = vec![0_u64; SIZE as usize];
        let mut touched = std::collections::BTreeSet::new();
        let mut kept = Vec::new();
        let (mut epoch, mut generation) = (table.epoch(), table.generation());
        for step in &steps {
            match *step {
                Own::Guard(page, which, true) => {
                    let new = table.add_guard(Gfn::new(page), guards[which].0);
                    prop_assert_eq!(new, !std::mem::replace(&mut held[page as usize][which], true));
                }
                Own::Guard(page, which, false) => {
                    let was = table.remove_guard(Gfn::new(page), guards[which].0);
                    prop_assert_eq!(was, std::mem::take(&mut held[page as usize][which]));
                }
                Own::Stamp(page) => {
                    table.stamp(Gfn::new(page));
                    written[page as usize] = epoch;
                }
                Own::Touch(page) => {
                    table.touch(Gfn::new(page));
                    touched.insert(Gfn::new(page));
                }
                Own::Revoke => table.revoke_writes(),
                Own::Keep => kept.push(table.snapshot()),
                Own::Taken => {
                    let pages: Vec<Gfn> = std::mem::take(&mut touched).into_iter().collect();
                    prop_assert_eq!(table.take_touched(), pages);
                }
            }
            if matches!(step, Own::Revoke | Own::Keep) {
                prop_assert!(table.generation() > generation && table.epoch() > epoch);
                (epoch, generation) = (table.epoch(), table.generation());
            }
            for page in (0..4).chain(511..514) {
                let gfn = Gfn::new(page);
                let Resolved::Frame { rights, .. } = table.resolve(gfn) else { panic!("{gfn}") };
                let mut want = Rights::all();
                for (held, (guard, rights)) in held[page as usize].iter().zip(guards) {
                    prop_assert_eq!(table.guards(gfn).contains(guard), *held);
                    want -= if *held { rights } else { Rights::empty() };
                }
                // A root that is kept owns the frame too.
                want -= if kept.is_empty() { Rights::empty() } else { Rights::WRITE };
                prop_assert_eq!(rights, want);
                prop_assert_eq!(table.written(gfn), written[page as usize]);
                let alone = held[page as usize] == [true, false, false] && kept.is_empty();
                let only = table.withheld_only_by(gfn, guards[0].0, Rights::WRITE);
                prop_assert_eq!(only.is_some(), alone);
            }
            let since: Vec<u64> = table.written_since(epoch).map(Gfn::get).collect();
            let want: Vec<u64> =
                (0..SIZE).filter(|&page| written[page as usize] == epoch).collect();
            prop_assert_eq!(since, want);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn content_roots_and_references(steps in steps()) {
        let pool = FramePool::new(Options::new(4096)).unwrap();
        let table = HostTable::new(PAGES, Arc::<FramePool>::clone(&pool));
        let model = vec![Plain::Hole; PAGES as usize];
        let mut world = World { pool: Arc::clone(&pool), table, model, kept: Vec::new() };
        for step in &steps {
            world.step(step);
        }
        world.check();
        for which in 0..world.kept.len() {
            world.step(&Step::Reset(which));
            world.check();
        }
        drop(world);
        prop_assert_eq!(pool.counters().used, 0, "every frame came back");
    }
}

#[test]
fn clients_release_only_their_own_reason() {
    let pool = FramePool::new(Options::new(8)).unwrap();
    let mut table = HostTable::new(8, Arc::<FramePool>::clone(&pool));
    let frame = pool.allocate().unwrap();
    let _hole = table.replace(Gfn::new(1), HostEntry::Frame { frame, rights: Rights::all() });
    let (writes, all) = (
        table.register_guard(Rights::WRITE).unwrap(),
        table.register_guard(Rights::all()).unwrap(),
    );
    let rights = |table: &HostTable| match table.resolve(Gfn::new(1)) {
        Resolved::Frame { rights, .. } => rights,
        other => panic!("{other:?}"),
    };
    assert_eq!(rights(&table), Rights::all());
    assert!(table.add_guard(Gfn::new(1), writes));
    assert!(!table.add_guard(Gfn::new(1), writes), "it holds already");
    assert_eq!(rights(&table), Rights::READ | Rights::EXECUTE);
    table.add_guard(Gfn::new(1), all);
    assert_eq!(rights(&table), Rights::empty());
    assert!(table.remove_guard(Gfn::new(1), all));
    assert_eq!(rights(&table), Rights::READ | Rights::EXECUTE, "the other reason still holds");
    assert!(table.remove_guard(Gfn::new(1), writes));
    assert_eq!(rights(&table), Rights::all());
    assert_eq!(
        (2..Guard::MAX).filter(|_| table.register_guard(Rights::READ).is_some()).count(),
        14
    );
    assert!(table.register_guard(Rights::READ).is_none(), "sixteen are all there are");
}

#[test]
fn a_kept_root_costs_the_same_for_any_size() {
    // The table of a large machine shares all but one node a level with its snapshot.
    let pool = FramePool::new(Options::new(8)).unwrap();
    let mut table = HostTable::new(1 << 20, Arc::<FramePool>::clone(&pool));
    table.fill(0..1 << 20, HostEntry::ZERO);
    let before = table.overhead();
    let kept = table.snapshot();
    let frame = pool.allocate().unwrap();
    let _zero = table.replace(Gfn::new(12345), HostEntry::Frame { frame, rights: Rights::all() });
    assert!(table.overhead() - before < 64 << 10, "{} bytes", table.overhead() - before);
    table.reset_to(&kept);
    assert_eq!(table.get(Gfn::new(12345)), HostEntry::ZERO);
    assert_eq!(pool.counters().used, 0);
}

/// What may be granted unasked of a page, plainly.
fn unasked(table: &HostTable, page: u64) -> Option<(u32, Rights)> {
    match table.resolve(Gfn::new(page)) {
        Resolved::Frame { frame, rights, stamped } if !frame.is_zero_frame() => {
            let rights = if stamped { rights } else { rights - Rights::WRITE };
            Some((frame.index(), rights))
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// A run is what a look at each page says it is, whatever was done to some of them or to all.
    #[test]
    fn runs_of_frames_against_a_look_at_each_page(
        steps in prop::collection::vec((0..9_u8, 0..3_u64, prop_oneof![Just(0..512), Just(5..6)]), 1..40)
    ) {
        let pool = FramePool::new(Options::new(4096)).unwrap();
        let mut table = HostTable::new(1536, Arc::<FramePool>::clone(&pool));
        let guards = [Rights::WRITE, Rights::READ].map(|r| table.register_guard(r).unwrap());
        // The first two leaves hold frames in a row, the third zeros.
        for page in 0..1024 {
            let entry = HostEntry::Frame { frame: pool.allocate().unwrap(), rights: Rights::all() };
            let _hole = table.replace(Gfn::new(page), entry);
        }
        table.fill(1024..1536, HostEntry::ZERO);
        let mut kept = None;
        for (what, leaf, pages) in steps {
            let pages = leaf * 512 + pages.start..leaf * 512 + pages.end;
            let each = pages.clone().map(Gfn::new);
            match what {
                0 => each.for_each(|page| table.stamp(page)),
                1 => each.for_each(|page| { table.add_guard(page, guards[0]); }),
                2 => each.for_each(|page| { table.remove_guard(page, guards[0]); }),
                3 => each.for_each(|page| { table.add_guard(page, guards[1]); }),
                4 => each.for_each(|page| { table.remove_guard(page, guards[1]); }),
                5 => kept = Some(table.snapshot()),
                6 => kept = None,
                7 => table.revoke_writes(),
                _ => {
                    let mut frames: Vec<FrameId> =
                        pages.clone().map(|_| pool.allocate().unwrap()).collect();
                    if table.exchange(Gfn::new(pages.start), &mut frames).is_ok() {
                        frames.into_iter().for_each(|frame| pool.release(frame));
                    }
                }
            }
            for leaf in 0..3 {
                let pages = leaf * 512..(leaf + 1) * 512;
                let first = unasked(&table, pages.start);
                let alike = first.is_some_and(|(frame, rights)| {
                    pages.clone().zip(frame..).all(|(p, f)| unasked(&table, p) == Some((f, rights)))
                });
                let guarded =
                    pages.clone().filter(|&p| !table.guards(Gfn::new(p)).is_empty()).count();
                let want = first
                    .filter(|_| alike && (guarded == 0 || guarded == 512))
                    .map(|(frame, rights)| Run { frame: FrameId::from_index(frame), rights });
                prop_assert_eq!(table.run(Gfn::new(pages.start), 1), want, "leaf {}", leaf);
            }
            prop_assert!(table.run(Gfn::new(1), 1).is_none() && table.run(Gfn::new(0), 2).is_none());
        }
        drop(kept);
    }
}

/// A gigabyte of frames in a row is one run, until one page inside is apart.
#[test]
fn a_run_of_a_gigabyte() {
    #[derive(Debug)]
    struct Owned;
    impl vellum_translate::host::FrameStore for Owned {
        fn retain(&self, _: FrameId) {}
        fn release(&self, _: FrameId) {}
        fn is_exclusive(&self, _: FrameId) -> bool {
            true
        }
    }
    const GIB: u64 = 1 << 18;
    let mut table = HostTable::new(2 * GIB, Arc::new(Owned));
    let guard = table.register_guard(Rights::WRITE).unwrap();
    let frame = |page: u64| FrameId::from_index(page as u32 + 77);
    for page in GIB..2 * GIB {
        let entry = HostEntry::Frame { frame: frame(page), rights: Rights::READ };
        let _hole = table.replace(Gfn::new(page), entry);
    }
    let first = Gfn::new(GIB);
    assert_eq!(table.run(first, 2), Some(Run { frame: frame(GIB), rights: Rights::READ }));
    table.add_guard(Gfn::new(2 * GIB - 1), guard);
    assert!(table.run(first, 2).is_none() && table.run(first, 1).is_some());
    table.remove_guard(Gfn::new(2 * GIB - 1), guard);
    let entry = HostEntry::Frame { frame: frame(0), rights: Rights::READ };
    let _apart = table.replace(Gfn::new(2 * GIB - 1), entry);
    assert!(table.run(first, 2).is_none());
}
