//! The shadow tables of one machine.

use super::entry::{Entry, ShadowLeaf};
use super::page::{ENTRIES, Key, Page};
use super::rmap::{Place, Rmap};
use crate::host::{Guard, HostTable, Resolved};
use crate::riscv::{Leaf, Mode, Pte, Satp};
use crate::tlb::Shootdown;
use crate::{FrameId, Gfn, Gva, Rights};
use alloc::vec;
use alloc::vec::Vec;

/// Stores into an idle root's guest table before its shadow goes: the guest is using the page for
/// something else. KVM's constant.
const FLOOD: u32 = 3;
const NO_ROOT: u32 = u32::MAX;
/// Levels of Sv57: how often one guest page can be a table.
const MAX_LEVELS: usize = 5;

/// Every event, counted where it happens.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Stores into guest tables that trapped.
    pub table_stores: u64,
    /// Leaves installed after a hidden fault.
    pub fills: u64,
    /// Leaves brought up to date in the trap of a store into their guest table.
    pub updates: u64,
    /// Shadow pages made.
    pub pages_made: u64,
    /// Shadow pages that went because nothing pointed to them any more.
    pub unshadowed: u64,
    /// Roots that went because their guest table was written to as no table is.
    pub flooded: u64,
    /// Shadow pages that went because there were too many.
    pub reclaimed: u64,
    /// Times that everything was thrown away.
    pub cleared: u64,
    /// Leaves dropped because the host table changed.
    pub host_invalidations: u64,
    /// Shadow pages now.
    pub pages: u64,
    /// The most shadow pages there were.
    pub peak_pages: u64,
}

/// What a hidden fault found out, to be installed.
#[derive(Debug, Clone, Copy)]
pub struct Install<'a> {
    /// The address space.
    pub satp: Satp,
    /// The address.
    pub va: Gva,
    /// Where the guest's walk ended.
    pub leaf: Leaf,
    /// The entries that the walk read, the root's first.
    pub path: &'a [Pte],
    /// The frame behind the page.
    pub frame: FrameId,
    /// The host's rights to it.
    pub rights: Rights,
}

/// The shadow tables of one machine, for all its harts.
#[derive(Debug)]
pub struct Shadow {
    pages: Vec<Option<Page>>,
    free: Vec<u32>,
    /// By guest page: the first shadow page of the table in it, plus one.
    tables: Vec<u32>,
    pieces: alloc::collections::BTreeMap<Key, u32>,
    rmap: Rmap,
    guard: Guard,
    /// The root that each hart has loaded.
    active: Vec<u32>,
    budget: u32,
    /// What happened.
    pub counters: Counters,
}

impl Shadow {
    /// Empty shadow tables over `host`, for `harts` harts, of at most `budget` shadow pages.
    /// `guard` is the reason that guest tables get; it must withhold writing.
    pub fn new(host: &HostTable, guard: Guard, harts: usize, budget: u32) -> Self {
        Shadow {
            pages: Vec::new(),
            free: Vec::new(),
            tables: vec![0; host.pages() as usize],
            pieces: alloc::collections::BTreeMap::new(),
            rmap: Rmap::new(host.pages()),
            guard,
            active: vec![NO_ROOT; harts],
            budget: budget.clamp(16, Place::MAX_PAGES - 1),
            counters: Counters::default(),
        }
    }

    /// The reason that guest tables carry.
    pub fn guard(&self) -> Guard {
        self.guard
    }

    fn page(&self, index: u32) -> &Page {
        self.pages[index as usize].as_ref().expect("a link leads to a page")
    }

    fn page_mut(&mut self, index: u32) -> &mut Page {
        self.pages[index as usize].as_mut().expect("a link leads to a page")
    }

    fn of_table(&self, gfn: Gfn, level: u8) -> Option<u32> {
        let mut at = self.tables.get(gfn.get() as usize).copied().unwrap_or(0);
        while at != 0 {
            let page = self.page(at - 1);
            if page.key.level() == level {
                return Some(at - 1);
            }
            at = page.next_of_table;
        }
        None
    }

