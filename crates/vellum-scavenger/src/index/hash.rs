//! Identical content: from a 64-bit hash to a page or an object that had it.
//!
//! Open addressing with linear probing; positions follow the hash's order, so that the table grows by
//! a quarter at a time, in place of doubling, and without hashing anything again. 10 bytes an entry:
//! the upper 48 bits of the hash, of which two contents agree by chance once in 2⁴⁸ / entries looks,
//! and where it leads. An entry may be stale (its page was written, its object is gone): whoever finds it compares contents
//! first, and growing leaves out what is known to be gone.

/// What an entry leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A page, by its number among all sets': it had the content when it was last looked at.
    Page(u32),
    /// An object.
    Object(u32),
}

const OBJECT: u32 = 1 << 31;
const EMPTY: u32 = u32::MAX;
const FIRST: usize = 1024;
/// Entries that a table of 16 may hold before it grows.
const FULL: usize = 14;

impl Target {
    /// The largest page or object number that fits.
    pub(crate) const MAX: u32 = OBJECT - 2;

    fn pack(self) -> u32 {
        match self {
            Target::Page(page) => page,
            Target::Object(object) => object | OBJECT,
        }
    }

    fn unpack(word: u32) -> Target {
        if word & OBJECT == 0 { Target::Page(word) } else { Target::Object(word & !OBJECT) }
    }
}

#[derive(Debug, Default)]
pub(crate) struct HashIndex {
    /// The upper 32 bits of each hash, and the 16 below.
    upper: Vec<u32>,
    lower: Vec<u16>,
    targets: Vec<u32>,
    entries: usize,
}

/// Where an entry is, until the next insertion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot(usize);

impl HashIndex {
    fn home(&self, hash: u64) -> usize {
        (((hash >> 16) as u128 * self.targets.len() as u128) >> 48) as usize
    }

    fn is(&self, at: usize, hash: u64) -> bool {
        self.upper[at] == (hash >> 32) as u32 && self.lower[at] == (hash >> 16) as u16
    }

    fn put(&mut self, at: usize, hash: u64, word: u32) {
        (self.upper[at], self.lower[at]) = ((hash >> 32) as u32, (hash >> 16) as u16);
        self.targets[at] = word;
    }

    /// The slot with this hash, or the free one where it belongs.
    fn probe(&self, hash: u64) -> usize {
        let mut at = self.home(hash);
        while self.targets[at] != EMPTY && !self.is(at, hash) {
            at += 1;
            if at == self.targets.len() {
                at = 0;
            }
        }
        at
    }

    pub(crate) fn find(&self, hash: u64) -> Option<(Slot, Target)> {
        if self.targets.is_empty() {
            return None;
        }
        let at = self.probe(hash);
        (self.targets[at] != EMPTY).then(|| (Slot(at), Target::unpack(self.targets[at])))
    }

    pub(crate) fn replace(&mut self, slot: Slot, target: Target) {
        self.targets[slot.0] = target.pack();
    }

    /// Points `hash` at `target`, whether it is there or not. `keep` says whether an entry that is
    /// moved to a larger table is worth it.
    pub(crate) fn insert(&mut self, hash: u64, target: Target, keep: impl Fn(Target) -> bool) {
        if self.entries * 16 >= self.targets.len() * FULL {
            self.grow(keep);
        }
        let at = self.probe(hash);
        self.entries += usize::from(self.targets[at] == EMPTY);
        self.put(at, hash, target.pack());
    }

    fn grow(&mut self, keep: impl Fn(Target) -> bool) {
        let old = core::mem::take(self);
        let hashes = old.upper.into_iter().zip(old.lower);
        let kept: Vec<(u64, u32)> = hashes
            .zip(old.targets)
            .filter(|&(_, word)| word != EMPTY && keep(Target::unpack(word)))
            .map(|((upper, lower), word)| (u64::from(upper) << 32 | u64::from(lower) << 16, word))
            .collect();
        let size = (kept.len() * 16 / FULL * 5 / 4).max(FIRST);
        self.upper = vec![0; size];
        self.lower = vec![0; size];
        self.targets = vec![EMPTY; size];
        self.entries = kept.len();
        for (hash, word) in kept {
            let at = self.probe(hash);
            self.put(at, hash, word);
        }
    }

    /// Leaves out what is not worth keeping, if that is most of the table.
    pub(crate) fn shrink(&mut self, live: usize, keep: impl Fn(Target) -> bool) {
        if self.targets.len() > FIRST && live * 2 < self.entries {
            self.grow(keep);
        }
    }

    /// Bytes that the table occupies.
    pub(crate) fn bytes(&self) -> usize {
        self.upper.capacity() * 4 + self.lower.capacity() * 2 + self.targets.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn behaves_as_a_map_does_and_forgets_only_what_it_may() {
        let mut index = HashIndex::default();
        let mut model = BTreeMap::new();
        let mut seed = 1_u64;
        for step in 0..20_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // A hostile guest that knows the key: many hashes close together.
            let hash = if step % 3 == 0 { u64::from(step % 500) << 16 } else { seed };
            let hash = hash & !0xffff;
            let target = if step % 2 == 0 { Target::Page(step) } else { Target::Object(step) };
            index.insert(hash, target, |_| true);
            model.insert(hash, target);
        }
        for (&hash, &target) in &model {
            assert_eq!(index.find(hash).map(|(_, t)| t), Some(target));
        }
        assert_eq!(index.find(seed ^ 1 << 40).map(|(_, t)| t), None);
        assert!(index.bytes() < model.len() * 10 * 16 / 10, "{} entries", model.len());
        index.grow(|target| matches!(target, Target::Object(_)));
        for (&hash, &target) in &model {
            let kept = matches!(target, Target::Object(_)).then_some(target);
            assert_eq!(index.find(hash).map(|(_, t)| t), kept);
        }
    }
}
