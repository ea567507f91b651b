//! The map in RAM: all of it, or what changed and a few slices.

use crate::MapMode;
use crate::bits::BitWriter;
use crate::changed::Changed;
use crate::layout::Layout;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

/// The logical page is nowhere.
pub(crate) const UNMAPPED: u32 = u32::MAX;
/// In a flat map: its slice was not read yet. Page 1 lies in block 0, which never holds data.
const UNKNOWN: u32 = 1;

/// The place behind a stored entry: pages of block 0 never hold data.
fn place(entry: u32) -> u32 {
    if entry <= UNKNOWN { UNMAPPED } else { entry }
}

/// Numbers of equal width, packed: a physical page takes as many bits as the chip needs.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    words: Vec<u64>,
    width: u32,
}

impl Packed {
    fn new(count: u32, width: u32, fill: u32) -> Packed {
        // One word more, so that words of any bits may be taken out of two always.
        let mut packed = Packed { words: vec![0; Self::bytes(count, width) / 8], width };
        (0..count).for_each(|i| packed.set(i, fill));
        packed
    }

    /// Bytes of so many numbers.
    fn bytes(count: u32, width: u32) -> usize {
        let bits = u64::from(count) * u64::from(width);
        (bits.div_ceil(64) as usize + 1) * 8
    }

    fn ram_bytes(&self) -> usize {
        self.words.capacity() * 8
    }

    #[inline]
    fn at(&self, i: u32) -> (usize, u32) {
        let bit = i as usize * self.width as usize;
        (bit / 64, (bit % 64) as u32)
    }

    #[inline]
    fn get(&self, i: u32) -> u32 {
        let (word, shift) = self.at(i);
        let mut bits = self.words[word] >> shift;
        if shift + self.width > 64 {
            bits |= self.words[word + 1] << (64 - shift);
        }
        bits as u32 & ((1u64 << self.width) - 1) as u32
    }

    /// The bits of the numbers from `first` on, 64 at a time.
    fn words_from(&self, first: u32) -> impl Iterator<Item = u64> {
        let (word, shift) = self.at(first);
        let two = self.words[word..].iter().zip(&self.words[word + 1..]);
        two.map(move |(low, high)| low >> shift | high << 1 << (63 - shift))
    }

    #[inline]
    fn set(&mut self, i: u32, value: u32) {
        let (word, shift) = self.at(i);
        let mask = (1u64 << self.width) - 1;
        let value = u64::from(value) & mask;
        self.words[word] = self.words[word] & !(mask << shift) | value << shift;
        if shift + self.width > 64 {
            let next = &mut self.words[word + 1];
            *next = *next & !(mask >> (64 - shift)) | value >> (64 - shift);
        }
    }
}

/// Where a page is, if its slice is in the cache.
fn get_cached(l: &Layout, cache: &VecDeque<(u32, Packed)>, lpn: u32) -> Option<u32> {
    let (slice, at) = l.slice_of(lpn);
    cache.iter().find(|c| c.0 == slice).map(|c| place(c.1.get(at)))
}

/// Logical page → physical page.
#[derive(Debug, Clone)]
pub(crate) enum Map {
    /// A packed number a logical page, 0 for nowhere; slices that were not read since the mount are
    /// holes.
    Flat { words: Packed, loaded: Vec<bool> },
    /// What changed since its slice was written, and the slices read last.
    Demand { changed: Changed, cache: VecDeque<(u32, Packed)>, slices: usize, limit: u32 },
}

impl Map {
    /// A map of which nothing is known.
    pub fn new(l: &Layout, mode: MapMode) -> Map {
        match mode {
            MapMode::Flat => Map::Flat {
                words: Packed::new(l.numbers, l.entry_bits, UNKNOWN),
                loaded: vec![false; l.slices as usize],
            },
            MapMode::Demand { cached_slices, changed } => {
                let limit = changed.max(l.least_changed());
                let slices = usize::from(cached_slices).max(1);
                let cache = VecDeque::with_capacity(slices);
                Map::Demand { changed: Changed::new(limit), cache, slices, limit }
            }
        }
    }

    /// Bytes of a map; the flags of a flat one's slices beside it.
    pub fn bytes(l: &Layout, mode: MapMode) -> usize {
        match mode {
            MapMode::Flat => Packed::bytes(l.numbers, l.entry_bits),
            MapMode::Demand { cached_slices, changed } => {
                let slice = Packed::bytes(l.slice, l.entry_bits) + size_of::<(u32, Packed)>();
                Changed::bytes(changed.max(l.least_changed()))
                    + usize::from(cached_slices).max(1) * slice
            }
        }
    }

