//! Following the guest: what a trapped store into a guest table does to its shadow.

use super::entry::Entry;
use super::page::Key;
use super::policy::Context;
use super::{Shadow, Tricks};
use crate::Gfn;
use crate::riscv::Pte;

/// Stores into a guest table between two uses of it before its shadow goes: the guest is using the
/// page for something else. KVM's constant.
pub const FLOOD: u32 = 3;
/// Stores into a leaf table between two hidden faults in it before it is walked itself.
const SWITCH: u32 = 8;
/// Levels of Sv57: how often one guest page can be a table.
const MAX_LEVELS: usize = 5;

impl Shadow {
    /// A store into a guest table is done: the entry at `index` of the table in `gfn` is `pte` now.
    ///
    /// A leaf that can be used at once is installed again: half of all hidden faults of a Linux boot
    /// are spared that way.
    pub(super) fn follow(&mut self, gfn: Gfn, index: usize, pte: Pte, cx: &mut Context<'_>) {
        self.counters.table_stores += 1;
        // One table may be shadowed at several levels, and dropping one shadow page may take others
        // of the same table with it: a table that points to itself.
        let mut levels = [0; MAX_LEVELS];
        let mut count = 0;
        let mut at = self.tables.get(gfn.get() as usize).copied().unwrap_or(0);
        if at == 0 {
            // Nothing is shadowed here any more.
            cx.host.remove_guard(gfn, self.guard);
        }
        while at != 0 {
            levels[count] = at - 1;
            count += 1;
            at = self.page(at - 1).next_of_table;
        }
        for &at in &levels[..count] {
            let there = self.pages[at as usize].as_ref();
            if there.is_some_and(|p| matches!(p.key, Key::Table { gfn: of, .. } if of == gfn)) {
                self.entry_written(at, index, pte, cx);
            }
        }
    }

    fn entry_written(&mut self, at: u32, index: usize, pte: Pte, cx: &mut Context<'_>) {
        let idle = !self.active.contains(&at);
        let page = self.page_mut(at);
        let (level, old) = (page.key.level(), page.entries[index]);
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
        } else if level == 0 {
            if self.has(Tricks::SWITCH) && writes >= SWITCH {
                self.switch(at, cx);
            } else {
                self.update_leaf(at, index, pte, cx);
            }
        } else if old != Entry::NONE {
            let points_on = !pte.is_invalid() && !pte.is_leaf() && !pte.is_bad_pointer();
            let same = match (old.child(), old.table()) {
                (Some(child), _) => {
                    self.page(child).key == Key::Table { gfn: pte.gfn(), level: level - 1 }
                }
                (None, Some(table)) => table == pte.gfn(),
                (None, None) => false,
            };
            if !(same && points_on) {
                self.drop_entry(cx, at, index);
            }
        }
    }

    fn update_leaf(&mut self, at: u32, slot: usize, pte: Pte, cx: &mut Context<'_>) {
        let ready = if self.has(Tricks::UPDATE) { self.ready_leaf(cx.host, pte) } else { None };
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
        if let Key::Table { gfn, level: 0 } = self.page(at).key {
            self.counters.switched += 1;
            self.walked.insert(gfn, 0);
            self.unshadow_page(at, cx);
        }
    }
}
