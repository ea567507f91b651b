//! Virtual time as devices see it.

use core::ops::Add;

/// A point in virtual time, counted from power-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

/// A span of virtual time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(u64);

impl Instant {
    /// Power-on.
    pub const ZERO: Instant = Instant(0);

    /// The instant `ns` nanoseconds after power-on.
    pub const fn from_ns(ns: u64) -> Self {
        Instant(ns.saturating_mul(1000))
    }

    /// The instant `ps` picoseconds after power-on.
    pub const fn from_ps(ps: u64) -> Self {
        Instant(ps)
    }

    /// Whole nanoseconds since power-on.
    pub const fn as_ns(self) -> u64 {
        self.0 / 1000
    }

    /// Picoseconds since power-on.
    pub const fn as_ps(self) -> u64 {
        self.0
    }
}

impl Duration {
    /// `ns` nanoseconds.
    pub const fn from_ns(ns: u64) -> Self {
        Duration(ns.saturating_mul(1000))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, d: Duration) -> Instant {
        Instant(self.0.saturating_add(d.0))
    }
}