    /// Where a page is; `None` when its slice must be given to [`Map::load`] first.
    #[inline]
    pub fn get(&self, l: &Layout, lpn: u32) -> Option<u32> {
        match self {
            Map::Flat { words, .. } => match words.get(lpn) {
                UNKNOWN => None,
                0 => Some(UNMAPPED),
                ppn => Some(ppn),
            },
            Map::Demand { changed, cache, .. } => {
                changed.get(lpn).or_else(|| get_cached(l, cache, lpn))
            }
        }
    }

    #[inline]
    pub fn set(&mut self, lpn: u32, ppn: u32) {
        match self {
            Map::Flat { words, .. } => words.set(lpn, if ppn == UNMAPPED { 0 } else { ppn }),
            Map::Demand { changed, .. } => changed.insert(lpn, ppn),
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
                if changed.get(lpn).is_none() {
                    changed.insert(lpn, ppn);
                }
            }
        }
    }

    /// Whether so many more changes must wait until slices were written.
    #[inline]
    pub fn is_crowded(&self, more: u32) -> bool {
        match self {
            Map::Flat { .. } => false,
            Map::Demand { changed, limit, .. } => changed.len() + more > *limit,
        }
    }

    /// The most changes that can be announced at once.
    pub fn most_changes(&self) -> u32 {
        match self {
            Map::Flat { .. } => u32::MAX,
            Map::Demand { limit, .. } => *limit,
        }
    }

    /// Whether a record is worth keeping although its slice was written after it: a flat map then
    /// needs no look at the slice.
    pub fn takes_all(&self) -> bool {
        matches!(self, Map::Flat { .. })
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
        let first = slice * l.slice;
        let count = l.slice.min(l.numbers - first);
        let entries = entries.take(count as usize);
        match self {
            Map::Flat { words, loaded } => {
                for (lpn, e) in (first..).zip(entries) {
                    if words.get(lpn) == UNKNOWN {
                        words.set(lpn, if e == UNKNOWN { 0 } else { e });
                    }
                }
                loaded[slice as usize] = true;
            }
            Map::Demand { cache, slices, .. } => {
                let old = if cache.len() >= *slices { cache.pop_back() } else { None };
                let mut words = old.map_or_else(|| Packed::new(l.slice, l.entry_bits, 0), |c| c.1);
                (0..).zip(entries).for_each(|(i, e)| words.set(i, e));
                cache.push_front((slice, words));
            }
        }
    }

    /// Writes the slice's entries as they are stored. The slice must be loaded.
    pub fn put_entries(&self, l: &Layout, slice: u32, out: &mut BitWriter<'_>) {
        let first = slice * l.slice;
        let count = l.slice.min(l.numbers - first);
        match self {
            // Nothing in a loaded slice is unknown: entries lie here as they are stored.
            Map::Flat { words, .. } => {
                out.put_words(words.words_from(first), count as usize * l.entry_bits as usize);
            }
            Map::Demand { .. } => {
                for lpn in first..first + count {
                    let ppn = self.get(l, lpn).filter(|&p| p != UNMAPPED).unwrap_or(0);
                    out.put(ppn.into(), l.entry_bits);
                }
            }
        }
        out.skip((l.slice - count) as usize * l.entry_bits as usize);
    }

    /// The slice is on flash now, as [`Map::put_entries`] gave it.
    pub fn written(&mut self, l: &Layout, slice: u32) {
        if let Map::Demand { changed, cache, .. } = self {
            let first = slice * l.slice;
            let mut cached = cache.iter_mut().find(|c| c.0 == slice);
            for (i, lpn) in (0..).zip(first..first + l.slice) {
                if let Some(ppn) = changed.remove(lpn)
                    && let Some((_, words)) = &mut cached
                {
                    words.set(i, if ppn == UNMAPPED { 0 } else { ppn });
                }
            }
        }
    }

    /// Bytes of RAM, within the allocator's rounding.
    pub fn ram_bytes(&self) -> usize {
        match self {
            Map::Flat { words, loaded } => words.ram_bytes() + loaded.capacity(),
            Map::Demand { changed, cache, .. } => {
                let slices = cache.iter().map(|c| c.1.ram_bytes()).sum::<usize>();
                changed.ram_bytes() + slices + cache.capacity() * size_of::<(u32, Packed)>()
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
