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
use super::page::{ENTRIES, Key, Page};
use super::policy::{Context, Fence, Known};
use super::{Shadow, Tricks};
use crate::riscv::{Mode, Pte, Satp};
use crate::tlb::Shootdown;
use crate::{Access, Environment, Gfn, Gpa, Gva, Privilege};
use alloc::boxed::Box;
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

impl Shadow {
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
        self.give_writes_back(cx.host, gfn);
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
        if let Some(at) = self.of_table(gfn, 0)
            && self.page(at).loose
        {
            self.follow_again(at, cx);
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
    pub(super) fn fenced(&mut self, hart: usize, satp: Satp, fence: Fence, cx: &mut Context<'_>) {
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

    fn fence_address(&mut self, hart: usize, satp: Satp, va: Gva, cx: &mut Context<'_>) {
        let slot = va.page() as usize % ENTRIES;
        let region = va.get() >> REGION;
        for at in 0..self.loose.len() {
            let loose = self.loose[at];
            if loose.aliased || loose.region == region {
                self.compare_entry(loose.page, slot, None, cx);
            }
        }
        if !self.has(Tricks::REFILL_AT_FENCE) || satp.mode == Mode::Bare {
            return;
        }
        match self.leaf_page(hart, satp, va) {
            Some((at, slot)) if self.page(at).entries[slot] == Entry::NONE => {
                if let Key::Table { gfn, .. } = self.page(at).key {
                    let pte = cx.memory.entry(cx.host, gfn, slot);
                    self.fill_empty(at, slot, pte, cx);
                }
            }
            Some(_) => {}
            None => self.fill_way(hart, satp, va, cx),
        }
    }

    /// Fills an address whose leaf table has no shadow yet, if the guest's tables lead somewhere.
    fn fill_way(&mut self, hart: usize, satp: Satp, va: Gva, cx: &mut Context<'_>) {
        let all = Environment { privilege: Privilege::Supervisor, sum: true, mxr: true };
        let mut path = [Pte(0); 5];
        let mut depth = 0;
        let tables = Through { memory: cx.memory, host: cx.host };
        let walked = crate::riscv::walk(&tables, satp, all, va, Access::Load, |_, _, pte| {
            path[depth] = pte;
            depth += 1;
        });
        let Ok(leaf) = walked else { return };
        if leaf.level > 0 {
            return;
        }
        let Some((_, ready)) = self.ready_leaf(cx.host, path[depth - 1]) else { return };
        let path = &path[..depth];
        let (frame, rights) = (ready.frame, ready.rights);
        let what = super::Install { satp, va, leaf, path, frame, rights };
        self.fill(hart, &what, cx);
        self.counters.refills += 1;
        self.counters.fills -= 1;
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

    /// Compares a whole loose table; whether anything had changed.
    fn compare(&mut self, at: u32, cx: &mut Context<'_>) -> bool {
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
    fn compare_entry(
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
        self.counters.compared += 1;
        let now = now.unwrap_or_else(|| cx.memory.entry(cx.host, table, slot));
        if now.is_some_and(|bits| says(self.page(at), slot, Pte(bits))) {
            return false;
        }
        self.counters.changed += 1;
        self.drop_entry(cx, at, slot);
        if self.has(Tricks::REFILL_AT_SYNC) {
            self.fill_empty(at, slot, now, cx);
        }
        true
    }

    fn fill_empty(&mut self, at: u32, slot: usize, pte: Option<u64>, cx: &mut Context<'_>) {
        if let Some((gfn, leaf)) = pte.and_then(|bits| self.ready_leaf(cx.host, Pte(bits))) {
            self.set_leaf(at, slot, gfn, leaf, cx);
            self.counters.refills += 1;
        }
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

/// Whether the guest's entry says what the shadow entry in `slot` does.
pub(super) fn says(page: &Page, slot: usize, pte: Pte) -> bool {
    let Some(leaf) = page.entries[slot].as_leaf(0) else { return false };
    !pte.is_invalid()
        && pte.is_leaf()
        && pte.has(Pte::A)
        && page.gfn_of(slot) == pte.gfn()
        && leaf.guest == pte.rights_now()
        && leaf.user == pte.has(Pte::U)
        && leaf.global == pte.has(Pte::G)
}

/// The guest's tables, for a walk.
struct Through<'a> {
    memory: &'a dyn crate::host::TableReader,
    host: &'a crate::host::HostTable,
}

impl crate::riscv::TableMemory for Through<'_> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.memory.entry(self.host, at.gfn(), at.page_offset() / 8)
    }
}

/// Everything that a TLB holds of one address, whichever hart's.
pub(super) fn everywhere(page: &Page, slot: usize, gfn: Gfn) -> Shootdown {
    if page.aliased { Shootdown::Gfn(gfn) } else { Shootdown::Page(page.va_of(slot)) }
}
