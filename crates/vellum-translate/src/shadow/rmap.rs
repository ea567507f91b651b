//! The reverse map: from a guest physical page to the shadow leaves that map it.
//!
//! One word a page: nothing, one leaf inline, or the head of a chain. Most pages have one leaf (the
//! kernel's linear map), user pages two.

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

#[derive(Debug)]
pub(super) struct Rmap {
    /// By page: 0; place + 1; or CHAIN | index of a node.
    heads: Vec<u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
}

impl Rmap {
    pub(super) fn new(pages: u64) -> Self {
        Rmap { heads: vec![NONE; pages as usize], nodes: Vec::new(), free: Vec::new() }
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

    pub(super) fn insert(&mut self, page: Gfn, place: Place) {
        let head = self.heads[page.get() as usize];
        self.heads[page.get() as usize] = if head == NONE {
            place.0 + 1
        } else {
            let next =
                if head & CHAIN == 0 { self.node(Place(head - 1), NONE) | CHAIN } else { head };
            self.node(place, next) | CHAIN
        };
    }

    pub(super) fn remove(&mut self, page: Gfn, place: Place) {
        let head = self.heads[page.get() as usize];
        if head == place.0 + 1 {
            self.heads[page.get() as usize] = NONE;
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
                    None => self.heads[page.get() as usize] = node.next,
                }
                self.free.push(index);
                return;
            }
            (before, at) = (Some(index), node.next);
        }
        debug_assert!(false, "{page} has no leaf at {place:?}");
    }

    /// The pages of a run that some leaf maps.
    pub(super) fn mapped(&self, first: Gfn, count: u64) -> Vec<Gfn> {
        let start = (first.get() as usize).min(self.heads.len());
        let end = start.saturating_add(count as usize).min(self.heads.len());
        let heads = (first.get()..).zip(&self.heads[start..end]);
        heads.filter(|(_, head)| **head != NONE).map(|(page, _)| Gfn::new(page)).collect()
    }

    pub(super) fn places(&self, page: Gfn) -> impl Iterator<Item = Place> + use<'_> {
        let head = self.heads.get(page.get() as usize).copied().unwrap_or(NONE);
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

    pub(super) fn clear(&mut self) {
        self.heads.fill(NONE);
        self.nodes.clear();
        self.free.clear();
    }

    pub(super) fn overhead(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * 4
    }
}
