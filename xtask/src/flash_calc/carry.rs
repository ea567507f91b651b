//! The raw bit error rate that a code carries: the highest at which the chance that a codeword holds
//! more errors than the code corrects, per bit of data, stays below a target (JESD218 asks for 10⁻¹⁵
//! of client, 10⁻¹⁶ of enterprise devices). Errors are taken to be independent.

use super::significant;
use crate::table::Table;
use serde_json::Value;

/// (name, data bytes, parity bits, errors corrected).
const CODES: [(&str, u32, u32, u32); 10] = [
    ("Hamming, 256 B", 256, 22, 1),
    ("Hamming, 512 B", 512, 24, 1),
    ("BCH m13 t4, 512 B", 512, 52, 4),
    ("BCH m13 t8, 512 B", 512, 104, 8),
    ("BCH m13 t15, 512 B", 512, 195, 15),
    ("BCH m14 t8, 1 KiB", 1024, 112, 8),
    ("BCH m14 t24, 1 KiB", 1024, 336, 24),
    ("BCH m14 t40, 1 KiB", 1024, 560, 40),
    ("BCH m14 t60, 1 KiB", 1024, 840, 60),
    ("BCH m14 t72, 1 KiB", 1024, 1008, 72),
];

/// The chance of more than `t` errors among `n` bits that each err with chance `p`.
fn beyond(n: u32, t: u32, p: f64) -> f64 {
    let (n, first) = (f64::from(n), f64::from(t) + 1.0);
    let choose: f64 = (0..=t).map(|i| ((n - f64::from(i)) / (f64::from(i) + 1.0)).ln()).sum();
    let mut term = (choose + first * p.ln() + (n - first) * (1.0 - p).ln()).exp();
    let (mut sum, mut i) = (0.0, first);
    while i <= n && (term > sum * 1e-12 || i < n * p) {
        sum += term;
        term *= (n - i) / (i + 1.0) * p / (1.0 - p);
        i += 1.0;
    }
    sum
}

/// The highest error rate at which lost codewords per bit of data stay below `target`.
fn carried(data_bits: u32, parity_bits: u32, t: u32, target: f64) -> f64 {
    let lost = |p: f64| beyond(data_bits + parity_bits, t, p) / f64::from(data_bits);
    // Bisection in the logarithm: 60 halvings of 12 decades.
    let (mut low, mut high) = (1e-13f64.ln(), 0.1f64.ln());
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if lost(middle.exp()) < target {
            low = middle;
        } else {
            high = middle;
        }
    }
    low.exp()
}

pub fn table() -> Table {
    let mut table = Table::new(
        "the raw bit error rate that a code carries, by lost codewords per bit of data",
        &["code", "parity bytes", "1e-15", "1e-16"],
    );
    for (name, data, parity, t) in CODES {
        let rates = [1e-15, 1e-16].map(|target| significant(carried(data * 8, parity, t, target)));
        table.row([Value::from(name), Value::from(parity.div_ceil(8))].into_iter().chain(rates));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_published_limits() {
        // A data sheet's 15 errors in 512 bytes at 3.4e-4 (Hetzler); one error in 512 bytes by hand:
        // C(4120, 2)·p² / 4096 = 1e-15.
        let bch = carried(4096, 195, 15, 1e-15);
        assert!((bch / 3.4e-4 - 1.0).abs() < 0.02, "{bch}");
        let hamming = carried(4096, 24, 1, 1e-15);
        let by_hand = (1e-15 * 4096.0 / (4120.0 * 4119.0 / 2.0f64)).sqrt();
        assert!((hamming / by_hand - 1.0).abs() < 1e-4, "{hamming}");
    }

    #[test]
    fn the_tail_is_the_sum_of_its_terms() {
        // n = 10, p = 0.3: one minus the first t + 1 terms.
        for (t, below) in [(0u32, 0.028_247_524_9), (1, 0.149_308_345_9), (4, 0.849_731_667_4)] {
            let tail = beyond(10, t, 0.3);
            assert!((tail - (1.0 - below)).abs() < 1e-9, "{t}: {tail}");
        }
    }
}
