//! What is kept for one address, entry by entry: for people.

use super::entry::Entry;
use super::page::{ENTRIES, Key};
use super::policy::Known;
use super::{Format, Shadow};
use crate::{Gfn, Gva};
use alloc::vec::Vec;

/// An entry on the way of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trail {
    /// The level of the guest's table that it stands for.
    pub level: u8,
    /// The shadow page that it is in; none where there are no pages.
    pub page: Option<Key>,
    /// Which entry of the page, or which set of a virtual TLB.
    pub slot: usize,
    /// What is there.
    pub kept: Kept,
}

/// What an entry keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// The way to another shadow page.
    Link(Key),
    /// The way to a guest table that is walked itself.
    Walk(Gfn),
    /// A leaf.
    Leaf(Known),
}

impl<F: Format> Shadow<F> {
    /// The entries that [`Shadow::walk`] would read.
    pub(super) fn trail_of(&self, satp: F::Space, va: Gva, generation: u64) -> Vec<Trail> {
        let mut trail = Vec::new();
        let Some(mut at) = self.root_of(satp).filter(|_| self.format.is_canonical(satp, va)) else {
            return trail;
        };
        let mut superpage = 0;
        for level in (0..self.format.levels(satp)).rev() {
            let page = self.page(at);
            let slot = (va.page() >> (9 * u32::from(level))) as usize % ENTRIES;
            if matches!(page.key, Key::Piece { .. }) {
                superpage = superpage.max(level + 1);
            }
            let entry = page.entries[slot];
            let kept = if entry == Entry::NONE {
                Kept::Nothing
            } else if let Some(child) = entry.child() {
                at = child;
                Kept::Link(self.page(child).key)
            } else if let Some(table) = entry.table() {
                Kept::Walk(table)
            } else {
                let inside = va.page() & (page.key.span() - 1);
                entry.as_leaf(generation).map_or(Kept::Nothing, |leaf| {
                    let gfn = page.gfn_of(slot).plus(inside);
                    let guests = superpage.max(level);
                    Kept::Leaf(leaf.further(inside).known(gfn, guests, level))
                })
            };
            trail.push(Trail { level, page: Some(page.key), slot, kept });
            if !matches!(kept, Kept::Link(_)) {
                break;
            }
        }
        trail
    }
}
