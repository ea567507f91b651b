//! The reserve that collection and recovery count on, at its worst moments.

use vellum_block::Rng;
use vellum_ftl::campaign::Campaign;
use vellum_ftl::{Config, Ftl, FtlError, Lpn, MapMode};
use vellum_nand::{CellKind, Cut, CutMode, Geometry, Model, ModelConfig, NandError};

/// Blocks that were free before a discard are a reserve right after it, too: they are told from those that it
/// empties, though nobody had counted since the mount.
#[test]
fn a_discard_right_after_a_mount_leaves_the_reserve_known() {
    let campaign = Campaign::small(CellKind::Slc, MapMode::Flat);
    let (config, pages) = (campaign.config, u64::from(campaign.config.logical_pages));
    let mut ftl = Ftl::format(Model::new(campaign.chip).unwrap(), config).unwrap();
    let (mut rng, page) = (Rng::new(8), vec![1; 512]);
    (0..pages).for_each(|lpn| ftl.write(Lpn(lpn as u32), &page).unwrap());
    for round in 0..2_000 {
        for _ in 0..rng.below(40) {
            let among = if rng.below(3) == 0 { 24 } else { pages };
            ftl.write(Lpn(rng.below(among) as u32), &page).unwrap();
        }
        let chip = if round % 2 == 0 { ftl.shut_down().unwrap() } else { ftl.into_nand() };
        ftl = Ftl::mount(chip, config).unwrap();
        ftl.trim(Lpn(rng.below(pages - 12) as u32), 1 + rng.below(12) as u32).unwrap();
        ftl.write(Lpn(rng.below(pages) as u32), &page).unwrap();
        let reserve = ftl.reserve();
        assert!(reserve.free > 0 && reserve.holds(), "{round}: {reserve:?}");
    }
}

/// A batch that needs a block of its own takes up half of it at once. What is left must still hold what is left of a
/// block that is being emptied.
#[test]
fn a_batch_at_the_worst_time_leaves_the_reserve() {
    let campaign = Campaign::small(CellKind::Slc, MapMode::Flat);
    let (config, pages) = (campaign.config, u64::from(campaign.config.logical_pages));
    let mut ftl = Ftl::format(Model::new(campaign.chip).unwrap(), config).unwrap();
    let (mut rng, page) = (Rng::new(3), vec![1; 512]);
    (0..pages).for_each(|lpn| ftl.write(Lpn(lpn as u32), &page).unwrap());
    for round in 0..20_000 {
        for _ in 0..rng.below(30) {
            ftl.write(Lpn(rng.below(pages) as u32), &page).unwrap();
        }
        let count = 2 + rng.below(ftl.batch_limit() as u64 - 1);
        let lpns: Vec<u32> = (0..count).map(|_| rng.below(pages) as u32).collect();
        let batch: Vec<(Lpn, &[u8])> = lpns.iter().map(|&lpn| (Lpn(lpn), &page[..])).collect();
        ftl.write_batch(&batch).unwrap();
        let reserve = ftl.reserve();
        assert!(reserve.holds(), "{round}: {reserve:?}");
        assert!(ftl.stats().worst_moves <= ftl.most_moves());
    }
    assert_eq!(ftl.stats().last_resorts, 0);
}

/// Mounts that are cut one after another use up the log until it takes a block that collection counts on. It goes
/// back, and what was counted on is there again.
#[test]
fn what_the_log_takes_while_mounts_are_cut_goes_back() {
    // Where two blocks hold the log, one of them is soon used up.
    let geometry = Geometry::tiny(40, 32);
    let config = Config::new(Config::most_pages(&geometry));
    let (pages, page) = (u64::from(config.logical_pages), vec![1; 512]);
    let mut rng = Rng::new(11);
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(geometry)).unwrap(), config).unwrap();
    (0..pages).for_each(|lpn| ftl.write(Lpn(lpn as u32), &page).unwrap());
    for moment in 0..300 {
        for _ in 0..1 + rng.below(9) {
            ftl.write(Lpn(rng.below(pages) as u32), &page).unwrap();
        }
        let chip = ftl.into_nand();
        for mounts in [3, 6, 7, 8, 9, 14] {
            let mut chip = chip.clone();
            for _ in 0..mounts {
                // In what a mount itself programs, or what it leaves to the first request.
                let mode = CutMode::ALL[rng.below(5) as usize];
                chip.arm(Cut { after: rng.below(4), mode, seed: rng.next_u64() });
                let mounted = Ftl::mount(&mut chip, config).and_then(|mut ftl| ftl.flush());
                assert!(matches!(mounted, Ok(()) | Err(FtlError::Nand(NandError::PowerLost))));
                chip.power_off();
                chip.power_on();
            }
            let mut ftl = Ftl::mount(chip, config).unwrap();
            for _ in 0..3 {
                ftl.write(Lpn(rng.below(pages) as u32), &page).unwrap();
                let reserve = ftl.reserve();
                assert!(reserve.holds(), "{moment}, {mounts} mounts: {reserve:?}");
            }
            assert_eq!(ftl.stats().last_resorts, 0, "{moment}, {mounts} mounts");
        }
        ftl = Ftl::mount(chip, config).unwrap();
    }
}
