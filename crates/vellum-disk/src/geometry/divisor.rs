//! Division by a number that is known beforehand: a multiplication.
//!
//! Three or four divisions stand in the way of each lookup, and a multiplication takes a fraction of a
//! division's time. The product with ⌊2⁶³ / d⌋ + 1 is too large by at most one part in 2⁶³ / d, which
//! stays below 1 / d for every dividend below 2³² (Granlund and Montgomery, *Division by Invariant
//! Integers using Multiplication*, PLDI 1994).

/// A divisor from 1 to 2³¹.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Divisor {
    factor: u64,
    by: u32,
}

impl Divisor {
    /// Zero and what is larger than 2³¹ are taken for the nearest that is allowed.
    pub fn new(by: u32) -> Divisor {
        let by = by.clamp(1, 1 << 31);
        Divisor { factor: (1 << 63) / u64::from(by) + 1, by }
    }

    /// The divisor.
    #[inline]
    pub fn get(self) -> u32 {
        self.by
    }

    /// Quotient and remainder.
    #[inline]
    pub fn divide(self, n: u32) -> (u32, u32) {
        let quotient = ((u128::from(n) * u128::from(self.factor)) >> 63) as u32;
        (quotient, n.wrapping_sub(quotient.wrapping_mul(self.by)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(n: u32, by: u32) {
        assert_eq!(Divisor::new(by).divide(n), (n / by, n % by), "{n} by {by}");
    }

    #[test]
    fn the_edges_divide_as_division_does() {
        let near = |n: u32| [n.wrapping_sub(1), n, n.wrapping_add(1)];
        let edges: Vec<u32> = (0..32).flat_map(|bit| near(1 << bit)).chain(near(0)).collect();
        for &by in edges.iter().filter(|&&d| d > 0 && d <= 1 << 31) {
            for &n in &edges {
                check(n, by);
                // The last dividend of a quotient and the first of the next.
                near(n / by * by).into_iter().for_each(|n| check(n, by));
            }
        }
    }

    proptest! {
        #[test]
        fn all_divide_as_division_does(n: u32, by in 1u32..=1 << 31, small in 1u32..=1 << 16) {
            check(n, by);
            check(n, small);
        }
    }
}
