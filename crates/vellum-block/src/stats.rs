//! Statistics over completions: histograms of fixed size, an exact distribution, the demerit figure.

use crate::{Breakdown, Completion, Duration, Op};
use alloc::vec::Vec;

/// Steps within a power of two of [`Values`]: they are kept to within 1/64.
const STEPS: u32 = 64;
/// Powers of two above the linear part.
const POWERS: u32 = 64 - 6;

/// A histogram of numbers with a relative error of at most 1/64, in fixed memory: 30 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Values {
    fn default() -> Self {
        Values {
            counts: alloc::vec![0; (STEPS * (POWERS + 1)) as usize],
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }
}

fn bucket(value: u64) -> usize {
    let power = (63 - (value | 1).leading_zeros()).saturating_sub(6);
    if value < u64::from(STEPS) {
        value as usize
    } else {
        ((power + 1) * STEPS) as usize + ((value >> power) as usize - STEPS as usize)
    }
}

fn upper(bucket: usize) -> u64 {
    let (row, step) = (bucket as u32 / STEPS, bucket as u64 % u64::from(STEPS));
    if row == 0 {
        step
    } else {
        (((u128::from(STEPS) + u128::from(step) + 1) << (row - 1)) - 1) as u64
    }
}

impl Values {
    /// Counts `value`.
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean, rounded down; zero if nothing was counted.
    pub fn mean(&self) -> u64 {
        (self.sum / u128::from(self.count.max(1))) as u64
    }

    /// The least, exact; zero if nothing was counted.
    pub fn min(&self) -> u64 {
        if self.count == 0 { 0 } else { self.min }
    }

    /// The greatest, exact; zero if nothing was counted.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that `part` in `whole` of them do not exceed, to within 1/64.
    pub fn percentile(&self, part: u64, whole: u64) -> u64 {
        let wanted = (u128::from(self.count) * u128::from(part)).div_ceil(u128::from(whole.max(1)));
        let mut seen = 0u128;
        for (i, &n) in self.counts.iter().enumerate() {
            seen += u128::from(n);
            if n > 0 && seen >= wanted {
                return upper(i).min(self.max);
            }
        }
        self.max
    }

    /// How many were below each power of two and not below the one before, exact, from `0..1` and `1..2`
    /// on: the range, both ends of which are in it, and the count. Ranges without any are left out.
    pub fn powers(&self) -> impl Iterator<Item = (core::ops::RangeInclusive<u64>, u64)> {
        (0..=64).filter_map(|power: u32| {
            let (low, high) = match power {
                0 => (0, 0),
                power => (1 << (power - 1), u64::MAX >> (64 - power)),
            };
            let count = self.counts[bucket(low)..=bucket(high)].iter().sum();
            (count > 0).then_some((low..=high, count))
        })
    }
}

/// The same of durations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram(Values);

impl Histogram {
    /// Counts `d`.
    pub fn record(&mut self, d: Duration) {
        self.0.record(d.as_ps());
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// The mean, exact to a picosecond; zero if nothing was counted.
    pub fn mean(&self) -> Duration {
        Duration::from_ps(self.0.mean())
    }

    /// The least, exact; zero if nothing was counted.
    pub fn min(&self) -> Duration {
        Duration::from_ps(self.0.min())
    }

    /// The greatest, exact.
    pub fn max(&self) -> Duration {
        Duration::from_ps(self.0.max())
    }

    /// The value that `part` in `whole` of the durations do not exceed, to within 1/64.
    pub fn percentile(&self, part: u64, whole: u64) -> Duration {
        Duration::from_ps(self.0.percentile(part, whole))
    }
}

/// An exact distribution of durations; holds every sample.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cdf {
    sorted: Vec<Duration>,
}

impl Cdf {
    /// The distribution of `samples`.
    pub fn new(mut samples: Vec<Duration>) -> Cdf {
        samples.sort_unstable();
        Cdf { sorted: samples }
    }

    /// The samples in order.
    pub fn samples(&self) -> &[Duration] {
        &self.sorted
    }

    /// The mean; zero if there are no samples.
    pub fn mean(&self) -> Duration {
        let sum: u128 = self.sorted.iter().map(|d| u128::from(d.as_ps())).sum();
        Duration::from_ps((sum / (self.sorted.len().max(1) as u128)) as u64)
    }

    /// The sample that `part` in `whole` do not exceed (nearest rank); zero if there are none.
    pub fn percentile(&self, part: u64, whole: u64) -> Duration {
        let n = self.sorted.len() as u128;
        let rank = (n * u128::from(part)).div_ceil(u128::from(whole.max(1))).clamp(1, n.max(1));
        self.sorted.get(rank as usize - 1).copied().unwrap_or(Duration::ZERO)
    }

