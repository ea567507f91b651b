//! Identical content: from a 64-bit hash to a page or an object that had it.
//!
//! Open addressing with linear probing; positions follow the hash's order, so that the table grows by
//! a quarter at a time, in place of doubling, and without hashing anything again. An entry is one word
//! of 8 bytes, so that a look costs one cache line as a rule: the upper 32 bits of the hash, and where
//! it leads.
//!
//! ```text
//! u64 bits 0..32   page, or object with the top bit set; all ones: free; all but the lowest: several
//!     bits 32..64  the hash's upper half
//! ```
//! Two contents of `n` have an upper half in common by chance n² / 2³³ times; both are kept then, and
//! whoever looks compares contents and asks for the next. An entry may be stale (its page was written,
//! its object is gone). Growing leaves out what is known to be gone.

/// What an entry leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A page, by its number among all sets': it had the content when it was last looked at.
    Page(u32),
    /// An object.
    Object(u32),
    /// Several contents have this sample, and each has an entry under its hash.
    Several,
}

const OBJECT: u32 = 1 << 31;
const EMPTY: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;
const FREE: u64 = u64::MAX;
const FIRST: usize = 1024;
/// Entries that a table of 16 may hold before it grows.
const FULL: usize = 13;
/// Entries looked at for one hash. Chance makes no run of this length at 13 in 16 (the longest of 2³¹
/// entries has some 600); a guest that knows the key can, and then the index forgets.
const PROBES: usize = 1024;
/// One entry in so many may say that several contents have a sample.
const SEVERAL_SHARE: usize = 4;
/// Entries with one upper half that are kept, and so compared at most.
pub(crate) const ALIKE: usize = 4;

impl Target {
    /// The largest page or object number that fits.
    pub(crate) const MAX: u32 = OBJECT - 3;

    fn pack(self) -> u32 {
        match self {
            Target::Page(page) => page,
            Target::Object(object) => object | OBJECT,
            Target::Several => SEVERAL,
        }
    }

