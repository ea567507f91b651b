//! Both layers as state machines: any sequence of writes, discards, batches, flushes, snapshots, mounts and
//! power cuts, held against a vector of what each page was last given.
//!
//! The plain model knows for each page what it shows now and what a cut may bring back: everything since the last
//! moment at which the layer promised. After a cut each page must show one of these, a batch must be there whole
//! or not at all, and a snapshot as the step that was cut allows; then the device is brought to what the
//! model says, and the sequence goes on.

mod plain;
mod real;

use plain::Plain;
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;
use proptest_state_machine::{ReferenceStateMachine, prop_state_machine};
use real::Real;
use std::fmt;
use std::marker::PhantomData;
use vellum_ftl::campaign::Campaign;
use vellum_ftl::{Cached, Config, Ftl, Layer, MapMode, Small};
use vellum_nand::{CellKind, CutMode, Model};

const DEMAND: MapMode = MapMode::Demand { cached_slices: 1, changed: 0 };

/// Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Write(Vec<u32>),
    Trim(u32, u32),
    Batch(Vec<u32>),
    Flush,
    Take,
    Drop,
    RollBack,
    Scrub(u32),
    /// Shut down, or only flushed; mounted with the other kind of map, or the same.
    Remount {
        in_order: bool,
        other_map: bool,
    },
    /// The power goes within a step, or just after it if it has fewer programs and erases; and again in the
    /// mount and the flush after.
    Cut {
        step: Box<Step>,
        cut: (u64, CutMode, u64),
        again: Option<(u64, CutMode, u64)>,
    },
}

fn fresh<L: Subject>(campaign: &Campaign) -> L {
    L::format(Model::new(campaign.chip).unwrap(), campaign.config).unwrap()
}

/// A layer that is tried.
pub(crate) trait Subject: Layer<Chip = Model> + fmt::Debug + 'static {
    fn campaigns() -> BoxedStrategy<Campaign>;
    /// Whether writes, and discards, are durable when the call returns.
    fn durable(campaign: &Campaign) -> (bool, bool);
    /// The layer with batches and snapshots, if it is that.
    fn tables(&mut self) -> Option<&mut Ftl<Model>> {
        None
    }
}

fn cells() -> impl Strategy<Value = CellKind> {
    prop_oneof![Just(CellKind::Slc), Just(CellKind::Mlc), Just(CellKind::Tlc)]
}

impl Subject for Ftl<Model> {
    fn campaigns() -> BoxedStrategy<Campaign> {
        let map = prop_oneof![Just(MapMode::Flat), Just(DEMAND)];
        (cells(), map, prop_oneof![Just(0), 5u32..40])
            .prop_map(|(cell, map, snapshot_pages)| {
                // As full as it can be, or with room for snapshots.
                let full = Campaign::small(cell, map);
                let logical_pages = full.config.logical_pages / (1 + u32::from(snapshot_pages > 0));
                let snapshot_pages = logical_pages.min(snapshot_pages);
                let config = Config { logical_pages, snapshot_pages, ..full.config };
                Campaign { config, ..full }
            })
            .boxed()
    }
    fn durable(campaign: &Campaign) -> (bool, bool) {
        (campaign.chip.geometry.cell == CellKind::Slc, false)
    }
    fn tables(&mut self) -> Option<&mut Ftl<Model>> {
        Some(self)
    }
}

impl Subject for Small<Model> {
    fn campaigns() -> BoxedStrategy<Campaign> {
        cells().prop_map(|cell| Campaign::small(cell, MapMode::Flat).with_small_layer()).boxed()
    }
    fn durable(_: &Campaign) -> (bool, bool) {
        (true, true)
    }
}

/// Behind a write cache, which knows neither batches nor snapshots.
impl<L: Subject> Subject for Cached<L> {
    fn campaigns() -> BoxedStrategy<Campaign> {
        let with = |(campaign, cached_pages): (Campaign, u32)| {
            let config = Config { cached_pages, snapshot_pages: 0, ..campaign.config };
            Campaign { config, ..campaign }
        };
        (L::campaigns(), 1u32..40).prop_map(with).boxed()
    }
    fn durable(campaign: &Campaign) -> (bool, bool) {
        (false, L::durable(campaign).1)
    }
}

/// The plain model as the reference of a layer.
#[derive(Debug)]
pub(crate) struct Reference<L>(PhantomData<L>);

/// Mostly within the first programs and erases, for most steps have few; half of them take a paired page along.
fn cut() -> impl Strategy<Value = (u64, CutMode, u64)> {
    let after = prop_oneof![3 => 0u64..2, 1 => 0u64..30];
    let any_mode = prop::sample::select(CutMode::ALL.to_vec());
    (after, prop_oneof![Just(CutMode::PairedLoss), any_mode], any::<u64>())
}

impl<L: Subject> ReferenceStateMachine for Reference<L> {
    type State = Plain;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Plain> {
        (L::campaigns(), prop::bool::weighted(0.8), any::<bool>()).prop_map(Plain::new::<L>).boxed()
    }

    fn transitions(plain: &Plain) -> BoxedStrategy<Step> {
        let (limit, snapshots) = (plain.batch_limit, plain.campaign.config.snapshot_pages > 0);
        // Some pages more often than others.
        let page = prop_oneof![2 => any::<u32>(), 1 => 0u32..24];
        let trim = (page.clone(), 1u32..12).prop_map(|(first, n)| Step::Trim(first, n));
        let only = |with: bool, weight| if with { weight } else { 0 };
        let one = prop_oneof![
            6 => page.clone().prop_map(|page| Step::Write(vec![page])),
            2 => trim.clone(),
            only(limit > 0, 4) => prop::collection::vec(page.clone(), 1..=limit.clamp(1, 8))
                .prop_map(Step::Batch),
            1 => Just(Step::Flush),
            only(snapshots, 2) => Just(Step::Take),
            only(snapshots, 1) => Just(Step::Drop),
            only(snapshots, 1) => Just(Step::RollBack),
            1 => any::<u32>().prop_map(Step::Scrub),
        ];
        let mount = (any::<bool>(), any::<bool>());
        prop_oneof![
            10 => prop::collection::vec(page, 1..60).prop_map(Step::Write),
            2 => trim,
            4 => Just(Step::Flush),
            10 => one.clone(),
            2 => mount.prop_map(|(in_order, other_map)| Step::Remount { in_order, other_map }),
            6 => (one, cut(), prop::option::of(cut())).prop_map(|(step, cut, again)| Step::Cut {
                step: Box::new(step),
                cut,
                again
            }),
        ]
        .boxed()
    }

    fn apply(mut plain: Plain, step: &Step) -> Plain {
        (plain.torn, plain.perhaps_ended) = (None, false);
        plain.run(step, true);
        plain
    }
}

type Tables = Ftl<Model>;
type Little = Small<Model>;
type CachedTables = Cached<Tables>;
type CachedLittle = Cached<Little>;

prop_state_machine! {
    #![proptest_config(Cases { cases: 150, ..Cases::default() })]

    #[test]
    fn with_tables_every_page_shows_what_it_was_given_whatever_happens(
        sequential 1..70 => Real<Tables>
    );

    #[test]
    fn with_little_ram_every_page_shows_what_it_was_given_whatever_happens(
        sequential 1..70 => Real<Little>
    );

    #[test]
    fn behind_a_cache_every_page_shows_what_it_was_given_whatever_happens(
        sequential 1..70 => Real<CachedTables>
    );

    #[test]
    fn with_little_ram_behind_a_cache_every_page_shows_what_it_was_given_whatever_happens(
        sequential 1..70 => Real<CachedLittle>
    );
}
