//! Looking up: the walk of the shadow tables, and what it answers.

use super::entry::ShadowLeaf;
use super::format::Format;
use super::page::{ENTRIES, Key, Page};
use super::policy::{Found, Known};
use super::table::{NO_ROOT, Shadow};
use crate::{Gfn, Gva};

impl<F: Format> Shadow<F> {
    /// Walks the shadow tables: one load a level, none of guest memory.
    #[inline]
    pub(super) fn walk(
        &self,
        hart: usize,
        satp: F::Space,
        va: Gva,
        generation: u64,
        references: &mut u64,
    ) -> Found {
        let root = self.active[hart];
        if root == NO_ROOT || !self.format.is_canonical(satp, va) {
            return Found::Nothing;
        }
        let mut page = self.page(root);
        let mut level = u32::from(self.format.levels(satp)) - 1;
        let mut superpage = 0;
        loop {
            let slot = (va.page() >> (9 * level)) as usize % ENTRIES;
            let entry = page.entries[slot];
            *references += 1;
            if let Some(child) = entry.child() {
                page = self.page(child);
                if matches!(page.key, Key::Piece { .. }) {
                    superpage = superpage.max(level as u8);
                }
                level -= 1;
                continue;
            }
            if let Some(table) = entry.table() {
                return Found::Continue(table, level as u8 - 1);
            }
            let Some(leaf) = entry.as_leaf(generation) else { return Found::Nothing };
            let (inside, level) = (va.page() & (page.key.span() - 1), level as u8);
            let (leaf, gfn) = (leaf.further(inside), page.gfn_of(slot).plus(inside));
            return Found::Leaf(leaf.known(gfn, superpage.max(level), level));
        }
    }

    /// The shadow page where an address's way ends, and the slot in it.
    pub(super) fn place_of(&self, hart: usize, satp: F::Space, va: Gva) -> Option<(u32, usize)> {
        let mut at = self.active[hart];
        if at == NO_ROOT || !self.format.is_canonical(satp, va) {
            return None;
        }
        for level in (0..self.format.levels(satp)).rev() {
            let slot = (va.page() >> (9 * u32::from(level))) as usize % ENTRIES;
            match self.page(at).entries[slot].child() {
                Some(child) => at = child,
                None => return Some((at, slot)),
            }
        }
        None
    }

    /// A leaf of the guest's word alone.
    pub(super) fn known_of(page: &Page, slot: usize) -> Option<Known> {
        let leaf = page.entries[slot].without_host().as_leaf(0)?;
        Some(leaf.known(page.gfn_of(slot), 0, 0))
    }
}

impl ShadowLeaf {
    /// As a policy answers it.
    #[inline]
    pub(super) fn known(&self, gfn: Gfn, level: u8, run: u8) -> Known {
        let ShadowLeaf { frame, rights, said } = *self;
        Known {
            gfn,
            guest: said.guest,
            user: said.user,
            global: said.global,
            shielded: said.shielded,
            key: said.key,
            level,
            frame,
            rights,
            run,
        }
    }
}
