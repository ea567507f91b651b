//! Greedy collection under uniform traffic beside theory: counts, no times.

use crate::{Config, Ftl, FtlError, Lpn, Placement, WearPolicy, theory};
use alloc::vec;
use vellum_block::Rng;
use vellum_nand::{EccSpec, Geometry, Model, ModelConfig};

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steady {
    /// Programs of data a host write, in the second half of the run.
    pub waf: f64,
    /// Blocks that were not closed data, on average; an open one is half in use.
    pub reserved: f64,
    /// The exact mean field with so many blocks reserved.
    pub theory: f64,
}

/// Overwrites each page six times on average, after filling: `blocks` blocks of 64 pages,
/// `op_percent` of physical pages beyond the logical ones.
///
/// # Errors
/// When so many pages don't fit.
pub fn steady(blocks: u32, op_percent: u32) -> Result<Steady, FtlError> {
    let geometry = Geometry {
        page_bytes: 2048,
        oob_bytes: 64,
        ecc: EccSpec { codeword_bytes: 512, correctable: 4, parity_bytes: 7 },
        ..Geometry::tiny(blocks, 64)
    };
    let pages = (geometry.pages() * 100 / u64::from(100 + op_percent)) as u32;
    let mut config = Config::new(pages);
    config.placement = Placement::Greedy;
    config.wear = WearPolicy { spread: 0, budget_permille: 0 };
    let mut ftl = Ftl::format(Model::new(ModelConfig::perfect(geometry))?, config)?;
    let page = vec![1; 2048];
    for lpn in 0..pages {
        ftl.write(Lpn(lpn), &page)?;
    }
    let mut rng = Rng::new(11);
    let (mut closed, mut samples) = (0u64, 0u64);
    let mut before = ftl.stats();
    for i in 0..6 * pages {
        if i == 3 * pages {
            before = ftl.stats();
            (closed, samples) = (0, 0);
        }
        ftl.write(Lpn(rng.below(pages.into()) as u32), &page)?;
        if i % 64 == 0 {
            closed += u64::from(ftl.closed_blocks());
            samples += 1;
        }
    }
    let now = ftl.stats();
    let host = (now.host_writes - before.host_writes) as f64;
    let data = host + (now.programs_collect - before.programs_collect) as f64;
    let reserved = f64::from(blocks) - closed as f64 / samples as f64 - 0.5;
    let alpha = theory::alpha(blocks, reserved, 64, pages);
    let theory = theory::greedy(alpha, 64).unwrap_or(f64::NAN);
    Ok(Steady { waf: data / host, reserved, theory })
}