    fn unpack(word: u32) -> Target {
        match word {
            SEVERAL => Target::Several,
            _ if word & OBJECT == 0 => Target::Page(word),
            _ => Target::Object(word & !OBJECT),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct HashIndex {
    slots: Vec<u64>,
    entries: usize,
}

/// Where an entry is, until the next insertion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot(usize);

fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn entry(upper: u32, word: u32) -> u64 {
    (u64::from(upper) << 32) | u64::from(word)
}

fn split(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, slot as u32)
}

impl HashIndex {
    fn home(&self, upper: u32) -> usize {
        ((u64::from(upper) * self.slots.len() as u64) >> 32) as usize
    }

    /// The slots from `home` on that a hash may be in.
    fn run(&self, home: usize) -> impl Iterator<Item = usize> + use<> {
        let len = self.slots.len();
        (home..len).chain(0..home).take(PROBES)
    }

    /// Touches the entry's cache line, and what it leads to if it is the first: what a batch of looks
    /// does first, so that the memory's latencies overlap.
    pub(crate) fn peek(&self, hash: u64) -> Option<Target> {
        let (tag, word) = split(*self.slots.get(self.home(upper(hash)))?);
        (word != EMPTY && tag == upper(hash)).then(|| Target::unpack(word))
    }

    pub(crate) fn find(&self, hash: u64) -> Option<(Slot, Target)> {
        let home = self.home(upper(hash));
        self.search(upper(hash), self.run(home))
    }

    /// The next entry that may be meant, if the one in `slot` was not.
    pub(crate) fn find_after(&self, hash: u64, slot: Slot) -> Option<(Slot, Target)> {
        let home = self.home(upper(hash));
        self.search(upper(hash), self.run(home).skip_while(move |&at| at != slot.0).skip(1))
    }

    fn search(&self, tag: u32, run: impl Iterator<Item = usize>) -> Option<(Slot, Target)> {
        for at in run {
            let (found, word) = split(self.slots[at]);
            if word == EMPTY {
                return None;
            }
            if found == tag {
                return Some((Slot(at), Target::unpack(word)));
            }
        }
        None
    }

    pub(crate) fn replace(&mut self, slot: Slot, target: Target) {
        let (tag, _) = split(self.slots[slot.0]);
        self.slots[slot.0] = entry(tag, target.pack());
    }

    /// Adds an entry beside those that have the same upper half; the last of [`ALIKE`] of them is
    /// overwritten. One that says the same is there once. `keep` says, of an entry's upper half and
    /// target, whether it is worth moving to a larger table.
    pub(crate) fn insert(&mut self, hash: u64, target: Target, keep: impl Fn(u32, Target) -> bool) {
        if self.entries * 16 >= self.slots.len() * FULL {
            self.grow(keep);
        }
        self.put(upper(hash), target.pack());
    }

    fn put(&mut self, tag: u32, word: u32) {
        let (home, mut alike) = (self.home(tag), 0);
        let mut place = home;
        for at in self.run(home) {
            let (found, there) = split(self.slots[at]);
            if there == EMPTY {
                self.entries += 1;
                self.slots[at] = entry(tag, word);
                return;
            }
            if found == tag {
                (place, alike) = (at, alike + 1);
                if there == word || alike == ALIKE {
                    break;
                }
            }
        }
        self.slots[place] = entry(tag, word);
    }

    fn grow(&mut self, keep: impl Fn(u32, Target) -> bool) {
        let mut kept = core::mem::take(&mut self.slots);
        kept.retain(|&slot| {
            let (tag, word) = split(slot);
            word != EMPTY && keep(tag, Target::unpack(word))
        });
        // That contents differ outlives them all, and whoever writes enough of them would fill the
        // table so. It is found out again, at worst after a like was missed.
        let several = kept.iter().filter(|&&slot| split(slot).1 == SEVERAL).count();
        if several * SEVERAL_SHARE > kept.len() {
            kept.retain(|&slot| split(slot).1 != SEVERAL);
        }
        let size = (kept.len() * 16 / FULL * 5 / 4).max(FIRST);
        self.slots = vec![FREE; size];
        self.entries = 0;
        for slot in kept {
            let (tag, word) = split(slot);
            self.put(tag, word);
        }
    }

    /// Leaves out what is not worth keeping, if that is most of the table.
    pub(crate) fn shrink(&mut self, live: usize, keep: impl Fn(u32, Target) -> bool) {
        if self.slots.len() > FIRST && live * 2 < self.entries {
            self.grow(keep);
        }
    }

    /// Bytes that the table occupies.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn all(index: &HashIndex, hash: u64) -> Vec<Target> {
        let mut found = Vec::new();
        let mut next = index.find(hash);
        while let Some((slot, target)) = next {
            found.push(target);
            next = index.find_after(hash, slot);
        }
        found
    }

    #[test]
    fn behaves_as_a_map_does_and_forgets_only_what_it_may() {
        let mut index = HashIndex::default();
        assert_eq!((index.find(1).map(|(_, t)| t), index.peek(1)), (None, None));
        let mut model: BTreeMap<u64, Vec<Target>> = BTreeMap::new();
        let mut seed = 1_u64;
        for step in 0..20_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Some hashes close together, some the same.
            let hash = if step % 3 == 0 { u64::from(step % 20) << 32 } else { seed };
            let hash = hash >> 32 << 32;
            let target = if step % 2 == 0 { Target::Page(step) } else { Target::Object(step) };
            index.insert(hash, target, |_, _| true);
            let alike = model.entry(hash).or_default();
            if alike.len() == ALIKE {
                alike.pop();
            }
            alike.push(target);
        }
        for (&hash, targets) in &model {
            // A table that grew may have turned their order round.
            let (mut found, mut wanted) = (all(&index, hash), targets.clone());
            found.sort_by_key(|target| target.pack());
            wanted.sort_by_key(|target| target.pack());
            if targets.len() == 1 {
                assert_eq!(found, wanted, "{hash:x}");
            } else {
                assert!(found.len() <= ALIKE && !found.is_empty(), "{hash:x}");
            }
        }
        assert_eq!(all(&index, seed ^ 1 << 40), []);
        let live: usize = model.values().map(Vec::len).sum();
        assert!(index.bytes() < live * 8 * 16 / 10, "{live} entries");
        index.grow(|_, target| matches!(target, Target::Object(_)));
        for &hash in model.keys() {
            assert!(all(&index, hash).iter().all(|target| matches!(target, Target::Object(_))));
        }
    }

    #[test]
    fn what_is_said_twice_is_there_once_and_what_is_alike_beside_it() {
        let mut index = HashIndex::default();
        let (hash, twin) = (7 << 32, (7 << 32) | 99);
        for _ in 0..2 {
            index.insert(hash, Target::Page(1), |_, _| true);
        }
        index.insert(twin, Target::Object(1), |_, _| true);
        assert_eq!(all(&index, hash), [Target::Page(1), Target::Object(1)]);
        let (slot, _) = index.find(hash).unwrap();
        index.replace(slot, Target::Object(8));
        assert_eq!(index.peek(hash), Some(Target::Object(8)));
    }

    /// A guest that knows the key makes one long run of neighbours: looks end, and the index forgets
    /// in place of growing without end.
    #[test]
    fn a_run_without_end_costs_a_bounded_look() {
        let mut index = HashIndex::default();
        // Spread entries make a table large enough that the run would be long.
        for n in 0..20_000_u64 {
            index
                .insert(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), Target::Page(n as u32), |_, _| true);
        }
        let size = index.slots.len();
        for n in 0..4000_u32 {
            index.insert(u64::from(n) << 32, Target::Object(n), |_, _| true);
        }
        let found = (0..4000_u64).filter(|n| index.find(n << 32).is_some()).count();
        assert!((100..4000).contains(&found), "{found}");
        assert!(index.slots.len() <= size * 5 / 4 + 1, "{} from {size}", index.slots.len());
    }
}
