//! What makes two pages similar: features of a page's content that do not depend on where in the
//! page it stands.
//!
//! A Gear hash (Xia et al., *Ddelta*, 2014) rolls over the page; where seven of its bits are zero the
//! window before is sampled. Each of eight random linear maps keeps the smallest value of all samples
//! (Broder's min-wise hashing): two pages agree in a feature with a probability that is the share of
//! samples they have in common. Sampling by content before the eight maps is Odess' idea (Zou et al.,
//! ICDE 2021). Features at fixed offsets, as in *Difference Engine* (OSDI 2008), miss what has moved.

use super::Page;

/// Features of a page.
pub const FEATURES: usize = 8;
/// One position in 128 is sampled: 32 of a page.
const SAMPLE: u32 = 0x7f << 25;

/// SplitMix64 (Steele, Lea & Flood, 2014), for tables made at compile time.
const fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GEAR: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = mixed(at as u64 + 1) as u32;
        at += 1;
    }
    table
};

/// Multipliers (odd) and addends of the eight linear maps.
const MAPS: [(u32, u32); FEATURES] = {
    let mut maps = [(0, 0); FEATURES];
    let mut at = 0;
    while at < FEATURES {
        let word = mixed(0x1000 + at as u64);
        maps[at] = (word as u32 | 1, (word >> 32) as u32);
        at += 1;
    }
    maps
};

/// What the hash of 32 zeros is: a window that says nothing about a page.
const ZEROS: u32 = GEAR[0].wrapping_mul(u32::MAX);

/// The features of one page, each mixed with its number; fewer than [`FEATURES`] where two maps
/// picked the same, none where nothing was sampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    values: [u32; FEATURES],
    count: u8,
}

impl Features {
    /// The features of `page`. Some 3 µs.
    pub fn of(page: &Page) -> Self {
        let mut samples = [0_u32; 256];
        let mut count = 0;
        let mut hash = 0_u32;
        for &byte in page {
            hash = (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
            if hash & SAMPLE == 0 && hash != ZEROS {
                samples[count % samples.len()] = hash;
                count += 1;
            }
        }
        let samples = &samples[..count.min(samples.len())];
        let mut features = Features::default();
        if samples.is_empty() {
            return features;
        }
        for (number, (times, plus)) in MAPS.into_iter().enumerate() {
            let least = samples.iter().map(|s| s.wrapping_mul(times).wrapping_add(plus)).min();
            let value = least.unwrap_or(0) ^ (number as u32).wrapping_mul(0x9e37_79b9);
            features.values[number] = mixed(value.into()) as u32;
        }
        features.count = FEATURES as u8;
        features
    }

    /// The features, in the order of their maps.
    pub fn values(&self) -> &[u32] {
        &self.values[..usize::from(self.count)]
    }

    /// How many features two pages have in common: 8 × the share of samples, on average.
    pub fn common(&self, other: &Features) -> usize {
        self.values().iter().zip(other.values()).filter(|(a, b)| a == b).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64) -> Page {
        core::array::from_fn(|at| mixed(seed << 20 | at as u64) as u8)
    }

    #[test]
    fn content_that_moved_is_found_and_strangers_are_not() {
        let page = noise(1);
        let mut moved = noise(2);
        moved[300..].copy_from_slice(&page[..4096 - 300]);
        let features = Features::of(&page);
        assert_eq!(features.common(&features), FEATURES);
        assert!(features.common(&Features::of(&moved)) >= 4, "shifted by 300 bytes");
        assert_eq!(features.common(&Features::of(&noise(3))), 0, "a stranger");
    }

    #[test]
    fn a_page_of_one_byte_has_no_features_or_all_alike() {
        assert!(Features::of(&[0; 4096]).values().is_empty(), "zeros say nothing");
    }
}
