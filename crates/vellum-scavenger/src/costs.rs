//! What it takes to bring a page back, by codec: what the restore budget is held against.

use crate::content::{Codec, Coder, Page};
use core::ops::{Index, IndexMut};
use vellum_frames::PAGE_SIZE;

/// Pages that are measured, and how often each; the fastest counts, since nothing makes one too fast.
const PAGES: u64 = 150;
const TIMES: usize = 9;

/// Nanoseconds that 99 of 100 pages in each codec are back within; those of a delta without its
/// reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs([u32; Codec::ALL.len()]);

impl Index<Codec> for Costs {
    type Output = u32;

    fn index(&self, codec: Codec) -> &u32 {
        &self.0[codec as usize - 1]
    }
}

impl IndexMut<Codec> for Costs {
    fn index_mut(&mut self, codec: Codec) -> &mut u32 {
        &mut self.0[codec as usize - 1]
    }
}

impl Default for Costs {
    /// About what the machine takes that the project's figures are from: the same on every machine, so that a
    /// run replays. The own dense codec keeps within its by how it is made ([`Pace`](crate::content::tight::Pace)).
    fn default() -> Self {
        let mut costs = Costs([500; Codec::ALL.len()]);
        costs[Codec::Lz4] = 3_000;
        costs[Codec::Tight] = 10_000;
        costs[Codec::Brisk] = 6_500;
        costs[Codec::Zstd] = 12_500;
        costs[Codec::DeltaFast] = 3_500;
        costs[Codec::DeltaTight] = 5_500;
        costs[Codec::DeltaDense] = 10_000;
        costs
    }
}

impl Costs {
    /// What a page in `codec` takes, with its reference, if that is packed itself in `base`.
    pub fn restore(&self, codec: Codec, base: Option<Codec>) -> u32 {
        self[codec].saturating_add(base.map_or(0, |base| self[base]))
    }

    /// What this machine takes, on made-up pages in zstd's `level`; some 50 ms. A run that must replay
    /// takes its costs from its configuration instead: measure once, and keep them.
    pub fn measured(level: i32) -> Self {
        let mut costs = Costs::default();
        costs.measure(level, &Codec::ALL);
        costs
    }

    /// Takes what some codecs take on this machine, on made-up pages.
    pub(crate) fn measure(&mut self, level: i32, codecs: &[Codec]) {
        let mut coder = Coder::new(level);
        let pages: Vec<(Page, Page)> = (0..PAGES).map(sample).collect();
        for &codec in codecs {
            let mut times: Vec<u32> = Vec::new();
            for (page, base) in &pages {
                let mut record = Vec::new();
                let base = codec.is_delta().then_some(base);
                if coder.encode(codec, page, base, PAGE_SIZE, &mut record).is_some() {
                    times.push(Costs::time(&mut coder, codec, &record, base));
                }
            }
            self.take(codec, &mut times);
        }
    }

    /// What 99 of 100 of these times are within is what a codec takes.
    pub(crate) fn take(&mut self, codec: Codec, times: &mut [u32]) {
        times.sort_unstable();
        if let Some(&slow) = times.get(times.len() * 99 / 100) {
            self[codec] = slow.max(1);
        }
    }

    /// The shortest of several times to decode a record.
    pub(crate) fn time(coder: &mut Coder, codec: Codec, record: &[u8], base: Option<&Page>) -> u32 {
        let mut page = [0; PAGE_SIZE];
        let mut best = u32::MAX;
        for _ in 0..TIMES {
            #[expect(
                clippy::disallowed_methods,
                reason = "this measures the machine, when asked to"
            )]
            let start = std::time::Instant::now();
            let read = coder.decode(codec, record, base, &mut page);
            best = best.min(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
            debug_assert!(read.is_ok(), "it was encoded just now");
        }
        best
    }
}

/// A page like a guest's, and one that it differs from in some places: runs of zeros, pointers, text and
/// noise.
fn sample(seed: u64) -> (Page, Page) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        // Xorshift (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut page = [0; PAGE_SIZE];
    let mut at = 0;
    while at < PAGE_SIZE {
        let run = (next() % 96 + 1) as usize;
        let (kind, pointer) = (next() % (5 + seed % 3), 0xffff_ffff_8000_0000 + next() % 4096 * 8);
        for to in at..(at + run).min(PAGE_SIZE) {
            page[to] = match kind {
                0 | 5 => 0,
                1 => (pointer + (to / 8) as u64 * 64).to_le_bytes()[to % 8],
                2 => b"a page of some guest's memory "[(to * to / 7) % 30],
                3 => page[to.saturating_sub(run)],
                _ => next() as u8,
            };
        }
        at += run;
    }
    let mut base = page;
    for _ in 0..next() % 60 {
        let at = next() as usize % (PAGE_SIZE - 16);
        base[at..at + 16].fill(next() as u8);
    }
    (page, base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    /// What is measured says nothing about how fast it must be, but for what holds on any machine.
    #[test]
    fn a_machine_is_measured_and_its_budget_is_kept() {
        let costs = Costs::measured(1);
        for codec in Codec::ALL {
            assert!(costs[codec] > 0, "{codec}");
        }
        let (zstd, dense) = (costs[Codec::Zstd], costs[Codec::DeltaDense]);
        assert_eq!(costs.restore(Codec::DeltaDense, Some(Codec::Zstd)), zstd.saturating_add(dense));
        let both = zstd.saturating_add(dense);
        for (budget, allowed) in [(both, true), (both - 1, false)] {
            let policy = Policy { restore_p99: budget, costs, ..Policy::default() };
            assert_eq!(policy.allows(Codec::DeltaDense, Some(Codec::Zstd)), allowed);
        }
    }
}
