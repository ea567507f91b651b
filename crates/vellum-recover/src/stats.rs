//! Counters and histograms of a store.

use std::fmt;

/// A histogram with a bucket for each power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; 65],
    sum: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; 65], sum: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn add(&mut self, value: u64) {
        self.buckets[(u64::BITS - value.leading_zeros()) as usize] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their mean, 0 when there are none.
    pub fn mean(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum as f64 / self.count() as f64 }
    }

    /// An upper bound (a power of two, less one) of the smallest value that `percent` of all values
    /// do not exceed.
    pub fn percentile(&self, percent: f64) -> u64 {
        let want = (self.count() as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (bits, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= want.max(1) {
                return if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
            }
        }
        0
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, nearly, all] = [50.0, 99.0, 100.0].map(|percent| self.percentile(percent));
        let (count, mean) = (self.count(), self.mean());
        write!(f, "{count} values, mean {mean:.1}, p50 ≤ {half}, p99 ≤ {nearly}, all ≤ {all}")
    }
}

/// What a store has done since it was opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// Transactions committed.
    pub commits: u64,
    /// Transactions aborted.
    pub aborts: u64,
    /// Bytes that committed transactions had declared.
    pub declared_bytes: u64,
    /// Of these, bytes that later values made superfluous before they reached the log.
    pub saved_bytes: u64,
    /// Times the log was truncated.
    pub truncations: u64,
    /// Times it should have been and the disk was full.
    pub truncation_failures: u64,
    /// The log's own counters.
    pub log: vellum_log::Counters,
    /// Lengths of declared ranges, in bytes.
    pub range_bytes: Histogram,
    /// Transactions that one flush made durable.
    pub group: Histogram,
    /// Time of a batch's write and flush, in microseconds.
    pub flush_us: Histogram,
    /// Of these, the times of those that ended while the log was truncated, in microseconds: how long
    /// truncation holds up a commit.
    pub flush_beside_truncation_us: Histogram,
    /// Time of a truncation, in microseconds.
    pub truncate_us: Histogram,
    /// How changed pages were found, when a region is captured by pages.
    pub page_capture: Option<&'static str>,
}

/// Microseconds of real time, for statistics alone: nothing that is stored depends on it.
pub(crate) fn micros(work: impl FnOnce()) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a latency histogram measures real time")]
    let start = std::time::Instant::now();
    work();
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_bound_the_values() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile(50.0), histogram.count()), (0, 0));
        (0..100).for_each(|value| histogram.add(value));
        assert_eq!(histogram.percentile(50.0), 63);
        assert_eq!(histogram.percentile(100.0), 127);
        let text = "100 values, mean 49.5, p50 ≤ 63, p99 ≤ 127, all ≤ 127";
        assert_eq!(histogram.to_string(), text);
        histogram.add(u64::MAX);
        assert_eq!(histogram.percentile(100.0), u64::MAX);
    }
}