    /// Ruemmler and Wilkes' demerit figure (*An introduction to disk drive modeling*, 1994): the
    /// root mean square of the horizontal distance between the two distributions, sampled at 10⁴
    /// equal steps of probability. Usually given as a part of the reference's mean.
    pub fn demerit(&self, reference: &Cdf) -> Duration {
        const POINTS: u64 = 10_000;
        let mut sum = 0u128;
        for i in 0..POINTS {
            let (a, b) = (self.at(2 * i + 1, 2 * POINTS), reference.at(2 * i + 1, 2 * POINTS));
            // Nanoseconds, so that the squares of an hour's distance still fit.
            let d = u128::from(a.as_ps().abs_diff(b.as_ps()) / 1000);
            sum += d * d;
        }
        Duration::from_ns((sum / u128::from(POINTS)).isqrt() as u64)
    }

    /// The inverse distribution at probability `part / whole`, linear between samples.
    fn at(&self, part: u64, whole: u64) -> Duration {
        let n = self.sorted.len() as u64;
        if n == 0 {
            return Duration::ZERO;
        }
        // Sample i stands at probability (i + 1/2) / n.
        let twice = (2 * u128::from(n) * u128::from(part)).saturating_sub(u128::from(whole));
        let i = (twice / (2 * u128::from(whole))).min(u128::from(n - 1)) as usize;
        let rest = twice - i as u128 * 2 * u128::from(whole);
        let low = self.sorted[i].as_ps();
        let high = self.sorted.get(i + 1).map_or(low, |d| d.as_ps());
        let step =
            u128::from(high - low) * rest.min(2 * u128::from(whole)) / (2 * u128::from(whole));
        Duration::from_ps(low + step as u64)
    }
}

/// What a device did, over all completions that it is shown.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Response times.
    pub response: Histogram,
    /// Response times without waiting in the queue.
    pub service: Histogram,
    /// Sum of all breakdowns.
    pub breakdown: Breakdown,
    /// Reads that ended.
    pub reads: u64,
    /// Writes that ended.
    pub writes: u64,
    /// Other requests that ended.
    pub others: u64,
    /// Sectors read and written.
    pub sectors: u64,
    /// Requests that ended with an error.
    pub errors: u64,
}

impl Statistics {
    /// Counts a completion.
    pub fn record(&mut self, c: &Completion) {
        self.response.record(c.response());
        self.service.record(c.breakdown.service());
        self.breakdown += c.breakdown;
        match c.request.op {
            Op::Read => self.reads += 1,
            Op::Write => self.writes += 1,
            _ => self.others += 1,
        }
        if matches!(c.request.op, Op::Read | Op::Write) {
            self.sectors += u64::from(c.request.sectors);
        }
        self.errors += u64::from(!c.status.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_histogram_is_within_a_64th_of_the_exact_distribution(
            values in prop::collection::vec(0u64..u64::MAX, 1..200), part in 1u64..=1000
        ) {
            let mut h = Histogram::default();
            values.iter().for_each(|&v| h.record(Duration::from_ps(v)));
            let cdf = Cdf::new(values.iter().map(|&v| Duration::from_ps(v)).collect());
            let (rough, exact) = (h.percentile(part, 1000), cdf.percentile(part, 1000));
            prop_assert!(rough >= exact);
            prop_assert!(rough.as_ps() - exact.as_ps() <= exact.as_ps() / 64 + 1);
            prop_assert_eq!(h.mean(), cdf.mean());
        }

        #[test]
        fn powers_of_two_are_counted_exactly(
            values in prop::collection::vec((0u64.., 0u32..64).prop_map(|(v, by)| v >> by), 0..200)
        ) {
            let mut h = Values::default();
            values.iter().for_each(|&v| h.record(v));
            for (range, count) in h.powers() {
                prop_assert!(*range.start() == 0 || range.start().is_power_of_two());
                prop_assert_eq!(values.iter().filter(|v| range.contains(v)).count() as u64, count);
            }
            prop_assert_eq!(h.powers().map(|(_, count)| count).sum::<u64>(), values.len() as u64);
        }
    }

    #[test]
    fn demerit_of_a_shifted_distribution_is_the_shift() {
        let a = Cdf::new((0..500).map(Duration::from_us).collect());
        let b = Cdf::new((0..500).map(|us| Duration::from_us(us + 30)).collect());
        assert_eq!(a.demerit(&b), Duration::from_us(30));
        assert_eq!(a.demerit(&a), Duration::ZERO);
        assert_eq!(Cdf::new(vec![]).demerit(&Cdf::default()), Duration::ZERO);
    }

    #[test]
    fn demerit_is_a_root_mean_square() {
        // Half the mass is off by 3 µs and half by 4 µs: √((9 + 16) / 2) µs.
        let a = Cdf::new([vec![Duration::ZERO; 1000], vec![Duration::from_us(10); 1000]].concat());
        let b = Cdf::new(
            [vec![Duration::from_us(3); 1000], vec![Duration::from_us(14); 1000]].concat(),
        );
        let d = a.demerit(&b).as_ns();
        assert!((3530..=3541).contains(&d), "{d}");
    }
}
