//! Compaction: live records out of the segment that has the most dead bytes.
//!
//! The free end of a segment is no reason: it is there because the next record did not fit, and moving
//! what the segment holds leaves another end of that kind. So every move takes dead bytes away, and
//! compaction comes to an end whatever lengths a guest's pages have.

use super::{DEAD, Head, Place, SEGMENT, Store};

/// Dead bytes that are let be: one in 128 of the live ones, and one segment.
const SLACK: u64 = 128;

impl Store {
    /// Moves the records of one segment, if that is worth it; `moved` learns each record's object
    /// and new place. Whether it did anything: call again until it does not.
    pub(crate) fn compact(&mut self, mut moved: impl FnMut(u32, Place)) -> bool {
        if self.bytes.dead <= self.bytes.live / SLACK + SEGMENT as u64 {
            return false;
        }
        let dead = |number: &usize| self.segments[*number].as_ref().map_or(0, |s| s.dead);
        let closed = (0..self.segments.len()).filter(|number| self.open != Some(*number));
        let Some(worst) = closed.max_by_key(dead).filter(|number| dead(number) > SEGMENT / 128)
        else {
            return false;
        };
        let Some(segment) = self.segments[worst].take() else { return false };
        // Out of sight while its records move, and its number is not given out again meanwhile.
        self.ends.retain(|&end| end != worst);
        // Off the books first, so that its records can be put again as if they were new.
        self.bytes.allocated -= SEGMENT as u64;
        self.bytes.dead -= segment.dead as u64;
        self.bytes.live -= (segment.used - segment.dead) as u64;
        self.bytes.free -= (SEGMENT - segment.used) as u64;
        let mut at = 0;
        // A head that was damaged may lead out of the segment; what is behind it is lost, and says so.
        let read = |at| Head::read(&segment.bytes[..segment.used], at);
        while let Some(head) = read(at).filter(|head| at + head.whole() <= segment.used) {
            if head.object != DEAD {
                self.bytes.records -= 1;
                let bytes = &segment.bytes[at + super::HEAD..at + head.whole()];
                // The checksum travels with the bytes: moving does not make damage look sound.
                moved(head.object, self.append(head.object, head.crc, bytes));
            }
            at += head.whole();
        }
        self.retire(worst);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreBytes;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(store: &Store, model: &BTreeMap<u32, (Place, Vec<u8>)>) {
        let StoreBytes { allocated, live, dead, free, records } = store.bytes();
        assert_eq!(live + dead + free, allocated);
        let wanted: usize = model.values().map(|(_, bytes)| bytes.len() + super::super::HEAD).sum();
        assert_eq!((live, records), (wanted as u64, model.len() as u64));
        let there = store.segments.iter().flatten().count();
        assert_eq!(allocated, (there * SEGMENT) as u64);
        for (&object, (place, bytes)) in model {
            assert_eq!(store.get(object, *place).unwrap(), bytes);
            assert_eq!(store.len(*place), bytes.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn every_byte_is_accounted_for(
            steps in prop::collection::vec((0..4_u8, 0..200_u32, 1..4096_usize), 1..400),
        ) {
            let mut store = Store::default();
            let mut model: BTreeMap<u32, (Place, Vec<u8>)> = BTreeMap::new();
            for (step, object, len) in steps {
                if step == 3 {
                    while store.compact(|object, place| {
                        model.get_mut(&object).expect("only live records move").0 = place;
                    }) {}
                    let bytes = store.bytes();
                    prop_assert!(bytes.dead <= bytes.live / SLACK + 2 * SEGMENT as u64 + bytes.allocated / 64);
                } else {
                    if let Some((place, _)) = model.remove(&object) {
                        store.remove(place);
                    }
                    if step > 0 {
                        let bytes = vec![object as u8; len];
                        model.insert(object, (store.put(object, &bytes), bytes));
                    }
                }
                check(&store, &model);
            }
            for (place, _) in model.into_values() {
                store.remove(place);
            }
            let left = store.bytes();
            prop_assert_eq!((left.live, left.records), (0, 0));
            prop_assert!(left.allocated <= SEGMENT as u64, "only the open segment stays");
        }
    }

    /// Records of a length that leaves much of each segment free: there is nothing to gain by moving
    /// them, however long one tries.
    #[test]
    fn records_that_fill_segments_badly_are_not_moved_for_ever() {
        let mut store = Store::default();
        let places: Vec<Place> = (0..2000).map(|n| store.put(n, &[1; 3072])).collect();
        places.iter().step_by(9).for_each(|&place| store.remove(place));
        let mut moves = 0;
        while store.compact(|_, _| moves += 1) {}
        assert!((1..2000).contains(&moves), "{moves} moves");
        assert!(!store.compact(|_, _| ()), "once done, it is done");
    }

    #[test]
    fn damage_is_found_also_after_a_move() {
        let mut store = Store::default();
        let places: Vec<Place> = (0..200).map(|n| store.put(n, &[n as u8; 2000])).collect();
        store.damage(places[1], super::super::HEAD);
        // Its neighbours go, and a part of all others.
        for (n, place) in places.iter().enumerate() {
            if n != 1 && (n < 30 || n % 2 == 0) {
                store.remove(*place);
            }
        }
        let mut now = places[1];
        while store.compact(|object, place| {
            if object == 1 {
                now = place
            }
        }) {}
        assert_ne!(now, places[1], "it was moved");
        let error = store.get(1, now).unwrap_err();
        assert!(error.to_string().starts_with("packed object 1 has checksum"), "{error}");
    }
}
