//! The keyed hash that stands for a page's content.
//!
//! Multiply and fold (Wang Yi's *wyhash*; the step is Dietzfelbinger's multiply-shift with both halves
//! of the product kept): eight lanes take sixteen bytes in turn, each a chain of 64 × 64 → 128-bit
//! products of which the halves are added without carry. Every word meets a secret word first. Eight
//! independent chains keep a multiplier busy, so a page that is in the cache takes some 300 cycles.
//!
//! A *sample* is the same over four lines of the 64, two neighbours in each half of the page, at places
//! that the key draws: what a page is looked up by first, since so few bytes tell most pages apart (UKSM
//! grades the strength of its hash so; Xia, Wang, Tian et al., FAST 2018).
//!
//! It is not a cryptographic hash: who knows the key can make collisions. They cost a comparison
//! each and nothing more, since no page is shared before all of its bytes were compared.

use super::Page;
use core::fmt;
use vellum_frames::{FrameId, FramePool};

/// Chains, of which a cache line feeds half.
const LANES: usize = 8;
/// Lines of a sample.
const SAMPLED: usize = 4;

/// A key under which pages are hashed. Two domains with different keys have different hashes for the
/// same content, so that their indexes never meet.
#[derive(Clone)]
pub struct PageKey {
    words: [u64; LANES],
    start: [u64; LANES],
    /// The lines of a sample, in ascending order.
    sampled: [u8; SAMPLED],
}

impl fmt::Debug for PageKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageKey").finish_non_exhaustive()
    }
}

/// Both halves of the product, folded.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// A line as the words that a frame would hold it in.
fn words(line: &[u8; 64]) -> [u64; 8] {
    core::array::from_fn(|at| {
        u64::from_le_bytes(*line[8 * at..].first_chunk().expect("a line has eight words"))
    })
}

