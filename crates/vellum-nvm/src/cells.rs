//! Cells: what they hold, which of them a write changes, and how long the pulses take.

use crate::device::{LINE, Nvm};

impl Nvm {
    /// What a physical line holds.
    pub(crate) fn content(&self, physical: u64) -> [u8; LINE] {
        let (cells, flags) = (&self.cells[physical as usize], self.inverted[physical as usize]);
        let mut out = [0; LINE];
        for (i, (bytes, &cell)) in out.chunks_exact_mut(8).zip(cells).enumerate() {
            let word = if flags >> i & 1 == 1 { !cell } else { cell };
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        out
    }

    /// Time of the pulses for so many bits.
    pub(crate) fn pulses(&self, set: u32, reset: u32) -> u64 {
        let p = &self.profile;
        let rounds = |bits: u32| u64::from(bits.div_ceil(p.parallel_bits.max(1)));
        // Sets and resets of a round go on side by side; the slower one counts.
        (rounds(set) * p.set.as_ps()).max(rounds(reset) * p.reset.as_ps())
    }

    /// Puts data into cells; returns how many were set and reset.
    pub(crate) fn program(&mut self, physical: u64, data: &[u8; LINE]) -> (u32, u32) {
        let (mut set, mut reset) = (0, 0);
        let at = physical as usize;
        for (i, bytes) in data.chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
            let old = self.cells[at][i];
            let was = self.inverted[at] >> i & 1;
            // Storing the inverse also changes the flag.
            let plain = (old ^ word).count_ones() + u32::from(was == 1);
            let inverse = (old ^ !word).count_ones() + u32::from(was == 0);
            let flip = self.profile.flip && inverse < plain;
            let new = if flip { !word } else { word };
            self.counters.inverted += u64::from(flip);
            self.inverted[at] = self.inverted[at] & !(1 << i) | u8::from(flip) << i;
            let flag = u32::from(flip) != u32::from(was);
            if self.profile.compare {
                set += (new & !old).count_ones() + u32::from(flag && flip);
                reset += (old & !new).count_ones() + u32::from(flag && !flip);
            } else {
                set += new.count_ones();
                reset += new.count_zeros();
            }
            self.cells[at][i] = new;
        }
        (set, reset)
    }
}
