//! The layer for little RAM: against a plain map, in 4 KiB, and cut everywhere.

use proptest::prelude::*;
use vellum_block::Rng;
use vellum_ftl::{FtlError, Lpn, Small};
use vellum_nand::model::Flaw;
use vellum_nand::{
    CellKind, Cut, CutMode, EraseBlock, Geometry, Model, ModelConfig, Nand, NandError,
};

const PAGE: usize = 512;

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

/// A device and the versions that each page may show.
#[derive(Clone)]
struct Life {
    may: Vec<Vec<u32>>,
    version: u32,
    rng: Rng,
}

impl Life {
    fn new(seed: u64, cell: CellKind) -> (Life, Small<Model>) {
        let pages = Small::<Model>::most_pages(chip(cell).geometry());
        let mut small = Small::format(chip(cell), pages).unwrap();
        let mut life = Life { may: vec![vec![0]; pages as usize], version: 0, rng: Rng::new(seed) };
        (0..pages).for_each(|lpn| life.write(&mut small, lpn).unwrap());
        (life, small)
    }

    fn write(&mut self, small: &mut Small<Model>, lpn: u32) -> Result<(), FtlError> {
        self.version += 1;
        self.may[lpn as usize].push(self.version);
        small.write(Lpn(lpn), &content(lpn, self.version))?;
        self.may[lpn as usize] = vec![self.version];
        Ok(())
    }

    fn step(&mut self, small: &mut Small<Model>) -> Result<(), FtlError> {
        let pages = self.may.len() as u64;
        let any = self.rng.below(pages) as u32;
        match self.rng.below(10) {
            0..=4 => self.write(small, any),
            5..=8 => self.write(small, any % 10),
            _ => {
                let count = (1 + self.rng.below(3) as u32).min(pages as u32 - any);
                for lpn in any..any + count {
                    self.may[lpn as usize].push(0);
                }
                small.trim(Lpn(any), count)?;
                for lpn in any..any + count {
                    self.may[lpn as usize] = vec![0];
                }
                Ok(())
            }
        }
    }

    /// Reads every page; what is seen must stay.
    fn check(&mut self, small: &mut Small<Model>, name: &str) -> Result<(), FtlError> {
        let mut page = vec![0; PAGE];
        for (lpn, may) in (0..).zip(&mut self.may) {
            small.read(Lpn(lpn), &mut page)?;
            let found = u32::from_le_bytes([page[0], page[1], page[2], page[3]]);
            assert!(may.contains(&found), "{name}: page {lpn} is {found}, not in {may:?}");
            assert_eq!(page, content(lpn, found), "{name}: page {lpn}");
            *may = vec![found];
        }
        Ok(())
    }

    /// Mounts and reads everything, with a cut on the way if there is one.
    fn recover(&mut self, chip: &mut Model, cut: Option<Cut>, name: &str) -> bool {
        chip.disarm();
        chip.power_on();
        if let Some(cut) = cut {
            chip.arm(cut);
        }
        let result = Small::mount(chip.clone());
        let done = match result {
            Ok(mut small) => {
                self.check(&mut small, name).unwrap_or_else(|e| panic!("{name}: {e}"));
                *chip = small.into_nand();
                true
            }
            Err(FtlError::Nand(NandError::PowerLost)) => {
                // The mount took the chip with it: the same again by reference.
                drop(Small::mount(&mut *chip));
                false
            }
            Err(error) => panic!("{name}: {error}"),
        };
        chip.disarm();
        done
    }
}

fn operations(chip: &Model) -> u64 {
    let c = chip.counters();
    c.programs + c.erases + c.erase_fails
}

fn exhaustive(cell: CellKind, seed: u64, steps: u32, nested: bool) -> u32 {
    let (mut life, mut small) = Life::new(seed, cell);
    let mut cuts = 0;
    for step in 0..steps {
        let (before, chip) = (life.clone(), small.clone());
        let done = operations(small.nand());
        life.step(&mut small).unwrap();
        for after in 0..operations(small.nand()) - done {
            for mode in CutMode::ALL {
                let name = format!("{cell:?}, step {step}, {} at {after}", mode.name());
                let (mut case, mut dying) = (before.clone(), chip.clone());
                dying.nand_mut().arm(Cut { after, mode, seed: seed ^ after });
                let error = case.step(&mut dying).unwrap_err();
                assert_eq!(error, NandError::PowerLost.into(), "{name}");
                cuts += 1;
                let dead = dying.into_nand();
                let (mut whole, mut left) = (case.clone(), dead.clone());
                let start = operations(&dead);
                assert!(whole.recover(&mut left, None, &name));
                let end = operations(&left);
                whole.recover(&mut left, None, &name);
                for after in (0..end - start).filter(|_| nested) {
                    for mode in CutMode::ALL {
                        let name = format!("{name}, then {} at {after}", mode.name());
                        let (mut again, mut chip) = (case.clone(), dead.clone());
                        let cut = Cut { after, mode, seed: after + 7 };
                        again.recover(&mut chip, Some(cut), &name);
                        assert!(again.recover(&mut chip, None, &name));
                        again.recover(&mut chip, None, &name);
                        cuts += 1;
                    }
                }
            }
        }
    }
    cuts
}

