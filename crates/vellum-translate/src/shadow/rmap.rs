//! The reverse map: from a guest physical page to the shadow leaves that map it, for each size of
//! leaf.
//!
//! One word a page of that size: nothing, one leaf inline, or the head of a chain. Most pages have one
//! leaf (the kernel's linear map), user pages two.

use crate::Gfn;
use alloc::vec;
use alloc::vec::Vec;

/// A leaf's place: shadow page and slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// Shadow pages that a place can name.
    pub(super) const MAX_PAGES: u32 = 1 << 22;

    pub(super) fn new(page: u32, slot: usize) -> Place {
        debug_assert!(page < Self::MAX_PAGES && slot < 512);
        Place(page << 9 | slot as u32)
    }

    pub(super) fn page(self) -> u32 {
        self.0 >> 9
    }

    pub(super) fn slot(self) -> usize {
        self.0 as usize & 511
    }
}

const NONE: u32 = 0;
const CHAIN: u32 = 1 << 31;

#[derive(Debug, Clone, Copy)]
struct Node {
    place: Place,
    next: u32,
}

/// The largest leaf's level: 1 GiB.
pub(super) const LARGEST: u8 = 2;

/// For leaves of all sizes.
#[derive(Debug)]
pub(super) struct Rmap([Chains; LARGEST as usize + 1]);

impl Rmap {
    pub(super) fn new(pages: u64) -> Self {
        Rmap(core::array::from_fn(|level| Chains::new(pages.div_ceil(1 << (9 * level)))))
    }

    /// A leaf at `level` that begins at `first`.
    pub(super) fn insert(&mut self, level: u8, first: Gfn, place: Place) {
        self.0[usize::from(level)].insert(number(first, level), place);
    }

    pub(super) fn remove(&mut self, level: u8, first: Gfn, place: Place) {
        self.0[usize::from(level)].remove(number(first, level), place);
    }

    /// First pages of the leaves at `level` that some page of a run is in.
    pub(super) fn mapped(&self, level: u8, first: Gfn, count: u64) -> Vec<Gfn> {
        let bits = 9 * u32::from(level);
        let end = first.get().saturating_add(count).saturating_add((1 << bits) - 1) >> bits;
        let start = first.get() >> bits;
        let numbers = self.0[usize::from(level)].used(start, end.max(start));
        numbers.map(|number| Gfn::new(number << bits)).collect()
    }

    /// Leaves at `level` that map a page.
    pub(super) fn places(&self, level: u8, page: Gfn) -> impl Iterator<Item = Place> + use<'_> {
        self.0[usize::from(level)].places(number(page, level))
    }

    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(Chains::clear);
    }

    pub(super) fn overhead(&self) -> usize {
        self.0.iter().map(Chains::overhead).sum()
    }
}

fn number(page: Gfn, level: u8) -> u64 {
    page.get() >> (9 * u32::from(level))
}

/// For leaves of one size.
#[derive(Debug)]
struct Chains {
    /// By page: 0; place + 1; or CHAIN | index of a node.
    heads: Vec<u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
}

impl Chains {
    fn new(pages: u64) -> Self {
        Chains { heads: vec![NONE; pages as usize], nodes: Vec::new(), free: Vec::new() }
    }

    fn node(&mut self, place: Place, next: u32) -> u32 {
        let node = Node { place, next };
        match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        }
    }

    fn insert(&mut self, page: u64, place: Place) {
        let head = self.heads[page as usize];
        self.heads[page as usize] = if head == NONE {
            place.0 + 1
        } else {
            let next =
                if head & CHAIN == 0 { self.node(Place(head - 1), NONE) | CHAIN } else { head };
            self.node(place, next) | CHAIN
        };
    }

    fn remove(&mut self, page: u64, place: Place) {
        let head = self.heads[page as usize];
        if head == place.0 + 1 {
            self.heads[page as usize] = NONE;
            return;
        }
        let mut before: Option<u32> = None;
        let mut at = head;
        while at & CHAIN != 0 {
            let index = at & !CHAIN;
            let node = self.nodes[index as usize];
            if node.place == place {
                match before {
                    Some(before) => self.nodes[before as usize].next = node.next,
                    None => self.heads[page as usize] = node.next,
                }
                self.free.push(index);
                return;
            }
            (before, at) = (Some(index), node.next);
        }
        debug_assert!(false, "page {page} has no leaf at {place:?}");
    }

    /// The pages from `start` to before `end` that some leaf maps.
    fn used(&self, start: u64, end: u64) -> impl Iterator<Item = u64> {
        let from = (start as usize).min(self.heads.len());
        let to = (end as usize).clamp(from, self.heads.len());
        let heads = (start..).zip(&self.heads[from..to]);
        heads.filter(|(_, head)| **head != NONE).map(|(page, _)| page)
    }

    fn places(&self, page: u64) -> impl Iterator<Item = Place> + use<'_> {
        let head = self.heads.get(page as usize).copied().unwrap_or(NONE);
        let inline = (head != NONE && head & CHAIN == 0).then(|| Place(head.wrapping_sub(1)));
        let mut at = if head & CHAIN != 0 { head } else { NONE };
        inline.into_iter().chain(core::iter::from_fn(move || {
            if at & CHAIN == 0 {
                return None;
            }
            let node = self.nodes[(at & !CHAIN) as usize];
            at = node.next;
            Some(node.place)
        }))
    }

    fn clear(&mut self) {
        self.heads.fill(NONE);
        self.nodes.clear();
        self.free.clear();
    }

    fn overhead(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * 4
    }
}
