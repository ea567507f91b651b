//! The shadow tables of one machine: how they hang together, and how they are walked.

use super::entry::{Entry, ShadowLeaf, era};
use super::format::{Format, Meaning, RiscV, Role};
use super::grants::granted;
use super::loose::Loose;
use super::page::{Key, Page};
use super::policy::Context;
use super::rmap::{Place, Rmap};
use super::{Counters, Tricks};
use crate::host::{Guard, HostTable};
use crate::{FrameId, Gfn, Rights};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

pub(super) const NO_ROOT: u32 = u32::MAX;

/// The shadow tables of one machine, for all its harts.
#[derive(Debug)]
pub struct Shadow<F: Format = RiscV> {
    pub(super) format: F,
    pub(super) tricks: Tricks,
    pub(super) pages: Vec<Option<Page>>,
    pub(super) free: Vec<u32>,
    /// By guest page: the first shadow page of the table in it, plus one.
    pub(super) tables: Vec<u32>,
    pub(super) pieces: BTreeMap<Key, u32>,
    pub(super) rmap: Rmap,
    pub(super) guard: Guard,
    /// The root that each hart has loaded.
    pub(super) active: Vec<u32>,
    pub(super) budget: u32,
    /// The tables that are out of step, oldest first.
    pub(super) loose: Vec<Loose>,
    /// Fences so far.
    pub(super) epoch: u64,
    /// The last fence that named every address space.
    pub(super) fenced_all: u64,
    /// Tables that are walked themselves, with the walks since they were last switched.
    pub(super) walked: BTreeMap<Gfn, u32>,
    /// The era of the generations that the entries hold.
    pub(super) era: u64,
    /// Shadow pages thrown away at once, to be given back a few at a time.
    pub(super) dying: Vec<Option<Page>>,
    /// What happened.
    pub(super) counters: Counters,
}

impl Shadow {
    /// Empty shadow tables of a RISC-V guest over `host`, for `harts` harts, of at most `budget` shadow
    /// pages. `guard` is the reason that guest tables get; it must withhold writing.
    pub fn new(host: &HostTable, guard: Guard, harts: usize, budget: u32, tricks: Tricks) -> Self {
        Shadow::of(RiscV, host, guard, harts, budget, tricks)
    }
}

