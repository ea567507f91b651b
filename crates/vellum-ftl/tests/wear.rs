//! Wear levelling: how far erase counts come apart under uniform traffic, the log's blocks included,
//! and what that costs. (Under skewed traffic the budget decides how far cold blocks lag.)

use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, Lpn};
use vellum_nand::{Geometry, Model, ModelConfig};

/// The largest difference of erase counts that was seen, once twenty times the device was written, and
/// programs a thousand host writes.
fn wear(spread: u32) -> (u32, u64) {
    let chip = Geometry { blocks: 256, ..Geometry::slc_1gbit() };
    let pages = chip.pages() * 8 / 10;
    let mut config = Config::new(pages as u32);
    config.wear.spread = spread;
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(chip)).unwrap(), config).unwrap();
    let (page, mut rng, mut widest) = ([0x5a; 2048], Rng::new(3), 0);
    for i in 0..30 * pages {
        let lpn = if i < pages { i } else { rng.below(pages) };
        ftl.write(Lpn(lpn as u32), &page).unwrap();
        if i >= 20 * pages && i % 1000 == 0 {
            let health = ftl.health();
            widest = widest.max(health.erases_most - health.erases_least);
        }
    }
    (widest, ftl.stats().waf_milli())
}

#[test]
fn under_uniform_traffic_no_block_lags_more_than_eight_erases() {
    let (widest, cost) = wear(8);
    let (free_running, least) = wear(0);
    assert!(widest <= 8, "erase counts came {widest} apart");
    assert!(free_running > 16, "nothing to level: {free_running}");
    assert!(cost * 100 <= least * 101, "levelling costs more than 1 %: {cost} over {least}");
}
