//! The layer over superblocks: pages that the chip can no longer read are served from parity and moved,
//! what lies on the bare chip is lost; and cuts lose nothing there either.

use vellum_block::Rng;
use vellum_ftl::campaign::{Campaign, exhaustive, random};
use vellum_ftl::{Config, Ftl, FtlError, Lpn, MapMode};
use vellum_nand::model::Flaw;
use vellum_nand::{CellKind, EraseBlock, Geometry, Model, ModelConfig, Nand, Ppa, Superblocks};

const PAGES: u32 = 700;

fn content(lpn: u32, version: u32) -> Vec<u8> {
    let mut page = vec![version as u8; 512];
    page[..4].copy_from_slice(&lpn.to_le_bytes());
    page
}

fn chip() -> Model {
    Model::new(ModelConfig::perfect(Geometry::tiny(128, 16))).unwrap()
}

/// A device with every page written more than once.
fn used<N: Nand>(nand: N) -> (Ftl<N>, Vec<u32>) {
    let mut ftl = Ftl::format(nand, Config::new(PAGES)).unwrap();
    let (mut rng, mut versions) = (Rng::new(3), vec![1; PAGES as usize]);
    (0..PAGES).for_each(|lpn| ftl.write(Lpn(lpn), &content(lpn, 1)).unwrap());
    for version in 2..2_000 {
        let lpn = rng.below(PAGES.into()) as u32;
        ftl.write(Lpn(lpn), &content(lpn, version)).unwrap();
        versions[lpn as usize] = version;
    }
    (ftl, versions)
}

/// Pages that read as they should; the others are told as unreadable.
fn readable<N: Nand>(ftl: &mut Ftl<N>, versions: &[u32]) -> usize {
    let mut page = vec![0; 512];
    let reads = |(lpn, &version): (u32, &u32)| match ftl.read(Lpn(lpn), &mut page) {
        Ok(()) => {
            assert_eq!(page, content(lpn, version), "page {lpn}");
            true
        }
        Err(FtlError::Unreadable { .. }) => false,
        Err(error) => panic!("{error}"),
    };
    (0..).zip(versions).map(reads).filter(|&r| r).count()
}

/// Spoils one programmed page in each of the chip's blocks with an odd number, metadata's included.
fn spoil(chip: &mut Model, blocks: impl Iterator<Item = u32>) {
    let g = *chip.geometry();
    let mut rng = Rng::new(8);
    for block in blocks {
        let ppa = g.ppa(EraseBlock(block), rng.below(16) as u32);
        if !chip.is_erased(ppa).unwrap() {
            chip.spoil(ppa, Flaw::Unreadable);
        }
    }
}

#[test]
fn a_page_that_can_not_be_read_is_served_from_parity_and_moved() {
    // The first member of each superblock loses a page.
    let (mut ftl, versions) = used(Superblocks::new(chip(), 4).unwrap());
    spoil(ftl.nand_mut().chip_mut(), 0..32);
    assert_eq!(readable(&mut ftl, &versions), PAGES as usize);
    let rebuilt = ftl.nand().rebuilt();
    assert!(rebuilt > 10, "{rebuilt} pages were rebuilt");
    // What was read with effort is moved, so the next loss in the same row finds it whole.
    ftl.scrub(Lpn(0), 0).unwrap();
    assert!(ftl.stats().programs_refresh > 0);
    let mut ftl = Ftl::mount(ftl.into_nand(), Config::new(PAGES)).unwrap();
    assert_eq!(readable(&mut ftl, &versions), PAGES as usize);
    // The same on the bare chip loses data.
    let (mut bare, versions) = used(chip());
    spoil(bare.nand_mut(), 0..128);
    assert!(readable(&mut bare, &versions) < PAGES as usize);
}

#[test]
fn a_whole_block_that_dies_is_served_from_parity() {
    let (mut ftl, versions) = used(Superblocks::new(chip(), 4).unwrap());
    // All of member 2 of the sixth superblock, wherever that is used for.
    let g = *ftl.nand().chip().geometry();
    for page in 0..16 {
        let ppa = g.ppa(EraseBlock(64 + 6), page);
        ftl.nand_mut().chip_mut().spoil(ppa, Flaw::Unreadable);
    }
    assert_eq!(readable(&mut ftl, &versions), PAGES as usize);
    assert_eq!(ftl.nand().place(Ppa(6 * 48 + 2)), g.ppa(EraseBlock(64 + 6), 0));
}

#[test]
fn cuts_lose_nothing_on_superblocks() {
    for cell in [CellKind::Slc, CellKind::Mlc] {
        let campaign = Campaign::small(cell, MapMode::Flat).with_superblocks(3);
        let tally = random(campaign, 5, 200, |_| {}).unwrap_or_else(|b| panic!("{cell:?}: {b}"));
        assert!(tally.cuts >= 200 && tally.last_resorts == 0, "{tally:?}");
    }
    let campaign = Campaign::tiny(CellKind::Slc, MapMode::Flat).with_superblocks(3);
    let tally = exhaustive(campaign, 2, 12, false, |_, _| {}).unwrap_or_else(|b| panic!("{b}"));
    assert!(tally.cuts > 60, "{tally:?}");
}
