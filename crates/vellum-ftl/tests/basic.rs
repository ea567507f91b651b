//! The layer against what it promises, operation by operation. Any mix of them is in `states`.

use std::collections::BTreeMap;
use vellum_ftl::{Config, Ftl, FtlError, Lpn, MapMode};
use vellum_nand::{CellKind, Geometry, Model, ModelConfig};

const PAGE: usize = 512;

fn content(lpn: u32, version: u32) -> Vec<u8> {
    let mut page = vec![version as u8; PAGE];
    page[..4].copy_from_slice(&lpn.to_le_bytes());
    page[4..8].copy_from_slice(&version.to_le_bytes());
    page
}

fn config(pages: u32, map: MapMode) -> Config {
    Config { map, ..Config::new(pages) }
}

fn chip(cell: CellKind) -> Model {
    Model::new(ModelConfig::perfect(Geometry::tiny(48, 16).with_cell(cell))).unwrap()
}

fn check(ftl: &mut Ftl<Model>, truth: &BTreeMap<u32, Vec<u8>>) {
    let mut page = vec![0; PAGE];
    for lpn in 0..ftl.pages() {
        ftl.read(Lpn(lpn), &mut page).unwrap();
        let zero = vec![0; PAGE];
        let expected = truth.get(&lpn).unwrap_or(&zero);
        assert!(&page == expected, "page {lpn}: {:?}, not {:?}", &page[..8], &expected[..8]);
    }
}

#[test]
fn a_map_mode_can_change_from_mount_to_mount() {
    let mut ftl = Ftl::format(chip(CellKind::Slc), config(300, MapMode::Flat)).unwrap();
    (0..300).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 1)).unwrap());
    let demand = MapMode::Demand { cached_slices: 2, changed: 0 };
    let mut ftl = Ftl::mount(ftl.into_nand(), config(300, demand)).unwrap();
    (0..300).step_by(3).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 2)).unwrap());
    let mut ftl = Ftl::mount(ftl.into_nand(), config(300, MapMode::Flat)).unwrap();
    let version = |lpn| if lpn % 3 == 0 { 2 } else { 1 };
    let truth = (0..300).map(|lpn| (lpn, content(lpn, version(lpn)))).collect();
    check(&mut ftl, &truth);
}

#[test]
fn what_can_not_work_is_refused_with_numbers() {
    let refused = Ftl::format(chip(CellKind::Slc), Config::new(800)).unwrap_err();
    assert!(matches!(refused, FtlError::Capacity { logical: 800, good: 48, most } if most < 768));
    let blank = Ftl::mount(chip(CellKind::Slc), Config::new(10)).unwrap_err();
    assert_eq!(blank, FtlError::NotFormatted { probed: 8 });
    let mut ftl = Ftl::format(chip(CellKind::Slc), Config::new(100)).unwrap();
    assert_eq!(ftl.write(Lpn(100), &[0; 512]), Err(FtlError::PastEnd { lpn: 100, pages: 100 }));
    assert_eq!(ftl.write(Lpn(1), &[0; 5]), Err(FtlError::Length { found: 5, expected: 512 }));
    assert_eq!(ftl.trim(Lpn(99), 2), Err(FtlError::PastEnd { lpn: 100, pages: 100 }));
    let image = ftl.into_nand().to_image();
    // The same cells behind a controller that sees another page size.
    let other = Geometry { blocks: 24, ..Geometry::tiny(48, 16) };
    assert!(Model::from_image(ModelConfig::perfect(other), &image).is_err());
}

#[test]
fn a_host_write_waits_for_no_more_moves_than_promised() {
    for cell in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc, CellKind::Qlc] {
        for (skewed, flushed) in [(false, false), (true, false), (false, true), (true, true)] {
            waits_as_promised(cell, skewed, flushed);
        }
    }
}

fn waits_as_promised(cell: CellKind, skewed: bool, flushed: bool) {
    let geometry = Geometry::tiny(256, 32).with_cell(cell);
    let pages = Config::most_pages(&geometry).min(6_800);
    let chip = Model::new(ModelConfig::perfect(geometry)).unwrap();
    let mut ftl = Ftl::format(chip, Config::new(pages)).unwrap();
    (0..pages).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 1)).unwrap());
    let mut rng = vellum_block::Rng::new(3);
    for round in 0..30_000 {
        let hot = skewed && rng.below(10) > 0;
        let lpn = rng.below((if hot { pages / 10 } else { pages }).into()) as u32;
        ftl.write(Lpn(lpn), &content(lpn, round)).unwrap();
        if flushed && round % 3 == 0 {
            ftl.flush().unwrap();
        }
    }
    let (worst, most) = (ftl.stats().worst_moves, ftl.most_moves());
    let name = format!("{cell:?}, skewed {skewed}, flushed {flushed}");
    assert!(worst > 0 && worst <= most, "{name}: {worst} moves, {most} promised");
    assert_eq!(ftl.stats().last_resorts, 0, "{name}");
    // Every host write is in the histogram of moves.
    assert_eq!(ftl.stats().moves.iter().sum::<u64>(), ftl.stats().host_writes);
}

