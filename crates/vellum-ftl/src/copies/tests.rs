//! Everything that three cuts in a row can do to the anchors: on writing them, then on what a mount
//! writes and on writing them once more, and on the same after that.

use super::*;
use crate::{Config, MapMode};
use alloc::string::String;
use alloc::vec::Vec;
use vellum_nand::{CellKind, Cut, CutMode, EraseBlock, Geometry, Model, ModelConfig};

fn config() -> Config {
    Config { map: MapMode::Demand { cached_slices: 1, changed: 0 }, ..Config::new(8) }
}

fn formatted(cell: CellKind) -> Ftl<Model> {
    with_pages(cell, 8)
}

fn with_pages(cell: CellKind, pages: u32) -> Ftl<Model> {
    let geometry = Geometry::tiny(32, pages).with_cell(cell);
    let chip = Model::new(ModelConfig::perfect(geometry)).unwrap();
    Ftl::format(chip, config()).unwrap()
}

fn operations(chip: &Model) -> u64 {
    let c = chip.counters();
    c.programs + c.erases + c.erase_fails
}

/// The version that the layer goes by.
fn version(ftl: &Ftl<&mut Model>) -> u64 {
    ftl.anchor.number / STEP
}

/// A mount as far as the anchors, and one more write of them; `owed` is the version that must be there,
/// and rises with what was made durable.
fn session(chip: &mut Model, owed: &mut u64, name: &str) -> Result<(), FtlError> {
    let (mut ftl, sure) = Ftl::begin(chip, config())?;
    let found = version(&ftl);
    assert!(found >= *owed, "{name}: version {found}, {owed} was durable");
    if !sure {
        ftl.write_anchor()?;
    }
    // What the mount went by, others depend on now.
    *owed = version(&ftl);
    ftl.write_anchor()?;
    *owed = version(&ftl);
    Ok(())
}

/// The same, and a lost block is replaced, as between two host operations.
fn mending(chip: &mut Model, owed: &mut u64, name: &str) -> Result<(), FtlError> {
    let (mut ftl, sure) = Ftl::begin(chip, config())?;
    let found = version(&ftl);
    assert!(found >= *owed, "{name}: version {found}, {owed} was durable");
    if !sure {
        ftl.write_anchor()?;
    }
    *owed = version(&ftl);
    ftl.set_roles();
    ftl.restore_anchor()?;
    *owed = version(&ftl);
    assert!((0..2).all(|k| ftl.copies.lives(k)), "{name}");
    Ok(())
}

/// What is done with a chip after a cut.
type Session = fn(&mut Model, &mut u64, &str) -> Result<(), FtlError>;

/// What a chip becomes by `depth` more cuts, all of them; returns how many were tried.
fn cut_on(chip: &Model, session: Session, owed: u64, depth: u32, name: &mut String) -> u64 {
    let mut whole = chip.clone();
    let before = operations(&whole);
    let mut after = owed;
    session(&mut whole, &mut after, name).unwrap_or_else(|e| panic!("{name}: {e}"));
    session(&mut whole, &mut after, name).unwrap_or_else(|e| panic!("{name}, again: {e}"));
    let mut tried = 1;
    if depth == 0 {
        return tried;
    }
    let mut once = chip.clone();
    session(&mut once, &mut owed.clone(), name).unwrap();
    for after in 0..operations(&once) - before {
        // Unstable pages fade after one, two, or three reads.
        let faded = (0..4).map(|seed| (CutMode::UnstableBits, seed));
        let seed = 7 * after + u64::from(depth);
        for (mode, seed) in CutMode::ALL.map(|mode| (mode, seed)).into_iter().chain(faded) {
            let mut case = chip.clone();
            let mut owed = owed;
            let length = name.len();
            name.push_str(&alloc::format!(", {} ({seed}) at {after}", mode.name()));
            case.arm(Cut { after, mode, seed });
            let error = session(&mut case, &mut owed, name).unwrap_err();
            assert_eq!(error, NandError::PowerLost.into(), "{name}");
            case.power_on();
            tried += cut_on(&case, session, owed, depth - 1, name);
            name.truncate(length);
        }
    }
    tried
}

/// Cuts in the write of the anchors that follows `writes` others without a mount between them, and
/// `more` cuts after each.
fn cut_after(cell: CellKind, writes: u32, more: u32) -> u64 {
    let mut ftl = formatted(cell);
    (0..writes).for_each(|_| ftl.write_anchor().unwrap());
    let owed = ftl.anchor.number / STEP;
    let mut whole = ftl.clone();
    let before = operations(whole.nand());
    whole.write_anchor().unwrap();
    let mut tried = 0;
    for after in 0..operations(whole.nand()) - before {
        for mode in CutMode::ALL {
            for seed in 0..4 {
                let mut case = ftl.clone();
                let mut name = alloc::format!(
                    "{cell:?}, {writes} writes, {} ({seed}) at {after}",
                    mode.name()
                );
                case.nand_mut().arm(Cut { after, mode, seed });
                let error = case.write_anchor().unwrap_err();
                assert_eq!(error, NandError::PowerLost.into(), "{name}");
                let mut chip = case.into_nand();
                chip.power_on();
                tried += cut_on(&chip, session, owed, more, &mut name);
            }
        }
    }
    tried
}

