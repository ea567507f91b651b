//! The layer for little RAM: against a plain map, in 4 KiB, and cut everywhere.

use vellum_block::Rng;
use vellum_ftl::campaign::{Campaign, exhaustive, random};
use vellum_ftl::{Config, FtlError, Lpn, MapMode, Small};
use vellum_nand::model::{Flaw, PowerLaw, Reliability};
use vellum_nand::{CellKind, EccSpec, EraseBlock, Geometry, Model, ModelConfig, Nand};

const PAGE: usize = 512;
/// For mounting, where only policies count.
const CONFIG: Config = Config::new(1);

fn chip(cell: CellKind) -> Model {
    let pages = if cell == CellKind::Slc { 16 } else { 32 };
    Model::new(ModelConfig::perfect(Geometry::tiny(24, pages).with_cell(cell))).unwrap()
}

fn content(lpn: u32, version: u32) -> Vec<u8> {
    if version == 0 {
        return vec![0; PAGE];
    }
    let mut page: Vec<u8> = (0..PAGE as u32).map(|i| (i ^ version ^ lpn) as u8).collect();
    page[..4].copy_from_slice(&version.to_le_bytes());
    page[4..8].copy_from_slice(&lpn.to_le_bytes());
    page
}

fn campaign(cell: CellKind) -> Campaign {
    Campaign::small(cell, MapMode::Flat).with_small_layer()
}

fn tiny(cell: CellKind) -> Campaign {
    Campaign::tiny(cell, MapMode::Flat).with_small_layer()
}

#[test]
fn every_cut_of_every_operation_and_of_its_recovery_loses_nothing() {
    for (cell, seed, steps, nested, least) in [
        (CellKind::Slc, 3, 8, true, 300),
        (CellKind::Slc, 4, 60, false, 300),
        (CellKind::Mlc, 5, 4, true, 100),
    ] {
        let tally = exhaustive(tiny(cell), seed, steps, nested, |_, _| {});
        let tally = tally.unwrap_or_else(|broken| panic!("{cell:?}: {broken}"));
        assert!(tally.cuts > least && tally.by_mode.iter().all(|&n| n > 0), "{tally:?}");
    }
}

#[test]
fn random_cuts_lose_nothing_and_no_host_operation_waits_longer_than_promised() {
    for (i, cell) in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc].into_iter().enumerate() {
        for seed in 0..3 {
            let tally = random(campaign(cell), seed * 10 + i as u64, 100, |_| {});
            let tally = tally.unwrap_or_else(|broken| panic!("{cell:?}: {broken}"));
            let (moves, most) = tally.moves;
            assert!(tally.nested > 20 && moves > 4 && moves <= most, "{tally:?}");
        }
    }
}

/// A copy that looked incomplete, whose erase was cut so that it looked complete, took the place of what it was a
/// copy of: a flushed discard came back.
#[test]
fn a_copy_that_is_half_erased_does_not_pass_for_a_complete_one() {
    random(campaign(CellKind::Mlc), 132_049, 5, |_| {}).unwrap();
}

/// What was brought home in part, and erased in part to be brought home again, looked complete.
#[test]
fn what_was_brought_home_and_is_half_erased_does_not_pass_for_complete() {
    random(campaign(CellKind::Mlc), 704_000_012, 200, |_| {}).unwrap();
    random(campaign(CellKind::Slc), 707_000_101, 300, |_| {}).unwrap();
}

#[test]
fn recoveries_cut_in_pairs_lose_nothing() {
    for cell in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc] {
        let tally = random(campaign(cell).with_pairs(), 5, 100, |_| {});
        let tally = tally.unwrap_or_else(|broken| panic!("{cell:?}: {broken}"));
        assert!(tally.nested > 120, "{tally:?}");
    }
}

/// A device as full as it can be, written all over and then at random, and what it must show.
fn worn_in(geometry: Geometry, writes: u32) -> (Small<Model>, Vec<u32>) {
    let pages = Small::<Model>::most_pages(&geometry);
    let chip = Model::new(ModelConfig::perfect(geometry)).unwrap();
    let mut small = Small::format(chip, Config::new(pages)).unwrap();
    let (mut rng, mut versions) = (Rng::new(9), vec![0; pages as usize]);
    for version in 1..=pages + writes {
        let lpn = if version <= pages { version - 1 } else { rng.below(pages.into()) as u32 };
        small.write(Lpn(lpn), &content(lpn, version)).unwrap();
        versions[lpn as usize] = version;
    }
    (small, versions)
}