    /// Whether this guest page is a table that is shadowed.
    pub fn is_table(&self, gfn: Gfn) -> bool {
        self.tables.get(gfn.get() as usize).is_some_and(|&head| head != 0)
    }

    /// A hart loads `satp`: remembers its root, and that the guest still uses it as one.
    pub fn load_root(&mut self, hart: usize, satp: Satp) {
        self.active[hart] = NO_ROOT;
        if satp.mode == Mode::Bare {
            return;
        }
        if let Some(root) = self.of_table(satp.root, satp.mode.levels() - 1) {
            self.page_mut(root).writes = 0;
            self.active[hart] = root;
        }
    }

    /// Walks the shadow tables: one load a level, none of guest memory.
    #[inline]
    pub fn lookup(
        &self,
        hart: usize,
        satp: Satp,
        va: Gva,
        generation: u32,
    ) -> Option<(Gfn, ShadowLeaf)> {
        let root = self.active[hart];
        if root == NO_ROOT || !satp.mode.is_canonical(va) {
            return None;
        }
        let mut page = self.page(root);
        let mut level = u32::from(satp.mode.levels()) - 1;
        loop {
            let slot = (va.page() >> (9 * level)) as usize % ENTRIES;
            let entry = page.entries[slot];
            if let Some(child) = entry.child() {
                page = self.page(child);
                level -= 1;
                continue;
            }
            return entry.as_leaf(generation).map(|leaf| (page.gfn_of(slot), leaf));
        }
    }

    /// Installs what a hidden fault found: shadow pages on the way, and the leaf.
    pub fn install(
        &mut self,
        hart: usize,
        host: &mut HostTable,
        what: &Install<'_>,
        shoot: &mut Vec<Shootdown>,
    ) {
        let levels = what.satp.mode.levels();
        if self.counters.pages + u64::from(levels) + 2 > u64::from(self.budget) {
            self.reclaim(host, shoot);
        }
        let mut at = self.root(host, what.satp, shoot);
        self.active[hart] = at;
        let mut level = levels - 1;
        let mut path = what.path.iter();
        while level > 0 {
            let Some(&pte) = path.next() else { break };
            let key = if level > what.leaf.level {
                Key::Table { gfn: pte.gfn(), level: level - 1 }
            } else {
                // Inside a superpage: the part that this address lies in.
                break;
            };
            at = self.child(host, at, what.va, key, shoot);
            level -= 1;
        }
        if what.leaf.level > 0 {
            let flags = what.path.last().map_or(0, |pte| pte.0 as u8);
            while level > 0 {
                let below = (1_u64 << (9 * u32::from(level))) - 1;
                let base = Gfn::new(what.leaf.gfn.get() & !below);
                let key = Key::Piece { base, level: level - 1, flags };
                at = self.child(host, at, what.va, key, shoot);
                level -= 1;
            }
        }
        let slot = what.va.page() as usize % ENTRIES;
        // Shadowing a table on the way may have withdrawn the right to write this very page.
        let withheld = if self.is_table(what.leaf.gfn) { Rights::WRITE } else { Rights::empty() };
        let leaf = ShadowLeaf {
            frame: what.frame,
            rights: (what.leaf.leaf_rights & what.rights) - withheld,
            user: what.leaf.user,
            global: what.leaf.global,
            guest_writable: what.leaf.leaf_rights.contains(Rights::WRITE),
        };
        self.set_leaf(at, slot, what.leaf.gfn, leaf, host);
        self.counters.fills += 1;
    }

    fn set_leaf(&mut self, at: u32, slot: usize, gfn: Gfn, leaf: ShadowLeaf, host: &HostTable) {
        let entry = Entry::leaf(leaf, host.generation());
        let page = self.page_mut(at);
        let old = core::mem::replace(&mut page.entries[slot], entry);
        debug_assert!(old.child().is_none(), "a leaf replaces a leaf");
        if old == Entry::NONE {
            page.present += 1;
        } else if page.gfn_of(slot) == gfn {
            return;
        } else {
            let was = page.gfn_of(slot);
            self.rmap.remove(was, Place::new(at, slot));
        }
        if let Some(mapped) = &mut self.page_mut(at).mapped {
            mapped[slot] = gfn.get() as u32;
        }
        self.rmap.insert(gfn, Place::new(at, slot));
    }

