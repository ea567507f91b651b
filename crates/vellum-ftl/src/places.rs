//! Where the latest metadata pages lie, latest first: eight bytes each, whatever the numbers.

use crate::meta::Place;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The places of the latest pages of the log.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Page, and the low half of the number of records up to it.
    all: VecDeque<(u32, u32)>,
    /// The largest number of records up to any of them; the others are less than 2³² below.
    top: u64,
    most: u32,
    pages_per_block: u32,
    /// Blocks that hold some, and how many.
    held: Vec<(u32, u32)>,
}

impl Places {
    /// Room for the latest `most`.
    pub fn new(most: u32, pages_per_block: u32) -> Places {
        let all = VecDeque::with_capacity(most as usize + 1);
        Places { all, top: 0, most, pages_per_block, held: Vec::new() }
    }

    /// Bytes of so many, beside the few blocks that hold them.
    pub fn bytes(most: u32) -> usize {
        (most as usize + 1) * size_of::<(u32, u32)>()
    }

    pub fn len(&self) -> u32 {
        self.all.len() as u32
    }

    /// The place so many pages before the latest one.
    pub fn get(&self, ago: u32) -> Option<Place> {
        let &(ppn, low) = self.all.get(ago as usize)?;
        let below = (self.top as u32).wrapping_sub(low);
        Some(Place { ppn, record_end: self.top - u64::from(below) })
    }

    fn count(&mut self, ppn: u32) {
        let block = ppn / self.pages_per_block;
        match self.held.iter_mut().find(|h| h.0 == block) {
            Some(held) => held.1 += 1,
            None => self.held.push((block, 1)),
        }
    }

    fn discount(&mut self, ppn: u32) {
        let block = ppn / self.pages_per_block;
        if let Some(i) = self.held.iter().position(|h| h.0 == block) {
            self.held[i].1 -= 1;
            if self.held[i].1 == 0 {
                self.held.swap_remove(i);
            }
        }
    }

    /// Another latest page.
    pub fn push(&mut self, place: Place) {
        self.top = self.top.max(place.record_end);
        self.all.push_front((place.ppn, place.record_end as u32));
        self.count(place.ppn);
        self.truncate(self.most);
    }

    /// An older page than all of them, unless there are enough.
    pub fn push_older(&mut self, place: Place) {
        if self.len() < self.most {
            self.top = self.top.max(place.record_end);
            self.all.push_back((place.ppn, place.record_end as u32));
            self.count(place.ppn);
        }
    }

    /// Forgets the latest page.
    pub fn pop_latest(&mut self) {
        if let Some((ppn, _)) = self.all.pop_front() {
            self.discount(ppn);
        }
    }

    /// Forgets all but the latest `keep`.
    pub fn truncate(&mut self, keep: u32) {
        while self.len() > keep {
            if let Some((ppn, _)) = self.all.pop_back() {
                self.discount(ppn);
            }
        }
    }

    /// Whether one of them lies in `block`.
    pub fn holds(&self, block: u32) -> bool {
        self.held.iter().any(|h| h.0 == block)
    }

    pub fn ram_bytes(&self) -> usize {
        self.all.capacity() * size_of::<(u32, u32)>()
            + self.held.capacity() * size_of::<(u32, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_blocks_are_counted() {
        let mut places = Places::new(3, 16);
        let at = |i: u64| Place { ppn: 10 + 4 * i as u32, record_end: (1 << 40) + i * 0x4000_0001 };
        (0..5).for_each(|i| places.push(at(i)));
        let all: Vec<Place> = (0..4).map_while(|i| places.get(i)).collect();
        assert_eq!(all, [at(4), at(3), at(2)]);
        assert_eq!([0, 1, 2].map(|b| places.holds(b)), [false, true, false]);
        places.pop_latest();
        places.push_older(at(1));
        places.push_older(at(0));
        let all: Vec<Place> = (0..4).map_while(|i| places.get(i)).collect();
        assert_eq!(all, [at(3), at(2), at(1)]);
        assert!(places.holds(0) && places.holds(1));
        places.truncate(2);
        assert!(!places.holds(0) && places.holds(1));
        places.truncate(0);
        assert!(!places.holds(1) && places.len() == 0);
    }
}