fn check(small: &mut Small<Model>, versions: &[u32]) {
    let mut page = vec![0; PAGE];
    for (lpn, &version) in (0..).zip(versions) {
        small.read(Lpn(lpn), &mut page).unwrap();
        assert_eq!(page, content(lpn, version), "page {lpn}");
    }
}

#[test]
fn a_metadata_page_that_can_not_be_read_loses_nothing_and_is_written_anew_elsewhere() {
    let (mut small, versions) = worn_in(Geometry::tiny(24, 16), 500);
    // The first metadata page of every group: the copy stands in.
    for block in 0..24 {
        let ppa = small.nand().geometry().ppa(EraseBlock(block), 14);
        if !small.nand_mut().is_erased(ppa).unwrap() {
            small.nand_mut().spoil(ppa, Flaw::Unreadable);
        }
    }
    check(&mut small, &versions);
    assert!(small.stats().meta_rebuilt > 0);
    let mut small = Small::mount(small.into_nand(), CONFIG).unwrap();
    check(&mut small, &versions);
    // Entries of which one copy is left are moved by scrubbing, so that then none is missed.
    assert_eq!(small.scrub(Lpn(0), versions.len() as u32), Ok(Lpn(0)));
    assert!(small.stats().programs_refresh > 50, "{:?}", small.stats());
    let rebuilt = small.stats().meta_rebuilt;
    check(&mut small, &versions);
    assert_eq!(small.stats().meta_rebuilt, rebuilt);
}

/// A TLC chip behind a code for 72 bits in 1 KiB lies in a drawer, and 250 days later is read, or has been scrubbed
/// every four days.
#[test]
fn scrubbing_keeps_what_retention_would_take() {
    let geometry = Geometry {
        page_bytes: 2048,
        oob_bytes: 320,
        ecc: EccSpec { codeword_bytes: 1024, correctable: 72, parity_bytes: 126 },
        ..Geometry::tiny(40, 32).with_cell(CellKind::Tlc)
    };
    let reliability = Reliability::PowerLaw(PowerLaw::TLC_72);
    let chip = ModelConfig { reliability, ..ModelConfig::perfect(geometry) };
    let mut config = Config::new(Small::<Model>::most_pages(&geometry));
    config.scrub.corrected_bits = 48;
    let mut lost = [0, 0];
    for (lost, scrub) in lost.iter_mut().zip([false, true]) {
        let mut small = Small::format(Model::new(chip).unwrap(), config).unwrap();
        let pages = config.logical_pages;
        (0..pages).for_each(|lpn| small.write(Lpn(lpn), &[lpn as u8; 2048]).unwrap());
        for _ in 0..60 {
            small.nand_mut().age(100.0, 30.0);
            if scrub {
                small.scrub(Lpn(0), pages).unwrap();
            }
        }
        assert_eq!(small.stats().programs_refresh > u64::from(pages), scrub);
        let mut page = vec![0; 2048];
        *lost = (0..pages)
            .filter(|&lpn| match small.read(Lpn(lpn), &mut page) {
                Ok(()) => {
                    assert_eq!(page, [lpn as u8; 2048]);
                    false
                }
                Err(FtlError::Unreadable { .. }) => true,
                Err(error) => panic!("{error}"),
            })
            .count();
    }
    assert!(lost[0] > 50 && lost[1] == 0, "{lost:?}");
}

/// The adversary's traffic: everything once, in order, so that nothing in the log is outdated; then one page
/// over and over. The tail meets nothing but valid pages for a whole turn.
#[test]
fn the_wait_is_bounded_at_the_worst_time() {
    for (geometry, rounds) in [
        (Geometry::tiny(40, 16), 6),
        (Geometry::tiny(200, 64), 3),
        (Geometry::tiny(64, 32).with_cell(CellKind::Tlc), 4),
    ] {
        let (mut small, versions) = worn_in(geometry, 0);
        let (pages, mut worst) = (versions.len() as u32, 0);
        for i in 0..rounds * pages {
            // Now and then another page, so that each round ends with other pages valid.
            let lpn = if i % 50 == 49 { i / 50 % pages } else { pages / 2 };
            small.write(Lpn(lpn), &content(lpn, 1)).unwrap();
            worst = worst.max(small.stats().worst_moves);
        }
        let most = small.most_moves();
        assert!(worst <= most && worst * 2 > most, "{worst} moves, {most} are the most");
        let data = geometry.pages_per_block;
        assert!(most <= 2 * data + 1, "{most} moves at most, {data} pages a block");
    }
}

