//! A board's own bad-block table: believed, kept, and told of blocks that go bad, by either layer.

use std::collections::BTreeSet;
use vellum_block::Rng;
use vellum_ftl::{BadBlockTable, Config, Ftl, FtlError, Layer, Lpn, Small};
use vellum_nand::{Cut, CutMode, EraseBlock, Geometry, Model, ModelConfig, Nand, NandError};

const PAGES: u32 = 60;

fn geometry(oob_bytes: u32) -> Geometry {
    Geometry { oob_bytes, ..Geometry::tiny(32, 16) }
}

fn plain(geometry: Geometry) -> Model {
    Model::new(ModelConfig::perfect(geometry)).unwrap()
}

/// A table as Linux writes it, by the letter: `codes` are two bits for each block, 3 for good.
fn as_linux(
    chip: &mut Model,
    block: u32,
    pattern: &[u8; 4],
    version: u8,
    codes: &[u8],
    in_band: bool,
) {
    let g = *chip.geometry();
    let mut page = vec![0xff; g.page_bytes as usize];
    let mut oob = vec![0xff; if in_band { 0 } else { 13 }];
    let at = if in_band { 5 } else { 0 };
    let head = if in_band { &mut page[..5] } else { &mut oob[8..13] };
    head[..4].copy_from_slice(pattern);
    head[4] = version;
    for (i, code) in codes.iter().enumerate() {
        let keep = u8::MAX ^ (3 << (i % 4 * 2));
        page[at + i / 4] = page[at + i / 4] & keep | code << (i % 4 * 2);
    }
    chip.erase(EraseBlock(block)).unwrap();
    chip.program(g.ppa(EraseBlock(block), 0), &page, &oob).unwrap();
}

/// What Linux would read: the version and the codes of a copy, if it is one.
fn read_back(
    chip: &mut Model,
    block: u32,
    pattern: &[u8; 4],
    in_band: bool,
) -> Option<(u8, Vec<u8>)> {
    let g = *chip.geometry();
    let (mut page, mut oob) =
        (vec![0; g.page_bytes as usize], vec![0; if in_band { 0 } else { 13 }]);
    let status = chip.read(g.ppa(EraseBlock(block), 0), 0, &mut page, &mut oob).unwrap();
    let (head, at) = if in_band { (&page[..5], 5) } else { (&oob[8..13], 0) };
    let codes = (0..g.blocks as usize).map(|i| page[at + i / 4] >> (i % 4 * 2) & 3).collect();
    (status.is_readable() && head.starts_with(pattern)).then(|| (head[4], codes))
}

/// Two bad blocks that carry no marker, and a table that knows them.
fn board(oob_bytes: u32, in_band: bool) -> (Model, Vec<u8>) {
    let mut chip = plain(geometry(oob_bytes));
    let mut codes = vec![3; 32];
    (codes[9], codes[14]) = (0, 2);
    for (block, content) in [(9, 0x11), (14, 0x22)] {
        let ppa = chip.geometry().ppa(EraseBlock(block), 0);
        chip.program(ppa, &[content; 512], &[]).unwrap();
    }
    // The versions have gone round: 0 is later than 255, which knows less.
    as_linux(&mut chip, 31, b"Bbt0", 255, &[3; 32], in_band);
    as_linux(&mut chip, 29, b"1tbB", 0, &codes, in_band);
    (chip, codes)
}

fn wear<L: Layer<Chip = Model>>(layer: &mut L, writes: u32) -> Vec<u8> {
    let (mut rng, mut truth) = (Rng::new(3), vec![0; PAGES as usize]);
    for i in 0..writes {
        let lpn = if i < PAGES { i } else { rng.below(PAGES.into()) as u32 };
        layer.write(Lpn(lpn), &[i as u8; 512]).unwrap();
        truth[lpn as usize] = i as u8;
    }
    truth
}

fn check<L: Layer<Chip = Model>>(layer: &mut L, truth: &[u8]) {
    let mut page = [0; 512];
    for (lpn, &byte) in (0..).zip(truth) {
        layer.read(Lpn(lpn), &mut page).unwrap();
        assert_eq!(page, [byte; 512], "page {lpn}");
    }
}

fn is_kept<L: Layer<Chip = Model>>(oob_bytes: u32, in_band: bool) {
    let (chip, mut codes) = board(oob_bytes, in_band);
    let mut layer = L::format(chip, Config::new(PAGES)).unwrap();
    assert_eq!(layer.health().blocks - layer.health().good, 6, "two bad ones, four of the table");
    wear(&mut layer, 2000);
    let mut page = [0; 512];
    for (block, content) in [(9, 0x11), (14, 0x22)] {
        let ppa = layer.nand().geometry().ppa(EraseBlock(block), 0);
        assert!(layer.nand_mut().read(ppa, 0, &mut page, &mut []).unwrap().is_readable());
        assert_eq!(page, [content; 512], "block {block} was used");
    }
    assert_eq!(layer.nand().erases_of(EraseBlock(28)), 0);
    // Two more go bad, with a mount between.
    for (round, block) in [(1, 17), (2, 20)] {
        layer.nand_mut().doom(EraseBlock(block), 0);
        let truth = wear(&mut layer, 2000);
        layer = L::mount(layer.into_nand(), Config::new(1)).unwrap();
        check(&mut layer, &truth);
        codes[block as usize] = 2;
        let chip = layer.nand_mut();
        assert_eq!(read_back(chip, 31, b"Bbt0", in_band), Some((round, codes.clone())));
        assert_eq!(read_back(chip, 29, b"1tbB", in_band), Some((round, codes.clone())));
    }
    // And it is believed at the next formatting, though the markers of these two are there as well.
    let layer = L::format(layer.into_nand(), Config::new(PAGES)).unwrap();
    assert_eq!(layer.health().blocks - layer.health().good, 8);
}

