//! Leaf tables out of step: written freely between two fences.
//!
//! The first store to a followed leaf table lets it go: its guard is taken away, and it joins the
//! list of loose tables. From then on its shadow says what the table said at some moment since the
//! last fence, or what it says now: what a processor's TLB may hold. A fence with an address compares
//! the one entry of each loose table that translates it; any other fence compares whole tables, those
//! that the fenced address spaces can reach. Tables that have not changed over [`QUIET`] such fences
//! are followed again.
//!
//! Nothing is marked in the tables above a loose one (KVM marks every ancestor, and walks all roots
//! that share it). Instead each table carries the *epoch* of the fence that last compared it whole,
//! and each root that of the last fence that named it. A root that comes to lead to a loose table
//! compares the two numbers: only if the table is behind is it compared first.

use super::entry::Entry;
use super::format::{Format, Meaning};
use super::page::{ENTRIES, Key, Page};
use super::policy::{Context, Fence, Known};
use super::{Shadow, Tricks};
use crate::tlb::Shootdown;
use crate::{Gfn, Gva};
use alloc::vec::Vec;

/// Tables that may be loose at once; the oldest is followed again when there are more.
pub const LOOSE: usize = 128;
/// Whole comparisons without a change after which a table is followed again.
pub const QUIET: u8 = 4;
/// Bits of an address that one leaf table translates.
const REGION: u32 = 21;

/// A table out of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loose {
    /// The 2 MiB that it translates.
    region: u64,
    /// It translates others as well.
    aliased: bool,
    /// Its shadow page.
    pub(super) page: u32,
    /// The fence that last compared it whole, or the last one before it went out of step.
    pub(super) epoch: u64,
    /// Whole comparisons since that found no change.
    pub(super) quiet: u8,
}

impl Loose {
    pub(super) fn new(index: u32, page: &Page, epoch: u64, quiet: u8) -> Loose {
        let (region, aliased) = (page.va.get() >> REGION, page.aliased);
        Loose { region, aliased, page: index, epoch, quiet }
    }
}

impl<F: Format> Shadow<F> {
    /// A store to a followed table: whether the table goes out of step instead.
    pub(super) fn loosen(&mut self, gfn: Gfn, cx: &mut Context<'_>) -> bool {
        let head = self.tables.get(gfn.get() as usize).copied().unwrap_or(0);
        if head == 0 {
            // The guard of a table whose shadow was thrown away.
            return cx.host.remove_guard(gfn, self.guard);
        }
        let page = self.page(head - 1);
        let alone = page.key.level() == 0 && page.next_of_table == 0;
        if !self.has(Tricks::LOOSE) || !alone || page.loose {
            return false;
        }
        self.counters.table_stores += 1;
        self.counters.loosened += 1;
        if self.loose.len() == LOOSE {
            let oldest = self.loose[0].page;
            self.follow_again(oldest, cx);
        }
        let loose = Loose::new(head - 1, self.page(head - 1), self.epoch, 0);
        self.page_mut(head - 1).loose = true;
        self.loose.push(loose);
        cx.host.remove_guard(gfn, self.guard);
        cx.host.pin(gfn);
        // The store that is about to happen writes it.
        cx.host.stamp(gfn);
        self.give_writes_back(cx.host, gfn, cx.shoot);
        true
    }

    /// A loose table is followed again: nothing may store to it freely any more, and then it is
    /// compared. In that order, so that no store falls between.
    fn follow_again(&mut self, at: u32, cx: &mut Context<'_>) {
        let Key::Table { gfn, .. } = self.page(at).key else { return };
        self.forget_loose(at);
        cx.host.unpin(gfn);
        cx.host.add_guard(gfn, self.guard);
        self.withhold_writes(gfn, cx.shoot);
        self.compare(at, cx);
        self.counters.followed_again += 1;
    }

    /// The table in this page is used at a second level, or otherwise must be in step.
    pub(super) fn tighten(&mut self, gfn: Gfn, cx: &mut Context<'_>) {
        // A loose table has one shadow page.
        let head = self.tables.get(gfn.get() as usize).copied().unwrap_or(0);
        if head != 0 && self.page(head - 1).loose {
            self.follow_again(head - 1, cx);
        }
    }

    /// Takes a shadow page off the list of loose ones; whether it was on it.
    pub(super) fn forget_loose(&mut self, at: u32) -> bool {
        let page = self.page_mut(at);
        if !core::mem::take(&mut page.loose) {
            return false;
        }
        self.loose.retain(|loose| loose.page != at);
        true
    }

    pub(super) fn loose_is_aliased(&mut self, at: u32) {
        if self.page(at).loose {
            self.loose.iter_mut().filter(|l| l.page == at).for_each(|l| l.aliased = true);
        }
    }

    /// `root` comes to lead to an existing shadow page, which may be behind the fences of the root.
    pub(super) fn catch_up_before_link(&mut self, root: u32, child: u32, cx: &mut Context<'_>) {
        if !self.page(child).loose {
            return;
        }
        let fenced = self.page(root).root.map_or(0, |root| root.fenced).max(self.fenced_all);
        let Some(at) = self.loose.iter().position(|loose| loose.page == child) else { return };
        if self.loose[at].epoch < fenced {
            self.compare(child, cx);
            self.loose[at].epoch = self.epoch;
        }
    }

