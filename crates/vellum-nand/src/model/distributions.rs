//! The distributions that errors are drawn from.

/// The upper tail of the normal distribution, by Karagiannidis and Lioumpas (2007); within 2 %
/// for x > 0.
pub(super) fn tail(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0 - tail_above(-x);
    }
    tail_above(x)
}

fn tail_above(x: f64) -> f64 {
    if x < 1e-3 {
        return 0.5;
    }
    let y = x / core::f64::consts::SQRT_2;
    let root_pi = core::f64::consts::PI.sqrt();
    0.5 * (1.0 - (-1.98 * y).exp()) * (-y * y).exp() / (1.135 * root_pi * y)
}

/// Where the upper tail is `share` (at most one half), by bisection.
pub(super) fn tail_inverse(share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if tail(middle) > share { low = middle } else { high = middle }
    }
    high
}

/// The number of errors at probability `u` (0 ≤ u < 1) of a Poisson distribution with `mean`: the
/// same `u` gives more errors as the mean grows, so a page's errors only ever grow. O(errors).
pub fn poisson(mean: f64, u: f64) -> u32 {
    let mean = mean.min(500.0);
    let (mut term, mut n) = ((-mean).exp(), 0);
    let mut sum = term;
    while u >= sum && n < 4096 {
        n += 1;
        term *= mean / f64::from(n);
        sum += term;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_has_its_mean_and_grows_with_it() {
        for mean in [0.01, 0.7, 6.0, 40.0] {
            let n = 20_000;
            let sum: u32 = (0..n).map(|i| poisson(mean, (f64::from(i) + 0.5) / f64::from(n))).sum();
            assert!((f64::from(sum) / f64::from(n) / mean - 1.0).abs() < 0.02, "mean {mean}");
        }
        assert!(
            (0..99)
                .all(|i| poisson(3.0, f64::from(i) / 100.0) <= poisson(4.0, f64::from(i) / 100.0))
        );
    }

    #[test]
    fn the_tail_and_its_inverse_agree() {
        for share in [0.3, 0.02, 1e-4, 1e-9] {
            assert!((tail(tail_inverse(share)) / share - 1.0).abs() < 1e-6, "{share}");
        }
        assert!((tail_inverse(0.022_75) - 2.0).abs() < 0.02);
    }
}