#[test]
fn old_blocks_are_moved_by_the_calendar_across_mounts() {
    let mut config = Config::new(300);
    config.scrub.retention_days = 30;
    let mut ftl = Ftl::format(chip(CellKind::Slc), config).unwrap();
    (0..300).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 1)).unwrap());
    ftl.set_day(29).unwrap();
    ftl.scrub(Lpn(0), 0).unwrap();
    assert_eq!(ftl.stats().programs_refresh, 0);
    let mut ftl = Ftl::mount(ftl.shut_down().unwrap(), config).unwrap();
    ftl.set_day(31).unwrap();
    ftl.scrub(Lpn(0), 0).unwrap();
    assert_eq!(ftl.stats().programs_refresh, 300, "every page once, those of the open block too");
    ftl.set_day(32).unwrap();
    ftl.scrub(Lpn(0), 0).unwrap();
    assert_eq!(ftl.stats().programs_refresh, 300, "what was moved is young again");
    check(&mut ftl, &(0..300).map(|lpn| (lpn, content(lpn, 1))).collect());
}

fn with_snapshots(pages: u32, map: MapMode) -> Config {
    Config { snapshot_pages: pages, ..config(300, map) }
}

#[test]
fn a_snapshot_keeps_what_was_over_mounts_and_rolls_back() {
    for map in [MapMode::Flat, MapMode::Demand { cached_slices: 1, changed: 0 }] {
        let config = with_snapshots(100, map);
        let mut ftl = Ftl::format(chip(CellKind::Slc), config).unwrap();
        (0..200).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 1)).unwrap());
        ftl.take_snapshot().unwrap();
        assert_eq!(ftl.take_snapshot(), Err(FtlError::Snapshot("there is one already")));
        let mut page = vec![0; PAGE];
        for round in 2..40 {
            (0..60).for_each(|lpn| ftl.write(Lpn(lpn * 5 % 300), &content(lpn, round)).unwrap());
            if round % 4 == 0 {
                ftl = Ftl::mount(ftl.into_nand(), config).unwrap();
                assert!(ftl.has_snapshot());
            }
            if round % 9 == 0 {
                for lpn in 0..300 {
                    ftl.read_snapshot(Lpn(lpn), &mut page).unwrap();
                    let was = if lpn < 200 { content(lpn, 1) } else { vec![0; PAGE] };
                    assert_eq!(page, was, "page {lpn}");
                }
            }
        }
        ftl.trim(Lpn(7), 3).unwrap();
        ftl.roll_back().unwrap();
        let truth = (0..200).map(|lpn| (lpn, content(lpn, 1))).collect();
        check(&mut ftl, &truth);
        assert!(ftl.read_snapshot(Lpn(0), &mut page).is_err());
        let mut ftl = Ftl::mount(ftl.into_nand(), config).unwrap();
        assert!(!ftl.has_snapshot());
        check(&mut ftl, &truth);
    }
}

#[test]
fn a_snapshot_without_room_ends_and_another_starts_from_nothing() {
    let mut ftl = Ftl::format(chip(CellKind::Mlc), with_snapshots(20, MapMode::Flat)).unwrap();
    (0..300).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 1)).unwrap());
    ftl.take_snapshot().unwrap();
    (0..20).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 2)).unwrap());
    assert!(ftl.has_snapshot() && ftl.stats().programs_snapshot == 20);
    ftl.write(Lpn(20), &content(20, 2)).unwrap();
    assert!(!ftl.has_snapshot() && ftl.stats().programs_snapshot == 20);
    ftl.take_snapshot().unwrap();
    ftl.write(Lpn(3), &content(3, 3)).unwrap();
    let mut page = vec![0; PAGE];
    for (lpn, version) in [(3, 2), (4, 2), (30, 1)] {
        ftl.read_snapshot(Lpn(lpn), &mut page).unwrap();
        assert_eq!(page, content(lpn, version));
    }
    ftl.drop_snapshot().unwrap();
    assert!(!ftl.has_snapshot());
    let mut none = Ftl::format(chip(CellKind::Slc), Config::new(300)).unwrap();
    assert!(matches!(none.take_snapshot(), Err(FtlError::Snapshot(_))));
}
