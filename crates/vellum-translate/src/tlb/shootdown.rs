//! Invalidations that others ask of a hart's TLB, and the mailbox in which they wait for it.
//!
//! There are two kinds. One takes the guest's word away, because the guest's tables changed or were
//! fenced. The other takes only the host's, because a frame moved or a right was withdrawn; what is
//! left of an entry is parked.

use super::entry::{CodeEntry, DataEntry};
use super::{CODE_ENTRIES, DATA_ENTRIES, NO_TAG, Tlb};
use crate::{FrameId, Gfn, Gva, PAGE_MASK};
use alloc::vec::Vec;

/// An invalidation, as others ask it of a hart's TLB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shootdown {
    /// Everything about a virtual page, in every address space.
    Page(Gva),
    /// Every page of a virtual range, in every address space: first address, pages.
    Range(Gva, u64),
    /// Everything about a guest physical page, wherever it is mapped.
    Gfn(Gfn),
    /// Everything.
    All,
    /// The host's word on a virtual range, in every address space: first address, pages.
    Frames(Gva, u64),
    /// The host's word on guest physical pages, wherever they are mapped: first page, pages.
    GfnFrames(Gfn, u64),
    /// The host's word on everything.
    AllFrames,
    /// The right to write a virtual page.
    Write(Gva),
    /// The right to write a guest physical page, wherever it is mapped.
    GfnWrite(Gfn),
    /// The right to write the frame whose first byte has this host address, wherever it is mapped.
    HostWrite(u64),
    /// The right to execute a frame, wherever it is mapped.
    FrameExecute(FrameId),
    /// Every right to write.
    AllWrites,
}

/// Ranges of pages up to this are looked up one by one; above it, every entry is looked at.
const ONE_BY_ONE: u64 = 512;
/// How far back a page looks for a range that it continues.
const NEIGHBOURS: usize = 4;

impl Shootdown {
    /// Whether it takes the guest's word away.
    pub const fn is_guests(self) -> bool {
        matches!(
            self,
            Shootdown::Page(_) | Shootdown::Range(..) | Shootdown::Gfn(_) | Shootdown::All
        )
    }

    /// Adds [`Shootdown::Frames`] of one page to a list, as a part of a range that ends there if one
    /// was added lately: a run of pages costs one pass, not one a page.
    pub fn add_frames(list: &mut Vec<Shootdown>, page: Gva) {
        let at = page.get() & PAGE_MASK;
        for last in list.iter_mut().rev().take(NEIGHBOURS) {
            if let Shootdown::Frames(first, pages) = last
                && first.get().wrapping_add(*pages << 12) == at
            {
                *pages += 1;
                return;
            }
        }
        list.push(Shootdown::Frames(Gva::new(at), 1));
    }

    /// The same for [`Shootdown::GfnFrames`].
    pub fn add_gfn_frames(list: &mut Vec<Shootdown>, page: Gfn) {
        for last in list.iter_mut().rev().take(NEIGHBOURS) {
            if let Shootdown::GfnFrames(first, pages) = last
                && first.plus(*pages) == page
            {
                *pages += 1;
                return;
            }
        }
        list.push(Shootdown::GfnFrames(page, 1));
    }
}

/// What a hart has yet to carry out. Bounded: what would not fit is asked of everything instead, and
/// the guest's word is never given up for want of room for the host's invalidations.
#[derive(Debug, Default)]
pub struct Mailbox {
    guests: Vec<Shootdown>,
    hosts: Vec<Shootdown>,
}

impl Mailbox {
    /// Invalidations of each kind that are kept apart.
    pub const LIMIT: usize = 64;

    /// Adds one.
    pub fn post(&mut self, what: Shootdown) {
        let (list, all) = match what.is_guests() {
            true => (&mut self.guests, Shootdown::All),
            false => (&mut self.hosts, Shootdown::AllFrames),
        };
        if list.len() < Self::LIMIT {
            list.push(what);
        } else {
            // Room for what comes after it.
            list.clear();
            list.push(all);
        }
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.guests.is_empty() && self.hosts.is_empty()
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.guests.clear();
        self.hosts.clear();
    }

