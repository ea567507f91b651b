//! Prices a page trace on each kind of memory behind a small DRAM.

use vellum_block::Rng;
use vellum_nvm::tier::{TierConfig, run};
use vellum_nvm::{NvmError, profiles};

fn main() -> Result<(), NvmError> {
    let config = TierConfig { dram_pages: 256, ..TierConfig::default() };
    for name in profiles::NAMES {
        let Some(profile) = profiles::find(name) else { continue };
        // Nine of ten references go to a tenth of the pages.
        let mut rng = Rng::new(1);
        let trace = (0..200_000).map(|_| {
            let hot = !rng.one_in(10);
            rng.below(if hot { 200 } else { 2000 }) as u32
        });
        let r = run(profile, config, 2000, trace, 1)?;
        let life = r.lifetime.map_or("for ever".to_string(), |l| l.to_string());
        let hits = 100 * r.dram_hits / r.references;
        println!(
            "{name:18} {} ({} in DRAM alone), {hits} % hits, {} µJ, lasts {life}",
            r.time,
            r.dram_time,
            r.energy_fj / 1_000_000_000
        );
    }
    Ok(())
}
