//! How long a memory lasts, from what a run wrote.

use crate::device::Nvm;
use core::fmt;
use vellum_block::{Duration, PS_PER_S};

/// A span of use in picoseconds; device time, of 64 bits, ends after 213 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime(u128);

impl Lifetime {
    /// Picoseconds.
    pub const fn as_ps(self) -> u128 {
        self.0
    }

    /// Years of 365.25 days, for printing.
    pub fn as_years_f64(self) -> f64 {
        self.0 as f64 / PS_PER_S as f64 / 86_400.0 / 365.25
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let years = self.as_years_f64();
        if years >= 0.1 {
            write!(f, "{years:.1} years")
        } else {
            write!(f, "{:.3} days", years * 365.25)
        }
    }
}

impl Nvm {
    /// How long the device lasts if writes go on as they did in `time`: until the first line is
    /// worn out. `None` if nothing was written.
    ///
    /// Without Start-Gap the most written line decides. With it, a line's writes stay on the same
    /// cells for one round of the gap, lines × interval writes, and a short run sees none of the
    /// rounds to come. If the most written line wears its cells out within a round, it decides;
    /// otherwise all lines wear alike in the long run, and the mean decides: the ideal, of which
    /// Qureshi et al. (MICRO 2009) measure that 97 % is reached.
    pub fn lifetime(&self, time: Duration) -> Option<Lifetime> {
        let (most, total) = (u128::from(self.wear_most()), u128::from(self.wear_total()));
        let (lines, endurance) = (self.wear.len() as u128, u128::from(self.profile.endurance));
        if total == 0 {
            return None;
        }
        let round = lines * u128::from(self.profile.gap_interval);
        let levelled = round > 0 && most * round < endurance * total;
        let whole = u128::from(time.as_ps()) * endurance;
        Some(Lifetime(if levelled { whole * lines / total } else { whole / most }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LINE, profiles};
    use vellum_block::Instant;

    const SECOND: Duration = Duration::from_ps(PS_PER_S);

    /// Seconds that a device of 99 lines and a spare lasts, if each second writes lines so often.
    fn lives(interval: u32, endurance: u64, writes: &[(u64, u32)]) -> Option<u128> {
        let mut profile = profiles::find("pcm").unwrap();
        (profile.gap_interval, profile.endurance) = (interval, endurance);
        let mut nvm = Nvm::new(profile, 99, 1).unwrap();
        for &(line, times) in writes {
            for i in 0..times {
                nvm.write(Instant::ZERO, line, &[i as u8 + 1; LINE]).unwrap();
            }
        }
        let life = nvm.lifetime(SECOND)?;
        assert_eq!(life.as_ps() % u128::from(PS_PER_S), 0);
        Some(life.as_ps() / u128::from(PS_PER_S))
    }

    #[test]
    fn without_levelling_the_most_written_line_decides() {
        // 20 writes a second to a line that stands 1000.
        assert_eq!(lives(0, 1000, &[(5, 20)]), Some(50));
        assert_eq!(lives(0, 1000, &[(5, 20), (6, 19), (7, 1)]), Some(50));
        assert_eq!(lives(0, 1000, &[]), None);
    }

    #[test]
    fn with_it_all_lines_share_unless_one_round_is_too_much() {
        // The gap moves every 100 writes, so that a round takes 10,000: all of them on one line.
        assert_eq!(lives(100, 10_000, &[(5, 20)]), Some(500), "worn out where it stands");
        // 100 lines of 100,000 writes, 20 a second.
        assert_eq!(lives(100, 100_000, &[(5, 20)]), Some(500_000));
        // A tenth of the writes on each of ten lines is a tenth of a round on each.
        let even: Vec<(u64, u32)> = (0..10).map(|line| (line, 2)).collect();
        assert_eq!(lives(100, 1000, &even), Some(500), "the limit itself");
        assert_eq!(lives(100, 1001, &even), Some(5005));
        // The hundredth write copies a line, which is a write too: 101 a second.
        assert_eq!(lives(100, 1_010_000, &[(5, 100)]), Some(1_000_000));
    }

    #[test]
    fn a_lifetime_may_be_longer_than_device_time() {
        let life = Lifetime(u128::from(PS_PER_S) * 86_400 * 36_525);
        assert_eq!(life.to_string(), "100.0 years");
        assert_eq!(Lifetime(u128::from(PS_PER_S) * 3600).to_string(), "0.042 days");
    }
}