    /// The hart carries out what waits.
    pub fn carry_out(&mut self, tlb: &mut Tlb) {
        self.guests.drain(..).chain(self.hosts.drain(..)).for_each(|what| tlb.shoot_down(what));
    }
}

impl Tlb {
    /// Carries out an invalidation that someone else asks for.
    pub fn shoot_down(&mut self, what: Shootdown) {
        match what {
            Shootdown::Page(va) => self.drop_page_if(va, |_, _| true),
            Shootdown::Range(va, pages) if pages <= ONE_BY_ONE => {
                pages_from(va, pages).for_each(|va| self.drop_page_if(va, |_, _| true));
            }
            Shootdown::Range(va, pages) => {
                let first = va.get() & PAGE_MASK;
                self.drop_where(|page, _, _| page.wrapping_sub(first) >> 12 < pages);
            }
            Shootdown::Gfn(gfn) => {
                for entry in self.data.iter_mut().filter(|e| e.page >> 12 == gfn.get()) {
                    *entry = DataEntry::NONE;
                }
                for at in 0..CODE_ENTRIES {
                    if self.code[at].page >> 12 == gfn.get() {
                        self.lose_code(at);
                        self.code[at] = CodeEntry::NONE;
                    }
                }
            }
            Shootdown::All => self.flush(),
            Shootdown::Frames(va, pages) if pages <= ONE_BY_ONE => {
                pages_from(va, pages).for_each(|va| self.park_page(va));
            }
            Shootdown::Frames(va, pages) => {
                let first = va.get() & PAGE_MASK;
                let inside = |tag: u64, _| (tag & PAGE_MASK).wrapping_sub(first) >> 12 < pages;
                self.park_where(inside);
            }
            Shootdown::GfnFrames(first, pages) => {
                self.park_where(|_, page| (page >> 12).wrapping_sub(first.get()) < pages);
            }
            Shootdown::AllFrames => self.park_where(|_, _| true),
            Shootdown::Write(va) => {
                let entry = &mut self.data[va.page() as usize % DATA_ENTRIES];
                if entry.write & PAGE_MASK == va.get() & PAGE_MASK && entry.write != NO_TAG {
                    entry.withhold_write();
                }
            }
            Shootdown::GfnWrite(gfn) => {
                let of = |e: &&mut DataEntry| e.page >> 12 == gfn.get();
                self.data.iter_mut().filter(of).for_each(DataEntry::withhold_write);
            }
            Shootdown::HostWrite(host) => {
                for entry in self.data.iter_mut().filter(|e| e.write != NO_TAG) {
                    if entry.host.wrapping_add(entry.write & PAGE_MASK) == host {
                        entry.withhold_write();
                    }
                }
            }
            Shootdown::AllWrites => self.data.iter_mut().for_each(DataEntry::withhold_write),
            Shootdown::FrameExecute(frame) => {
                for at in 0..CODE_ENTRIES {
                    if self.code[at].hit != NO_TAG && self.code[at].frame == frame {
                        self.lose_code(at);
                    }
                }
            }
        }
    }

    fn park_page(&mut self, va: Gva) {
        let page = va.get() & PAGE_MASK;
        let entry = &mut self.data[va.page() as usize % DATA_ENTRIES];
        if entry.tag() & PAGE_MASK == page {
            entry.park();
        }
        let at = va.page() as usize % CODE_ENTRIES;
        if self.code[at].tag & PAGE_MASK == page {
            self.lose_code(at);
        }
    }

    /// Parks what `park(tag, page word)` says.
    fn park_where(&mut self, park: impl Fn(u64, u64) -> bool) {
        for entry in self.data.iter_mut().filter(|e| park(e.tag(), e.page)) {
            entry.park();
        }
        for at in 0..CODE_ENTRIES {
            if park(self.code[at].tag, self.code[at].page) {
                self.lose_code(at);
            }
        }
    }

    /// A code entry hits no more.
    pub(super) fn lose_code(&mut self, at: usize) {
        if self.code[at].hit != NO_TAG {
            self.code[at].hit = NO_TAG;
            self.code_epoch = self.code_epoch.wrapping_add(1);
        }
    }
}

fn pages_from(va: Gva, pages: u64) -> impl Iterator<Item = Gva> {
    (0..pages).map(move |page| Gva::new(va.get().wrapping_add(page << 12)))
}
