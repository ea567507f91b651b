//! Start-Gap wear levelling (Qureshi et al., MICRO 2009): two registers turn the whole memory
//! slowly through one spare line, behind a fixed permutation that spreads neighbours.

use vellum_block::Rng;

/// The map from logical to physical lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartGap {
    lines: u64,
    start: u64,
    gap: u64,
    /// Keys of the permutation.
    keys: [u64; 4],
    half: u32,
}

impl StartGap {
    /// A map over `lines` logical lines and one spare, with a permutation from `seed`.
    pub fn new(lines: u64, seed: u64) -> StartGap {
        let mut rng = Rng::new(seed);
        let bits = (64 - lines.max(2).saturating_sub(1).leading_zeros()).max(2);
        let keys = core::array::from_fn(|_| rng.next_u64());
        StartGap { lines, start: 0, gap: lines, keys, half: bits.div_ceil(2) }
    }

    /// A fixed permutation of the lines: a Feistel network over the next even power of two, walked
    /// until it lands inside.
    fn permuted(&self, line: u64) -> u64 {
        let mask = (1u64 << self.half) - 1;
        let mut at = line;
        loop {
            let (mut l, mut r) = (at >> self.half, at & mask);
            for key in self.keys {
                let mixed = (r ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29;
                (l, r) = (r, l ^ (mixed & mask));
            }
            at = l << self.half | r;
            if at < self.lines {
                return at;
            }
        }
    }

    /// The physical line that holds a logical one.
    pub fn physical(&self, line: u64) -> u64 {
        let at = self.permuted(line) + self.start;
        let at = if at >= self.lines { at - self.lines } else { at };
        at + u64::from(at >= self.gap)
    }

    /// Moves the gap by a line; returns (from, to) of the line that must be copied.
    pub fn advance(&mut self) -> (u64, u64) {
        if self.gap == 0 {
            // The gap has come round: the line at the end moves to the front.
            self.gap = self.lines;
            self.start = (self.start + 1) % self.lines;
            return (self.lines, 0);
        }
        self.gap -= 1;
        (self.gap, self.gap + 1)
    }

    /// The two registers, for saving.
    pub fn registers(&self) -> (u64, u64) {
        (self.start, self.gap)
    }

    /// Sets the registers; false if they are not possible.
    pub fn set_registers(&mut self, start: u64, gap: u64) -> bool {
        let fits = start < self.lines && gap <= self.lines;
        if fits {
            (self.start, self.gap) = (start, gap);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_bijection_and_moves_carry_content_along() {
        for lines in [2u64, 3, 17, 64, 100] {
            let mut map = StartGap::new(lines, 5);
            let mut memory: Vec<Option<u64>> = vec![None; lines as usize + 1];
            (0..lines).for_each(|l| memory[map.physical(l) as usize] = Some(l));
            for _ in 0..lines * lines * 3 {
                let (from, to) = map.advance();
                memory[to as usize] = memory[from as usize].take();
                for l in 0..lines {
                    assert_eq!(memory[map.physical(l) as usize], Some(l), "{lines}");
                }
            }
        }
    }
}
