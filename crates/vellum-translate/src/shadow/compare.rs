//! Comparing what is kept of a table with the table, and filling what changed.

use super::entry::Entry;
use super::format::{Format, Meaning};
use super::page::{ENTRIES, Key, Page};
use super::policy::Context;
use super::{Shadow, Tricks};
use alloc::boxed::Box;

impl<F: Format> Shadow<F> {
    /// Compares a whole loose table; whether anything had changed.
    pub(super) fn compare(&mut self, at: u32, cx: &mut Context<'_>) -> bool {
        let Key::Table { gfn, .. } = self.page(at).key else { return false };
        self.counters.resyncs += 1;
        let mut now = Box::new([0_u64; ENTRIES]);
        let there = cx.memory.whole(cx.host, gfn, &mut now);
        let mut changed = false;
        for slot in 0..ENTRIES {
            if self.page(at).entries[slot] != Entry::NONE {
                let pte = there.then(|| now[slot]);
                changed |= self.compare_entry(at, slot, Some(pte), cx);
            }
        }
        changed
    }

    /// Brings one entry in step; whether it had changed. `now` is the guest's entry, if it was read.
    pub(super) fn compare_entry(
        &mut self,
        at: u32,
        slot: usize,
        now: Option<Option<u64>>,
        cx: &mut Context<'_>,
    ) -> bool {
        let page = self.page(at);
        let old = page.entries[slot];
        let Key::Table { gfn: table, .. } = page.key else { return false };
        if old == Entry::NONE {
            return false;
        }
        let now = now.unwrap_or_else(|| cx.memory.entry(cx.host, table, slot));
        let same = now.is_some_and(|bits| says(page, slot, self.meaning(page.key, bits)));
        self.counters.compared += 1;
        if same {
            return false;
        }
        self.counters.changed += 1;
        self.drop_entry(cx, at, slot);
        if self.has(Tricks::REFILL_AT_SYNC) {
            self.fill_empty(at, slot, now, cx);
        }
        true
    }

    pub(super) fn fill_empty(
        &mut self,
        at: u32,
        slot: usize,
        entry: Option<u64>,
        cx: &mut Context<'_>,
    ) {
        let key = self.page(at).key;
        let meaning = entry.map_or(Meaning::Nothing, |entry| self.meaning(key, entry));
        if let Some((gfn, leaf)) = self.ready_leaf(cx.host, meaning) {
            self.set_leaf(at, slot, gfn, leaf, cx);
            self.counters.refills += 1;
        }
    }
}

/// Whether the guest's entry says what the shadow entry in `slot` does.
pub(super) fn says(page: &Page, slot: usize, meaning: Meaning) -> bool {
    meaning.page().is_some_and(|(gfn, said)| {
        page.gfn_of(slot) == gfn && page.entries[slot].same_guest(Entry::said(said))
    })
}
