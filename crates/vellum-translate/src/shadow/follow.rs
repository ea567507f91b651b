//! Following the guest: what a trapped store into a guest table does to its shadow.

use super::entry::Entry;
use super::format::{Format, Meaning};
use super::page::{ENTRIES, Key};
use super::policy::Context;
use super::table::NO_ROOT;
use super::{Shadow, Tricks};
use crate::{Gfn, Gva};
use alloc::vec::Vec;

/// Stores into a guest table between two uses of it before its shadow goes: the guest is using the
/// page for something else. KVM's constant.
pub const FLOOD: u32 = 3;
/// Stores into a leaf table between two hidden faults in it before it is walked itself.
const SWITCH: u32 = 8;
/// Walks through a switched table after which it is shadowed again.
const WALKS_OF_A_QUIET_TABLE: u32 = 256;

impl<F: Format> Shadow<F> {
    /// A store into a guest table is done: the entry at `index` of the table in `gfn` is `entry` now.
    ///
    /// A leaf that can be used at once is installed again: half of all hidden faults of a Linux boot
    /// are spared that way.
    pub(super) fn follow(&mut self, gfn: Gfn, index: usize, entry: u64, cx: &mut Context<'_>) {
        self.counters.table_stores += 1;
        if !self.is_table(gfn) {
            // Nothing is shadowed here any more.
            cx.host.remove_guard(gfn, self.guard);
        }
        self.each_page_of(gfn, |shadow, at| shadow.entry_written(at, index, entry, cx));
    }

    /// A walk has set bits of the entry at `index` of the table in `gfn`, if it is one. No trap, and no
    /// sign of another use; but what was kept of the entry in another role may say less than it does
    /// now, or lead on where an accessed bit is to be set first.
    pub(super) fn follow_marks(
        &mut self,
        gfn: Gfn,
        index: usize,
        entry: u64,
        cx: &mut Context<'_>,
    ) {
        self.each_page_of(gfn, |shadow, at| shadow.follow_entry(at, index, entry, cx));
    }

    /// One table may be shadowed at several levels and in several roles, and dropping one shadow page
    /// may take others of the same table with it: a table that points to itself.
    fn each_page_of(&mut self, gfn: Gfn, mut each: impl FnMut(&mut Self, u32)) {
        let mut at = self.tables.get(gfn.get() as usize).copied().unwrap_or(0);
        // The usual table has one.
        if at != 0 && self.page(at - 1).next_of_table == 0 {
            return each(self, at - 1);
        }
        let mut all = Vec::new();
        while at != 0 {
            all.push(at - 1);
            at = self.page(at - 1).next_of_table;
        }
        for at in all {
            let there = self.pages[at as usize].as_ref();
            if there.is_some_and(|p| matches!(p.key, Key::Table { gfn: of, .. } if of == gfn)) {
                each(self, at);
            }
        }
    }

    fn entry_written(&mut self, at: u32, index: usize, entry: u64, cx: &mut Context<'_>) {
        let idle = !self.active.contains(&at);
        let page = self.page_mut(at);
        let level = page.key.level();
        page.writes += 1;
        let writes = page.writes;
        let flooded = self.tricks.contains(Tricks::FLOOD)
            && idle
            && writes >= FLOOD
            && match self.has(Tricks::LOOSE) {
                true => level > 0,
                false => self.page(at).root.is_some() && self.page(at).is_top(),
            };
        if flooded {
            self.counters.flooded += 1;
            self.unshadow_page(at, cx);
        } else if level == 0 && self.has(Tricks::SWITCH) && writes >= SWITCH {
            self.switch(at, cx);
        } else {
            self.follow_entry(at, index, entry, cx);
        }
    }

    /// Brings what is kept of an entry up to date, or drops it.
    fn follow_entry(&mut self, at: u32, index: usize, entry: u64, cx: &mut Context<'_>) {
        let page = self.page(at);
        let (key, old) = (page.key, page.entries[index]);
        let meaning = self.meaning(key, entry);
        if key.level() == 0 {
            return self.update_leaf(at, index, meaning, cx);
        }
        if old == Entry::NONE {
            return;
        }
        let same = match (meaning, old.child(), old.table()) {
            (Meaning::Table(gfn, role), Some(child), _) => {
                self.page(child).key == Key::Table { gfn, level: key.level() - 1, role }
            }
            (Meaning::Table(gfn, _), None, Some(table)) => table == gfn,
            _ => false,
        };
        if !same {
            self.drop_entry(cx, at, index);
        }
    }

    fn update_leaf(&mut self, at: u32, slot: usize, meaning: Meaning, cx: &mut Context<'_>) {
        let ready = if self.has(Tricks::UPDATE) { self.ready_leaf(cx.host, meaning) } else { None };
        match ready {
            Some((gfn, leaf)) => {
                self.set_leaf(at, slot, gfn, leaf, cx);
                self.counters.updates += 1;
            }
            None => self.drop_entry(cx, at, slot),
        }
    }

    /// From here on the table behind a shadow page is walked itself.
    fn switch(&mut self, at: u32, cx: &mut Context<'_>) {
        if let Key::Table { gfn, level: 0, .. } = self.page(at).key {
            self.counters.switched += 1;
            self.walked.insert(gfn, 0);
            self.unshadow_page(at, cx);
        }
    }

    /// A walk went through a switched table. When it has been quiet for long, it is shadowed again.
    pub(super) fn walked_through(
        &mut self,
        hart: usize,
        satp: F::Space,
        va: Gva,
        cx: &mut Context<'_>,
    ) {
        let mut at = self.active[hart];
        if at == NO_ROOT {
            return;
        }
        for level in (1..self.format.levels(satp)).rev() {
            let slot = (va.page() >> (9 * u32::from(level))) as usize % ENTRIES;
            let entry = self.page(at).entries[slot];
            if let Some(table) = entry.table() {
                let walks = self.walked.entry(table).or_insert(0);
                *walks += 1;
                if *walks >= WALKS_OF_A_QUIET_TABLE {
                    self.walked.remove(&table);
                    self.drop_entry(cx, at, slot);
                    self.counters.switched_back += 1;
                }
                return;
            }
            match entry.child() {
                Some(child) => at = child,
                None => return,
            }
        }
    }
}
