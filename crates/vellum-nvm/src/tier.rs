//! Main memory of DRAM and non-volatile memory together: what a page trace costs.
//!
//! DRAM holds the pages used last (CLOCK); the rest lives in non-volatile memory and is read from
//! there. A reference to a page outside DRAM reads one line directly; a page that is referenced
//! again before the clock has gone round is brought in. Dirty pages are written back line by line.

use crate::device::{LINE, Nvm, NvmError};
use crate::lifetime::Lifetime;
use crate::profiles::Profile;
use std::collections::BTreeMap;
use vellum_block::{Duration, Instant};

/// Lines of a page.
const PAGE_LINES: u64 = 4096 / LINE as u64;

/// The shape of the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierConfig {
    /// Pages of DRAM.
    pub dram_pages: usize,
    /// A reference to DRAM.
    pub dram_latency: Duration,
    /// Energy of it in femtojoules.
    pub dram_fj: u64,
    /// Every so many references is a write; 0 for none. Page traces do not say.
    pub write_every: u64,
}

impl Default for TierConfig {
    /// 64 MiB of DRAM: 50 ns, 1.2 nJ a line (Lee et al. 2009, their DRAM baseline's order).
    fn default() -> Self {
        TierConfig {
            dram_pages: 16_384,
            dram_latency: Duration::from_ns(50),
            dram_fj: 1_200_000,
            write_every: 4,
        }
    }
}

/// What a trace cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierReport {
    /// References.
    pub references: u64,
    /// Those that DRAM answered.
    pub dram_hits: u64,
    /// Pages brought into DRAM.
    pub promotions: u64,
    /// Pages written back.
    pub write_backs: u64,
    /// Time of all references one after the other.
    pub time: Duration,
    /// The same if all were DRAM.
    pub dram_time: Duration,
    /// Energy in femtojoules.
    pub energy_fj: u128,
    /// How long the device lasts at this rate, if it was written.
    pub lifetime: Option<Lifetime>,
    /// Writes to the cells of the most worn line.
    pub wear_most: u32,
    /// Writes to the cells of all lines together.
    pub wear_total: u64,
    /// Lines of the device, its spare among them.
    pub lines: u64,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    page: u32,
    used: bool,
    dirty: bool,
}

struct Tier {
    nvm: Nvm,
    config: TierConfig,
    frames: Vec<Frame>,
    hand: usize,
    /// Frame of each page in DRAM.
    placed: BTreeMap<u32, usize>,
    now: Instant,
    report: TierReport,
}

/// Prices a page trace on a tier of DRAM over a device of `pages` pages.
///
/// # Errors
/// When a page lies outside, or the device wears out.
pub fn run(
    profile: Profile,
    config: TierConfig,
    pages: u64,
    trace: impl Iterator<Item = u32>,
    seed: u64,
) -> Result<TierReport, NvmError> {
    let nvm = Nvm::new(profile, pages.saturating_mul(PAGE_LINES), seed)?;
    let report = TierReport {
        references: 0,
        dram_hits: 0,
        promotions: 0,
        write_backs: 0,
        time: Duration::ZERO,
        dram_time: Duration::ZERO,
        energy_fj: 0,
        lifetime: None,
        wear_most: 0,
        wear_total: 0,
        lines: nvm.wear().len() as u64,
    };
    let mut tier = Tier {
        nvm,
        config,
        frames: Vec::new(),
        hand: 0,
        placed: BTreeMap::new(),
        now: Instant::ZERO,
        report,
    };
    for page in trace {
        tier.touch(page)?;
    }
    let mut report = tier.report;
    report.time = tier.now.since(Instant::ZERO);
    report.dram_time = config.dram_latency.times(report.references);
    report.energy_fj += tier.nvm.counters().energy_fj;
    report.lifetime = tier.nvm.lifetime(report.time);
    report.wear_most = tier.nvm.wear_most();
    report.wear_total = tier.nvm.wear_total();
    Ok(report)
}

impl Tier {
    fn touch(&mut self, page: u32) -> Result<(), NvmError> {
        self.report.references += 1;
        let every = self.config.write_every;
        let write = every != 0 && self.report.references.is_multiple_of(every);
        let frame = match self.placed.get(&page) {
            Some(&frame) => {
                self.report.dram_hits += 1;
                frame
            }
            None => {
                // The line that is wanted comes first; the page follows.
                let mut line = [0; LINE];
                self.now = self.nvm.read(self.now, u64::from(page) * PAGE_LINES, &mut line)?.end;
                self.promote(page)?
            }
        };
        self.now += self.config.dram_latency;
        self.report.energy_fj += u128::from(self.config.dram_fj);
        self.frames[frame].used = true;
        self.frames[frame].dirty |= write;
        Ok(())
    }

