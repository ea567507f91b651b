//! Superblocks: the suite of every driver, pages served from parity, and what has none.

use vellum_nand::model::{Flaw, Pipeline};
use vellum_nand::{
    CellKind, EraseBlock, Geometry, Model, ModelConfig, Nand, NandError, Ppa, Superblocks,
    conformance,
};

fn chip(cell: CellKind) -> Model {
    let geometry = Geometry { units: 2, ..Geometry::tiny(16, 16).with_cell(cell) };
    Model::new(ModelConfig::perfect(geometry)).unwrap()
}

fn content(ppa: Ppa) -> Vec<u8> {
    (0..512).map(|i| (i as u64 * 31 + ppa.0 * 7 + 1) as u8).collect()
}

fn fill(nand: &mut Superblocks<Model>, block: EraseBlock, pages: std::ops::Range<u32>) {
    for page in pages {
        let ppa = nand.geometry().ppa(block, page);
        nand.program(ppa, &content(ppa), &ppa.0.to_le_bytes()).unwrap();
    }
}

/// Whether a page reads as it was written; `None` when it can't be read.
fn reads(nand: &mut Superblocks<Model>, ppa: Ppa) -> Option<bool> {
    let (mut data, mut oob) = ([0; 512], [0; 8]);
    let status = nand.read(ppa, 0, &mut data, &mut oob).unwrap();
    let right = data[..] == content(ppa) && oob == ppa.0.to_le_bytes();
    status.is_readable().then_some(right)
}

#[test]
fn superblocks_pass_the_drivers_suite() {
    for (cell, width) in [(CellKind::Slc, 4), (CellKind::Mlc, 3), (CellKind::Tlc, 2)] {
        let mut nand = Superblocks::new(chip(cell), width).unwrap();
        conformance::run(&mut nand, EraseBlock(1)).unwrap();
    }
}

/// Where programs wait for the bus alone, the units of a row work side by side.
#[test]
fn a_row_s_units_program_at_once() {
    let took = |units, pipeline| {
        let geometry = Geometry { units, ..Geometry::tiny(16, 16) };
        let chip = Model::new(ModelConfig { pipeline, ..ModelConfig::perfect(geometry) });
        let mut nand = Superblocks::new(chip.unwrap(), 4).unwrap();
        fill(&mut nand, EraseBlock(1), 0..48);
        let chip = nand.chip_mut();
        chip.settle().since(vellum_block::Instant::ZERO).as_ps()
    };
    let waits = took(4, Pipeline::Waits);
    assert_eq!(took(1, Pipeline::Overlapped), waits);
    let overlapped = took(4, Pipeline::Overlapped);
    assert!(overlapped * 7 / 2 < waits, "{overlapped} of {waits} ps");
}

#[test]
fn any_one_page_of_a_row_is_served_from_parity_and_two_are_not() {
    let mut nand = Superblocks::new(chip(CellKind::Slc), 4).unwrap();
    let (g, block) = (*nand.geometry(), EraseBlock(2));
    assert_eq!((g.blocks, g.pages_per_block), (4, 48));
    nand.erase(block).unwrap();
    fill(&mut nand, block, 0..48);
    for page in 0..48 {
        let (mut case, ppa) = (nand.clone(), g.ppa(block, page));
        let place = case.place(ppa);
        case.chip_mut().spoil(place, Flaw::Unreadable);
        // Without parity it is lost.
        assert!(!case.chip_mut().read(place, 0, &mut [], &mut []).unwrap().is_readable());
        assert_eq!(reads(&mut case, ppa), Some(true), "page {page}");
        let mut part = [0; 9];
        let status = case.read(ppa, 100, &mut part, &mut []).unwrap();
        assert!(status.worst() > 200 && part[..] == content(ppa)[100..109]);
        let neighbour = case.place(g.ppa(block, page / 3 * 3 + (page + 1) % 3));
        case.chip_mut().spoil(neighbour, Flaw::Unreadable);
        assert_eq!(reads(&mut case, ppa), None, "page {page}: two of its row are lost");
    }
}

#[test]
fn a_row_that_is_being_written_is_covered_from_ram_and_after_a_mount_from_what_is_read() {
    for cell in [CellKind::Slc, CellKind::Mlc] {
        let mut nand = Superblocks::new(chip(cell), 4).unwrap();
        let (g, block) = (*nand.geometry(), EraseBlock(0));
        nand.erase(block).unwrap();
        fill(&mut nand, block, 0..8);
        let first = nand.place(g.ppa(block, 6));
        let mut case = nand.clone();
        case.chip_mut().spoil(first, Flaw::Unreadable);
        assert_eq!(reads(&mut case, g.ppa(block, 6)), Some(true));
        // Another session knows nothing of the row, and goes on with it.
        let mut nand = Superblocks::new(nand.into_chip(), 4).unwrap();
        let mut case = nand.clone();
        case.chip_mut().spoil(first, Flaw::Unreadable);
        assert_eq!(reads(&mut case, g.ppa(block, 6)), None, "its parity was in RAM");
        fill(&mut nand, block, 8..9);
        nand.chip_mut().spoil(first, Flaw::Unreadable);
        assert_eq!(reads(&mut nand, g.ppa(block, 6)), Some(true));
    }
}

#[test]
fn a_row_left_early_has_its_parity_and_damaged_parity_is_none() {
    let mut nand = Superblocks::new(chip(CellKind::Slc), 4).unwrap();
    let (g, block) = (*nand.geometry(), EraseBlock(3));
    nand.erase(block).unwrap();
    fill(&mut nand, block, 0..2);
    fill(&mut nand, block, 9..10);
    let place = nand.place(g.ppa(block, 1));
    nand.chip_mut().spoil(place, Flaw::Unreadable);
    let mut nand = Superblocks::new(nand.into_chip(), 4).unwrap();
    assert_eq!(reads(&mut nand, g.ppa(block, 1)), Some(true));
    assert!(nand.is_erased(g.ppa(block, 2)).unwrap(), "what was passed over stays blank");
    // The member that holds parity is the fourth: its first page.
    let parity = Ppa(u64::from(block.0 + 12) * 16);
    nand.chip_mut().spoil(parity, Flaw::Partial(0));
    assert_eq!(reads(&mut nand, g.ppa(block, 1)), None);
}

#[test]
fn a_bad_block_takes_its_superblock_with_it_and_order_is_kept() {
    let mut nand = Superblocks::new(chip(CellKind::Slc), 4).unwrap();
    let g = *nand.geometry();
    nand.chip_mut().mark_bad(EraseBlock(9)).unwrap();
    let bad: Vec<bool> = (0..4).map(|b| nand.is_marked_bad(EraseBlock(b)).unwrap()).collect();
    assert_eq!(bad, [false, true, false, false]);
    assert_eq!(nand.erase(EraseBlock(1)), Err(NandError::BadBlock { block: EraseBlock(1) }));
    nand.erase(EraseBlock(0)).unwrap();
    fill(&mut nand, EraseBlock(0), 0..5);
    let again = nand.program(g.ppa(EraseBlock(0), 4), &[0; 512], &[]);
    assert_eq!(again, Err(NandError::Order { ppa: Ppa(4), next: 5 }));
    let width = |w| Superblocks::new(chip(CellKind::Slc), w).map(drop);
    for w in [0, 1, 17, 40] {
        let expected = NandError::Geometry { field: "superblock width", value: w.into() };
        assert_eq!(width(w), Err(expected));
    }
}
