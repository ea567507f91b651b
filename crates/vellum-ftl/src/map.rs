//! The map in RAM: all of it, or what changed and a few slices.

use crate::MapMode;
use crate::layout::Layout;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

/// The logical page is nowhere.
pub(crate) const UNMAPPED: u32 = u32::MAX;
/// Its slice was not read yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// Logical page → physical page.
#[derive(Debug, Clone)]
pub(crate) enum Map {
    /// One word a logical page; slices that were not read since the mount are holes.
    Flat { words: Vec<u32>, loaded: Vec<bool> },
    /// What changed since its slice was written, and the slices used last.
    Demand { changed: BTreeMap<u32, u32>, cache: VecDeque<(u32, Vec<u32>)>, limit: usize },
}

impl Map {
    /// A map of which nothing is known.
    pub fn new(l: &Layout, mode: MapMode) -> Map {
        match mode {
            MapMode::Flat => Map::Flat {
                words: vec![UNKNOWN; l.logical as usize],
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
            Map::Flat { words, .. } => match words[lpn as usize] {
                UNKNOWN => None,
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
            Map::Flat { words, .. } => words[lpn as usize] = ppn,
            Map::Demand { changed, .. } => {
                changed.insert(lpn, ppn);
            }
        }
    }

    /// Sets a page's place unless a later one is known.
    pub fn set_older(&mut self, lpn: u32, ppn: u32) {
        match self {
            Map::Flat { words, .. } => {
                let word = &mut words[lpn as usize];
                if *word == UNKNOWN {
                    *word = ppn;
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
        let place = |e: u32| if e == 0 { UNMAPPED } else { e };
        let first = slice * l.slice;
        let count = l.slice.min(l.logical - first);
        let entries = entries.take(count as usize).map(place);
        match self {
            Map::Flat { words, loaded } => {
                for (word, e) in words[first as usize..].iter_mut().zip(entries) {
                    if *word == UNKNOWN {
                        *word = e;
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
            Map::Flat { words, loaded } => words.capacity() * 4 + loaded.capacity(),
            // A B-tree of pairs of words fills its nodes of eleven to two thirds.
            Map::Demand { changed, cache, .. } => {
                changed.len() * 8 * 3 / 2
                    + cache.iter().map(|c| c.1.capacity() * 4 + 32).sum::<usize>()
            }
        }
    }
}