    fn promote(&mut self, page: u32) -> Result<usize, NvmError> {
        self.report.promotions += 1;
        let mut line = [0; LINE];
        let mut at = self.now;
        for i in 1..PAGE_LINES {
            at = self.nvm.read(at, u64::from(page) * PAGE_LINES + i, &mut line)?.end;
        }
        let new = Frame { page, used: true, dirty: false };
        if self.frames.len() < self.config.dram_pages.max(1) {
            self.frames.push(new);
            self.placed.insert(page, self.frames.len() - 1);
            return Ok(self.frames.len() - 1);
        }
        while self.frames[self.hand].used {
            self.frames[self.hand].used = false;
            self.hand = (self.hand + 1) % self.frames.len();
        }
        let frame = self.hand;
        let old = self.frames[frame];
        self.placed.remove(&old.page);
        if old.dirty {
            self.write_back(old.page)?;
        }
        self.frames[frame] = new;
        self.placed.insert(page, frame);
        self.hand = (self.hand + 1) % self.frames.len();
        Ok(frame)
    }

    /// A dirty page has changed lines: a sixteenth of them, as a share that page traces suggest.
    fn write_back(&mut self, page: u32) -> Result<(), NvmError> {
        self.report.write_backs += 1;
        for i in (0..PAGE_LINES).step_by(16) {
            let line = u64::from(page) * PAGE_LINES + i;
            let mut data = self.nvm.peek(line)?;
            data[..8].copy_from_slice(&self.report.references.to_le_bytes());
            // Nobody waits for it, but its bank is busy.
            self.nvm.write(self.now, line, &data)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles;

    #[test]
    fn a_loop_that_fits_dram_runs_at_its_speed_and_a_larger_one_does_not() {
        let profile = profiles::find("pcm").unwrap();
        let config = TierConfig { dram_pages: 64, ..TierConfig::default() };
        let price = |pages: u32| {
            let trace = (0..20_000u32).map(move |i| i % pages);
            run(profile, config, 256, trace, 1).unwrap()
        };
        let (small, large) = (price(60), price(200));
        assert_eq!(small.promotions, 60);
        // Only the first round misses; its pages come line by line from scattered rows.
        assert!(small.time.as_ps() < small.dram_time.as_ps() * 13 / 10);
        assert!(large.time.as_ps() > large.dram_time.as_ps() * 2);
        assert!(large.write_backs > 0 && large.lifetime.is_some() && small.lifetime.is_none());
        assert!(large.energy_fj > small.energy_fj);
    }

    #[test]
    fn wear_and_lifetime_are_what_a_pencil_says() {
        // One page of DRAM, two pages in turn, every reference a write: each reference but the first
        // writes the page before it back, four lines of it.
        let profile = profiles::find("pcm").unwrap();
        let config = TierConfig { dram_pages: 1, write_every: 1, ..TierConfig::default() };
        let price =
            |references: u32| run(profile, config, 128, (0..references).map(|i| i % 2), 1).unwrap();
        let r = price(21);
        assert_eq!((r.promotions, r.write_backs, r.lines), (21, 20, 128 * 64 + 1));
        // 80 writes to eight lines; the gap has not moved once.
        assert_eq!((r.wear_total, r.wear_most), (80, 10));
        // A round of the gap is 819,300 writes, an eighth of them on each of those lines: less than the
        // 10^8 that they stand. So all 8193 lines share the wear.
        let ps = u128::from(r.time.as_ps()) * u128::from(profile.endurance) * 8193 / 80;
        assert_eq!(r.lifetime.map(Lifetime::as_ps), Some(ps));
        // 101 pages written back: 404 lines, and after each hundred the gap copies one.
        assert_eq!(price(102).wear_total, 404 + 4);
    }

    #[test]
    fn stacked_memristor_beats_pcm_on_the_same_trace() {
        let price = |name: &str| {
            let config = TierConfig { dram_pages: 32, ..TierConfig::default() };
            let trace = (0..5000u32).map(|i| i.wrapping_mul(2_654_435_761) % 128);
            run(profiles::find(name).unwrap(), config, 128, trace, 1).unwrap().time
        };
        assert!(price("stacked-memristor") < price("rram"));
        assert!(price("rram") < price("pcm"));
    }
}
