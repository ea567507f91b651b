//! The chip model against the trait's suite, its rules, its failures and its images.

use proptest::prelude::*;
use vellum_block::Duration;
use vellum_nand::model::{Flaw, ImageError, Pipeline, PowerLaw, Reliability};
use vellum_nand::{
    CellKind, Cut, CutMode, EraseBlock, Geometry, Model, ModelConfig, Nand, NandError, conformance,
};

fn chip(geometry: Geometry) -> Model {
    Model::new(ModelConfig::perfect(geometry)).unwrap()
}

#[test]
fn the_model_passes_the_drivers_suite() {
    let mut g = Geometry::tiny(8, 16);
    g.page_bytes = 2048;
    g.oob_bytes = 128;
    for geometry in [Geometry::slc_1gbit(), g, Geometry::tiny(8, 12).with_cell(CellKind::Tlc)] {
        conformance::run(&mut chip(geometry), EraseBlock(3)).unwrap();
    }
}

#[test]
fn the_suite_finds_a_driver_that_loses_bytes() {
    struct Lossy(Model);
    impl Nand for Lossy {
        fn geometry(&self) -> &Geometry {
            self.0.geometry()
        }
        fn read(
            &mut self,
            ppa: vellum_nand::Ppa,
            at: u32,
            data: &mut [u8],
            oob: &mut [u8],
        ) -> Result<vellum_nand::ReadStatus, NandError> {
            let status = self.0.read(ppa, at, data, oob)?;
            if let Some(last) = data.last_mut() {
                *last = 0xff;
            }
            Ok(status)
        }
        fn program(&mut self, p: vellum_nand::Ppa, d: &[u8], o: &[u8]) -> Result<(), NandError> {
            self.0.program(p, d, o)
        }
        fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
            self.0.erase(block)
        }
        fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
            self.0.is_marked_bad(block)
        }
        fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
            self.0.mark_bad(block)
        }
    }
    assert!(conformance::run(&mut Lossy(chip(Geometry::tiny(4, 8))), EraseBlock(1)).is_err());
}

#[test]
fn the_rules_are_enforced() {
    let g = Geometry::tiny(8, 8);
    let mut config = ModelConfig::perfect(g);
    config.open_blocks = 1;
    let mut chip = Model::new(config).unwrap();
    let data = [1; 512];
    chip.program(g.ppa(EraseBlock(1), 2), &data, &[]).unwrap();
    let low = g.ppa(EraseBlock(1), 1);
    assert_eq!(chip.program(low, &data, &[]), Err(NandError::Order { ppa: low, next: 3 }));
    let twice = g.ppa(EraseBlock(1), 2);
    let refused = Err(NandError::Reprogrammed { ppa: twice, times: 1, limit: 1 });
    assert_eq!(chip.program(twice, &data, &[]), refused);
    let block = EraseBlock(2);
    let refused = Err(NandError::OpenBlocks { block, open: 2, limit: 1 });
    assert_eq!(chip.program(g.ppa(block, 0), &data, &[]), refused);
    chip.mark_bad(EraseBlock(1)).unwrap();
    assert_eq!(chip.erase(EraseBlock(1)), Err(NandError::BadBlock { block: EraseBlock(1) }));
    assert!(chip.is_marked_bad(EraseBlock(1)).unwrap());
}

#[test]
fn factory_bad_blocks_come_at_the_data_sheets_rate() {
    let mut config = ModelConfig::perfect(Geometry::tiny(20_000, 2));
    config.factory_bad_permille = 20;
    for clustered in [false, true] {
        config.clustered = clustered;
        let mut chip = Model::new(config).unwrap();
        let bad = |b| chip.is_marked_bad(EraseBlock(b)).unwrap();
        let bad: Vec<bool> = (0..20_000).map(bad).collect();
        let count = bad.iter().filter(|&&b| b).count();
        assert!((320..480).contains(&count), "{count}");
        assert!(!bad[0]);
        let neighbours = bad.windows(2).filter(|w| w[0] && w[1]).count();
        assert_eq!(neighbours > count / 3, clustered, "{neighbours} of {count}");
    }
}

#[test]
fn a_worn_block_fails_and_says_so() {
    let g = Geometry::tiny(4, 4);
    let mut chip = chip(g);
    let block = EraseBlock(1);
    chip.doom(block, 1);
    chip.erase(block).unwrap();
    assert_eq!(chip.erase(block), Err(NandError::EraseFailed { block }));
    let fails = (0..4).filter(|&p| chip.program(g.ppa(EraseBlock(1), p), &[0; 512], &[]).is_err());
    assert!(fails.count() > 0 || chip.counters().erase_fails == 1);
}

