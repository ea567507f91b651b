//! Pages that change hands: what is written and read is the same as with slices, and nobody's later writing
//! shows anywhere else.

use proptest::prelude::*;
use std::collections::BTreeMap;
use vellum_block::{Lba, Media};
use vellum_ftl::{Config, Ftl, FtlError, Lpn, Page};
use vellum_nand::{CellKind, Geometry, Model, ModelConfig, Nand, Superblocks};

const PAGES: u32 = 300;

#[derive(Debug, Clone)]
enum Step {
    Slice(u32, u8),
    Page(u32, u8),
    /// One page to two places.
    Twice(u32, u32, u8),
    /// The host writes to a page that it read.
    Scribble(u32),
    Trim(u32),
    Remount,
}

fn step() -> impl Strategy<Value = Step> {
    let lpn = || 0..PAGES;
    prop_oneof![
        8 => (lpn(), any::<u8>()).prop_map(|(l, v)| Step::Slice(l, v)),
        16 => (lpn(), any::<u8>()).prop_map(|(l, v)| Step::Page(l, v)),
        4 => (lpn(), lpn(), any::<u8>()).prop_map(|(a, b, v)| Step::Twice(a, b, v)),
        4 => lpn().prop_map(Step::Scribble),
        1 => lpn().prop_map(Step::Trim),
        1 => Just(Step::Remount),
    ]
}

fn run<N: Nand>(nand: N, steps: &[Step]) {
    let mut ftl = Ftl::format(nand, Config::new(PAGES)).unwrap();
    let mut truth: BTreeMap<u32, u8> = BTreeMap::new();
    // Writing on in one page: it is the host's again after each hand-over.
    let mut mine = ftl.page();
    for step in steps {
        match *step {
            Step::Slice(lpn, v) => {
                ftl.write(Lpn(lpn), &[v; 512]).unwrap();
                truth.insert(lpn, v);
            }
            Step::Page(lpn, v) => {
                mine.bytes_mut().fill(v);
                ftl.write_page(Lpn(lpn), &mine).unwrap();
                truth.insert(lpn, v);
            }
            Step::Twice(a, b, v) => {
                let mut page = ftl.page();
                page.bytes_mut().fill(v);
                ftl.write_page(Lpn(a), &page).unwrap();
                ftl.write_page(Lpn(b), &page).unwrap();
                truth.extend([(a, v), (b, v)]);
            }
            Step::Scribble(lpn) => ftl.read_page(Lpn(lpn)).unwrap().bytes_mut().fill(0xee),
            Step::Trim(lpn) => {
                ftl.trim(Lpn(lpn), 1).unwrap();
                truth.remove(&lpn);
            }
            Step::Remount => {
                ftl.flush().unwrap();
                ftl = Ftl::mount(ftl.into_nand(), Config::new(PAGES)).unwrap();
            }
        }
    }
    for lpn in 0..PAGES {
        let expected = [truth.get(&lpn).copied().unwrap_or(0); 512];
        assert_eq!(&ftl.read_page(Lpn(lpn)).unwrap()[..], expected);
        assert!(ftl.read_with(Lpn(lpn), |data| data == expected).unwrap());
        assert_eq!(&Media::read_page(&mut ftl, Lba::new(lpn.into())).unwrap()[..], expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn they_read_as_written(steps in proptest::collection::vec(step(), 1..700)) {
        let chip = |cell| Model::new(ModelConfig::perfect(Geometry::tiny(48, 16).with_cell(cell))).unwrap();
        run(chip(CellKind::Slc), &steps);
        run(chip(CellKind::Tlc), &steps);
        let chip = Model::new(ModelConfig::perfect(Geometry::tiny(96, 16))).unwrap();
        run(Superblocks::new(chip, 4).unwrap(), &steps);
    }
}

#[test]
fn a_page_of_another_length_or_past_the_end_is_refused() {
    let chip = Model::new(ModelConfig::perfect(Geometry::tiny(48, 16))).unwrap();
    let mut ftl = Ftl::format(chip, Config::new(PAGES)).unwrap();
    let long = Page::zeroed(1024);
    let length = FtlError::Length { found: 1024, expected: 512 };
    assert_eq!(ftl.write_page(Lpn(0), &long), Err(length));
    let past = FtlError::PastEnd { lpn: PAGES.into(), pages: PAGES.into() };
    assert_eq!(ftl.write_page(Lpn(PAGES), &Page::zeroed(512)), Err(past));
    assert_eq!(ftl.read_page(Lpn(PAGES)).unwrap_err(), past);
    assert_eq!(ftl.read_with(Lpn(PAGES), |_| ()), Err(past));
    // As a medium: one sector at a time.
    assert!(Media::write_page(&mut ftl, Lba::new(0), &long).is_err());
    assert!(Media::write_page(&mut ftl, Lba::new(1 << 32), &Page::zeroed(512)).is_err());
    assert!(Media::read_page(&mut ftl, Lba::new(PAGES.into())).is_err());
}

#[test]
fn a_chip_in_memory_takes_the_page_itself() {
    let chip = Model::new(ModelConfig::perfect(Geometry::tiny(48, 16))).unwrap();
    let mut ftl = Ftl::format(chip, Config::new(PAGES)).unwrap();
    let mut page = ftl.page();
    page.bytes_mut().fill(7);
    ftl.write_page(Lpn(5), &page).unwrap();
    let at = |page: &[u8]| page.as_ptr();
    assert_eq!(at(&ftl.read_page(Lpn(5)).unwrap()), at(&page));
    assert_eq!(ftl.read_with(Lpn(5), at).unwrap(), at(&page));
}
