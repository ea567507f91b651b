//! Virtual time: whole picoseconds since power-on, never a wall clock.
//!
//! A picosecond is fine enough for a memory cell and for the angle under a disk head (a turn at
//! 15,000 rpm is 4·10⁹ ps); 64 bits of them last 213 days. Arithmetic saturates at both ends, so
//! that no trace or guest can make it overflow.

use core::fmt;
use core::ops::{Add, AddAssign, Sub, SubAssign};

/// Picoseconds in a nanosecond.
pub const PS_PER_NS: u64 = 1_000;
/// Picoseconds in a microsecond.
pub const PS_PER_US: u64 = 1_000_000;
/// Picoseconds in a millisecond.
pub const PS_PER_MS: u64 = 1_000_000_000;
/// Picoseconds in a second.
pub const PS_PER_S: u64 = 1_000_000_000_000;

/// A point in virtual time: picoseconds since the device was switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

/// A span of virtual time in picoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(u64);

impl Instant {
    /// Power-on.
    pub const ZERO: Instant = Instant(0);
    /// The last instant; used as "never".
    pub const MAX: Instant = Instant(u64::MAX);

    /// The instant `ps` picoseconds after power-on.
    pub const fn from_ps(ps: u64) -> Self {
        Instant(ps)
    }

    /// The instant `ns` nanoseconds after power-on; saturates.
    pub const fn from_ns(ns: u64) -> Self {
        Instant(ns.saturating_mul(PS_PER_NS))
    }

    /// Picoseconds since power-on.
    pub const fn as_ps(self) -> u64 {
        self.0
    }

    /// Whole nanoseconds since power-on.
    pub const fn as_ns(self) -> u64 {
        self.0 / PS_PER_NS
    }

    /// The time from `earlier` to here; zero if `earlier` is later.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time.
    pub const ZERO: Duration = Duration(0);
    /// The longest span.
    pub const MAX: Duration = Duration(u64::MAX);

    /// `ps` picoseconds.
    pub const fn from_ps(ps: u64) -> Self {
        Duration(ps)
    }

    /// `ns` nanoseconds; saturates, as all the constructors do.
    pub const fn from_ns(ns: u64) -> Self {
        Duration(ns.saturating_mul(PS_PER_NS))
    }

    /// `us` microseconds.
    pub const fn from_us(us: u64) -> Self {
        Duration(us.saturating_mul(PS_PER_US))
    }

    /// `ms` milliseconds.
    pub const fn from_ms(ms: u64) -> Self {
        Duration(ms.saturating_mul(PS_PER_MS))
    }

    /// `s` seconds.
    pub const fn from_secs(s: u64) -> Self {
        Duration(s.saturating_mul(PS_PER_S))
    }

    /// Picoseconds.
    pub const fn as_ps(self) -> u64 {
        self.0
    }

    /// Whole nanoseconds.
    pub const fn as_ns(self) -> u64 {
        self.0 / PS_PER_NS
    }

    /// Milliseconds as a float, for printing only: nothing that a model decides may hang on it.
    pub fn as_ms_f64(self) -> f64 {
        self.0 as f64 / PS_PER_MS as f64
    }

    /// This span `n` times; saturates.
    pub const fn times(self, n: u64) -> Duration {
        Duration(self.0.saturating_mul(n))
    }

    /// What is left after taking `other` away; zero if `other` is longer.
    pub const fn minus(self, other: Duration) -> Duration {
        Duration(self.0.saturating_sub(other.0))
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, d: Duration) -> Instant {
        Instant(self.0.saturating_add(d.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, d: Duration) -> Instant {
        Instant(self.0.saturating_sub(d.0))
    }
}

impl Add for Duration {
    type Output = Duration;
    fn add(self, d: Duration) -> Duration {
        Duration(self.0.saturating_add(d.0))
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Duration {
    type Output = Duration;
    fn sub(self, d: Duration) -> Duration {
        self.minus(d)
    }
}

impl SubAssign for Duration {
    fn sub_assign(&mut self, d: Duration) {
        *self = self.minus(d);
    }
}

impl core::iter::Sum for Duration {
    fn sum<I: Iterator<Item = Duration>>(iter: I) -> Duration {
        iter.fold(Duration::ZERO, Add::add)
    }
}

fn show(ps: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match ps {
        0..PS_PER_NS => write!(f, "{ps} ps"),
        PS_PER_NS..PS_PER_US => write!(f, "{}.{:03} ns", ps / PS_PER_NS, ps % PS_PER_NS),
        PS_PER_US..PS_PER_MS => {
            write!(f, "{}.{:03} µs", ps / PS_PER_US, ps % PS_PER_US / PS_PER_NS)
        }
        _ => write!(f, "{}.{:03} ms", ps / PS_PER_MS, ps % PS_PER_MS / PS_PER_US),
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, f)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Instant::MAX + Duration::from_ps(1), Instant::MAX);
        assert_eq!(Instant::ZERO - Duration::from_ps(1), Instant::ZERO);
        assert_eq!(Duration::from_secs(u64::MAX), Duration::MAX);
        assert_eq!(Instant::from_ps(3).since(Instant::from_ps(5)), Duration::ZERO);
    }

    #[test]
    fn units_print_with_three_digits() {
        assert_eq!(format!("{}", Duration::from_us(8_333)), "8.333 ms");
        assert_eq!(format!("{}", Duration::from_ps(1_250)), "1.250 ns");
    }
}
