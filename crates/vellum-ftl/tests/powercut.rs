//! A short power-cut campaign: all cell kinds and map modes, random and exhaustive.

use vellum_ftl::MapMode;
use vellum_ftl::campaign::{Campaign, exhaustive, random};
use vellum_nand::CellKind;

const DEMAND: MapMode = MapMode::Demand { cached_slices: 1 };

fn lives(cell: CellKind, map: MapMode, lives: u64, rounds: u32) {
    for seed in 0..lives {
        let tally = random(Campaign::small(cell, map), seed, rounds, |_| {});
        let tally = tally.unwrap_or_else(|broken| panic!("{broken}"));
        assert!(tally.cuts >= u64::from(rounds) && tally.nested > 0);
        assert!(tally.by_mode.iter().all(|&n| n > 0));
    }
}

#[test]
fn random_cuts_lose_nothing_on_slc() {
    lives(CellKind::Slc, MapMode::Flat, 4, 120);
    lives(CellKind::Slc, DEMAND, 2, 60);
}

#[test]
fn random_cuts_lose_nothing_where_pages_share_cells() {
    lives(CellKind::Mlc, MapMode::Flat, 2, 30);
    lives(CellKind::Tlc, DEMAND, 1, 30);
}

#[test]
fn every_operation_in_every_mode_loses_nothing() {
    for cell in [CellKind::Slc, CellKind::Mlc] {
        let tally = exhaustive(Campaign::small(cell, MapMode::Flat), 3, 40, 1, |_| {});
        let tally = tally.unwrap_or_else(|broken| panic!("{broken}"));
        assert!(tally.cuts > 40 * 5 * 6);
    }
}
