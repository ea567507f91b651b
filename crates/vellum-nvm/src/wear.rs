//! Wear: what each line stands, what it has had, and levelling it.

use crate::device::Nvm;
use vellum_block::Rng;

impl Nvm {
    /// Writes to the cells of each physical line.
    pub fn wear(&self) -> &[u32] {
        &self.wear
    }

    /// Writes that a physical line stands: about normal, from the seed (sum of eight uniform parts).
    pub fn limit(&self, physical: u64) -> u64 {
        let mut rng = Rng::new(self.limits ^ physical.wrapping_mul(0xd134_2543_de82_ef95));
        let deviation = self.profile.endurance / 1000 * u64::from(self.profile.spread);
        // Eight uniforms on 0..2a have mean 8a and deviation a·√(8/3).
        let a = deviation * 1000 / 1633;
        let sum: u64 = (0..8).map(|_| rng.below(2 * a + 1)).sum();
        (self.profile.endurance + sum).saturating_sub(8 * a).max(1)
    }

    /// Moves Start-Gap's gap when it is time.
    pub(crate) fn level(&mut self, bank: usize) {
        if self.profile.gap_interval == 0 {
            return;
        }
        self.since_move += 1;
        if self.since_move < self.profile.gap_interval {
            return;
        }
        self.since_move = 0;
        let (from, to) = self.gap.advance();
        let data = self.content(from);
        let (set, reset) = self.program(to, &data);
        self.wear[to as usize] = self.wear[to as usize].saturating_add(1);
        self.counters.moved += 1;
        self.counters.flips += u64::from(set + reset);
        self.banks[bank].free += self.pulses(set, reset) + self.profile.row_read.as_ps();
    }

    /// Writes to the cells of all lines together, those of wear levelling among them.
    pub fn wear_total(&self) -> u64 {
        self.wear.iter().map(|&w| u64::from(w)).sum()
    }

    /// Writes to the cells of the line that has most.
    pub fn wear_most(&self) -> u32 {
        self.wear.iter().copied().max().unwrap_or(0)
    }

    /// Mean writes a line, in percent of the most worn line's: 100 is ideal levelling.
    pub fn levelling(&self) -> u64 {
        let most = u64::from(self.wear_most());
        (self.wear_total() * 100).checked_div(most * self.wear.len() as u64).unwrap_or(100)
    }
}