#[test]
fn every_cut_of_every_operation_and_of_its_recovery_loses_nothing() {
    let cuts = exhaustive(CellKind::Slc, 3, 8, true);
    assert!(cuts > 300, "{cuts}");
    assert!(exhaustive(CellKind::Slc, 4, 60, false) > 300);
    assert!(exhaustive(CellKind::Mlc, 5, 4, true) > 100);
}

#[test]
fn random_cuts_lose_nothing() {
    for (i, cell) in [CellKind::Slc, CellKind::Mlc, CellKind::Tlc].into_iter().enumerate() {
        for seed in 0..4 {
            let (mut life, mut small) = Life::new(seed * 10 + i as u64, cell);
            for round in 0..60 {
                let name = format!("{cell:?}, seed {seed}, round {round}");
                let mut cut = |reach| Cut {
                    after: life.rng.below(reach),
                    mode: CutMode::ALL[life.rng.below(5) as usize],
                    seed: life.rng.next_u64(),
                };
                let (first, nested) = (cut(60), [cut(8), cut(30)]);
                small.nand_mut().arm(first);
                while life.step(&mut small).is_ok() {}
                let mut chip = small.into_nand();
                for cut in nested {
                    life.recover(&mut chip, Some(cut), &name);
                }
                assert!(life.recover(&mut chip, None, &name));
                small = Small::mount(chip).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write(u32),
    Trim(u32, u32),
    Remount,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => any::<u32>().prop_map(Step::Write),
        3 => (any::<u32>(), 1u32..20).prop_map(|(a, n)| Step::Trim(a, n)),
        1 => Just(Step::Remount),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_mix_of_operations_reads_back_what_was_written(
        steps in proptest::collection::vec(step(), 1..600),
        pages in 1u32..260,
        slc in any::<bool>(),
    ) {
        let chip = chip(if slc { CellKind::Slc } else { CellKind::Tlc });
        let pages = pages.min(Small::<Model>::most_pages(chip.geometry()));
        let mut small = Small::format(chip, pages).unwrap();
        let mut truth = vec![0; pages as usize];
        for (version, step) in (1..).zip(&steps) {
            match step {
                Step::Write(x) => {
                    let lpn = x % pages;
                    small.write(Lpn(lpn), &content(lpn, version)).unwrap();
                    truth[lpn as usize] = version;
                }
                Step::Trim(x, n) => {
                    let first = x % pages;
                    let n = (*n).min(pages - first);
                    small.trim(Lpn(first), n).unwrap();
                    truth[first as usize..(first + n) as usize].fill(0);
                }
                Step::Remount => small = Small::mount(small.into_nand()).unwrap(),
            }
        }
        let mut small = Small::mount(small.into_nand()).unwrap();
        let mut page = vec![0; PAGE];
        for (lpn, &version) in (0..).zip(&truth) {
            small.read(Lpn(lpn), &mut page).unwrap();
            prop_assert!(page == content(lpn, version), "page {lpn}");
        }
    }
}

#[test]
fn a_metadata_page_that_can_not_be_read_and_blocks_that_fail_lose_nothing() {
    let (mut life, mut small) = Life::new(9, CellKind::Slc);
    (0..500).for_each(|_| life.step(&mut small).unwrap());
    // The first metadata page of every group: the copy stands in.
    for block in 0..24 {
        let ppa = small.nand().geometry().ppa(EraseBlock(block), 14);
        if !small.nand_mut().is_erased(ppa).unwrap() {
            small.nand_mut().spoil(ppa, Flaw::Unreadable);
        }
    }
    life.check(&mut small, "spoilt").unwrap();
    assert!(small.stats().meta_rebuilt > 0);
    let mut small = Small::mount(small.into_nand()).unwrap();
    life.check(&mut small, "spoilt and mounted").unwrap();
}

#[test]
fn blocks_that_fail_lose_nothing_until_the_device_is_worn_out() {
    let geometry = Geometry::tiny(40, 16);
    let chip = ModelConfig { factory_bad_permille: 40, ..ModelConfig::perfect(geometry) };
    let mut small = Small::format(Model::new(chip).unwrap(), 300).unwrap();
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
            small = Small::mount(small.into_nand()).unwrap();
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
    let refused = Small::format(chip(CellKind::Slc), 5_000).unwrap_err();
    assert!(matches!(refused, FtlError::Capacity { logical: 5_000, good: 24, most } if most < 384));
    let blank = Small::mount(chip(CellKind::Slc)).unwrap_err();
    assert_eq!(blank, FtlError::NotFormatted { probed: 24 });
    let mut small = Small::format(chip(CellKind::Slc), 100).unwrap();
    assert_eq!(small.write(Lpn(100), &[0; 512]), Err(FtlError::PastEnd { lpn: 100, pages: 100 }));
    assert_eq!(small.write(Lpn(1), &[0; 5]), Err(FtlError::Length { found: 5, expected: 512 }));
    // A device of the larger layer is none of this one, and the other way round.
    let config = vellum_ftl::Config::new(100);
    let large = vellum_ftl::Ftl::format(chip(CellKind::Slc), config).unwrap().into_nand();
    assert!(Small::mount(large).is_err());
    assert!(vellum_ftl::Ftl::mount(small.into_nand(), config).is_err());
}