#[test]
fn errors_grow_with_age_and_retry_helps() {
    let g = Geometry::slc_1gbit();
    let mut config = ModelConfig::perfect(g);
    config.reliability = Reliability::PowerLaw(PowerLaw {
        floor: 1e-6,
        retention: [2e-6, 0.14, 0.54],
        ..PowerLaw::TLC_72
    });
    let mut chip = Model::new(config).unwrap();
    for page in 0..64 {
        chip.program(g.ppa(EraseBlock(1), page), &[9; 2048], &[]).unwrap();
    }
    let errors = |chip: &mut Model| -> u32 {
        let read = |p| chip.read(g.ppa(EraseBlock(1), p), 0, &mut [0; 2048], &mut []).unwrap();
        (0..64).map(read).map(|s| s.corrected() + 10 * u32::from(!s.is_readable())).sum()
    };
    let young = errors(&mut chip);
    chip.age(24.0 * 30.0, 30.0);
    let month = errors(&mut chip);
    chip.age(24.0 * 30.0, 55.0);
    let hot = errors(&mut chip);
    assert!(young < month && month < hot, "{young} {month} {hot}");
    chip.set_retry(3).unwrap();
    assert!(errors(&mut chip) < hot);
    assert!(chip.set_retry(99).is_err());
}

/// What reading says after a cut of `mode` at the program of page 3 (or at an erase).
fn after_cut(mode: CutMode, seed: u64, cell: CellKind) -> Model {
    let g = Geometry::tiny(4, 8).with_cell(cell);
    let mut chip = chip(g);
    for page in 0..3 {
        chip.program(g.ppa(EraseBlock(1), page), &[page as u8; 512], &[]).unwrap();
    }
    chip.arm(Cut { after: 0, mode, seed });
    let result = if mode.of_program() {
        chip.program(g.ppa(EraseBlock(1), 3), &[3; 512], &[])
    } else {
        chip.erase(EraseBlock(1))
    };
    assert_eq!(result, Err(NandError::PowerLost));
    assert_eq!(chip.is_erased(g.ppa(EraseBlock(1), 0)), Err(NandError::PowerLost));
    chip.power_on();
    chip
}

fn readable(chip: &mut Model, page: u32) -> bool {
    let ppa = chip.geometry().ppa(EraseBlock(1), page);
    let mut data = [0; 512];
    let status = chip.read(ppa, 0, &mut data, &mut []).unwrap();
    status.is_readable() && data == [page as u8; 512]
}

#[test]
fn a_torn_program_never_reads_whole_and_spares_the_others() {
    let mut silent = 0;
    for seed in 0..64 {
        let mut chip = after_cut(CutMode::TornProgram, seed, CellKind::Slc);
        assert!((0..3).all(|p| readable(&mut chip, p)));
        assert!(!readable(&mut chip, 3));
        let ppa = chip.geometry().ppa(EraseBlock(1), 3);
        let status = chip.read(ppa, 0, &mut [0; 512], &mut []).unwrap();
        silent += u32::from(status.is_readable());
    }
    assert!(silent > 0, "some torn pages read back without an error");
}

#[test]
fn unstable_bits_read_well_at_first_only() {
    for seed in 0..16 {
        let mut chip = after_cut(CutMode::UnstableBits, seed, CellKind::Slc);
        assert!(readable(&mut chip, 3));
        assert!((0..3).any(|_| !readable(&mut chip, 3)));
        assert!(!readable(&mut chip, 3));
    }
}

#[test]
fn paired_page_loss_takes_the_earlier_page() {
    let mut chip = after_cut(CutMode::PairedLoss, 1, CellKind::Mlc);
    let lost: Vec<u32> = (0..4).filter(|&p| !readable(&mut chip, p)).collect();
    assert_eq!(lost, [1, 3]);
}

#[test]
fn interrupted_erases_leave_nothing_to_rely_on() {
    let g = Geometry::tiny(4, 8);
    let mut unreliable = 0;
    for seed in 0..64 {
        let mut chip = after_cut(CutMode::WeakErase, seed, CellKind::Slc);
        assert!((0..8).all(|p| chip.is_erased(g.ppa(EraseBlock(1), p)).unwrap()));
        for page in 0..8 {
            chip.program(g.ppa(EraseBlock(1), page), &[page as u8; 512], &[]).unwrap();
            unreliable += u32::from(!readable(&mut chip, page));
        }
        let mut chip = after_cut(CutMode::HalfErase, seed, CellKind::Slc);
        chip.erase(EraseBlock(1)).unwrap();
        conformance::run(&mut chip, EraseBlock(1)).unwrap();
    }
    assert!(unreliable > 100);
}

