//! A small generator whose bytes are the same everywhere.
//!
//! xoshiro256** 1.0 (Blackman and Vigna, *Scrambled Linear Pseudorandom Number Generators*, 2021),
//! its state filled by SplitMix64 (Steele, Lea and Flood, *Fast Splittable Pseudorandom Number
//! Generators*, 2014) as its authors advise. Good for simulation; whoever knows 32 bytes of it knows
//! the rest, so a guest that runs on it has no secrets.

use vellum_state::{Error, Reader, State, Writer};

/// A deterministic source of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generator {
    s: [u64; 4],
}

impl Generator {
    /// The generator of this seed; any seed is as good as any other.
    pub fn new(seed: u64) -> Self {
        let mut x = seed;
        let mut split = || {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        };
        Generator { s: [split(), split(), split(), split()] }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.s;
        let out = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// Fills `out`, eight bytes a step, little endian; what is left of the last step is dropped.
    pub fn fill(&mut self, out: &mut [u8]) {
        for part in out.chunks_mut(8) {
            part.copy_from_slice(&self.next_u64().to_le_bytes()[..part.len()]);
        }
    }
}

impl State for Generator {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"GENR", 1, |w| self.s.iter().for_each(|&v| w.u64(v)));
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"GENR", 1, |r| {
            for v in &mut self.s {
                *v = r.u64()?;
            }
            match self.s {
                [0, 0, 0, 0] => Err(Error::Value {
                    field: "generator",
                    value: 0,
                    why: "all zero: it would stay there",
                }),
                _ => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand from the paper's definition, for the state 1, 2, 3, 4: rotl(2·5, 7)·9; then
    /// the word behind the output is 0; then it is 262149, and rotl(262149·5, 7)·9.
    #[test]
    fn first_steps_follow_the_definition() {
        let mut g = Generator { s: [1, 2, 3, 4] };
        assert_eq!([g.next_u64(), g.next_u64(), g.next_u64()], [11520, 0, 1_509_978_240]);
    }

    #[test]
    fn a_fill_is_the_words_in_order_and_a_tail_is_cut() {
        let (mut a, mut b) = (Generator::new(9), Generator::new(9));
        let mut bytes = [0; 19];
        a.fill(&mut bytes);
        let words: Vec<u8> = (0..3).flat_map(|_| b.next_u64().to_le_bytes()).collect();
        assert_eq!(bytes[..], words[..19]);
        assert_eq!(a, b);
    }

    #[test]
    fn seeds_differ() {
        let mut firsts: Vec<u64> = (0..1000).map(|s| Generator::new(s).next_u64()).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 1000);
    }

    #[test]
    fn the_dead_state_is_refused() {
        let bytes = vellum_state::to_bytes(&Generator { s: [0; 4] });
        let mut g = Generator::new(1);
        assert!(matches!(
            vellum_state::from_bytes(&mut g, &bytes),
            Err(Error::Value { field: "generator", .. })
        ));
    }
}
