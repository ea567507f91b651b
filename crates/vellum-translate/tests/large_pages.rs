//! Large pages of shadow tables: one entry where the host's frames lie in a row and the same may be done
//! with all, pieces as soon as that ends, and one entry again; never a fault more than pieces cost.

mod x86_guest;

use proptest::prelude::*;
use vellum_translate::shadow::{Counters, Kept, Tricks};
use vellum_translate::x86::{Access, Entry};
use vellum_translate::{Access as Kind, Gva, Privilege};
use x86_guest::steps::{Step, run, steps};
use x86_guest::{Did, PAGE, TABLE, World};

const LARGE: u64 = PAGE | Entry::PS;
/// Where the guest maps pages 512 to 1023 as one.
const AT: u64 = 1 << 21;

fn load() -> Access {
    Access::new(Kind::Load, Privilege::Supervisor)
}

fn store() -> Access {
    Access::new(Kind::Store, Privilege::Supervisor)
}

/// Pages 0 to 3 are tables, and 2 MiB are mapped as one.
fn world() -> World {
    let mut world = World::new(Tricks::UPDATING);
    for (table, below) in [(0, 1), (1, 2), (2, 3)] {
        world.entry(table, 0, below, TABLE);
    }
    world.entry(2, 1, 512, LARGE);
    // Both processors have used their root once: a root's first use is a fault.
    world.entry(3, 0, 20, PAGE);
    (0..2).for_each(|hart| assert_eq!(world.access(hart, 0, load(), 0), Did::Loaded(0)));
    world
}

fn now(world: &World) -> Counters {
    *world.mmu.counters()
}

/// How many pages the entry stands for that an address ends in.
fn size(world: &World, va: u64) -> u64 {
    let trail = world.mmu.trail(0, Gva::new(va), world.host.generation());
    match trail.last().map(|entry| entry.kept) {
        Some(Kept::Leaf(known)) => 1 << (9 * known.run),
        _ => 0,
    }
}

#[test]
fn one_entry_stands_for_a_large_page() {
    let mut world = world();
    world.stamp();
    let fills = world.fills();
    for page in [7, 8, 511, 0] {
        assert_eq!(world.access(0, AT + (page << 12), store(), page), Did::Stored);
        assert_eq!(world.access(1, AT + (page << 12), load(), 0), Did::Loaded(page));
    }
    let counters = now(&world);
    assert_eq!((counters.fills - fills, counters.large_fills, counters.large_pages), (1, 1, 1));
    assert_eq!(counters.pages_made, 4, "the tables, and no page for the pieces");
    assert_eq!(size(&world, AT + 0x5000), 512);
    // It is the guest's word and the host's; who may do what with it, the registers say.
    world.change(1, |paging| paging.smap = true);
    assert!(matches!(world.access(1, AT + 0x5000, load(), 0), Did::Fault(_)));
    world.audit();
    world.check_memory();
}

/// A page that is written first in its epoch is one apart; when all are written, they are one again.
#[test]
fn pieces_as_long_as_some_are_written_and_some_are_not() {
    let mut world = world();
    assert_eq!(world.access(0, AT, load(), 0), Did::Loaded(0));
    assert_eq!(size(&world, AT), 512);
    for page in 0..512 {
        assert_eq!(world.access(0, AT + (page << 12), store(), page), Did::Stored);
        let pages = if page < 511 { 1 } else { 512 };
        assert_eq!(size(&world, AT + (page << 12)), pages, "after page {page}");
    }
    let counters = now(&world);
    assert_eq!((counters.large_split, counters.large_merged, counters.large_pages), (1, 1, 1));
    assert_eq!(counters.pages, 4, "the page of the pieces went");
    let fills = counters.fills;
    world.access(1, AT + 0x9000, store(), 1);
    assert_eq!(world.fills(), fills, "every right was kept");
    // A new epoch: the first store is one apart again.
    world.revoke();
    world.access(1, AT + 0x9000, store(), 2);
    assert_eq!((size(&world, AT + 0x9000), now(&world).large_split), (1, 2));
    world.audit();
}

