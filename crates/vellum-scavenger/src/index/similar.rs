//! Similar content: from features to the objects that have them.
//!
//! A table of a size fixed per page of memory: buckets of four entries, 8 bits of the feature and the
//! object's number in 32 bits. A full bucket drops its oldest entry, so the table forgets references
//! that nothing found for long and never grows with what a guest writes. An entry may be stale or
//! wrong; a candidate is only ever a guess at a short delta.

use crate::content::Features;

const WAYS: usize = 4;
const EMPTY: u32 = u32::MAX;

/// The objects that have the most features in common with a page, most first.
pub(crate) type Candidates = [Option<u32>; 4];

#[derive(Debug, Default)]
pub(crate) struct Similar {
    buckets: Vec<[u32; WAYS]>,
}

impl Similar {
    /// Objects with a larger number are not taken in.
    pub(crate) const MAX_OBJECT: u32 = (1 << 24) - 2;

    /// Makes room for `entries` in all; forgets everything when that changes.
    pub(crate) fn resize(&mut self, entries: usize) {
        self.buckets = vec![[EMPTY; WAYS]; entries.div_ceil(WAYS)];
    }

    fn place(&self, feature: u32) -> (usize, u32) {
        let bucket = (u64::from(feature) * self.buckets.len() as u64) >> 32;
        (bucket as usize, feature << 24)
    }

    pub(crate) fn insert(&mut self, features: &Features, object: u32) {
        if self.buckets.is_empty() || object > Self::MAX_OBJECT {
            return;
        }
        for &feature in features.values() {
            let (bucket, tag) = self.place(feature);
            let ways = &mut self.buckets[bucket];
            let entry = tag | object;
            if !ways.contains(&entry) {
                ways.rotate_right(1);
                ways[0] = entry;
            }
        }
    }

    pub(crate) fn candidates(&self, features: &Features) -> Candidates {
        let mut best: Candidates = [None; 4];
        if self.buckets.is_empty() {
            return best;
        }
        let mut votes = [(0_u32, 0_u8); 8 * WAYS];
        let mut count = 0;
        for &feature in features.values() {
            let (bucket, tag) = self.place(feature);
            for &entry in
                self.buckets[bucket].iter().filter(|&&e| e != EMPTY && e >> 24 << 24 == tag)
            {
                let object = entry & 0x00ff_ffff;
                match votes[..count].iter_mut().find(|(o, _)| *o == object) {
                    Some((_, times)) => *times += 1,
                    None => {
                        votes[count] = (object, 1);
                        count += 1;
                    }
                }
            }
        }
        // The most votes first; of equal ones the younger object.
        votes[..count].sort_unstable_by_key(|&(object, times)| core::cmp::Reverse((times, object)));
        for (to, &(object, _)) in best.iter_mut().zip(&votes[..count]) {
            *to = Some(object);
        }
        best
    }

    pub(crate) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<[u32; WAYS]>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vellum_frames::PAGE_SIZE;

    fn noise(seed: u64) -> [u8; PAGE_SIZE] {
        let mut state = seed;
        core::array::from_fn(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
    }

    #[test]
    fn the_most_alike_comes_first_and_the_table_does_not_grow() {
        let mut similar = Similar::default();
        assert_eq!(similar.candidates(&Features::of(&noise(1))), [None; 4], "no table");
        similar.resize(4096);
        let bytes = similar.bytes();
        for object in 0..200 {
            similar.insert(&Features::of(&noise(u64::from(object))), object);
        }
        assert_eq!(similar.bytes(), bytes);
        let mut page = noise(7);
        page[2000..].copy_from_slice(&noise(8)[2000..]);
        let found = similar.candidates(&Features::of(&page));
        assert!(found.contains(&Some(7)) && found.contains(&Some(8)), "{found:?}");
        assert_eq!(similar.candidates(&Features::of(&noise(199)))[0], Some(199));
        similar.insert(&Features::of(&noise(5000)), Similar::MAX_OBJECT + 1);
        let found = similar.candidates(&Features::of(&noise(5000)));
        assert!(!found.contains(&Some(Similar::MAX_OBJECT + 1)), "over the limit");
    }
}
