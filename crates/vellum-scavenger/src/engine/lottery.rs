//! Frames at random places: what a merged page is put in where its place must not be foreseen.
//!
//! A pool of spare frames; each draw swaps a fresh frame in for one picked at random, so that where a
//! merged page lands has the entropy of the pool (VUsion's Randomized Allocation, Oliverio et al.,
//! SOSP 2017). The generator is SplitMix64, seeded by the caller: a recorded run replays.

use crate::Error;
use vellum_frames::{FrameId, FramePool};

#[derive(Debug)]
pub(crate) struct Lottery {
    spare: Vec<FrameId>,
    size: usize,
    state: u64,
}

impl Lottery {
    pub(crate) fn new(size: usize, seed: u64) -> Self {
        Lottery { spare: Vec::new(), size: size.max(1), state: seed }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A frame with one reference, content unknown.
    pub(crate) fn draw(&mut self, pool: &FramePool) -> Result<FrameId, Error> {
        while self.spare.len() < self.size {
            match pool.allocate() {
                Ok(frame) => self.spare.push(frame),
                // With less to choose from, the choice is worth less; with nothing, it fails.
                Err(error) if self.spare.is_empty() => return Err(error.into()),
                Err(_) => break,
            }
        }
        let at = (self.random() % self.spare.len() as u64) as usize;
        Ok(match pool.allocate() {
            Ok(fresh) => core::mem::replace(&mut self.spare[at], fresh),
            Err(_) => self.spare.swap_remove(at),
        })
    }

    /// Gives all spare frames back; the next draw takes new ones.
    pub(crate) fn give_back(&mut self, pool: &FramePool) -> u64 {
        let count = self.spare.len() as u64;
        self.spare.drain(..).for_each(|frame| pool.release(frame));
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vellum_frames::Options;

    #[test]
    fn places_differ_by_seed_and_spares_are_counted() {
        let pool = FramePool::new(Options::new(64)).unwrap();
        let mut draws = Vec::new();
        for seed in [1, 2] {
            let mut lottery = Lottery::new(32, seed);
            let frames: Vec<FrameId> = (0..8).map(|_| lottery.draw(&pool).unwrap()).collect();
            assert_eq!(pool.counters().used, 32 + 8);
            frames.iter().for_each(|&frame| pool.release(frame));
            assert_eq!(lottery.give_back(&pool), 32);
            draws.push(frames);
        }
        assert_eq!(pool.counters().used, 0);
        assert_ne!(draws[0], draws[1]);
        assert!(draws[0].windows(2).any(|w| w[0] > w[1]), "not in order");
        let mut greedy = Lottery::new(1000, 1);
        assert!((0..64).all(|_| greedy.draw(&pool).is_ok()));
        assert!(greedy.draw(&pool).is_err(), "the pool is empty");
    }
}