#[test]
fn a_guard_inside_splits_and_forbids() {
    let mut world = world();
    world.stamp();
    world.access(0, AT, store(), 1);
    world.watch(600);
    world.audit();
    let (counters, fills) = (now(&world), world.fills());
    assert_eq!((counters.large_split, counters.large_pages), (1, 0));
    for page in [0, 1, 87, 89, 511] {
        assert_eq!(world.access(0, AT + (page << 12), store(), 2), Did::Stored);
    }
    assert_eq!(world.fills(), fills, "the others keep their rights");
    // In another place the guard forbids a large leaf from the start.
    world.entry(2, 4, 512, LARGE & !Entry::U);
    world.access(0, 4 << 21, load(), 0);
    assert_eq!((now(&world).large_pages, size(&world, 4 << 21)), (0, 1));
    assert!(now(&world).large_refused > counters.large_refused);
    world.audit();
}

#[test]
fn a_guest_table_inside_splits_and_forbids() {
    let mut world = world();
    world.stamp();
    world.access(0, AT, store(), 1);
    // Page 700 becomes a table of the lowest level.
    world.entry(700, 5, 20, PAGE);
    world.entry(2, 3, 700, TABLE);
    world.access(0, (3 << 21) + 0x5000, load(), 0);
    assert_eq!((now(&world).large_split, size(&world, AT)), (1, 1));
    world.audit();
    // Written through the large page, it is followed.
    let entry = Entry::new(vellum_translate::Gfn::new(21), PAGE).0;
    let through = AT + ((700 - 512) << 12) + 5 * 8;
    assert_eq!(world.access(1, through, store(), entry), Did::Stored);
    world.word(21, 0, 77);
    assert_eq!(world.access(0, (3 << 21) + 0x5000, load(), 0), Did::Loaded(77));
    // It is no table any more: a store to it is one like any other, without a fault.
    world.word(2, 3, 0);
    let fills = world.fills();
    assert_eq!(world.access(0, through, store(), 5), Did::Stored);
    assert_eq!(world.fills(), fills);
    world.audit();
    world.check_memory();
}

#[test]
fn a_frame_that_moves_splits_and_a_run_that_moves_stays_one() {
    let mut world = world();
    world.stamp();
    world.access(0, AT, store(), 1);
    world.exchange();
    let counters = now(&world);
    assert_eq!((counters.large_split, counters.large_pages), (0, 1), "other frames in a row");
    assert_eq!(world.access(0, AT, load(), 0), Did::Loaded(1));
    world.moved(513);
    world.audit();
    assert_eq!((now(&world).large_split, size(&world, AT + 0x1000)), (1, 1));
    let fills = world.fills();
    for page in 0..512 {
        world.access(1, AT + (page << 12), store(), page);
    }
    assert_eq!(world.fills(), fills, "and no fault follows");
    world.audit();
    world.check_memory();
}

/// Two entries of the guest's that lead to one large page each have a large leaf, and both hear of what
/// the host does.
#[test]
fn two_mappings_of_one_large_page() {
    let mut world = world();
    world.stamp();
    world.entry(2, 2, 512, LARGE);
    world.access(0, AT, store(), 1);
    world.access(1, 2 << 21, store(), 2);
    assert_eq!(now(&world).large_pages, 2);
    world.watch(515);
    world.moved(516);
    assert_eq!(now(&world).large_pages, 0);
    assert_eq!(now(&world).pages, 5, "one page of pieces for both");
    assert_eq!(world.access(0, AT + 0x3000, store(), 3), Did::Stored);
    assert_eq!(world.access(1, (2 << 21) + 0x4000, store(), 4), Did::Stored);
    world.audit();
    world.check_memory();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The same steps with large leaves and without: with them there are as many fills or fewer. (What
    /// is thrown away at random is not the same in both, so nothing is.)
    #[test]
    fn never_a_fault_more_than_pieces_cost(steps in steps()) {
        let steps: Vec<Step> =
            steps.into_iter().filter(|step| !matches!(step, Step::Drop(_))).collect();
        let fills = |tricks| run(World::of(tricks, 4096), &steps).fills();
        let small = fills(Tricks::UPDATING - Tricks::LARGE);
        let large = fills(Tricks::UPDATING);
        prop_assert!(large <= small, "{large} fills with large leaves, {small} without");
    }
}
