//! Taking away: entries, shadow pages that nothing points to, shadow pages of a guest page, pages
//! over the budget, everything.

use super::entry::Entry;
use super::loose::everywhere;
use super::page::{ENTRIES, Key};
use super::policy::Context;
use super::table::NO_ROOT;
use super::{Format, Shadow, Tricks};
use crate::Gfn;
use crate::tlb::Shootdown;
use alloc::vec::Vec;

impl<F: Format> Shadow<F> {
    /// Drops one entry and, if it was the last link to a shadow page, that page.
    pub(super) fn drop_entry(&mut self, cx: &mut Context<'_>, at: u32, slot: usize) {
        let page = self.page_mut(at);
        let old = core::mem::replace(&mut page.entries[slot], Entry::NONE);
        if old == Entry::NONE {
            return;
        }
        page.present -= 1;
        let (va, aliased, key) = (page.va_of(slot), page.aliased, page.key);
        if old.is_leaf() {
            let gfn = page.gfn_of(slot);
            cx.shoot.push(everywhere(page, slot, gfn));
            self.forget_leaf(at, slot);
            return;
        }
        let pages = 1_u64 << (9 * u32::from(key.level()));
        cx.shoot.push(if aliased { Shootdown::All } else { Shootdown::Range(va, pages) });
        if let Some(child) = old.child() {
            let below = self.page_mut(child);
            below.parents.retain(|&p| p != (at, slot as u16));
            if below.is_top() && below.root.is_none() && self.has(Tricks::UNSHADOW) {
                self.counters.unshadowed += 1;
                self.unmake(cx, child);
            }
        }
    }

    /// Takes a shadow page away that nothing points to, and all that only it pointed to.
    pub(super) fn unmake(&mut self, cx: &mut Context<'_>, index: u32) {
        for slot in 0..ENTRIES {
            if self.page(index).present == 0 {
                break;
            }
            self.drop_entry(cx, index, slot);
        }
        let loose = self.forget_loose(index);
        let page = self.pages[index as usize].take().expect("a page that is there");
        debug_assert!(page.is_top(), "nothing points to a page that goes");
        self.free.push(index);
        self.counters.pages -= 1;
        for active in self.active.iter_mut().filter(|a| **a == index) {
            *active = NO_ROOT;
        }
        match page.key {
            Key::Piece { .. } => {
                self.pieces.remove(&page.key);
            }
            Key::Table { gfn, .. } => {
                self.unlink_table(gfn, index, page.next_of_table);
                if loose {
                    cx.host.unpin(gfn);
                } else if !self.is_table(gfn) {
                    cx.host.remove_guard(gfn, self.guard);
                    self.give_writes_back(cx.host, gfn, cx.shoot);
                }
            }
        }
    }

    fn unlink_table(&mut self, gfn: Gfn, index: u32, next: u32) {
        let head = self.tables[gfn.get() as usize];
        if head == index + 1 {
            self.tables[gfn.get() as usize] = next;
            return;
        }
        let mut at = head;
        while at != 0 {
            let page = self.page_mut(at - 1);
            if page.next_of_table == index + 1 {
                page.next_of_table = next;
                return;
            }
            at = page.next_of_table;
        }
    }

    /// Takes one shadow page away, whatever points to it.
    pub(super) fn unshadow_page(&mut self, at: u32, cx: &mut Context<'_>) {
        let parents = self.page(at).parents.clone();
        // So that it goes with the last link to it, and not before.
        let root = self.page_mut(at).root.take();
        for (parent, slot) in parents {
            let links = self.pages[parent as usize]
                .as_ref()
                .is_some_and(|p| p.entries[usize::from(slot)].child() == Some(at));
            if links {
                self.drop_entry(cx, parent, usize::from(slot));
            }
        }
        let _gone_with_the_page = root;
        if self.pages[at as usize].as_ref().is_some_and(super::page::Page::is_top) {
            self.unmake(cx, at);
        }
    }

    /// Takes away every shadow page of the guest table in `gfn`.
    pub(super) fn unshadow_all(&mut self, gfn: Gfn, cx: &mut Context<'_>) {
        while let Some(at @ 1..) = self.tables.get(gfn.get() as usize).copied() {
            self.counters.unshadowed += 1;
            self.unshadow_page(at - 1, cx);
        }
    }

    /// Makes room: roots and tables that nothing uses go first, and if that is not enough,
    /// everything.
    pub(super) fn reclaim(&mut self, cx: &mut Context<'_>) {
        let before = self.counters.pages;
        for index in 0..self.pages.len() as u32 {
            let idle = self.pages[index as usize].as_ref().is_some_and(|p| p.is_top())
                && !self.active.contains(&index);
            if idle {
                self.unmake(cx, index);
            }
        }
        self.counters.reclaimed += before - self.counters.pages;
        if self.counters.pages * 4 > u64::from(self.budget) * 3 {
            self.clear_all(cx);
        }
    }

    /// Throws everything away at a cost that does not depend on how much there is: a new generation
    /// of shadow pages begins, the old ones are given back a few at a time. Guest tables keep their
    /// guard until the next store to each finds that it has no reason any more.
    pub(super) fn clear_all(&mut self, cx: &mut Context<'_>) {
        for loose in core::mem::take(&mut self.loose) {
            if let Key::Table { gfn, .. } = self.page(loose.page).key {
                cx.host.unpin(gfn);
            }
        }
        let old = core::mem::take(&mut self.pages);
        if self.dying.is_empty() {
            self.dying = old;
        } else {
            self.dying.extend(old);
        }
        self.tables = alloc::vec![0; self.tables.len()];
        self.free.clear();
        self.pieces.clear();
        self.rmap.clear();
        self.walked.clear();
        self.active.fill(NO_ROOT);
        self.counters.pages = 0;
        self.counters.large_pages = 0;
        self.counters.cleared += 1;
        cx.shoot.push(Shootdown::All);
    }

    /// Gives back shadow pages of an older generation.
    pub(super) fn bury(&mut self, count: usize) {
        let left = self.dying.len().saturating_sub(count);
        self.dying.truncate(left);
    }

    /// Throws one shadow page's entries away, the `choice`th modulo the number of pages.
    pub(super) fn drop_one(&mut self, choice: u64, cx: &mut Context<'_>) {
        let live: Vec<u32> =
            (0..self.pages.len() as u32).filter(|&i| self.pages[i as usize].is_some()).collect();
        if live.is_empty() {
            return;
        }
        let index = live[(choice % live.len() as u64) as usize];
        for slot in 0..ENTRIES {
            // Dropping a link of a table that leads to itself may take the page with it.
            if self.pages[index as usize].is_some() {
                self.drop_entry(cx, index, slot);
            }
        }
    }
}