#[test]
fn a_clone_shares_until_written() {
    let g = Geometry::slc_1gbit();
    let mut one = chip(g);
    one.program(g.ppa(EraseBlock(1), 0), &[1; 2048], &[]).unwrap();
    let mut two = one.clone();
    two.program(g.ppa(EraseBlock(1), 1), &[2; 2048], &[]).unwrap();
    assert!(one.is_erased(g.ppa(EraseBlock(1), 1)).unwrap());
    assert!(!two.is_erased(g.ppa(EraseBlock(1), 0)).unwrap());
}

#[test]
fn an_image_is_refused_for_another_geometry_and_when_damaged() {
    let mut one = chip(Geometry::tiny(8, 4));
    one.program(one.geometry().ppa(EraseBlock(2), 0), &[5; 512], b"oob").unwrap();
    one.spoil(one.geometry().ppa(EraseBlock(2), 0), Flaw::Unstable(2));
    let image = one.to_image();
    let back = Model::from_image(*one.config(), &image).unwrap();
    assert_eq!(vellum_state::state_hash(&one), vellum_state::state_hash(&back));
    assert_eq!(vellum_nand::model::image_geometry(&image).unwrap(), *one.geometry());
    let other = ModelConfig::perfect(Geometry::tiny(16, 4));
    let refused = Model::from_image(other, &image).unwrap_err();
    assert_eq!(refused, ImageError::OtherGeometry { field: "blocks", found: 8, expected: 16 });
    let mut hurt = image.clone();
    hurt[200] ^= 4;
    assert!(matches!(Model::from_image(*one.config(), &hurt), Err(ImageError::State(_))));
    assert!(matches!(Model::from_image(other, b"x"), Err(ImageError::NotAnImage { found: 1 })));
}

/// Times of a chip of one unit (200 ns a command, 20 ns a byte, 25 µs a read, 250 µs a program) by what calls wait for.
#[test]
fn a_second_register_takes_bytes_while_the_array_programs_and_reads_may_suspend_it() {
    let g = Geometry::tiny(4, 4);
    let page = Duration::from_ns(200 + 512 * 20);
    let (program, read) = (Duration::from_us(250), Duration::from_us(25));
    let run = |pipeline, suspend| {
        let config = ModelConfig { pipeline, suspend, ..ModelConfig::perfect(g) };
        let mut chip = Model::new(config).unwrap();
        let mut ends = Vec::new();
        for number in 0..3 {
            chip.program(g.ppa(EraseBlock(1), number), &[1; 512], &[]).unwrap();
            ends.push(chip.now());
        }
        // In the midst of it, the chip goes into a file and comes back.
        let mut chip = Model::from_image(config, &chip.to_image()).unwrap();
        chip.read(g.ppa(EraseBlock(1), 0), 0, &mut [0; 512], &mut []).unwrap();
        ends.push(chip.now());
        ends.push(chip.settle());
        ends.into_iter().map(|at| at.since(vellum_block::Instant::ZERO)).collect::<Vec<_>>()
    };
    let one = page + program;
    let waits = run(Pipeline::Waits, None);
    assert_eq!(waits, [one, one + one, one + one + one, one + one + one + read + page, waits[3]]);
    let overlapped = run(Pipeline::Overlapped, None);
    assert_eq!(overlapped, [page, one + page, one + one + page, waits[3], waits[3]]);
    // The second page's bytes go over at once, the third's when the second is being programmed.
    let cached = run(Pipeline::Cached, None);
    let last = page + program + program + program;
    assert_eq!(cached, [page, page + page, one + page, last + read + page, cached[3]]);
    let each = Duration::from_us(20);
    let suspended = run(Pipeline::Cached, Some(each));
    let came = one + page + each + read + page;
    let done = last + each + read + page + each;
    assert_eq!(suspended, [page, page + page, one + page, came, done]);
}

proptest! {
    #[test]
    fn any_bytes_as_an_image_are_an_error_or_a_chip(
        cuts in proptest::collection::vec((0usize..4000, any::<u8>()), 1..8),
        len in 0usize..4000,
    ) {
        let g = Geometry::tiny(4, 4);
        let mut image = chip(g).to_image();
        for (at, byte) in cuts {
            let at = at % image.len();
            image[at] ^= byte;
        }
        image.truncate(len.max(1));
        let _ = vellum_nand::model::image_geometry(&image);
        if let Ok(mut chip) = Model::from_image(ModelConfig::perfect(g), &image) {
            chip.is_erased(g.ppa(EraseBlock(3), 3)).unwrap();
        }
    }
}