    fn root(&mut self, host: &mut HostTable, satp: Satp, shoot: &mut Vec<Shootdown>) -> u32 {
        let key = Key::Table { gfn: satp.root, level: satp.mode.levels() - 1 };
        let root = match self.of_table(satp.root, key.level()) {
            Some(root) => root,
            None => self.make(host, key, Gva::new(0), shoot),
        };
        self.page_mut(root).is_root = true;
        root
    }

    /// The shadow page that entry of `va` in `parent` leads to; made and linked if need be.
    fn child(
        &mut self,
        host: &mut HostTable,
        parent: u32,
        va: Gva,
        key: Key,
        shoot: &mut Vec<Shootdown>,
    ) -> u32 {
        let shift = 12 + 9 * (u32::from(key.level()) + 1);
        let slot = (va.get() >> shift) as usize % ENTRIES;
        let old = self.page(parent).entries[slot];
        if let Some(child) = old.child() {
            if self.page(child).key == key {
                return child;
            }
            self.drop_entry(host, parent, slot, shoot);
        }
        let base = Gva::new(va.get() >> shift << shift);
        let found = match key {
            Key::Table { gfn, level } => self.of_table(gfn, level),
            Key::Piece { .. } => self.pieces.get(&key).copied(),
        };
        let child = match found {
            Some(child) => child,
            None => self.make(host, key, base, shoot),
        };
        if self.page(child).va != base || self.page(parent).aliased {
            self.alias(child);
        }
        let page = self.page_mut(parent);
        page.entries[slot] = Entry::link(child);
        page.present += 1;
        self.page_mut(child).parents.push((parent, slot as u16));
        child
    }

    /// Marks a shadow page, and all below it, as reached at more than one virtual address.
    fn alias(&mut self, index: u32) {
        if self.page(index).aliased {
            return;
        }
        self.page_mut(index).aliased = true;
        for slot in 0..ENTRIES {
            if let Some(child) = self.page(index).entries[slot].child() {
                self.alias(child);
            }
        }
    }

