//! The life of a device until its first lost sector, with and without scrubbing.
//!
//! A TLC chip by the power law of bit errors, at 40 °C. Each day the host writes a tenth of the
//! device, reads some of it, and time passes; with scrubbing, each day a tenth of the pages is also
//! read, what needed effort is moved, and so is what was written thirty days ago.
//!
//! `cargo run --release --example life -- [SEED]`

use std::error::Error;
use vellum_block::Rng;
use vellum_ftl::{Config, Ftl, FtlError, Lpn, ScrubPolicy};
use vellum_nand::model::{PowerLaw, Reliability};
use vellum_nand::{CellKind, EccSpec, Geometry, Model, ModelConfig};

const PAGES: u32 = 1_000;
const DAYS: u16 = 2_000;

/// The day of the first lost sector, if there was one, and the layer at the end.
fn live(scrub: bool, seed: u64) -> Result<(Option<u16>, Ftl<Model>), Box<dyn Error>> {
    let geometry = Geometry {
        page_bytes: 2048,
        oob_bytes: 320,
        ecc: EccSpec { codeword_bytes: 1024, correctable: 72, parity_bytes: 126 },
        ..Geometry::tiny(64, 32).with_cell(CellKind::Tlc)
    };
    let reliability = Reliability::PowerLaw(PowerLaw::TLC_72);
    let chip = ModelConfig { reliability, seed, ..ModelConfig::perfect(geometry) };
    let mut config = Config::new(PAGES);
    config.scrub = if scrub {
        ScrubPolicy { corrected_bits: 54, retention_days: 30, ..ScrubPolicy::default() }
    } else {
        ScrubPolicy { corrected_bits: 0, block_reads: 0, retention_days: 0, retry: true }
    };
    let mut ftl = Ftl::format(Model::new(chip)?, config)?;
    let (mut rng, mut page, mut at) = (Rng::new(seed), vec![0; 2048], Lpn(0));
    for lpn in 0..PAGES {
        ftl.write(Lpn(lpn), &page)?;
    }
    for day in 1..=DAYS {
        for _ in 0..PAGES / 10 {
            // Most of what is written is written again and again.
            let hot = rng.below(u64::from(PAGES) / 5) as u32;
            page[..8].copy_from_slice(&rng.next_u64().to_le_bytes());
            ftl.write(Lpn(hot), &page)?;
        }
        ftl.flush()?;
        ftl.nand_mut().age(24.0, 40.0);
        if scrub {
            ftl.set_day(day)?;
            at = ftl.scrub(at, PAGES / 10)?;
        }
        for _ in 0..PAGES / 10 {
            match ftl.read(Lpn(rng.below(PAGES.into()) as u32), &mut page) {
                Err(FtlError::Unreadable { .. }) => return Ok((Some(day), ftl)),
                other => other?,
            }
        }
    }
    Ok((None, ftl))
}

fn main() -> Result<(), Box<dyn Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |s| s.parse())?;
    println!(
        "{:<12}{:>22}{:>14}{:>12}{:>10}",
        "", "first lost sector", "refreshed", "retried", "WAF"
    );
    for (name, scrub) in [("no scrub", false), ("scrub", true)] {
        let (lost, ftl) = live(scrub, seed)?;
        let when = lost.map_or(format!("none in {DAYS} days"), |d| format!("day {d}"));
        let s = ftl.stats();
        let waf = s.waf_milli() as f64 / 1000.0;
        println!("{name:<12}{when:>22}{:>14}{:>12}{waf:>10.2}", s.programs_refresh, s.retried);
    }
    Ok(())
}
