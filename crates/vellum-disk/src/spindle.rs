//! The spindle: angle as a function of time.
//!
//! A turn takes a whole number of picoseconds; an angle is a fraction of a turn in 2⁻³². Two
//! arithmetics are offered. [`Rotation::Exact`] derives the angle from the clock, so that no error
//! can add up however long the drive runs. [`Rotation::Stepped`] carries the angle from access to
//! access with the resolutions that DiskSim uses (24 bits of a turn when time becomes angle, 20
//! bits when angle becomes time), which lets runs be compared with its logs request by request.

use crate::geometry::Angle;

/// Which arithmetic a spindle uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotation {
    /// Angle from the clock.
    #[default]
    Exact,
    /// Angle carried along, DiskSim's resolutions.
    Stepped,
}

/// A turning spindle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spindle {
    period: u64,
    /// ⌊2⁶⁴ / period⌋, by which a multiplication divides.
    inverse: u64,
    rotation: Rotation,
    angle: u32,
    at: u64,
    /// The last width of a sector in time, and the angle it stands for: tracks repeat it.
    sector: (u64, u32),
}

impl Spindle {
    /// A spindle with a turn of `period` picoseconds and `phase` at time zero.
    pub fn new(period: u64, rotation: Rotation, phase: Angle) -> Spindle {
        let period = period.max(1);
        let inverse = u64::MAX / period;
        Spindle { period, inverse, rotation, angle: phase.0, at: 0, sector: (0, 0) }
    }

    /// Picoseconds of a turn.
    pub fn period(&self) -> u64 {
        self.period
    }

    /// The arithmetic.
    pub fn rotation(&self) -> Rotation {
        self.rotation
    }

    /// The carried angle, turned on by `time`.
    pub(crate) fn carried_after(&self, time: u64) -> Angle {
        Angle(self.angle.wrapping_add(self.turned(self.within_turn(time))))
    }

    /// The carried angle and its time, for saving.
    pub(crate) fn carried(&self) -> (u32, u64) {
        (self.angle, self.at)
    }

    /// Restores what [`Spindle::carried`] gave.
    pub(crate) fn carry(&mut self, angle: u32, at: u64) {
        (self.angle, self.at) = (angle, at);
    }

    /// Sets the angle at time zero; for replays that follow a real drive's phase.
    pub fn set_phase(&mut self, phase: Angle) {
        (self.angle, self.at) = (phase.0, 0);
    }

    /// The angle that the platter turns in `time`, less than a turn.
    fn turned(&self, time: u64) -> u32 {
        match self.rotation {
            Rotation::Exact => ((u128::from(time) << 32) / u128::from(self.period)) as u32,
            // 24 bits are enough for any time below a turn of 2^40 ps.
            Rotation::Stepped => (self.turns_in(time << 24) << 8) as u32,
        }
    }

    /// How many periods there are in `n`: a division, done by a product that is too small by one at
    /// most.
    #[inline]
    fn turns_in(&self, n: u64) -> u64 {
        let quotient = ((u128::from(n) * u128::from(self.inverse)) >> 64) as u64;
        let mut rest = n - quotient * self.period;
        let mut more = 0;
        while rest >= self.period {
            (rest, more) = (rest - self.period, more + 1);
        }
        quotient + more
    }

    /// The angle under the heads at `time`, which is not before the last of the heads' steps.
    pub fn angle(&self, time: u64) -> Angle {
        let since = self.within_turn(time - self.at.min(time));
        Angle(self.angle.wrapping_add(self.turned(since)))
    }

    /// Picoseconds to turn from one angle to another, less than a turn.
    #[inline]
    pub fn between(&self, from: Angle, to: Angle) -> u64 {
        self.sweep(to.0.wrapping_sub(from.0))
    }

    /// Picoseconds to turn by `width`.
    #[inline]
    pub fn sweep(&self, width: u32) -> u64 {
        match self.rotation {
            // Rounded up, so that the sector has begun when the time has passed.
            Rotation::Exact => {
                ((u128::from(width) * u128::from(self.period)).div_ceil(1 << 32)) as u64
            }
            Rotation::Stepped => (((u64::from(width) << 20) >> 32) * self.period) >> 20,
        }
    }

    /// Tells the spindle that the heads wait for an angle from `from` on.
    pub fn catch_up(&mut self, from: u64) {
        if self.rotation == Rotation::Stepped {
            self.angle = self.angle(from).0;
            self.at = from;
        }
    }

    /// Tells the spindle that the heads wait for an angle from `from`, when they were at `angle`, to
    /// `to`.
    #[inline]
    pub(crate) fn wait(&mut self, angle: Angle, from: u64, to: u64) {
        if self.rotation == Rotation::Stepped {
            let turned = self.turned(self.within_turn(to - from));
            (self.angle, self.at) = (angle.0.wrapping_add(turned), to);
        }
    }

    /// Tells the spindle that the heads have watched it from `from` to `to` in `n` equal steps, as
    /// DiskSim would, which rounds each of them.
    #[inline]
    pub fn steps(&mut self, from: u64, to: u64, n: u32) {
        if self.rotation == Rotation::Stepped {
            let each = if n <= 1 { to - from } else { (to - from) / u64::from(n) };
            if self.sector.0 != each {
                self.sector = (each, self.turned(self.within_turn(each)));
            }
            self.angle = self.angle.wrapping_add(self.sector.1.wrapping_mul(n));
            self.at = to;
        }
    }

    /// What is left of `time` after whole turns, most often all of it.
    #[inline]
    fn within_turn(&self, time: u64) -> u64 {
        if time < self.period { time } else { time - self.turns_in(time) * self.period }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waiting_for_an_angle_arrives_at_it(
            period in 3_000_000_000u64..20_000_000_000, now in 0u64..1 << 60, to: u32
        ) {
            let s = Spindle::new(period, Rotation::Exact, Angle(77));
            let wait = s.between(s.angle(now), Angle(to));
            prop_assert!(wait <= period);
            // Within what rounding to a picosecond can move: 2^32 / period units, both ways.
            let off = s.angle(now + wait).0.wrapping_sub(to);
            prop_assert!(off <= 4 || off >= u32::MAX - 4, "off by {off}");
        }
    }

    proptest! {
        #[test]
        fn a_product_divides_as_division_does(period in 1u64..1 << 40, n: u64) {
            let s = Spindle::new(period, Rotation::Stepped, Angle(0));
            for n in [n, n >> 20, n / period * period, (n / period * period).wrapping_sub(1), 0, u64::MAX] {
                prop_assert_eq!(s.turns_in(n), n / period, "{} by {}", n, period);
            }
        }
    }

    #[test]
    fn an_exact_angle_does_not_drift() {
        let period = 11_119_347_664;
        let s = Spindle::new(period, Rotation::Exact, Angle(5));
        assert_eq!(s.angle(period * 1_000_000_007), Angle(5));
    }
}
