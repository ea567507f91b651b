//! A short power-cut campaign: all cell kinds and map modes, random and exhaustive.

use vellum_ftl::MapMode;
use vellum_ftl::campaign::{Campaign, exhaustive, random};
use vellum_nand::CellKind;

const DEMAND: MapMode = MapMode::Demand { cached_slices: 1, changed: 0 };

fn lives(cell: CellKind, map: MapMode, seed: u64, rounds: u32) {
    let tally = random(Campaign::small(cell, map), seed, rounds, |_| {});
    let tally = tally.unwrap_or_else(|broken| panic!("{cell:?}: {broken}"));
    assert!(tally.cuts >= u64::from(rounds) && tally.nested > 0);
    assert!(tally.by_mode.iter().all(|&n| n > 0));
    assert_eq!(tally.last_resorts, 0, "{cell:?}: the reserve did not hold");
}

#[test]
fn random_cuts_lose_nothing() {
    for (i, cell) in
        [CellKind::Slc, CellKind::Mlc, CellKind::Tlc, CellKind::Qlc].into_iter().enumerate()
    {
        lives(cell, MapMode::Flat, i as u64, 300);
        lives(cell, DEMAND, 10 + i as u64, 200);
    }
}

#[test]
fn every_operation_in_every_mode_and_every_cut_of_its_recovery_loses_nothing() {
    for cell in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc] {
        let tally = exhaustive(Campaign::tiny(cell, MapMode::Flat), 3, 8, true, |_, _| {});
        let tally = tally.unwrap_or_else(|broken| panic!("{cell:?}: {broken}"));
        assert!(tally.nested > 300 && tally.by_mode.iter().all(|&n| n > 60), "{tally:?}");
    }
}

#[test]
fn recoveries_cut_in_pairs_lose_nothing() {
    for cell in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc] {
        for map in [MapMode::Flat, DEMAND] {
            let tally = random(Campaign::small(cell, map).with_pairs(), 5, 100, |_| {});
            let tally = tally.unwrap_or_else(|broken| panic!("{cell:?} {map:?}: {broken}"));
            assert!(tally.nested > 120, "{tally:?}");
        }
    }
}

/// Cuts of its recoveries fill the log's block, and the next one needs another that is not in the ring yet: to find it,
/// the map was read into a buffer that was in use, and made of what the chip holds, with discarded pages.
#[test]
fn a_ring_that_grows_while_a_mount_goes_on_brings_no_discarded_page_back() {
    for (seed, rounds) in [(931_000_045, 16), (931_000_009, 136)] {
        let campaign = Campaign::small(CellKind::Slc, MapMode::Flat).with_pairs();
        random(campaign.with_snapshots(40), seed, rounds, |_| {}).unwrap();
    }
}

/// A metadata page that read well in one mount and never again: the log's next block was to be the one that held the
/// page which it replaced.
#[test]
fn a_page_that_fades_takes_the_one_before_it_not_along() {
    let mlc = Campaign::small(CellKind::Mlc, DEMAND).with_pairs();
    random(mlc, 931_000_035, 368, |_| {}).unwrap();
    let tlc = Campaign::small(CellKind::Tlc, MapMode::Flat).with_pairs();
    random(tlc, 931_000_016, 356, |_| {}).unwrap();
}

#[test]
fn snapshots_outlast_cuts() {
    for (i, cell) in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc].into_iter().enumerate() {
        for (map, rounds) in [(MapMode::Flat, 300), (DEMAND, 150)] {
            // So small a device has no room for one beside short intervals.
            if cell == CellKind::Tlc && map == DEMAND {
                continue;
            }
            let campaign = Campaign::small(cell, map).with_snapshots(40);
            let tally = random(campaign, 20 + i as u64, rounds, |_| {});
            let tally = tally.unwrap_or_else(|broken| panic!("{cell:?} {map:?}: {broken}"));
            assert_eq!(tally.last_resorts, 0, "{cell:?}: the reserve did not hold");
            assert!(tally.snapshots > 3, "{tally:?}");
        }
    }
}

#[test]
fn days_pass_between_cuts() {
    for (i, cell) in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc].into_iter().enumerate() {
        for map in [MapMode::Flat, DEMAND] {
            let campaign = Campaign::small(cell, map).with_days(10);
            let tally = random(campaign, 30 + i as u64, 150, |_| {});
            let tally = tally.unwrap_or_else(|broken| panic!("{cell:?} {map:?}: {broken}"));
            assert_eq!(tally.last_resorts, 0, "{cell:?}: the reserve did not hold");
        }
    }
}

#[test]
fn every_cut_while_a_snapshot_is_taken_used_and_dropped_loses_nothing() {
    for cell in [CellKind::Slc, CellKind::Mlc] {
        let campaign = Campaign::tiny(cell, MapMode::Flat).with_snapshots(12);
        let tally = exhaustive(campaign, 1, 60, false, |_, _| {});
        let tally = tally.unwrap_or_else(|broken| panic!("{cell:?}: {broken}"));
        assert!(tally.snapshots > 20, "{tally:?}");
    }
}

#[test]
fn every_operation_in_every_mode_loses_nothing() {
    for cell in [CellKind::Slc, CellKind::Mlc] {
        let tally = exhaustive(Campaign::tiny(cell, DEMAND), 5, 80, false, |_, _| {});
        let tally = tally.unwrap_or_else(|broken| panic!("{cell:?}: {broken}"));
        assert!(tally.cuts > 80 * 5, "{tally:?}");
    }
}

#[test]
fn a_write_cache_breaks_no_promise() {
    for (cell, small) in [(CellKind::Slc, false), (CellKind::Tlc, false), (CellKind::Slc, true)] {
        let mut campaign = Campaign::small(cell, MapMode::Flat);
        if small {
            campaign = campaign.with_small_layer();
        }
        let tally = random(campaign.with_cache(12), 5, 60, |_| {});
        let tally = tally.unwrap_or_else(|broken| panic!("{cell:?}: {broken}"));
        assert!(tally.cuts >= 60 && tally.nested > 10, "{tally:?}");
    }
}
