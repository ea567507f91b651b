//! The miss-ratio curve: how many misses there would be with any amount of memory.
//!
//! Stack distances under LRU (Mattson et al., 1970), counted with a Fenwick tree over the times of
//! last use (Olken, 1981), for all pages or for a sample by hash (Waldspurger et al., *Efficient MRC
//! Construction with SHARDS*, FAST 2015).

/// Distances are counted in buckets of at most this relative width.
const STEPS: u32 = 16;
const BUCKETS: usize = 32 * STEPS as usize;
const NEVER: u32 = u32::MAX;

/// A curve that grows with every reference.
#[derive(Debug, Clone)]
pub struct MissRatioCurve {
    /// By page: the slot of its last use.
    last: Box<[u32]>,
    /// By slot: the page that was last used then.
    slots: Vec<u32>,
    /// Counts of occupied slots, as a Fenwick tree.
    tree: Vec<u32>,
    live: u32,
    shift: u32,
    buckets: Box<[u64; BUCKETS]>,
    cold: u64,
    sampled: u64,
}

impl MissRatioCurve {
    /// For pages below `pages`; one in `2^shift` of them is looked at. Shift 0 is exact.
    pub fn new(pages: u32, shift: u32) -> Self {
        let room = ((pages >> shift) as usize * 4).max(1024);
        MissRatioCurve {
            last: vec![NEVER; pages as usize].into(),
            slots: Vec::with_capacity(room),
            tree: vec![0; room + 1],
            live: 0,
            shift: shift.min(20),
            buckets: Box::new([0; BUCKETS]),
            cold: 0,
            sampled: 0,
        }
    }

    /// A page is referenced. Pages outside the sample cost a multiplication.
    #[inline]
    pub fn reference(&mut self, page: u32) {
        let hash = page.wrapping_mul(0x9E37_79B1);
        if self.shift != 0 && hash >> (32 - self.shift) != 0 {
            return;
        }
        self.count(page);
    }

    fn count(&mut self, page: u32) {
        self.sampled += 1;
        if self.slots.len() + 1 >= self.tree.len() {
            self.compact();
        }
        let now = self.slots.len() as u32;
        let before = std::mem::replace(&mut self.last[page as usize], now);
        self.slots.push(page);
        if before == NEVER {
            self.cold += 1;
        } else {
            // Pages used since: the occupied slots behind the old one, and the page itself.
            let distance = u64::from(self.live - self.sum(before) + 1) << self.shift;
            self.buckets[bucket(distance)] += 1;
            self.add(before, false);
            self.slots[before as usize] = NEVER;
        }
        self.add(now, true);
    }

    fn add(&mut self, slot: u32, occupied: bool) {
        let mut at = slot as usize + 1;
        while at < self.tree.len() {
            self.tree[at] = self.tree[at].wrapping_add(if occupied { 1 } else { u32::MAX });
            at += at & at.wrapping_neg();
        }
        self.live = self.live.wrapping_add(if occupied { 1 } else { u32::MAX });
    }

    /// Occupied slots up to and including this one.
    fn sum(&self, slot: u32) -> u32 {
        let (mut at, mut sum) = (slot as usize + 1, 0_u32);
        while at > 0 {
            sum = sum.wrapping_add(self.tree[at]);
            at &= at - 1;
        }
        sum
    }

    /// Renumbers the occupied slots from 0, with room for as many again.
    fn compact(&mut self) {
        self.slots.retain(|&page| page != NEVER);
        let room = (self.slots.len() * 2).max(1024);
        self.tree = vec![0; room + 1];
        self.live = 0;
        for slot in 0..self.slots.len() as u32 {
            self.last[self.slots[slot as usize] as usize] = slot;
            self.add(slot, true);
        }
    }

    /// The share of references that would miss if `pages` pages were held, under LRU; 1 before any
    /// reference.
    pub fn miss_ratio(&self, pages: u64) -> f64 {
        if self.sampled == 0 {
            return 1.0;
        }
        let hits: u64 = match pages {
            0 => 0,
            pages => self.buckets[..=bucket(pages)].iter().sum(),
        };
        (self.sampled - hits.min(self.sampled)) as f64 / self.sampled as f64
    }

    /// The fewest pages with which at most `ratio` of the references would miss; `None` when first
    /// uses alone are more.
    pub fn pages_for(&self, ratio: f64) -> Option<u64> {
        let reachable = (0..BUCKETS).map(bucket_end);
        reachable.into_iter().find(|&pages| self.miss_ratio(pages) <= ratio)
    }

    /// Different pages seen: the footprint, estimated when sampled.
    pub fn footprint(&self) -> u64 {
        self.cold << self.shift
    }
}

/// Exact to `STEPS`, then in steps of a sixteenth.
fn bucket(distance: u64) -> usize {
    let steps = u64::from(STEPS);
    if distance < steps {
        return distance as usize;
    }
    let log = 63 - distance.leading_zeros();
    let fraction = (distance >> (log - STEPS.trailing_zeros())) - steps;
    (((log - STEPS.trailing_zeros() + 1) * STEPS) as usize + fraction as usize).min(BUCKETS - 1)
}

/// The largest distance of a bucket.
fn bucket_end(bucket: usize) -> u64 {
    let steps = STEPS as usize;
    if bucket < steps {
        return bucket as u64;
    }
    let (octave, fraction) = (bucket / steps - 1, bucket % steps);
    (((steps + fraction + 1) as u64) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Lru;
    use crate::simulate::simulate;
    use vellum_block::Rng;

    fn trace(seed: u64, pages: u64, len: usize) -> Vec<u32> {
        let mut rng = Rng::new(seed);
        (0..len).map(|_| (rng.below(pages) * rng.below(pages) / pages) as u32).collect()
    }

    #[test]
    fn the_exact_curve_is_what_lru_does_at_every_size() {
        let references = trace(1, 300, 20_000);
        let mut curve = MissRatioCurve::new(300, 0);
        references.iter().for_each(|&page| curve.reference(page));
        for capacity in [1, 7, 15, 31, 63, 127, 255] {
            let lru = simulate(&mut Lru::new(300, capacity), &references).miss_ratio();
            let ours = curve.miss_ratio(capacity.into());
            assert!((lru - ours).abs() < 1e-12, "{capacity}: {lru} {ours}");
        }
        let footprint = references.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(curve.footprint(), footprint as u64);
    }

    #[test]
    fn a_sample_is_near_the_curve() {
        let references = trace(2, 20_000, 400_000);
        let (mut exact, mut sampled) =
            (MissRatioCurve::new(20_000, 0), MissRatioCurve::new(20_000, 4));
        for &page in &references {
            exact.reference(page);
            sampled.reference(page);
        }
        for pages in [500, 2_000, 8_000] {
            let (a, b) = (exact.miss_ratio(pages), sampled.miss_ratio(pages));
            assert!((a - b).abs() < 0.05, "{pages}: {a} {b}");
        }
    }

    #[test]
    fn buckets_and_their_ends_agree() {
        for distance in (0..5000).chain([1 << 20, (1 << 31) + 12345]) {
            let end = bucket_end(bucket(distance));
            assert!(end >= distance && bucket(end) == bucket(distance), "{distance} {end}");
            assert_eq!(bucket(end + 1), bucket(distance) + 1);
        }
    }
}
