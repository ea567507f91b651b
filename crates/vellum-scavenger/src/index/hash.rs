//! Identical content: from a 64-bit hash to a page or an object that had it.
//!
//! Open addressing with linear probing; positions follow the hash's order, so that the table grows by
//! half at a time, in place of doubling, and without hashing anything again. 12 bytes an entry. An
//! entry may be stale (its page was written, its object is gone): whoever finds it compares contents
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
    hashes: Vec<u64>,
    targets: Vec<u32>,
    entries: usize,
}

/// Where an entry is, until the next insertion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot(usize);

impl HashIndex {
    fn home(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.hashes.len() as u128) >> 64) as usize
    }

    /// The slot with this hash, or the free one where it belongs.
    fn probe(&self, hash: u64) -> usize {
        let mut at = self.home(hash);
        while self.targets[at] != EMPTY && self.hashes[at] != hash {
            at += 1;
            if at == self.hashes.len() {
                at = 0;
            }
        }
        at
    }

    pub(crate) fn find(&self, hash: u64) -> Option<(Slot, Target)> {
        if self.hashes.is_empty() {
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
        if self.entries * 16 >= self.hashes.len() * FULL {
            self.grow(keep);
        }
        let at = self.probe(hash);
        if self.targets[at] == EMPTY {
            self.hashes[at] = hash;
            self.entries += 1;
        }
        self.targets[at] = target.pack();
    }

    fn grow(&mut self, keep: impl Fn(Target) -> bool) {
        let old = core::mem::take(self);
        let kept: Vec<(u64, u32)> = old
            .hashes
            .into_iter()
            .zip(old.targets)
            .filter(|&(_, word)| word != EMPTY && keep(Target::unpack(word)))
            .collect();
        let size = (kept.len() * 16 / FULL * 5 / 4).max(FIRST);
        self.hashes = vec![0; size];
        self.targets = vec![EMPTY; size];
        self.entries = kept.len();
        for (hash, word) in kept {
            let at = self.probe(hash);
            self.hashes[at] = hash;
            self.targets[at] = word;
        }
    }

    /// Bytes that the table occupies.
    pub(crate) fn bytes(&self) -> usize {
        self.hashes.capacity() * 8 + self.targets.capacity() * 4
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
            let hash = if step % 3 == 0 { u64::from(step % 500) } else { seed };
            let target = if step % 2 == 0 { Target::Page(step) } else { Target::Object(step) };
            index.insert(hash, target, |_| true);
            model.insert(hash, target);
        }
        for (&hash, &target) in &model {
            assert_eq!(index.find(hash).map(|(_, t)| t), Some(target));
        }
        assert_eq!(index.find(seed ^ 1).map(|(_, t)| t), None);
        assert!(index.bytes() < model.len() * 12 * 16 / 10, "{} entries", model.len());
        index.grow(|target| matches!(target, Target::Object(_)));
        for (&hash, &target) in &model {
            let kept = matches!(target, Target::Object(_)).then_some(target);
            assert_eq!(index.find(hash).map(|(_, t)| t), kept);
        }
    }
}
