//! What a demand-paged map holds of the future: pages that moved since their slice was written.
//!
//! A hash table of eight bytes a slot, filled to six sevenths at most, in one allocation that never
//! grows while its owner keeps to the limit. The hash is one multiplication by an odd number, so no two
//! logical pages share one, and the slots of a run stay sorted by it (Knuth's ordered hashing): a
//! search ends at the first larger one.

use alloc::vec;
use alloc::vec::Vec;

/// A slot: hash and physical page. Page 0 never holds data, so it stands for none.
type Slot = (u32, u32);

const EMPTY: Slot = (0, 0);

/// Logical page → physical page, for some of them.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    slots: Vec<Slot>,
    /// Slots that a hash may name; runs may go on into those after them.
    homes: u32,
    len: u32,
    /// Pages that it takes before it grows.
    most: u32,
}

/// Fibonacci hashing: 2³² over the golden ratio.
fn hash(lpn: u32) -> u32 {
    lpn.wrapping_mul(0x9e37_79b1)
}

impl Changed {
    /// Slots that a hash may name, and all.
    fn slots(most: u32) -> (u32, usize) {
        let homes = most + most / 6 + 1;
        (homes, (homes + homes / 64 + 16) as usize)
    }

    /// Bytes of a table.
    pub fn bytes(most: u32) -> usize {
        Self::slots(most).1 * size_of::<Slot>()
    }

    /// A table for so many pages.
    pub fn new(most: u32) -> Changed {
        let (homes, slots) = Self::slots(most);
        Changed { slots: vec![EMPTY; slots], homes, len: 0, most }
    }

    pub fn len(&self) -> u32 {
        self.len
    }

    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * u64::from(self.homes)) >> 32) as usize
    }

    /// The slot of a hash, or the one where it would go; the length when there is none.
    fn find(&self, hash: u32) -> usize {
        let home = self.home(hash);
        let run = self.slots[home..].iter().take_while(|s| s.1 != 0 && s.0 < hash);
        home + run.count()
    }

    pub fn get(&self, lpn: u32) -> Option<u32> {
        let h = hash(lpn);
        self.slots.get(self.find(h)).filter(|s| s.0 == h && s.1 != 0).map(|s| s.1)
    }

    /// Notes a page's place; `ppn` is not 0. More pages than the table was made for make it larger.
    pub fn insert(&mut self, lpn: u32, ppn: u32) {
        self.insert_hash(hash(lpn), ppn);
    }

    fn insert_hash(&mut self, hash: u32, ppn: u32) {
        loop {
            let at = self.find(hash);
            if let Some(slot) = self.slots.get_mut(at)
                && slot.0 == hash
                && slot.1 != 0
            {
                slot.1 = ppn;
                return;
            }
            let run = self.slots[at..].iter().position(|s| s.1 == 0);
            if let Some(run) = run.filter(|_| self.len < self.most) {
                self.slots.copy_within(at..at + run, at + 1);
                self.slots[at] = (hash, ppn);
                self.len += 1;
                return;
            }
            self.grow();
        }
    }

    fn grow(&mut self) {
        let mut larger = Changed::new(self.most + self.most / 4 + 8);
        let held = self.slots.iter().filter(|s| s.1 != 0);
        held.for_each(|s| larger.insert_hash(s.0, s.1));
        *self = larger;
    }

    /// Forgets a page; where it was.
    pub fn remove(&mut self, lpn: u32) -> Option<u32> {
        let h = hash(lpn);
        let at = self.find(h);
        let ppn = self.slots.get(at).filter(|s| s.0 == h && s.1 != 0)?.1;
        // What stands behind its home moves up.
        let mut i = at;
        while let Some(&next) = self.slots.get(i + 1)
            && next.1 != 0
            && self.home(next.0) <= i
        {
            self.slots[i] = next;
            i += 1;
        }
        self.slots[i] = EMPTY;
        self.len -= 1;
        Some(ppn)
    }

    pub fn ram_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(
            most in 1u32..80,
            steps in proptest::collection::vec((any::<bool>(), 0u32..120, 1u32..1000), 0..400),
        ) {
            let mut table = Changed::new(most);
            let mut plain = BTreeMap::new();
            let start = table.ram_bytes();
            let mut peak = 0;
            for (set, lpn, ppn) in steps {
                if set {
                    table.insert(lpn, ppn);
                    plain.insert(lpn, ppn);
                } else {
                    prop_assert_eq!(table.remove(lpn), plain.remove(&lpn));
                }
                peak = peak.max(plain.len());
                prop_assert_eq!(table.len() as usize, plain.len());
            }
            for lpn in 0..120 {
                prop_assert_eq!(table.get(lpn), plain.get(&lpn).copied());
            }
            prop_assert!(peak > most as usize || table.ram_bytes() == start);
        }
    }

    #[test]
    fn a_limit_is_nine_and_a_half_bytes_a_page() {
        let mut table = Changed::new(6_000);
        let start = table.ram_bytes();
        assert!(start * 10 <= 6_000 * 96, "{start}");
        // Neighbours, as sequential writing leaves them.
        (1..=6_000).for_each(|lpn| table.insert(lpn * 3, lpn));
        assert_eq!(table.ram_bytes(), start);
        assert_eq!((table.get(9), table.get(10)), (Some(3), None));
    }
}