#[test]
fn a_table_that_a_board_has_is_believed_kept_and_brought_up_to_date() {
    is_kept::<Ftl<Model>>(64, false);
    is_kept::<Ftl<Model>>(64, true);
    is_kept::<Small<Model>>(64, false);
    is_kept::<Small<Model>>(64, true);
}

#[test]
fn a_table_is_made_where_one_is_asked_for_and_there_is_none() {
    let config = Config { bad_block_table: BadBlockTable::Create, ..Config::new(PAGES) };
    let mut chip = plain(geometry(64));
    chip.mark_bad(EraseBlock(5)).unwrap();
    chip.mark_bad(EraseBlock(30)).unwrap();
    let mut codes = vec![3; 32];
    (codes[5], codes[30]) = (0, 0);
    let mut small = Small::format(chip, config).unwrap();
    for (block, pattern) in [(31, b"Bbt0"), (29, b"1tbB")] {
        assert_eq!(read_back(small.nand_mut(), block, pattern, false), Some((1, codes.clone())));
    }
    // Formatted again it is the same one; without its mirror it gets one when a block goes bad.
    let mut ftl = Ftl::format(small.into_nand(), config).unwrap();
    ftl.nand_mut().erase(EraseBlock(29)).unwrap();
    ftl.nand_mut().doom(EraseBlock(17), 0);
    wear(&mut ftl, 2000);
    codes[17] = 2;
    for (block, pattern) in [(31, b"Bbt0"), (29, b"1tbB")] {
        assert_eq!(read_back(ftl.nand_mut(), block, pattern, false), Some((2, codes.clone())));
    }
    // On a chip without one and without being asked nothing is lost to it.
    let ftl = Ftl::format(plain(geometry(64)), Config::new(PAGES)).unwrap();
    assert_eq!(ftl.bad_blocks().count(), 0);
    // Three of the last four are bad: there is no room for two copies.
    let mut chip = plain(geometry(64));
    (29..32).for_each(|b| chip.mark_bad(EraseBlock(b)).unwrap());
    let refused = Ftl::format(chip, config).map(drop);
    assert!(matches!(refused, Err(FtlError::Geometry { found: 1, needed: 2, .. })), "{refused:?}");
}

#[test]
fn what_a_host_wrote_is_not_taken_for_a_table() {
    let mut ftl = Ftl::format(plain(geometry(64)), Config::new(PAGES)).unwrap();
    let mut page = [0; 512];
    page[..5].copy_from_slice(b"Bbt0\x07");
    for i in 0..3000 {
        ftl.write(Lpn(i % PAGES), &page).unwrap();
    }
    let ftl = Ftl::format(ftl.into_nand(), Config::new(PAGES)).unwrap();
    assert_eq!(ftl.bad_blocks().count(), 0);
}

#[test]
fn a_cut_leaves_one_copy_whole_and_the_layer_loses_nothing() {
    let mut seen = BTreeSet::new();
    for after in 0.. {
        let (chip, _) = board(64, false);
        let mut ftl = Ftl::format(chip, Config::new(PAGES)).unwrap();
        let truth = wear(&mut ftl, 400);
        ftl.nand_mut().doom(EraseBlock(17), 0);
        ftl.nand_mut().arm(Cut { after, mode: CutMode::HalfErase, seed: after });
        let mut page = [0; 512];
        let mut stopped = false;
        for (lpn, &byte) in (0..).zip(&truth).cycle().take(300) {
            match ftl.write(Lpn(lpn), &[byte; 512]) {
                Ok(()) => {}
                Err(FtlError::Nand(NandError::PowerLost)) => {
                    stopped = true;
                    break;
                }
                Err(e) => panic!("{e}"),
            }
        }
        let mut chip = ftl.into_nand();
        chip.disarm();
        chip.power_on();
        let copies = [(31, b"Bbt0"), (29, b"1tbB")].map(|(b, p)| read_back(&mut chip, b, p, false));
        let latest = copies.iter().flatten().map(|c| c.0.wrapping_add(1)).max();
        assert!(latest.is_some(), "no copy is left after {after}");
        seen.extend(latest);
        let mut ftl = Ftl::mount(chip, Config::new(1)).unwrap();
        check(&mut ftl, &truth);
        ftl.read(Lpn(0), &mut page).unwrap();
        if !stopped {
            break;
        }
    }
    assert!(seen.len() > 1, "cuts before and after the update: {seen:?}");
}
