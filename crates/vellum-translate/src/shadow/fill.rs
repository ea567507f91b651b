//! Filling: shadow pages on the way to an address, and the leaf; and what may be filled beside it.

use super::entry::{Entry, ShadowLeaf};
use super::format::{Format, Meaning, Said};
use super::page::{ENTRIES, Key, Page, Root};
use super::policy::{Context, Install};
use super::{Shadow, Tricks};
use crate::{Gfn, Gva, Rights};

/// Entries that a hidden fault fills: an aligned group. KVM's constant.
pub const PREFETCH: usize = 8;

impl<F: Format> Shadow<F> {
    /// Installs what a hidden fault found.
    pub(super) fn fill(&mut self, hart: usize, what: &Install<'_, F::Space>, cx: &mut Context<'_>) {
        let levels = self.format.levels(what.satp);
        if self.counters.pages + u64::from(levels) + 2 > u64::from(self.budget) {
            self.reclaim(cx);
        }
        if what.path.is_empty() {
            self.walked_through(hart, what.satp, what.va, cx);
            return;
        }
        let root = self.root(cx, what.satp);
        self.active[hart] = root;
        let Some((at, said)) = self.way(root, what, cx) else { return };
        self.counters.fills += 1;
        if self.page(at).key.level() > 0 {
            // A large leaf is there.
            return;
        }
        let slot = what.va.page() as usize % ENTRIES;
        let rights = said.most() & what.rights;
        let new = self.page(at).entries[slot] == Entry::NONE;
        self.set_leaf(at, slot, what.gfn, self.leaf(what, said, rights), cx);
        if self.has(Tricks::PREFETCH) {
            self.prefetch(at, slot, cx);
        }
        if !new {
            self.merge(at);
        }
    }

    /// A leaf for what was found. Shadowing a table on the way may have withdrawn the right to write
    /// this very page.
    fn leaf(&self, what: &Install<'_, F::Space>, said: Said, mut rights: Rights) -> ShadowLeaf {
        if self.is_guarded(what.gfn) {
            rights -= Rights::WRITE;
        }
        ShadowLeaf { frame: what.frame, rights, said }
    }

    /// The shadow page where the leaf belongs, which is of a level above the lowest if a large leaf is
    /// there already; and what the guest says of the page that the walk led to. None where the way
    /// leads through a switched table, or through entries that changed meanwhile.
    fn way(
        &mut self,
        root: u32,
        what: &Install<'_, F::Space>,
        cx: &mut Context<'_>,
    ) -> Option<(u32, Said)> {
        let (&last, above) = what.path.split_last()?;
        let mut at = root;
        for &entry in above {
            let key = self.page(at).key;
            let Meaning::Table(gfn, role) = self.meaning(key, entry) else { return None };
            let key = Key::Table { gfn, level: key.level() - 1, role };
            at = self.child(cx, root, at, what.va, key)?;
        }
        let key = self.page(at).key;
        let (_, said) = self.meaning(key, last).page()?;
        // Inside a superpage: the parts that this address lies in.
        for level in (0..key.level()).rev() {
            if self.large(at, what, said, cx) {
                return Some((at, said));
            }
            let below = (1_u64 << (9 * (u32::from(level) + 1))) - 1;
            let base = Gfn::new(what.gfn.get() & !below);
            let key = Key::Piece { base, level, flags: said.pack() };
            at = self.child(cx, root, at, what.va, key)?;
        }
        Some((at, said))
    }

    fn root(&mut self, cx: &mut Context<'_>, space: F::Space) -> u32 {
        let (gfn, role) = self.format.root(space);
        let index = match self.root_of(space) {
            Some(root) => {
                // Made as a table that another leads to, under a mode of more levels.
                if !self.page(root).signed {
                    self.alias(root);
                }
                root
            }
            None => {
                let level = self.format.levels(space) - 1;
                let root = self.make(cx, Key::Table { gfn, level, role }, Gva::new(0));
                self.page_mut(root).signed = true;
                root
            }
        };
        let asid = self.format.tag(space);
        let page = self.page_mut(index);
        page.writes = 0;
        let root = page.root.get_or_insert(Root { asid, several: false, fenced: 0 });
        root.several |= root.asid != asid;
        index
    }

    /// The shadow page that entry of `va` in `parent` leads to; made and linked if need be. None
    /// where the guest's own table is walked from here.
    fn child(
        &mut self,
        cx: &mut Context<'_>,
        root: u32,
        parent: u32,
        va: Gva,
        key: Key,
    ) -> Option<u32> {
        let shift = 12 + 9 * (u32::from(key.level()) + 1);
        let slot = (va.get() >> shift) as usize % ENTRIES;
        let old = self.page(parent).entries[slot];
        if let Some(child) = old.child()
            && self.page(child).key == key
        {
            self.page_mut(child).writes = 0;
            return Some(child);
        }
        if old != Entry::NONE {
            self.drop_entry(cx, parent, slot);
        }
        if let Key::Table { gfn, level: 0, .. } = key
            && self.walked.contains_key(&gfn)
        {
            let page = self.page_mut(parent);
            page.entries[slot] = Entry::switch(gfn);
            page.present += 1;
            return None;
        }
        let base = Gva::new(va.get() >> shift << shift);
        let found = match key {
            Key::Table { gfn, level, role } => self.of_table(gfn, level, role),
            Key::Piece { .. } => self.pieces.get(&key).copied(),
        };
        let child = match found {
            Some(child) => {
                self.catch_up_before_link(root, child, cx);
                child
            }
            None => self.make(cx, key, base),
        };
        self.page_mut(parent).present += 1;
        self.link(parent, slot, child, base);
        Some(child)
    }

