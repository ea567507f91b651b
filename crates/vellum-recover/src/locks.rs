//! Range locks: who may touch which bytes of a region.
//!
//! This is what makes the slices that are handed out sound, and transactions on one region
//! isolated from each other. There is no waiting here, so there is no deadlock: who meets a held
//! range gets an error and may try again.

use std::collections::BTreeMap;
use std::ops::Range;

/// Who holds a range.
pub(crate) type Owner = u64;

/// The held ranges of one region.
#[derive(Debug, Default)]
pub(crate) struct RangeLocks {
    /// Ranges held for writing, disjoint, by start: end and owner.
    exclusive: BTreeMap<u64, (u64, Owner)>,
    /// Ranges held for reading.
    shared: Vec<Range<u64>>,
}

fn overlap(one: &Range<u64>, two: &Range<u64>) -> bool {
    one.start < two.end && two.start < one.end
}

impl RangeLocks {
    /// Exclusive holds that overlap `range`, from the highest down.
    fn holders(&self, range: &Range<u64>) -> impl Iterator<Item = (Range<u64>, Owner)> {
        let start = range.start;
        self.exclusive
            .range(..range.end)
            .rev()
            .map(|(from, (to, owner))| (*from..*to, *owner))
            .take_while(move |(held, _)| held.end > start)
    }

    /// Takes `range` for writing. Returns the parts that `owner` did not have yet, in ascending
    /// order, or `None` when another holds some of it.
    pub(crate) fn exclusive(&mut self, range: Range<u64>, owner: Owner) -> Option<Vec<Range<u64>>> {
        if range.is_empty() {
            return Some(Vec::new());
        }
        if self.shared.iter().any(|held| overlap(held, &range)) {
            return None;
        }
        let (mut parts, mut end) = (Vec::new(), range.end);
        for (held, holder) in self.holders(&range) {
            if holder != owner {
                return None;
            }
            if held.end < end {
                parts.push(held.end..end);
            }
            end = held.start.max(range.start);
        }
        if range.start < end {
            parts.push(range.start..end);
        }
        parts.reverse();
        for part in &parts {
            self.exclusive.insert(part.start, (part.end, owner));
        }
        Some(parts)
    }

    /// Takes `range` for reading; `false` when somebody else holds some of it for writing.
    pub(crate) fn shared(&mut self, range: Range<u64>, owner: Option<Owner>) -> bool {
        let free =
            range.is_empty() || self.holders(&range).all(|(_, holder)| Some(holder) == owner);
        if free && !range.is_empty() {
            self.shared.push(range);
        }
        free
    }

    /// Gives back what [`RangeLocks::shared`] took.
    pub(crate) fn release_shared(&mut self, range: &Range<u64>) {
        if let Some(at) = self.shared.iter().position(|held| held == range) {
            self.shared.swap_remove(at);
        }
    }

    /// Gives back a part that [`RangeLocks::exclusive`] returned.
    pub(crate) fn release_exclusive(&mut self, part: &Range<u64>) {
        self.exclusive.remove(&part.start);
    }

    /// Whether somebody holds some of `range` for writing.
    pub(crate) fn is_held(&self, range: &Range<u64>) -> bool {
        self.holders(range).next().is_some()
    }

    /// The parts of `0..len` that nobody holds for writing.
    pub(crate) fn gaps(&self, len: u64) -> Vec<Range<u64>> {
        let (mut gaps, mut at) = (Vec::new(), 0);
        for (start, (end, _)) in &self.exclusive {
            gaps.push(at..*start);
            at = *end;
        }
        gaps.push(at..len);
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a byte map of owners.
        #[test]
        fn holds_are_those_of_a_byte_map(
            steps in prop::collection::vec((0_u64..40, 0_u64..12, 1_u64..4, any::<bool>()), 1..60),
        ) {
            let mut locks = RangeLocks::default();
            let (mut bytes, mut held) = ([0_u64; 64], Vec::new());
            for (start, len, owner, release) in steps {
                let range = start..start + len;
                if release && !held.is_empty() {
                    let (part, _): (Range<u64>, u64) = held.swap_remove(start as usize % held.len());
                    locks.release_exclusive(&part);
                    part.for_each(|at| bytes[at as usize] = 0);
                    continue;
                }
                let free = range.clone().all(|at| [0, owner].contains(&bytes[at as usize]));
                let missing: Vec<u64> =
                    range.clone().filter(|at| bytes[*at as usize] == 0).collect();
                let parts = locks.exclusive(range.clone(), owner);
                prop_assert_eq!(parts.is_some(), free);
                for part in parts.into_iter().flatten() {
                    part.clone().for_each(|at| bytes[at as usize] = owner);
                    held.push((part, owner));
                }
                if free {
                    let now: Vec<u64> =
                        range.clone().filter(|at| missing.contains(at)).collect();
                    prop_assert!(now.iter().all(|at| bytes[*at as usize] == owner));
                }
                let held = range.clone().any(|at| bytes[at as usize] != 0);
                prop_assert!(range.is_empty() || locks.is_held(&range) == held);
                let readable = range.clone().all(|at| [0, owner].contains(&bytes[at as usize]));
                let got = locks.shared(range.clone(), Some(owner));
                prop_assert_eq!(got, readable || range.is_empty());
                if got {
                    locks.release_shared(&range);
                }
            }
        }
    }

    #[test]
    fn readers_keep_writers_out_and_not_each_other() {
        let mut locks = RangeLocks::default();
        assert!(locks.shared(0..10, None) && locks.shared(5..15, None));
        assert!(locks.exclusive(9..20, 1).is_none());
        locks.release_shared(&(0..10));
        locks.release_shared(&(5..15));
        assert_eq!(locks.exclusive(9..20, 1).map(|parts| parts[0].clone()), Some(9..20));
        assert!(!locks.shared(0..10, None) && locks.shared(0..9, Some(2)));
        assert_eq!(locks.exclusive(5..25, 1), None, "a reader holds 0..9");
    }
}
