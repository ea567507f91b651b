//! Where a request's time went. The parts sum exactly to the response: no part is ever estimated.

use crate::Duration;
use core::fmt;
use core::ops::{Add, AddAssign, Index};

/// A part of a response time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Phase {
    /// Waiting for other requests.
    Queue,
    /// Command processing by controller and firmware.
    Overhead,
    /// The arm moves.
    Seek,
    /// The arm comes to rest on a track, more carefully before a write.
    Settle,
    /// Waiting for the sector to come round.
    Rotation,
    /// Changing to another head or track within a transfer.
    HeadSwitch,
    /// Sectors pass under the head, or cells are read and written.
    Transfer,
    /// Data crosses the interface and nothing else is going on.
    Bus,
    /// Reading what a partial write does not cover, and waiting to write it back.
    Modify,
    /// Reading again what could not be read.
    Retry,
    /// Waiting for the device's own work: destaging, recalibration, collection of garbage.
    Internal,
}

impl Phase {
    /// Number of parts.
    pub const COUNT: usize = 11;

    /// All parts, in order.
    pub const ALL: [Phase; Phase::COUNT] = [
        Phase::Queue,
        Phase::Overhead,
        Phase::Seek,
        Phase::Settle,
        Phase::Rotation,
        Phase::HeadSwitch,
        Phase::Transfer,
        Phase::Bus,
        Phase::Modify,
        Phase::Retry,
        Phase::Internal,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Queue => "queue",
            Phase::Overhead => "overhead",
            Phase::Seek => "seek",
            Phase::Settle => "settle",
            Phase::Rotation => "rotation",
            Phase::HeadSwitch => "head switch",
            Phase::Transfer => "transfer",
            Phase::Bus => "bus",
            Phase::Modify => "modify",
            Phase::Retry => "retry",
            Phase::Internal => "internal",
        }
    }
}

/// A response time, by [`Phase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Breakdown([Duration; Phase::COUNT]);

impl Breakdown {
    /// Nothing yet.
    pub const ZERO: Breakdown = Breakdown([Duration::ZERO; Phase::COUNT]);

    /// Time spent in `phase`.
    pub const fn get(&self, phase: Phase) -> Duration {
        self.0[phase as usize]
    }

    /// Sets the time spent in `phase`.
    pub const fn set(&mut self, phase: Phase, d: Duration) {
        self.0[phase as usize] = d;
    }

    /// Adds to the time spent in `phase`.
    pub fn charge(&mut self, phase: Phase, d: Duration) {
        self.0[phase as usize] += d;
    }

    /// The same with `d` more in `phase`.
    #[must_use]
    pub fn with(mut self, phase: Phase, d: Duration) -> Self {
        self.charge(phase, d);
        self
    }

    /// The whole response.
    pub fn total(&self) -> Duration {
        self.0.iter().copied().sum()
    }

    /// Service time: everything but waiting in a queue.
    pub fn service(&self) -> Duration {
        self.total() - self.get(Phase::Queue)
    }
}

impl Index<Phase> for Breakdown {
    type Output = Duration;
    fn index(&self, phase: Phase) -> &Duration {
        &self.0[phase as usize]
    }
}

impl Add for Breakdown {
    type Output = Breakdown;
    fn add(mut self, other: Breakdown) -> Breakdown {
        self += other;
        self
    }
}

impl AddAssign for Breakdown {
    fn add_assign(&mut self, other: Breakdown) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

impl fmt::Display for Breakdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for phase in Phase::ALL.into_iter().filter(|&p| !self.get(p).is_zero()) {
            write!(f, "{}{} {}", if first { "" } else { " + " }, phase.name(), self.get(phase))?;
            first = false;
        }
        write!(f, "{}{}", if first { "" } else { " = " }, self.total())
    }
}