    /// Has an entry of `parent`, which is counted as present, lead to `child`, whose first entry it
    /// then translates at `base`.
    pub(super) fn link(&mut self, parent: u32, slot: usize, child: u32, base: Gva) {
        let below = self.page(child);
        if below.va != base || below.root.is_some() || self.page(parent).aliased {
            self.alias(child);
        }
        self.page_mut(parent).entries[slot] = Entry::link(child);
        let below = self.page_mut(child);
        below.parents.push((parent, slot as u16));
        below.writes = 0;
    }

    /// Marks a shadow page, and all below it, as reached at more than one virtual address.
    fn alias(&mut self, index: u32) {
        if self.page(index).aliased {
            return;
        }
        self.page_mut(index).aliased = true;
        self.loose_is_aliased(index);
        for slot in 0..ENTRIES {
            if let Some(child) = self.page(index).entries[slot].child() {
                self.alias(child);
            }
        }
    }

    pub(super) fn make(&mut self, cx: &mut Context<'_>, key: Key, va: Gva) -> u32 {
        self.bury(2);
        if let Key::Table { gfn, .. } = key {
            // A table that is used at a second level is followed at both.
            self.tighten(gfn, cx);
        }
        let index = self.make_page(key, va);
        match key {
            Key::Table { gfn, .. } => {
                let head = &mut self.tables[gfn.get() as usize];
                let next = core::mem::replace(head, index + 1);
                self.page_mut(index).next_of_table = next;
                cx.host.add_guard(gfn, self.guard);
                self.withhold_writes(gfn, cx.shoot);
            }
            Key::Piece { .. } => {
                self.pieces.insert(key, index);
            }
        }
        index
    }

    /// A page that nothing leads to or knows of yet.
    pub(super) fn make_page(&mut self, key: Key, va: Gva) -> u32 {
        let page = Page::new(key, va);
        let index = self.free.pop().unwrap_or(self.pages.len() as u32);
        if index as usize == self.pages.len() {
            self.pages.push(Some(page));
        } else {
            self.pages[index as usize] = Some(page);
        }
        self.counters.pages_made += 1;
        self.counters.pages += 1;
        self.counters.peak_pages = self.counters.peak_pages.max(self.counters.pages);
        index
    }

    /// Fills the neighbours of a leaf, where the guest's entries can be used at once. The part of a
    /// superpage is filled whole: the guest said all of it in one entry.
    fn prefetch(&mut self, at: u32, slot: usize, cx: &mut Context<'_>) {
        let group = match self.page(at).key {
            Key::Table { .. } => PREFETCH,
            Key::Piece { .. } => ENTRIES,
        };
        let first = slot & !(group - 1);
        for near in (first..first + group).filter(|&near| near != slot) {
            if self.page(at).entries[near] != Entry::NONE {
                continue;
            }
            let key = self.page(at).key;
            let meaning = match key {
                Key::Table { gfn, .. } => cx
                    .memory
                    .entry(cx.host, gfn, near)
                    .map_or(Meaning::Nothing, |entry| self.meaning(key, entry)),
                Key::Piece { base, flags, .. } => {
                    Meaning::Page(base.plus(near as u64), Said::unpack(flags))
                }
            };
            if let Some((gfn, leaf)) = self.ready_leaf(cx.host, meaning) {
                self.set_leaf(at, near, gfn, leaf, cx);
                self.counters.prefetched += 1;
            }
        }
    }

    /// The host's word on a leaf that is there without it.
    pub(super) fn add_host(
        &mut self,
        hart: usize,
        what: &Install<'_, F::Space>,
        cx: &mut Context<'_>,
    ) {
        let generation = cx.host.generation();
        while let Some((at, slot)) = self.place_of(hart, what.satp, what.va) {
            let page = self.page(at);
            let Some(leaf) = page.entries[slot].as_leaf(generation) else { return };
            let inside = what.va.page() & (page.key.span() - 1);
            if page.gfn_of(slot).plus(inside) != what.gfn {
                return;
            }
            if page.key.level() == 0 {
                let leaf = self.leaf(what, leaf.said, leaf.said.most() & what.rights);
                self.page_mut(at).entries[slot] = Entry::leaf(leaf, generation);
                return self.merge(at);
            }
            if self.large(at, what, leaf.said, cx) {
                return;
            }
        }
    }
}
