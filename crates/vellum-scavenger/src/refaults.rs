//! How old a page must be before it is packed, so that few of those that are packed are wanted again.
//!
//! Google's far memory holds each job to 0.2 % of its working set a minute that is wanted back, by an age
//! that it finds from the ages at which pages were used again (Lagar-Cavilla et al., *Software-Defined Far
//! Memory in Warehouse-Scale Computers*, ASPLOS 2019). Here the age moves one step at a time:
//! up as soon as more pages have come back within a minute than the target allows, of those that would be
//! packed at this age; down after a minute in which that would not have happened at the age below either.
//! Reads are seen of pages that are watched alone; these are watched for two steps before they are packed, one
//! more than it would take, so what would have happened at the age below is counted, not tried.
//!
//! A step doubles the time: a page grows from age 0 to 1 and from 1 to 2 with the next second of the guest's
//! time, from 2 to 3 with the next even one, from 3 to 4 with the next that four divides. At age `a` it was left
//! alone for at least 2^(a−2) seconds, three quarters of that as to reads, and for 2^(a−1) at most.

use core::time::Duration;

/// Nanoseconds of the guest's time in which a page grows older at most once.
const TICK: u64 = 1_000_000_000;
/// Ticks of a window, in which pages that come back are counted.
const WINDOW: u64 = 60;
/// The age goes down where this share of the target would be kept: quarters.
const QUARTERS: u64 = 3;
/// Targets are in millionths.
const WHOLE: u64 = 1_000_000;
/// The greatest age at which a page is packed: one more is left for what is packed later.
const OLDEST: u8 = 14;

/// What a set's target of refaults came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refaults {
    /// The target: of a million pages of the working set, so many may be wanted back in a minute.
    pub target: u32,
    /// How many were, from when time was first told.
    pub reached: u64,
    /// How many were in the last whole minute in which the age stayed as it was.
    pub lately: u64,
    /// Pages are packed when they were left alone for as long as this at least.
    pub age: Duration,
}

/// The age at which a set's pages are packed.
#[derive(Debug)]
pub(crate) struct Control {
    target: u32,
    /// The age now, and the least that there is.
    age: u8,
    least: u8,
    /// The last tick that was told; none was before the first.
    tick: Option<u64>,
    /// The tick at which the pass at hand began, and that of the one before.
    pass: (u64, u64),
    /// When the window began, what came back since of what would be packed at this age, and what would have if
    /// it were packed one step earlier.
    window: u64,
    back: u64,
    nearly: u64,
    /// All that came back, and the working set, tick by tick.
    total: u64,
    page_ticks: u64,
    lately: u64,
}

impl Control {
    /// For a policy whose pages are packed at age `least` as soon as may be.
    pub(crate) fn new(target: u32, least: u8) -> Self {
        let least = least.clamp(1, OLDEST);
        Control {
            target,
            age: least,
            least,
            tick: None,
            pass: (0, 0),
            window: 0,
            back: 0,
            nearly: 0,
            total: 0,
            page_ticks: 0,
            lately: 0,
        }
    }

    /// By how much the policy's ages are raised.
    pub(crate) fn raise(&self) -> u8 {
        self.age - self.least
    }

    /// How many steps before it is packed a page is watched from: at the least age there is none below.
    pub(crate) fn watch(&self) -> u8 {
        if self.age > self.least { 2 } else { 1 }
    }

    /// A pass begins.
    pub(crate) fn begin_pass(&mut self) {
        self.pass = (self.pass.1, self.tick.unwrap_or(0));
    }

    /// Whether a page of this age grows older in the pass at hand.
    pub(crate) fn grows(&self, age: u8) -> bool {
        let (before, now) = self.pass;
        // Some tick since the pass before is a multiple.
        let step = age.saturating_sub(1);
        now >> step > before >> step
    }

    /// A page came back that was packed at `age`.
    pub(crate) fn came_back(&mut self, age: u8) {
        self.total += 1;
        // Others were packed when the age was less.
        self.back += u64::from(age >= self.age);
    }