    fn make(&mut self, host: &mut HostTable, key: Key, va: Gva, shoot: &mut Vec<Shootdown>) -> u32 {
        let mut page = Page::new(key, va);
        let index = self.free.pop().unwrap_or(self.pages.len() as u32);
        match key {
            Key::Table { gfn, .. } => {
                let head = &mut self.tables[gfn.get() as usize];
                page.next_of_table = core::mem::replace(head, index + 1);
                if host.add_guard(gfn, self.guard) {
                    self.withhold_writes(gfn, shoot);
                }
            }
            Key::Piece { .. } => {
                self.pieces.insert(key, index);
            }
        }
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

    /// Takes the right to write away from every leaf that maps `gfn`.
    pub fn withhold_writes(&mut self, gfn: Gfn, shoot: &mut Vec<Shootdown>) {
        let places: Vec<Place> = self.rmap.places(gfn).collect();
        for place in places {
            let page = self.page_mut(place.page());
            page.entries[place.slot()] = page.entries[place.slot()].without_write();
            shoot.push(if page.aliased {
                Shootdown::GfnWrite(gfn)
            } else {
                Shootdown::Write(page.va_of(place.slot()))
            });
        }
    }

    /// Drops every leaf that maps `gfn`: its host entry changed.
    pub fn host_changed(&mut self, gfn: Gfn, shoot: &mut Vec<Shootdown>) {
        let places: Vec<Place> = self.rmap.places(gfn).collect();
        for place in places {
            self.counters.host_invalidations += 1;
            self.rmap.remove(gfn, place);
            let page = self.page_mut(place.page());
            page.entries[place.slot()] = Entry::NONE;
            page.present -= 1;
            shoot.push(if page.aliased {
                Shootdown::Gfn(gfn)
            } else {
                Shootdown::Page(page.va_of(place.slot()))
            });
        }
    }

    /// Drops one entry and, if it was the last link to a shadow page, that page.
    fn drop_entry(
        &mut self,
        host: &mut HostTable,
        at: u32,
        slot: usize,
        shoot: &mut Vec<Shootdown>,
    ) {
        let page = self.page_mut(at);
        let old = core::mem::replace(&mut page.entries[slot], Entry::NONE);
        if old == Entry::NONE {
            return;
        }
        page.present -= 1;
        let (va, aliased, key) = (page.va_of(slot), page.aliased, page.key);
        if let Some(child) = old.child() {
            let pages = 1_u64 << (9 * u32::from(key.level()));
            shoot.push(if aliased { Shootdown::All } else { Shootdown::Range(va, pages) });
            let below = self.page_mut(child);
            below.parents.retain(|&p| p != (at, slot as u16));
            if below.parents.is_empty() && !below.is_root {
                self.counters.unshadowed += 1;
                self.unmake(host, child, shoot);
            }
            return;
        }
        let gfn = page.gfn_of(slot);
        self.rmap.remove(gfn, Place::new(at, slot));
        shoot.push(if aliased { Shootdown::Gfn(gfn) } else { Shootdown::Page(va) });
    }

    /// Takes a shadow page away that nothing points to, and all that only it pointed to.
    fn unmake(&mut self, host: &mut HostTable, index: u32, shoot: &mut Vec<Shootdown>) {
        for slot in 0..ENTRIES {
            if self.page(index).present == 0 {
                break;
            }
            self.drop_entry(host, index, slot, shoot);
        }
        let page = self.pages[index as usize].take().expect("a page that is there");
        debug_assert!(page.parents.is_empty(), "nothing points to a page that goes");
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
                if !self.is_table(gfn) {
                    // Leaves that map it stay without W; the next store to it finds no reason left.
                    host.remove_guard(gfn, self.guard);
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

    /// A store into a guest table is done: the entry at `index` of the table in `gfn` is `pte` now.
    /// Brings the shadow in step.
    ///
    /// A leaf that can be used at once is installed again (half of all hidden faults of a Linux
    /// boot are spared that way), but no right to write is granted to a page that was not already
    /// written in this epoch, so that dirty sets stay exact.
    pub fn table_written(
        &mut self,
        host: &mut HostTable,
        gfn: Gfn,
        index: usize,
        pte: Pte,
        shoot: &mut Vec<Shootdown>,
    ) {
        self.counters.table_stores += 1;
        // One table may be shadowed at several levels, and dropping one shadow page may take others
        // of the same table with it: a table that points to itself.
        let mut levels = [0; MAX_LEVELS];
        let mut count = 0;
        let mut at = self.tables.get(gfn.get() as usize).copied().unwrap_or(0);
        while at != 0 {
            levels[count] = at - 1;
            count += 1;
            at = self.page(at - 1).next_of_table;
        }
        for &at in &levels[..count] {
            if self.pages[at as usize].is_some() {
                self.entry_written(host, at, index, pte, shoot);
            }
        }
    }

    fn entry_written(
        &mut self,
        host: &mut HostTable,
        at: u32,
        index: usize,
        pte: Pte,
        shoot: &mut Vec<Shootdown>,
    ) {
        let idle = !self.active.contains(&at);
        let page = self.page_mut(at);
        let (level, old) = (page.key.level(), page.entries[index]);
        page.writes += 1;
        if idle && page.is_root && page.parents.is_empty() && page.writes >= FLOOD {
            self.counters.flooded += 1;
            self.unmake(host, at, shoot);
        } else if level == 0 {
            self.update_leaf(host, at, index, pte, shoot);
        } else if let Some(child) = old.child() {
            let same = self.page(child).key == Key::Table { gfn: pte.gfn(), level: level - 1 };
            if !(same && !pte.is_invalid() && !pte.is_leaf() && !pte.is_bad_pointer()) {
                self.drop_entry(host, at, index, shoot);
            }
        }
    }

    fn update_leaf(
        &mut self,
        host: &mut HostTable,
        at: u32,
        slot: usize,
        pte: Pte,
        shoot: &mut Vec<Shootdown>,
    ) {
        self.drop_entry(host, at, slot, shoot);
        if pte.is_invalid() || !pte.is_leaf() || !pte.has(Pte::A) {
            return;
        }
        let gfn = pte.gfn();
        let Resolved::Frame { frame, mut rights } = host.resolve(gfn) else { return };
        if host.written(gfn) != host.epoch() {
            rights -= Rights::WRITE;
        }
        let leaf = ShadowLeaf {
            frame,
            rights: pte.rights_now() & rights,
            user: pte.has(Pte::U),
            global: pte.has(Pte::G),
            guest_writable: pte.rights_now().contains(Rights::WRITE),
        };
        self.set_leaf(at, slot, gfn, leaf, host);
        self.counters.updates += 1;
    }

    /// Takes away every shadow page of the guest table in `gfn`, so that the page can be written
    /// freely: before a device writes to it.
    pub fn unshadow(&mut self, host: &mut HostTable, gfn: Gfn, shoot: &mut Vec<Shootdown>) {
        while let Some(at @ 1..) = self.tables.get(gfn.get() as usize).copied() {
            let parents = self.page(at - 1).parents.clone();
            self.page_mut(at - 1).is_root = false;
            self.counters.unshadowed += u64::from(parents.is_empty());
            for (parent, slot) in &parents {
                self.drop_entry(host, *parent, usize::from(*slot), shoot);
            }
            if parents.is_empty() {
                self.unmake(host, at - 1, shoot);
            }
        }
    }

    /// Makes room: idle roots go first, and if that is not enough, everything.
    fn reclaim(&mut self, host: &mut HostTable, shoot: &mut Vec<Shootdown>) {
        let before = self.counters.pages;
        for index in 0..self.pages.len() as u32 {
            let idle = self.pages[index as usize].as_ref().is_some_and(|p| {
                p.is_root && p.parents.is_empty() && !self.active.contains(&index)
            });
            if idle {
                self.unmake(host, index, shoot);
            }
        }
        self.counters.reclaimed += before - self.counters.pages;
        if self.counters.pages * 4 > u64::from(self.budget) * 3 {
            self.clear(host, shoot);
        }
    }

    /// Throws everything away. Costs nothing but time.
    pub fn clear(&mut self, host: &mut HostTable, shoot: &mut Vec<Shootdown>) {
        for page in self.pages.drain(..).flatten() {
            if let Key::Table { gfn, .. } = page.key {
                self.tables[gfn.get() as usize] = 0;
                host.remove_guard(gfn, self.guard);
            }
        }
        self.free.clear();
        self.pieces.clear();
        self.rmap.clear();
        self.active.fill(NO_ROOT);
        self.counters.pages = 0;
        self.counters.cleared += 1;
        shoot.push(Shootdown::All);
    }

    /// Throws one shadow page's entries away, the `choice`th modulo the number of pages: what a
    /// test does at random instants.
    pub fn drop_some(&mut self, host: &mut HostTable, choice: u64, shoot: &mut Vec<Shootdown>) {
        let live: Vec<u32> =
            (0..self.pages.len() as u32).filter(|&i| self.pages[i as usize].is_some()).collect();
        if live.is_empty() {
            return;
        }
        let index = live[(choice % live.len() as u64) as usize];
        for slot in 0..ENTRIES {
            self.drop_entry(host, index, slot, shoot);
        }
    }

    /// Bytes that the shadow tables and the reverse map occupy.
    pub fn overhead(&self) -> usize {
        let pages: usize = self.pages.iter().flatten().map(Page::overhead).sum();
        pages + self.pages.capacity() * size_of::<Option<Page>>() + self.rmap.overhead()
    }

    pub(super) fn all_pages(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter().flatten()
    }

    pub(super) fn key_of(&self, index: u32) -> Key {
        self.page(index).key
    }
}
