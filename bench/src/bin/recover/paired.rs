//! One thread against the raw loop, in bursts of a few transactions that take turns: what the
//! machine does meanwhile hits both alike, which windows of some tenths of a second don't achieve.

use crate::engines::{Engine, RECORDS, Raw, Vellum, Work};
use crate::seconds;
use anyhow::Result;
use vellum_bench::Series;

/// Transactions in a burst.
const BURST: u32 = 8;

/// Our rate as a part of the raw loop's: a figure for each round of `length` seconds.
pub fn ratios(raw: &Raw, vellum: &Vellum, rounds: u32, length: f64) -> Result<Series> {
    let mut state = 7_u64;
    let mut work = || {
        let records = [0; 4].map(|_: u64| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (z ^ (z >> 27)) % RECORDS
        });
        Work { records, entry: state >> 32, value: state as u8 }
    };
    // Every page is in memory on both sides before anything counts.
    vellum.warm()?;
    let mut series = Series::default();
    for _ in 0..rounds {
        let (mut theirs, mut ours, mut counts) = (0.0, 0.0, [0_u32; 2]);
        while theirs + ours < length {
            theirs += seconds(|| (0..BURST).try_for_each(|_| raw.run(&work())))?;
            counts[0] += BURST;
            ours += seconds(|| {
                let mut left = BURST;
                // Truncation goes on beside our own transactions, at our cost, and never beside
                // the raw loop's.
                while left > 0 || vellum.store.is_tending() {
                    vellum.run(&work())?;
                    counts[1] += 1;
                    left = left.saturating_sub(1);
                }
                Ok(())
            })?;
        }
        series.add(f64::from(counts[1]) / ours / (f64::from(counts[0]) / theirs));
    }
    Ok(series)
}