    /// A page was used that was watched, at `age`.
    pub(crate) fn was_used(&mut self, age: u8) {
        self.nearly += u64::from(age + 1 >= self.age);
    }

    /// The guest's time, and its working set in pages.
    pub(crate) fn tell(&mut self, nanos: u64, working: u64) {
        let now = nanos / TICK;
        let Some(before) = self.tick.replace(now) else {
            (self.window, self.pass) = (now, (now, now));
            return;
        };
        if now <= before {
            return;
        }
        self.page_ticks = self.page_ticks.saturating_add(working.saturating_mul(now - before));
        let allowed = working.saturating_mul(self.target.into()) / WHOLE;
        if self.back > allowed {
            self.age = (self.age + 1).min(OLDEST);
        } else if now - self.window < WINDOW {
            return;
        } else {
            self.lately = per_minute(self.back, working.saturating_mul(now - self.window));
            if self.age > self.least && self.back + self.nearly <= allowed * QUARTERS / 4 {
                self.age -= 1;
            }
        }
        (self.window, self.back, self.nearly) = (now, 0, 0);
    }

    pub(crate) fn report(&self) -> Refaults {
        Refaults {
            target: self.target,
            reached: per_minute(self.total, self.page_ticks),
            lately: self.lately,
            age: Duration::from_secs(1 << self.age.saturating_sub(2)),
        }
    }
}

/// Of a million pages in a minute.
fn per_minute(count: u64, page_ticks: u64) -> u64 {
    let share = u128::from(count) * u128::from(WINDOW * WHOLE) / u128::from(page_ticks.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long pages of each age were left alone at least and at most, whenever they were used last and
    /// however seldom passes begin.
    #[test]
    fn an_age_is_a_time() {
        for start in 0..64 {
            for every in [1_u64, 3] {
                let mut control = Control::new(1, 2);
                let (mut age, mut at) = (0, start);
                while age < 8 {
                    control.tell(at * TICK, 100);
                    control.begin_pass();
                    if at > start && control.grows(age) {
                        age += 1;
                        let idle = at - start;
                        let least = if age < 2 { 0 } else { 1 << (age - 2) };
                        assert!(idle >= least, "age {age} after {idle} s from {start}");
                        let most = (1 << (age - 1)) + u64::from(age) * (every - 1);
                        assert!(idle <= most, "age {age} after {idle} s from {start}");
                    }
                    at += every;
                }
            }
        }
    }

    #[test]
    fn the_age_rises_at_once_falls_when_it_may_and_stays_within_bounds() {
        let mut control = Control::new(10_000, 2);
        control.tell(5 * TICK, 1000);
        let age = |control: &Control| control.report().age.as_secs();
        assert_eq!(age(&control), 1);
        for _ in 0..10 {
            control.came_back(2);
        }
        control.tell(6 * TICK, 1000);
        assert_eq!(age(&control), 1, "ten of a thousand is the target");
        control.came_back(2);
        control.tell(7 * TICK, 1000);
        assert_eq!(age(&control), 2);
        // What was packed at the age before comes back, which tells nothing of the age now.
        (0..500).for_each(|_| control.came_back(2));
        control.tell(8 * TICK, 1000);
        assert_eq!(age(&control), 2);
        // Watched pages are used: they would be packed at the age before.
        (0..8).for_each(|_| control.was_used(2));
        control.tell(67 * TICK, 1000);
        assert_eq!(age(&control), 2, "eight are more than three quarters of ten");
        (0..7).for_each(|_| control.was_used(2));
        (0..99).for_each(|_| control.was_used(1));
        control.tell(127 * TICK, 1000);
        assert_eq!(age(&control), 1);
        control.tell(900 * TICK, 1000);
        assert_eq!(age(&control), 1, "the policy's own age is the least");
        for second in 901..1000 {
            (0..500).for_each(|_| control.came_back(15));
            control.tell(second * TICK, 1000);
        }
        assert_eq!(age(&control), 1 << 12, "there is a greatest");
        assert!(control.raise() + 2 == OLDEST);
    }
}