#[test]
fn blocks_that_fail_lose_nothing_until_the_device_is_worn_out() {
    let geometry = Geometry::tiny(40, 16);
    let chip = ModelConfig { factory_bad_permille: 40, ..ModelConfig::perfect(geometry) };
    let mut small = Small::format(Model::new(chip).unwrap(), Config::new(300)).unwrap();
    let (mut rng, mut versions) = (Rng::new(4), vec![0; 300]);
    let mut version = 0;
    let error = loop {
        version += 1;
        let lpn = rng.below(300) as u32;
        match small.write(Lpn(lpn), &content(lpn, version)) {
            Ok(()) => versions[lpn as usize] = version,
            Err(error) => break error,
        }
        if version % 900 == 0 {
            small.nand_mut().doom(EraseBlock(1 + rng.below(39) as u32), 0);
            small = Small::mount(small.into_nand(), CONFIG).unwrap();
        }
        assert!(version < 200_000);
    };
    assert!(matches!(error, FtlError::ReadOnly { .. }), "{error}");
    assert!(small.is_read_only() && small.stats().program_fails + small.stats().erase_fails > 0);
    let mut page = vec![0; PAGE];
    for (lpn, &version) in (0..).zip(&versions) {
        small.read(Lpn(lpn), &mut page).unwrap();
        assert_eq!(page, content(lpn, version), "page {lpn}");
    }
}

#[test]
fn what_can_not_work_is_refused() {
    let refused = Small::format(chip(CellKind::Slc), Config::new(5_000)).unwrap_err();
    assert!(matches!(refused, FtlError::Capacity { logical: 5_000, good: 24, most } if most < 384));
    let blank = Small::mount(chip(CellKind::Slc), CONFIG).unwrap_err();
    assert_eq!(blank, FtlError::NotFormatted { probed: 24 });
    let mut small = Small::format(chip(CellKind::Slc), Config::new(100)).unwrap();
    assert_eq!(small.write(Lpn(100), &[0; 512]), Err(FtlError::PastEnd { lpn: 100, pages: 100 }));
    assert_eq!(small.write(Lpn(1), &[0; 5]), Err(FtlError::Length { found: 5, expected: 512 }));
    // A device of the larger layer is none of this one, and the other way round.
    let config = Config::new(100);
    let large = vellum_ftl::Ftl::format(chip(CellKind::Slc), config).unwrap().into_nand();
    assert!(Small::mount(large, CONFIG).is_err());
    assert!(vellum_ftl::Ftl::mount(small.into_nand(), config).is_err());
}

/// As many pages as a shape carries are written after a mount as before, however short its blocks are.
#[test]
fn a_device_as_full_as_can_be_is_written_after_a_mount() {
    for cell in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc, CellKind::Qlc] {
        for (blocks, pages) in [(24, 8), (32, 8), (24, 12), (24, 16), (64, 8)] {
            let geometry = Geometry::tiny(blocks, pages).with_cell(cell);
            let config = Config::new(Small::<Model>::most_pages(&geometry));
            if config.logical_pages == 0 {
                continue;
            }
            let chip = Model::new(ModelConfig::perfect(geometry)).unwrap();
            let mut small = Small::format(chip, config).unwrap();
            for round in 0..3u8 {
                for lpn in (0..4 * config.logical_pages).map(|i| i * 7 % config.logical_pages) {
                    let done = small.write(Lpn(lpn), &[round; 512]);
                    done.unwrap_or_else(|e| panic!("{cell:?}, {blocks} x {pages}: {e}"));
                }
                let mut chip = small.into_nand();
                chip.power_off();
                chip.power_on();
                small = Small::mount(chip, config).unwrap();
            }
        }
    }
}
