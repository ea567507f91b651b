//! A store as a state machine: any sequence of commits, aborts, flushes, truncations, new openings and
//! power cuts, held against bytes in a vector.

#[path = "common/small.rs"]
#[allow(dead_code, reason = "every program uses some of it")]
mod small;

use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use small::{open, options};
use vellum_recover::log::CrashDisk;
use vellum_recover::{Durability, Options, Region, Restore, Store};

const LEN: u64 = 9000;
/// Images that are looked at after a cut: the worst, the best, and some between.
const IMAGES: u64 = 6;

/// What a region may hold.
#[derive(Debug, Clone)]
struct Model {
    /// The state that is promised, and all later ones.
    states: Vec<Vec<u8>>,
    /// What a cut just before the last transition could bring back.
    after_cut: Vec<Vec<u8>>,
}

#[derive(Debug, Clone)]
struct Change {
    start: usize,
    len: usize,
    value: u8,
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Change>, Durability),
    Abort(Vec<Change>),
    Flush,
    Truncate,
    /// The store is closed in order and opened again.
    Open,
    /// Power is cut; what is opened is one of the images it may leave.
    Cut(u64),
}

impl Model {
    fn now(&self) -> &[u8] {
        &self.states[self.states.len() - 1]
    }

    fn promise(&mut self) {
        self.states.drain(..self.states.len() - 1);
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (0..LEN as usize, prop_oneof![1_usize..40, 1_usize..5000], any::<u8>());
    let change = change.prop_map(|(start, len, value)| Change {
        start,
        len: len.min(LEN as usize - start),
        value,
    });
    prop::collection::vec(change, 1..5)
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model { states: vec![vec![0; LEN as usize]], after_cut: Vec::new() }).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        let how = prop_oneof![
            3 => Just(Durability::NoFlush),
            2 => Just(Durability::Flush),
            1 => Just(Durability::Async)
        ];
        prop_oneof![
            8 => (changes(), how).prop_map(|(changes, how)| Step::Commit(changes, how)),
            1 => changes().prop_map(Step::Abort),
            1 => Just(Step::Flush),
            1 => Just(Step::Truncate),
            1 => Just(Step::Open),
            2 => any::<u64>().prop_map(Step::Cut),
        ]
        .boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        model.after_cut.clone_from(&model.states);
        match step {
            Step::Commit(changes, how) => {
                let mut next = model.now().to_vec();
                for Change { start, len, value } in changes {
                    next[*start..start + len].fill(*value);
                }
                model.states.push(next);
                // Without a thread of its own, the store makes an asynchronous commit durable at once.
                if !matches!(how, Durability::NoFlush) {
                    model.promise();
                }
            }
            Step::Abort(_) => {}
            Step::Flush | Step::Truncate | Step::Open | Step::Cut(_) => model.promise(),
        }
        model
    }
}

/// The store, on a disk whose power can be cut.
struct Real {
    disk: CrashDisk,
    store: Store,
    region: Region,
}

impl Real {
    fn on(disk: CrashDisk) -> Self {
        let options = Options { pending_max: 6000, ..options() };
        let store = open(&disk, options).unwrap();
        let region = store.region("r", LEN).unwrap();
        Real { disk, store, region }
    }

    fn change(&self, changes: &[Change]) -> vellum_recover::Transaction<'_> {
        let mut transaction = self.store.begin(Restore::Yes);
        for Change { start, len, value } in changes {
            let range = *start as u64..(start + len) as u64;
            transaction.set_range(&self.region, range).unwrap().fill(*value);
        }
        transaction
    }

    /// Opens every image that is looked at and holds it against the states that a cut may bring back;
    /// goes on with one of them, brought to the last state.
    fn cut(self, seed: u64, model: &Model) -> Real {
        let cut = self.disk.cuts().last().unwrap();
        let images: Vec<CrashDisk> = cut.images(IMAGES, seed).collect();
        let chosen = seed as usize % images.len();
        let mut next = None;
        for (at, image) in images.into_iter().enumerate() {
            let real = Real::on(image);
            let found = real.region.read(0..LEN).unwrap().to_vec();
            let known = model.after_cut.contains(&found);
            assert!(known, "image {at} is none of {} states", model.after_cut.len());
            if at == chosen {
                next = Some(real);
            }
        }
        let real = next.unwrap();
        let mut transaction = real.store.begin(Restore::Yes);
        let all = transaction.set_range(&real.region, 0..LEN).unwrap();
        all.copy_from_slice(model.now());
        transaction.commit(Durability::Flush).unwrap();
        real
    }
}

impl StateMachineTest for Real {
    type SystemUnderTest = Real;
    type Reference = Model;

    fn init_test(_: &Model) -> Real {
        Real::on(CrashDisk::new())
    }

    fn apply(real: Real, model: &Model, step: Step) -> Real {
        match step {
            Step::Commit(changes, how) => {
                real.change(&changes).commit(how).unwrap();
            }
            Step::Abort(changes) => real.change(&changes).abort().unwrap(),
            Step::Flush => real.store.flush().unwrap(),
            Step::Truncate => real.store.truncate().unwrap(),
            Step::Open => {
                let Real { disk, store, region } = real;
                store.flush().unwrap();
                drop((store, region));
                return Real::on(disk);
            }
            Step::Cut(seed) => return real.cut(seed, model),
        }
        real
    }

    fn check_invariants(real: &Real, model: &Model) {
        assert!(*real.region.read(0..LEN).unwrap() == *model.now());
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 300, ..Config::default() })]

    #[test]
    fn a_store_is_what_was_committed_whatever_happens_to_it(sequential 1..30 => Real);
}
