//! The map in RAM: all of it, or what changed and a few slices.

use crate::MapMode;
use crate::layout::Layout;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

/// The logical page is nowhere.
pub(crate) const UNMAPPED: u32 = u32::MAX;
/// In a flat map: its slice was not read yet. Page 1 lies in block 0, which never holds data.
const UNKNOWN: u32 = 1;

/// Numbers of equal width, packed: a physical page takes as many bits as the chip needs.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    words: Vec<u64>,
    width: u32,
}

impl Packed {
    fn new(count: u32, width: u32, fill: u32) -> Packed {
        let bits = u64::from(count) * u64::from(width);
        // One more, so that a number may be taken out of two words always.
        let mut packed = Packed { words: vec![0; bits.div_ceil(64) as usize + 1], width };
        (0..count).for_each(|i| packed.set(i, fill));
        packed
    }

    fn at(&self, i: u32) -> (usize, u32) {
        let bit = i as usize * self.width as usize;
        (bit / 64, (bit % 64) as u32)
    }

    fn get(&self, i: u32) -> u32 {
        let (word, shift) = self.at(i);
        let two = u128::from(self.words[word]) | u128::from(self.words[word + 1]) << 64;
        (two >> shift) as u32 & ((1u64 << self.width) - 1) as u32
    }

    fn set(&mut self, i: u32, value: u32) {
        let (word, shift) = self.at(i);
        let mask = u128::from((1u64 << self.width) - 1) << shift;
        let two = u128::from(self.words[word]) | u128::from(self.words[word + 1]) << 64;
        let two = two & !mask | u128::from(value) << shift & mask;
        self.words[word] = two as u64;
        self.words[word + 1] = (two >> 64) as u64;
    }
}

/// Logical page → physical page.
#[derive(Debug, Clone)]
pub(crate) enum Map {
    /// A packed number a logical page, 0 for nowhere; slices that were not read since the mount are
    /// holes.
    Flat { words: Packed, loaded: Vec<bool> },
    /// What changed since its slice was written, and the slices used last.
    Demand { changed: BTreeMap<u32, u32>, cache: VecDeque<(u32, Vec<u32>)>, limit: usize },
}

impl Map {
    /// A map of which nothing is known.
    pub fn new(l: &Layout, mode: MapMode) -> Map {
        match mode {
            MapMode::Flat => Map::Flat {
                words: Packed::new(l.logical, l.entry_bits, UNKNOWN),
                loaded: vec![false; l.slices as usize],
            },
            MapMode::Demand { cached_slices } => Map::Demand {
                changed: BTreeMap::new(),
                cache: VecDeque::new(),
                limit: usize::from(cached_slices).max(1),
            },
        }
    }

    /// Where a page is; `None` when its slice must be given to [`Map::load`] first.
    pub fn get(&self, l: &Layout, lpn: u32) -> Option<u32> {
        match self {
            Map::Flat { words, .. } => match words.get(lpn) {
                UNKNOWN => None,
                0 => Some(UNMAPPED),
                ppn => Some(ppn),
            },
            Map::Demand { changed, cache, .. } => changed.get(&lpn).copied().or_else(|| {
                let (slice, at) = l.slice_of(lpn);
                cache.iter().find(|c| c.0 == slice).map(|c| c.1[at as usize])
            }),
        }
    }

    pub fn set(&mut self, lpn: u32, ppn: u32) {
        match self {
            Map::Flat { words, .. } => words.set(lpn, if ppn == UNMAPPED { 0 } else { ppn }),
            Map::Demand { changed, .. } => {
                changed.insert(lpn, ppn);
            }
        }
    }

    /// Sets a page's place unless a later one is known.
    pub fn set_older(&mut self, lpn: u32, ppn: u32) {
        match self {
            Map::Flat { words, .. } => {
                if words.get(lpn) == UNKNOWN {
                    words.set(lpn, if ppn == UNMAPPED { 0 } else { ppn });
                }
            }
            Map::Demand { changed, .. } => {
                changed.entry(lpn).or_insert(ppn);
            }
        }
    }

    /// Whether a flat map has this slice; a demand map has none for good.
    pub fn is_loaded(&self, slice: u32) -> bool {
        match self {
            Map::Flat { loaded, .. } => loaded[slice as usize],
            Map::Demand { cache, .. } => cache.iter().any(|c| c.0 == slice),
        }
    }

    /// Takes a slice from flash: `entries` as stored, 0 for nowhere. What changed since wins.
    pub fn load(&mut self, l: &Layout, slice: u32, entries: impl Iterator<Item = u32>) {
        // Pages of block 0 never hold data.
        let place = |e: u32| if e <= UNKNOWN { UNMAPPED } else { e };
        let first = slice * l.slice;
        let count = l.slice.min(l.logical - first);
        let entries = entries.take(count as usize).map(place);
        match self {
            Map::Flat { words, loaded } => {
                for (lpn, e) in (first..).zip(entries) {
                    if words.get(lpn) == UNKNOWN {
                        words.set(lpn, if e == UNMAPPED { 0 } else { e });
                    }
                }
                loaded[slice as usize] = true;
            }
            Map::Demand { cache, limit, .. } => {
                let mut words = if cache.len() >= *limit {
                    cache.pop_back().map(|c| c.1).unwrap_or_default()
                } else {
                    Vec::with_capacity(l.slice as usize)
                };
                words.clear();
                words.extend(entries);
                cache.push_front((slice, words));
            }
        }
    }

    /// The slice's entries as they are stored. The slice must be loaded.
    pub fn entries(&self, l: &Layout, slice: u32) -> Vec<u32> {
        let first = slice * l.slice;
        let count = l.slice.min(l.logical - first);
        let lpns = first..first + count;
        let stored = |ppn: Option<u32>| ppn.filter(|&p| p != UNMAPPED).unwrap_or(0);
        lpns.map(|lpn| stored(self.get(l, lpn))).collect()
    }

    /// The slice is on flash now, as [`Map::entries`] gave it.
    pub fn written(&mut self, l: &Layout, slice: u32) {
        if let Map::Demand { changed, cache, .. } = self {
            let first = slice * l.slice;
            let lpns = first..first + l.slice;
            if let Some((_, words)) = cache.iter_mut().find(|c| c.0 == slice) {
                changed
                    .range(lpns.clone())
                    .for_each(|(&lpn, &p)| words[(lpn - first) as usize] = p);
            }
            let mut later = changed.split_off(&first);
            changed.append(&mut later.split_off(&lpns.end));
        }
    }

    /// Bytes of RAM, within the allocator's rounding.
    pub fn ram_bytes(&self) -> usize {
        match self {
            Map::Flat { words, loaded } => words.words.capacity() * 8 + loaded.capacity(),
            // A B-tree of pairs of words fills its nodes of eleven to two thirds.
            Map::Demand { changed, cache, .. } => {
                changed.len() * 8 * 3 / 2
                    + cache.iter().map(|c| c.1.capacity() * 4 + 32).sum::<usize>()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_numbers_are_like_plain_ones(
            width in 4u32..32,
            sets in proptest::collection::vec((0u32..90, any::<u32>()), 0..200),
        ) {
            let mut packed = Packed::new(90, width, 1);
            let mut plain = [1; 90];
            for (i, v) in sets {
                let v = v & ((1 << width) - 1);
                packed.set(i, v);
                plain[i as usize] = v;
            }
            prop_assert!((0..90).all(|i| packed.get(i) == plain[i as usize]));
        }
    }
}