impl<F: Format> Shadow<F> {
    /// The same, of a guest whose tables have this format.
    pub fn of(
        format: F,
        host: &HostTable,
        guard: Guard,
        harts: usize,
        budget: u32,
        tricks: Tricks,
    ) -> Self {
        Shadow {
            format,
            tricks,
            pages: Vec::new(),
            free: Vec::new(),
            tables: vec![0; host.pages() as usize],
            pieces: BTreeMap::new(),
            rmap: Rmap::new(host.pages()),
            guard,
            active: vec![NO_ROOT; harts],
            budget: budget.clamp(16, Place::MAX_PAGES - 1),
            loose: Vec::new(),
            epoch: 1,
            fenced_all: 0,
            walked: BTreeMap::new(),
            era: era(host.generation()),
            dying: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// The tricks in use.
    pub fn tricks(&self) -> Tricks {
        self.tricks
    }

    pub(super) fn page(&self, index: u32) -> &Page {
        self.pages[index as usize].as_ref().expect("a link leads to a page")
    }

    pub(super) fn page_mut(&mut self, index: u32) -> &mut Page {
        self.pages[index as usize].as_mut().expect("a link leads to a page")
    }

    pub(super) fn has(&self, trick: Tricks) -> bool {
        self.tricks.contains(trick)
    }

    /// The shadow page of an address space's root, if it translates and there is one.
    pub(super) fn root_of(&self, space: F::Space) -> Option<u32> {
        let level = self.format.levels(space).checked_sub(1)?;
        let (gfn, role) = self.format.root(space);
        self.of_table(gfn, level, role)
    }

    pub(super) fn of_table(&self, gfn: Gfn, level: u8, role: Role) -> Option<u32> {
        let key = Key::Table { gfn, level, role };
        let mut at = self.tables.get(gfn.get() as usize).copied().unwrap_or(0);
        while at != 0 {
            let page = self.page(at - 1);
            if page.key == key {
                return Some(at - 1);
            }
            at = page.next_of_table;
        }
        None
    }

    /// Whether this guest page is a table that has a shadow page.
    pub(super) fn is_table(&self, gfn: Gfn) -> bool {
        self.tables.get(gfn.get() as usize).is_some_and(|&head| head != 0)
    }

    /// Whether stores to this page are withheld. A loose table has one shadow page and no other.
    pub(super) fn is_guarded(&self, gfn: Gfn) -> bool {
        match self.tables.get(gfn.get() as usize) {
            None | Some(0) => false,
            Some(&head) => !self.page(head - 1).loose,
        }
    }

    /// A hart loads `satp`: remembers its root, and that the guest still uses it as one. All roots
    /// whose shadow is still there are found again: there is no smaller cache of previous roots.
    pub(super) fn root_loaded(&mut self, hart: usize, satp: F::Space) {
        self.active[hart] = NO_ROOT;
        if self.format.levels(satp) == 0 {
            return;
        }
        match self.root_of(satp) {
            Some(root) => {
                let asid = self.format.tag(satp);
                let page = self.page_mut(root);
                page.writes = 0;
                if let Some(known) = &mut page.root {
                    known.several |= known.asid != asid;
                }
                self.active[hart] = root;
                self.counters.roots_found += 1;
            }
            None => self.counters.roots_missed += 1,
        }
    }

    /// Puts a leaf in, in place of whatever leaf is there. Where the guest's word on the page
    /// changed, TLB entries of the old one go.
    pub(super) fn set_leaf(
        &mut self,
        at: u32,
        slot: usize,
        gfn: Gfn,
        leaf: ShadowLeaf,
        cx: &mut Context<'_>,
    ) {
        let entry = Entry::leaf(leaf, cx.host.generation());
        let page = self.page_mut(at);
        let old = page.entries[slot];
        debug_assert!(old.child().is_none(), "a leaf replaces a leaf");
        if old.is_leaf() && page.gfn_of(slot) == gfn && old.same_guest(entry) {
            page.entries[slot] = entry;
            return;
        }
        if old != Entry::NONE {
            self.drop_entry(cx, at, slot);
        }
        self.page_mut(at).present += 1;
        self.put_leaf(at, slot, gfn, entry);
    }

    /// A leaf where something else was that is gone, or will be.
    pub(super) fn put_leaf(&mut self, at: u32, slot: usize, gfn: Gfn, entry: Entry) {
        let page = self.page_mut(at);
        page.entries[slot] = entry;
        page.note(slot, gfn);
        let level = page.key.level();
        self.rmap.insert(level, gfn, Place::new(at, slot));
        self.counters.large_pages += u64::from(level > 0);
    }

    /// The leaf in `slot` is gone, or will be.
    pub(super) fn forget_leaf(&mut self, at: u32, slot: usize) {
        let page = self.page(at);
        let (level, gfn) = (page.key.level(), page.gfn_of(slot));
        self.rmap.remove(level, gfn, Place::new(at, slot));
        self.counters.large_pages -= u64::from(level > 0);
    }

    /// What an entry of a table that has a shadow page means.
    pub(super) fn meaning(&self, key: Key, entry: u64) -> Meaning {
        match key {
            Key::Table { level, role, .. } => self.format.meaning(role, level, entry),
            Key::Piece { .. } => Meaning::Nothing,
        }
    }

    /// The leaf that an entry of a leaf table stands for, if it can be used at once. No right to write
    /// is granted to a page that was not already written in this epoch, so that dirty sets stay exact.
    pub(super) fn ready_leaf(
        &self,
        host: &HostTable,
        meaning: Meaning,
    ) -> Option<(Gfn, ShadowLeaf)> {
        let (gfn, said) = meaning.page()?;
        if gfn.get() >= host.pages() {
            return None;
        }
        // Whether the host has a frame just now must not decide what is known of the guest.
        let (frame, rights) = granted(host, gfn).unwrap_or((FrameId::ZERO, Rights::empty()));
        Some((gfn, ShadowLeaf { frame, rights: said.most() & rights, said }))
    }

    /// Bytes that the shadow tables and the reverse map occupy.
    pub(super) fn bytes(&self) -> usize {
        let pages: usize = self.pages.iter().chain(&self.dying).flatten().map(Page::overhead).sum();
        pages
            + (self.pages.capacity() + self.dying.capacity()) * size_of::<Option<Page>>()
            + self.rmap.overhead()
            + self.loose.capacity() * size_of::<Loose>()
    }

    pub(super) fn key_of(&self, index: u32) -> Key {
        self.page(index).key
    }
}