#[test]
fn two_cuts_in_a_row_at_each_operation_in_each_mode_leave_an_anchor() {
    for cell in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc, CellKind::Qlc] {
        let tried: u64 = (0..9).map(|writes| cut_after(cell, writes, 1)).sum();
        assert!(tried > 9 * 2 * 20 * 20, "{tried}");
    }
}

#[test]
fn three_cuts_in_a_row_leave_an_anchor() {
    // A write that appends to both blocks, and one that erases.
    let erases = |writes: &u32| {
        let mut ftl = formatted(CellKind::Slc);
        (0..*writes).for_each(|_| ftl.write_anchor().unwrap());
        let before = ftl.nand().counters().erases;
        ftl.write_anchor().unwrap();
        ftl.nand().counters().erases > before
    };
    let erasing = (0..9).find(erases).unwrap();
    let tried: u64 = [0, erasing].map(|writes| cut_after(CellKind::Slc, writes, 2)).iter().sum();
    assert!(tried > 20_000, "{tried}");
}

#[test]
fn the_two_blocks_are_never_full_together_and_wear_alike() {
    let mut ftl = formatted(CellKind::Slc);
    let limit = ftl.l.safe_pages - kept(ftl.l.safe_pages);
    let erases = |ftl: &Ftl<Model>, k: usize| ftl.blocks.erases(ftl.anchor.blocks[k]);
    for _ in 0..200 {
        ftl.write_anchor().unwrap();
        assert!((0..2).any(|k| ftl.copies.slots[k].next < limit));
        assert!((0..2).all(|k| ftl.copies.slots[k].next <= limit));
    }
    let (a, b) = (erases(&ftl, 0), erases(&ftl, 1));
    assert!(a.abs_diff(b) <= 2 && a + b < 2 + 2 * 400 / limit, "{a} and {b} erases");
}

#[test]
fn a_lone_block_is_appended_to_and_never_erased() {
    for mounts in [false, true] {
        let mut ftl = formatted(CellKind::Slc);
        let lost = ftl.anchor.blocks[1];
        ftl.nand_mut().doom(EraseBlock(lost), 0);
        let mut versions: Vec<u64> = Vec::new();
        let error = loop {
            if let Err(error) = ftl.write_anchor() {
                break error;
            }
            versions.push(ftl.anchor.number / STEP);
            if mounts {
                let (next, sure) = Ftl::begin(ftl.into_nand(), config()).unwrap();
                assert_eq!(next.anchor.number / STEP, versions[versions.len() - 1]);
                assert!(sure || versions.len() < 2 || next.copies.slots[0].next == 8);
                ftl = next;
            }
            assert!(versions.len() < 20);
        };
        assert!(matches!(error, FtlError::ReadOnly { .. }) && versions.len() > 2, "{versions:?}");
        let (next, _) = Ftl::begin(ftl.into_nand(), config()).unwrap();
        assert_eq!(next.anchor.number / STEP, versions[versions.len() - 1]);
    }
}

#[test]
fn a_lost_block_is_replaced_wherever_that_is_cut() {
    let (mut tried, mut erased) = (0, 0);
    for writes in 0..3 {
        let mut ftl = with_pages(CellKind::Slc, 16);
        let lost = ftl.anchor.blocks[1];
        ftl.nand_mut().doom(EraseBlock(lost), 0);
        // The failure shows in the first write that erases; then so many more to the block that stays.
        while ftl.copies.lives(1) {
            ftl.write_anchor().unwrap();
        }
        (0..writes).for_each(|_| ftl.write_anchor().unwrap());
        let (owed, stays) = (ftl.anchor.number / STEP, EraseBlock(ftl.anchor.blocks[0]));
        let mut whole = ftl.clone();
        let before = operations(whole.nand());
        whole.restore_anchor().unwrap();
        assert!((0..2).all(|k| whole.copies.lives(k)) && whole.anchor.blocks[1] != lost);
        // What led alone gives the lead to its new partner and is erased, unless it had room.
        erased += whole.nand().erases_of(stays) - ftl.nand().erases_of(stays);
        for after in 0..operations(whole.nand()) - before {
            for mode in CutMode::ALL {
                let mut case = ftl.clone();
                let mut name = alloc::format!("{writes} writes alone, {} at {after}", mode.name());
                case.nand_mut().arm(Cut { after, mode, seed: after });
                let error = case.restore_anchor().unwrap_err();
                assert_eq!(error, NandError::PowerLost.into(), "{name}");
                let mut chip = case.into_nand();
                chip.power_on();
                tried += cut_on(&chip, mending, owed, 1, &mut name);
            }
        }
    }
    assert!(tried > 500 && erased > 0, "{tried} cuts, {erased} erases of the one that led");
}