    /// A fence. In step there is nothing to do.
    pub(super) fn fenced(
        &mut self,
        hart: usize,
        satp: F::Space,
        fence: Fence,
        cx: &mut Context<'_>,
    ) {
        if !self.has(Tricks::LOOSE) {
            return;
        }
        self.epoch += 1;
        match fence.asid {
            None => self.fenced_all = self.epoch,
            Some(asid) => {
                let epoch = self.epoch;
                let roots = self.pages.iter_mut().flatten().filter_map(|p| p.root.as_mut());
                roots.filter(|r| r.several || r.asid == asid).for_each(|r| r.fenced = epoch);
            }
        }
        match fence.va {
            Some(va) => self.fence_address(hart, satp, va, cx),
            None => self.fence_tables(fence.asid, cx),
        }
    }

    fn fence_address(&mut self, hart: usize, satp: F::Space, va: Gva, cx: &mut Context<'_>) {
        let slot = va.page() as usize % ENTRIES;
        let region = va.get() >> REGION;
        for at in 0..self.loose.len() {
            let loose = self.loose[at];
            if loose.aliased || loose.region == region {
                self.compare_entry(loose.page, slot, None, cx);
            }
        }
        if !self.has(Tricks::REFILL_AT_FENCE) || self.format.levels(satp) == 0 {
            return;
        }
        match self.place_of(hart, satp, va) {
            Some((at, slot)) if self.page(at).entries[slot] != Entry::NONE => {}
            Some((at, slot)) if self.page(at).key.level() == 0 => {
                if let Key::Table { gfn, .. } = self.page(at).key {
                    let entry = cx.memory.entry(cx.host, gfn, slot);
                    self.fill_empty(at, slot, entry, cx);
                }
            }
            _ => self.fill_way(hart, satp, va, cx),
        }
    }

    /// Fills an address whose leaf table has no shadow yet, if the guest's tables lead somewhere.
    fn fill_way(&mut self, hart: usize, satp: F::Space, va: Gva, cx: &mut Context<'_>) {
        if !self.format.is_canonical(satp, va) {
            return;
        }
        let (mut table, mut role) = self.format.root(satp);
        let mut path = Vec::new();
        for level in (0..self.format.levels(satp)).rev() {
            let slot = (va.page() >> (9 * u32::from(level))) as usize % ENTRIES;
            let Some(entry) = cx.memory.entry(cx.host, table, slot) else { return };
            path.push(entry);
            let meaning = self.format.meaning(role, level, entry);
            if let (Meaning::Table(below, its), true) = (meaning, level > 0) {
                (table, role) = (below, its);
                continue;
            }
            if level == 0
                && let Some((gfn, leaf)) = self.ready_leaf(cx.host, meaning)
            {
                let (frame, rights) = (leaf.frame, leaf.rights);
                let what = super::Install { satp, va, gfn, level, path: &path, frame, rights };
                self.fill(hart, &what, cx);
                self.counters.refills += 1;
                self.counters.fills -= 1;
            }
            return;
        }
    }

    fn fence_tables(&mut self, asid: Option<u16>, cx: &mut Context<'_>) {
        let concerned: Vec<u32> = self
            .loose
            .iter()
            .map(|loose| loose.page)
            .filter(|&at| asid.is_none_or(|asid| self.reached_by(at, asid)))
            .collect();
        for at in concerned {
            // Bringing one in step may have dropped another.
            if !self.pages[at as usize].as_ref().is_some_and(|page| page.loose) {
                continue;
            }
            let changed = self.compare(at, cx);
            let epoch = self.epoch;
            let Some(loose) = self.loose.iter_mut().find(|loose| loose.page == at) else {
                continue;
            };
            loose.epoch = epoch;
            loose.quiet = if changed { 0 } else { loose.quiet + 1 };
            if loose.quiet >= QUIET {
                self.follow_again(at, cx);
            }
        }
    }

    /// Whether an address space reaches a shadow page.
    fn reached_by(&self, at: u32, asid: u16) -> bool {
        let page = self.page(at);
        page.root.is_some_and(|root| root.several || root.asid == asid)
            || page.parents.iter().any(|&(parent, _)| self.reached_by(parent, asid))
    }

    /// What loose tables' shadows say, for whoever checks it: table, index, the guest's word.
    pub(super) fn loose_entries(&self) -> Vec<(Gfn, usize, Known)> {
        let pages = self.loose.iter().map(|loose| self.page(loose.page));
        pages
            .flat_map(|page| {
                let Key::Table { gfn, .. } = page.key else { unreachable!("tables are loose") };
                (0..ENTRIES).filter_map(move |slot| Some((gfn, slot, Self::known_of(page, slot)?)))
            })
            .collect()
    }
}

/// Everything that a TLB holds of one address, whichever hart's.
pub(super) fn everywhere(page: &Page, slot: usize, gfn: Gfn) -> Shootdown {
    match (page.key.span(), page.aliased) {
        (1, true) => Shootdown::Gfn(gfn),
        (1, false) => Shootdown::Page(page.va_of(slot)),
        (_, true) => Shootdown::All,
        (pages, false) => Shootdown::Range(page.va_of(slot), pages),
    }
}
