//! What garbage collection adds to a remapped write: greedy choice of the block to collect, uniform
//! random writes.
//!
//! With α physical pages a logical page and *b* pages a block, the mean field of greedy collection
//! (Van Houdt, SIGMETRICS 2013, d → ∞) ends at *x* invalid pages in the block that is collected,
//! where x = b − m + q for an integer m and 0 ≤ q < 1 solves
//!
//! ```text
//! (H_b − H_m + q/m) / α = x / b          (H: harmonic numbers)
//! ```
//! and each host write costs b/x programs. For b → ∞ it is the Lambert-W form of FIFO collection.

use super::write::{Times, times};
use super::{Args, significant};
use crate::table::Table;
use serde_json::Value;

/// Programs a host write under greedy collection; `alpha` > 1, `b` ≥ 1.
pub fn greedy(alpha: f64, b: u32) -> f64 {
    let pages = f64::from(b);
    let mut harmonic = 0.0;
    // From m = b down, the left side starts below the right one and meets it again once.
    for m in (1..=b).rev() {
        let value = f64::from(m);
        let lacks = (pages - value) / pages - harmonic / alpha;
        let slope = 1.0 / (alpha * value) - 1.0 / pages;
        if slope > 0.0 && lacks / slope < 1.0 {
            return pages / (pages - value + lacks / slope);
        }
        harmonic += 1.0 / value;
    }
    1.0
}

/// Over-provisioning, as a share of the logical pages.
const OVER: [f64; 6] = [0.07, 0.10, 0.20, 0.28, 0.50, 1.00];

pub fn table(args: &Args) -> Table {
    let Times { read, program, erase } = times(args);
    let mut table = Table::new(
        "remapped, with greedy collection under uniform writes: W·(program + erase/pages) + \
         (W − 1)·read",
        &["over-provisioning %", "W", "µs a write"],
    );
    for over in OVER {
        let w = greedy(1.0 + over, args.pages.max(1));
        let time = w * (program + erase / f64::from(args.pages.max(1))) + (w - 1.0) * read;
        table.row([Value::from((over * 100.0).round()), significant(w), significant(time)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_closed_form() {
        // Published and simulated values for 64 pages a block (Desnoyers, SYSTOR 2012, agrees to
        // 0.3 %), and the limit for large blocks: X = e^(−α(1−X)), W = 1/(1 − X).
        for (over, expected) in [(0.07, 7.010), (0.10, 5.247), (0.20, 3.053), (0.28, 2.403)] {
            let w = greedy(1.0 + over, 64);
            assert!((w - expected).abs() < 6e-4, "{over}: {w}");
            let alpha = 1.0 + over;
            let x = (0..10_000).fold(0.5f64, |x, _| (-alpha * (1.0 - x)).exp());
            let large = greedy(alpha, 1 << 20);
            assert!((large * (1.0 - x) - 1.0).abs() < 1e-4, "{over}: {large}");
        }
    }
}