/// SplitMix64 (Steele, Lea & Flood, 2014).
fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl PageKey {
    /// The key of `domain` under `master`. Equal arguments, equal key: a recorded run replays.
    pub fn new(master: u64, domain: u16) -> Self {
        // Two rounds, so that neighbouring domains have nothing in common.
        let mut state = mixed(&mut master.clone()) ^ u64::from(domain);
        state = mixed(&mut state);
        let words = core::array::from_fn(|_| mixed(&mut state));
        let start = core::array::from_fn(|_| mixed(&mut state));
        let places = mixed(&mut state).to_le_bytes();
        let [low, high] = [places[0] % 16 * 2, 32 + places[1] % 16 * 2];
        let sampled = [low, low + 1, high, high + 1];
        PageKey { words, start, sampled }
    }

    /// The hash of a page's content.
    pub fn hash(&self, page: &Page) -> u64 {
        self.hash_lines(page.as_chunks::<64>().0.iter().map(words))
    }

    /// The same, of a page that is in a frame and stays there.
    pub fn hash_frame(&self, pool: &FramePool, frame: FrameId) -> u64 {
        self.hash_lines(pool.lines(frame))
    }

    /// The hash of one word.
    pub fn hash_word(&self, word: u64) -> u64 {
        fold(fold(word ^ self.words[3], self.start[1] | 1) ^ self.words[4], 0x9e37_79b9_7f4a_7c15)
    }

    /// The hash of a few lines of a page. Pages that hold the same have the same sample; pages that
    /// differ may have.
    pub fn sample(&self, page: &Page) -> u64 {
        let lines = page.as_chunks::<64>().0;
        self.hash_sample(self.sampled.iter().map(|&at| words(&lines[usize::from(at)]))).1
    }

    /// The same, of a page that is in a frame and stays there; and whether the sampled lines are zeros.
    pub fn sample_frame(&self, pool: &FramePool, frame: FrameId) -> (bool, u64) {
        self.hash_sample(self.sampled.iter().map(|&at| pool.line(frame, usize::from(at))))
    }

    /// Tells the processor that the frame's sample will be wanted.
    pub fn prefetch_sample(&self, pool: &FramePool, frame: FrameId) {
        self.sampled.iter().for_each(|&at| pool.prefetch_line(frame, usize::from(at)));
    }

    #[inline]
    fn hash_sample(&self, lines: impl Iterator<Item = [u64; 8]>) -> (bool, u64) {
        let mut any = 0;
        let seen = lines.inspect(|line| any |= line.iter().fold(0, |all, word| all | word));
        let hash = self.hash_lines(seen);
        // No sample is meant to be the hash of a whole page.
        (any == 0, fold(hash ^ self.words[2], self.start[0] | 1))
    }

    #[inline]
    fn hash_lines(&self, mut lines: impl Iterator<Item = [u64; 8]>) -> u64 {
        let (key, mut lanes) = (&self.words, self.start);
        while let (Some(even), Some(odd)) = (lines.next(), lines.next()) {
            for at in 0..LANES / 2 {
                let (low, high) = (2 * at, 2 * at + 1);
                lanes[at] = fold(even[low] ^ key[at], even[high] ^ lanes[at]);
                let other = at + LANES / 2;
                lanes[other] = fold(odd[low] ^ key[other], odd[high] ^ lanes[other]);
            }
        }
        let all = (0..LANES).fold(key[0], |all, at| fold(all ^ lanes[at], key[at] | 1));
        fold(all ^ key[1], 0x9e37_79b9_7f4a_7c15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use vellum_frames::{Options, PAGE_SIZE};

    #[test]
    fn keys_and_domains_give_hashes_that_do_not_meet() {
        let page = [7; PAGE_SIZE];
        let hash = PageKey::new(1, 0).hash(&page);
        assert_eq!(hash, PageKey::new(1, 0).hash(&page), "the same key, the same hash");
        assert_ne!(hash, PageKey::new(1, 1).hash(&page), "another domain");
        assert_ne!(hash, PageKey::new(2, 0).hash(&page), "another master key");
        assert_ne!(hash, PageKey::new(0, 1).hash(&page), "the two are not added up");
        assert!(!format!("{:?}", PageKey::new(1, 0)).contains('['), "the secret is not shown");
    }

    /// Every bit of a page changes about half of the hash, and no two pages that differ in one bit
    /// have a hash in common.
    #[test]
    fn every_bit_counts() {
        let key = PageKey::new(5, 0);
        for page in [[0; PAGE_SIZE], core::array::from_fn(|at| (at * at / 3) as u8)] {
            let plain = key.hash(&page);
            let (mut seen, mut changed) = (BTreeSet::from([plain]), 0);
            let mut flipped = page;
            for bit in 0..8 * PAGE_SIZE {
                flipped[bit / 8] ^= 1 << (bit % 8);
                let hash = key.hash(&flipped);
                flipped[bit / 8] ^= 1 << (bit % 8);
                changed += (hash ^ plain).count_ones();
                assert!(seen.insert(hash), "bit {bit}");
            }
            let mean = f64::from(changed) / (8 * PAGE_SIZE) as f64;
            assert!((31.0..33.0).contains(&mean), "{mean} of 64 bits change");
        }
    }

    #[test]
    fn lines_that_change_places_change_the_hash() {
        let key = PageKey::new(5, 0);
        let page: Page = core::array::from_fn(|at| (at / 16 + at) as u8);
        let mut seen = BTreeSet::from([key.hash(&page)]);
        for step in [8, 16, 64, 128] {
            let mut moved = page;
            moved.rotate_left(step);
            assert!(seen.insert(key.hash(&moved)), "moved by {step}");
        }
    }

    /// A sample reads four lines, other ones under another key, and every one of those counts.
    #[test]
    fn a_sample_is_of_two_neighbours_in_each_half() {
        let page: Page = core::array::from_fn(|at| (at * 7 % 253) as u8);
        let mut places = BTreeSet::new();
        for domain in 0..4 {
            let key = PageKey::new(8, domain);
            assert_ne!(key.sample(&page), key.hash(&page));
            let changes = |line: usize| {
                (0..512).all(|bit| {
                    let mut other = page;
                    other[line * 64 + bit / 8] ^= 1 << (bit % 8);
                    key.sample(&other) != key.sample(&page)
                })
            };
            let sampled: Vec<usize> = (0..64).filter(|&line| changes(line)).collect();
            let [a, b, c, d] = sampled[..] else { panic!("{sampled:?}") };
            assert_eq!((b, d), (a + 1, c + 1));
            assert!(b < 32 && c >= 32);
            places.insert(sampled);
        }
        assert!(places.len() > 1, "the key draws them");
    }

    #[test]
    fn a_frame_has_the_hash_of_its_bytes() {
        let pool = FramePool::new(Options::new(2)).unwrap();
        let frame = pool.allocate().unwrap();
        let page: Page = core::array::from_fn(|at| (at % 251) as u8);
        pool.write(frame, 0, &page);
        let key = PageKey::new(9, 3);
        assert_eq!(key.hash_frame(&pool, frame), key.hash(&page));
        assert_eq!(key.sample_frame(&pool, frame), (false, key.sample(&page)));
        assert!(key.sample_frame(&pool, FrameId::ZERO).0);
        pool.release(frame);
    }
}
