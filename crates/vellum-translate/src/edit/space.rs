//! An address space: the tables under one root, and the edits of a range of it.

use super::flush::{Detached, push_run};
use super::memory::entry_at;
use super::{Attributes, EditError, EditMemory, Flush, Format, Frames, PageRun, Released, Slot};
use crate::{Gfn, Gva, Rights};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

const ENTRIES: u64 = 512;

/// Pages of 4 KiB under an entry at `level`.
pub(super) const fn span(level: u8) -> u64 {
    1 << (9 * level as u32)
}

/// What [`AddressSpace::protect`] changes; what is `None` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// The rights.
    pub rights: Option<Rights>,
    /// Whether user mode may.
    pub user: Option<bool>,
    /// The accessed bit.
    pub accessed: Option<bool>,
    /// The dirty bit.
    pub dirty: Option<bool>,
}

impl Change {
    /// These rights.
    pub const fn rights(rights: Rights) -> Change {
        Change { rights: Some(rights), user: None, accessed: None, dirty: None }
    }

    fn apply(self, old: Attributes) -> Attributes {
        Attributes {
            rights: self.rights.unwrap_or(old.rights),
            user: self.user.unwrap_or(old.user),
            accessed: self.accessed.unwrap_or(old.accessed),
            dirty: self.dirty.unwrap_or(old.dirty),
            ..old
        }
    }
}

/// The tables under one root: in `memory`, of the format `F`, made of frames from `A`.
///
/// Ranges are an address and a number of pages of 4 KiB. One edit at a time; processors may walk the
/// tables, and set accessed and dirty bits in them, meanwhile. Whoever lets others write anything
/// else to them takes the space by [`AddressSpace::adopt`].
#[derive(Debug)]
pub struct AddressSpace<F, M, A> {
    pub(super) format: F,
    pub(super) memory: M,
    frames: A,
    root: Gfn,
    /// The tables are not all from here: several entries may lead to one, or to themselves.
    adopted: bool,
}

impl<F: Format, M: EditMemory, A: Frames> AddressSpace<F, M, A> {
    /// An empty address space.
    ///
    /// # Errors
    /// There is no frame for the root, or no memory where it is.
    pub fn new(format: F, memory: M, mut frames: A) -> Result<Self, EditError> {
        let pages = 1 << (format.root_bits() - 9);
        let Some(root) = frames.allocate(pages) else {
            return Err(EditError::OutOfFrames { needed: pages, found: 0 });
        };
        let at = entry_at(root, 0);
        memory.write_entries(at, pages * ENTRIES, |_| 0).ok_or(EditError::NoMemory { at })?;
        Ok(AddressSpace { format, memory, frames, root, adopted: false })
    }

    /// The address space that is already under `root`, whoever made it: its tables may lead
    /// anywhere.
    pub fn adopt(format: F, memory: M, frames: A, root: Gfn) -> Self {
        AddressSpace { format, memory, frames, root, adopted: true }
    }

    /// The root table, for `satp`, `hgatp` or CR3.
    pub fn root(&self) -> Gfn {
        self.root
    }

    /// The pool that tables come from.
    pub fn frames(&self) -> &A {
        &self.frames
    }

    /// The first page's number counted from the root's entry 0, if all pages are within reach.
    pub(super) fn reach(&self, va: Gva, pages: u64) -> Result<u64, EditError> {
        let levels = self.format.levels();
        let refused = EditError::OutOfReach { va, pages, levels };
        let bits = 9 * u32::from(levels - 1) + self.format.root_bits();
        let page = va.page();
        let last = page.checked_add(pages.max(1) - 1).filter(|last| last >> 52 == 0);
        let last = last.ok_or(refused)?;
        let half = |page: u64| {
            if self.format.signed() {
                let top = page >> (bits - 1);
                // The upper half's bits are all set; so is none of the lower half's.
                (top == 0 || top == u64::MAX >> 12 >> (bits - 1)).then_some(top)
            } else {
                (page >> bits == 0).then_some(0)
            }
        };
        let one = half(page).is_some() && half(page) == half(last);
        if !one || va.page_offset() != 0 {
            return Err(refused);
        }
        Ok(page & ((1 << bits) - 1))
    }

    /// The address of a page, from its number counted from the root's entry 0.
    pub(super) fn address(&self, page: u64) -> Gva {
        let bits = 9 * u32::from(self.format.levels() - 1) + self.format.root_bits();
        let unused = 64 - 12 - bits;
        let shifted = page << 12 << unused;
        let va = if self.format.signed() {
            ((shifted as i64) >> unused) as u64
        } else {
            shifted >> unused
        };
        Gva::new(va)
    }

    pub(super) fn load(&self, table: Gfn, index: u64) -> Result<u64, EditError> {
        let at = entry_at(table, index);
        self.memory.load_entry(at).ok_or(EditError::NoMemory { at })
    }

    fn store(&self, table: Gfn, index: u64, entry: u64) -> Result<(), EditError> {
        let at = entry_at(table, index);
        self.memory.store_entry(at, entry).ok_or(EditError::NoMemory { at })
    }

    /// Puts `entry` in the place of whatever is there, and returns that.
    fn swap(&self, table: Gfn, index: u64, entry: u64) -> Result<u64, EditError> {
        let at = entry_at(table, index);
        loop {
            let old = self.load(table, index)?;
            let done = self.memory.exchange_entry(at, old, entry);
            if done.ok_or(EditError::NoMemory { at })? {
                return Ok(old);
            }
        }
    }

    fn all(
        &self,
        table: Gfn,
        first: u64,
        count: u64,
        see: impl FnMut(u64, u64) -> bool,
    ) -> Result<bool, EditError> {
        let at = entry_at(table, first);
        self.memory.all_entries(at, count, see).ok_or(EditError::NoMemory { at })
    }

    /// Maps `pages` pages from `va` on to the frames from `to` on, with pages as large as the
    /// alignment of both allows but not above level `largest` (0 for 4 KiB alone, `u8::MAX` for what
    /// the format has). Everything there must be unused. Costs one store a page, and one allocation
    /// a table.
    ///
    /// # Errors
    /// Out of reach, something there is used, too few frames, or a format that cannot say it.
    /// Nothing has changed then.
    pub fn map(
        &mut self,
        va: Gva,
        pages: u64,
        to: Gfn,
        attributes: Attributes,
        largest: u8,
    ) -> Result<Flush, EditError> {
        let mut flush = Flush::default();
        if pages == 0 {
            return Ok(flush);
        }
        let first = self.reach(va, pages)?;
        let largest = largest.min(self.format.largest());
        let last = Gfn::new(to.get().saturating_add(pages - 1));
        for to in [to, last] {
            if self.format.page(0, to, &attributes).is_none() {
                return Err(EditError::Unrepresentable { level: 0, to, attributes });
            }
        }
        let mut map =
            Mapping { attributes, largest, shift: to.get().wrapping_sub(first), spare: Vec::new() };
        let top = self.format.levels() - 1;
        let needed = self.plan(&map, top, Some(self.root), first, pages)?;
        self.reserve(&mut map.spare, needed)?;
        self.fill(&mut map, top, self.root, first, pages)?;
        if self.format.remembers_absence() {
            flush.invalidate(va, pages);
        }
        Ok(flush)
    }

    fn reserve(&mut self, spare: &mut Vec<Gfn>, needed: u64) -> Result<(), EditError> {
        for found in 0..needed {
            let Some(frame) = self.frames.allocate(1) else {
                spare.drain(..).for_each(|frame| self.frames.free(frame));
                return Err(EditError::OutOfFrames { needed, found });
            };
            spare.push(frame);
        }
        Ok(())
    }

    /// Tables that a mapping needs under `table`, which may not be there yet; or what is in its way.
    fn plan(
        &self,
        map: &Mapping,
        level: u8,
        table: Option<Gfn>,
        first: u64,
        pages: u64,
    ) -> Result<u64, EditError> {
        let used = |page: u64| EditError::Used { va: self.address(page), level };
        if level == 0 {
            let Some(table) = table else { return Ok(0) };
            let mut at = 0;
            let unused = self.all(table, first % ENTRIES, pages, |i, entry| {
                at = i;
                entry == 0
            })?;
            return if unused { Ok(0) } else { Err(used(first + at)) };
        }
        let mut needed = 0;
        self.pieces(level, first, pages, |index, first, pages| {
            let entry = table.map_or(Ok(0), |table| self.load(table, index))?;
            let below = match self.format.decode(level, index, entry) {
                Slot::Unused if map.is_whole(level, first, pages) => return Ok(()),
                Slot::Unused => {
                    needed += 1;
                    None
                }
                Slot::Table(below) => Some(below),
                Slot::Absent(_) | Slot::Page(..) => return Err(used(first)),
            };
            needed += self.plan(map, level - 1, below, first, pages)?;
            Ok(())
        })?;
        Ok(needed)
    }

    /// Calls `each` with index, first page and number of pages of every entry of a table at `level`
    /// that the range touches.
    fn pieces<E>(
        &self,
        level: u8,
        first: u64,
        pages: u64,
        mut each: impl FnMut(u64, u64, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let span = span(level);
        let root = level + 1 == self.format.levels();
        let mask = if root { u64::MAX } else { ENTRIES - 1 };
        let (mut first, mut pages) = (first, pages);
        while pages > 0 {
            let here = pages.min(span - first % span);
            each((first / span) & mask, first, here)?;
            first += here;
            pages -= here;
        }
        Ok(())
    }

    fn fill(
        &self,
        map: &mut Mapping,
        level: u8,
        table: Gfn,
        first: u64,
        pages: u64,
    ) -> Result<(), EditError> {
        if level == 0 {
            return self.fill_leaves(map, table, first, pages);
        }
        self.pieces(level, first, pages, |index, first, pages| {
            let entry = self.load(table, index)?;
            if let Slot::Table(below) = self.format.decode(level, index, entry) {
                return self.fill(map, level - 1, below, first, pages);
            }
            if map.is_whole(level, first, pages) {
                return self.store(table, index, self.entry(map, level, first)?);
            }
            // A new table is complete before an entry leads to it.
            let below = map.spare.pop().expect("the plan counted every table");
            if level > 1 || pages < ENTRIES {
                self.zero(below)?;
            }
            self.fill(map, level - 1, below, first, pages)?;
            self.store(table, index, self.format.table(below))
        })
    }

    fn zero(&self, table: Gfn) -> Result<(), EditError> {
        let at = entry_at(table, 0);
        self.memory.write_entries(at, ENTRIES, |_| 0).ok_or(EditError::NoMemory { at })
    }

    fn entry(&self, map: &Mapping, level: u8, page: u64) -> Result<u64, EditError> {
        let (to, attributes) = (map.to(page), map.attributes);
        let entry = self.format.page(level, to, &attributes);
        entry.ok_or(EditError::Unrepresentable { level, to, attributes })
    }

    fn fill_leaves(
        &self,
        map: &Mapping,
        table: Gfn,
        first: u64,
        pages: u64,
    ) -> Result<(), EditError> {
        let (entry, step) = (self.entry(map, 0, first)?, self.format.step(0));
        let at = entry_at(table, first % ENTRIES);
        let written = self.memory.write_entries(at, pages, |i| entry + step * i);
        written.ok_or(EditError::NoMemory { at })
    }

    /// Makes `page` the first of its page: splits every larger one that it lies within. What is
    /// mapped stays the same.
    fn split_at(&mut self, page: u64, flush: &mut Flush) -> Result<(), EditError> {
        let (mut level, mut table) = (self.format.levels() - 1, self.root);
        while level > 0 && !page.is_multiple_of(span(level)) {
            let index = self.index(level, page);
            let entry = self.load(table, index)?;
            table = match self.format.decode(level, index, entry) {
                Slot::Table(below) => below,
                Slot::Page(to, attributes) => {
                    let below = self.split(level, table, index, to, attributes)?;
                    flush.invalidate(self.address(page / span(level) * span(level)), span(level));
                    below
                }
                Slot::Unused | Slot::Absent(_) => return Ok(()),
            };
            level -= 1;
        }
        if level == 0 {
            self.split_contiguous(table, page, flush)?;
        }
        Ok(())
    }

    pub(super) fn index(&self, level: u8, page: u64) -> u64 {
        let index = page / span(level);
        if level + 1 == self.format.levels() { index } else { index % ENTRIES }
    }

    /// Replaces a large page by a table that maps the same.
    fn split(
        &mut self,
        level: u8,
        table: Gfn,
        index: u64,
        to: Gfn,
        attributes: Attributes,
    ) -> Result<Gfn, EditError> {
        let Some(below) = self.frames.allocate(1) else {
            return Err(EditError::OutOfFrames { needed: 1, found: 0 });
        };
        let at = entry_at(table, index);
        let mut attributes = attributes;
        loop {
            let refused = EditError::Unrepresentable { level: level - 1, to, attributes };
            let first = self.format.page(level - 1, to, &attributes).ok_or(refused)?;
            let step = self.format.step(level - 1);
            let inside = entry_at(below, 0);
            let written = self.memory.write_entries(inside, ENTRIES, |i| first + step * i);
            written.ok_or(EditError::NoMemory { at: inside })?;
            let old = self.load(table, index)?;
            let done = self.memory.exchange_entry(at, old, self.format.table(below));
            match (done.ok_or(EditError::NoMemory { at })?, self.format.decode(level, index, old)) {
                (true, Slot::Page(_, now)) if now == attributes => return Ok(below),
                // A processor set the accessed or dirty bit meanwhile: the table must have it too.
                (done, Slot::Page(_, now)) => {
                    attributes = now;
                    if done {
                        self.store(table, index, old)?;
                    }
                }
                _ => return Err(EditError::NoMemory { at }),
            }
        }
    }

    /// Takes entries that are one page together apart, if `page` lies within them.
    fn split_contiguous(&self, table: Gfn, page: u64, flush: &mut Flush) -> Result<(), EditError> {
        let index = page % ENTRIES;
        let entry = self.load(table, index)?;
        let count = self.format.contiguous(0, entry);
        if count == 1 || page.is_multiple_of(count) {
            return Ok(());
        }
        let first = index / count * count;
        for index in first..first + count {
            let entry = self.load(table, index)?;
            let Slot::Page(to, attributes) = self.format.decode(0, index, entry) else { continue };
            let refused = EditError::Unrepresentable { level: 0, to, attributes };
            let alone = self.format.page(0, to, &attributes).ok_or(refused)?;
            self.swap(table, index, alone)?;
        }
        flush.invalidate(self.address(page / count * count), count);
        Ok(())
    }

    /// Unmaps `pages` pages from `va` on, and forgets what is kept in entries that are not present.
    /// Large pages are split where the range ends inside one; tables that become empty go. Costs one
    /// store for a table whose range goes as a whole, one exchange a page elsewhere.
    ///
    /// # Errors
    /// Out of reach, or too few frames to split a page.
    pub fn unmap(&mut self, va: Gva, pages: u64) -> Result<Flush, EditError> {
        let mut flush = Flush::default();
        if pages == 0 {
            return Ok(flush);
        }
        let first = self.reach(va, pages)?;
        self.split_at(first, &mut flush)?;
        self.split_at(first + pages, &mut flush)?;
        let top = self.format.levels() - 1;
        self.clear(top, self.root, first, pages, &mut flush)?;
        flush.invalidate(va, pages);
        Ok(flush)
    }

    fn clear(
        &self,
        level: u8,
        table: Gfn,
        first: u64,
        pages: u64,
        flush: &mut Flush,
    ) -> Result<(), EditError> {
        self.pieces(level, first, pages, |index, first, pages| {
            let entry = self.load(table, index)?;
            if entry == 0 {
                return Ok(());
            }
            if let Slot::Table(below) = self.format.decode(level, index, entry) {
                let detached = |with_pages| Detached {
                    table: below,
                    level: level - 1,
                    va: self.address(first),
                    with_pages,
                };
                if pages == span(level) {
                    self.store(table, index, 0)?;
                    flush.detach(detached(true));
                    return Ok(());
                }
                self.clear(level - 1, below, first, pages, flush)?;
                if self.all(below, 0, ENTRIES, |_, entry| entry == 0)? {
                    self.store(table, index, 0)?;
                    flush.detach(detached(false));
                }
                return Ok(());
            }
            let old = self.swap(table, index, 0)?;
            if let Slot::Page(to, Attributes { dirty, .. }) = self.format.decode(level, index, old)
            {
                flush.run(PageRun { va: self.address(first), to, pages, dirty });
            }
            Ok(())
        })
    }

    /// Changes what the entries of `pages` pages from `va` on say. Holes stay holes; large pages are
    /// split where the range ends inside one. Costs one exchange an entry, so that no accessed or
    /// dirty bit is lost.
    ///
    /// # Errors
    /// Out of reach, too few frames to split a page, or a format that cannot say it; the entries
    /// before the first of the kind have changed then.
    pub fn protect(&mut self, va: Gva, pages: u64, change: Change) -> Result<Flush, EditError> {
        let mut flush = Flush::default();
        if pages == 0 {
            return Ok(flush);
        }
        let first = self.reach(va, pages)?;
        if let Some(rights) = change.rights {
            let mut attributes = Attributes::kernel(rights);
            attributes.user = true;
            let to = Gfn::new(0);
            if self.format.page(0, to, &attributes).is_none() {
                return Err(EditError::Unrepresentable { level: 0, to, attributes });
            }
        }
        self.split_at(first, &mut flush)?;
        self.split_at(first + pages, &mut flush)?;
        let top = self.format.levels() - 1;
        self.change(top, self.root, first, pages, change)?;
        flush.invalidate(va, pages);
        Ok(flush)
    }

    fn change(
        &self,
        level: u8,
        table: Gfn,
        first: u64,
        pages: u64,
        change: Change,
    ) -> Result<(), EditError> {
        self.pieces(level, first, pages, |index, first, pages| {
            let mut entry = self.load(table, index)?;
            let at = entry_at(table, index);
            loop {
                let (to, old) = match self.format.decode(level, index, entry) {
                    Slot::Unused | Slot::Absent(_) => return Ok(()),
                    Slot::Table(below) => {
                        return self.change(level - 1, below, first, pages, change);
                    }
                    Slot::Page(to, old) => (to, old),
                };
                let attributes = change.apply(old);
                let refused = EditError::Unrepresentable { level, to, attributes };
                let alone = self.format.page(level, to, &attributes).ok_or(refused)?;
                // An entry that is one page with its neighbours stays so: only bits below the
                // address change.
                let new = match self.format.contiguous(level, entry) {
                    1 => alone,
                    _ => {
                        let before = self.format.page(level, to, &old).ok_or(refused)?;
                        entry ^ before ^ alone
                    }
                };
                let done = self.memory.exchange_entry(at, entry, new);
                if done.ok_or(EditError::NoMemory { at })? {
                    return Ok(());
                }
                entry = self.load(table, index)?;
            }
        })
    }

    /// Keeps `token` (63 bits, not 0) in the entry of the page at `va`, which must be unused: not
    /// present and yet used, as for a page that is swapped out.
    ///
    /// # Errors
    /// Out of reach, the page is used, or too few frames for tables.
    pub fn keep(&mut self, va: Gva, token: u64) -> Result<(), EditError> {
        let page = self.reach(va, 1)?;
        let top = self.format.levels() - 1;
        let attributes = Attributes::kernel(Rights::READ);
        let mut map = Mapping { attributes, largest: 0, shift: 0, spare: Vec::new() };
        let needed = self.plan(&map, top, Some(self.root), page, 1)?;
        self.reserve(&mut map.spare, needed)?;
        let mut table = self.root;
        for level in (1..=top).rev() {
            let index = self.index(level, page);
            let entry = self.load(table, index)?;
            table = match self.format.decode(level, index, entry) {
                Slot::Table(below) => below,
                _ => {
                    let below = map.spare.pop().expect("the plan counted every table");
                    self.zero(below)?;
                    self.store(table, index, self.format.table(below))?;
                    below
                }
            };
        }
        self.store(table, page % ENTRIES, self.format.absent(token))
    }

    /// Merges tables within the range whose 512 entries map one large page's worth of neighbours
    /// alike into that large page, from the bottom up. Accessed and dirty bits of the pieces count
    /// for the whole; as a processor may set one meanwhile, a page that may be written becomes dirty.
    ///
    /// # Errors
    /// Out of reach, or a table where no memory is.
    pub fn merge(&mut self, va: Gva, pages: u64) -> Result<Flush, EditError> {
        let mut flush = Flush::default();
        if pages == 0 {
            return Ok(flush);
        }
        let first = self.reach(va, pages)?;
        let top = self.format.levels() - 1;
        self.merge_under(top, self.root, first, pages, &mut flush)?;
        Ok(flush)
    }

    fn merge_under(
        &self,
        level: u8,
        table: Gfn,
        first: u64,
        pages: u64,
        flush: &mut Flush,
    ) -> Result<(), EditError> {
        if level == 0 {
            return Ok(());
        }
        self.pieces(level, first, pages, |index, first, pages| {
            let entry = self.load(table, index)?;
            let Slot::Table(below) = self.format.decode(level, index, entry) else { return Ok(()) };
            self.merge_under(level - 1, below, first, pages, flush)?;
            if level > self.format.largest() || pages < span(level) {
                return Ok(());
            }
            let Some(large) = self.whole(level, below)? else { return Ok(()) };
            self.store(table, index, large)?;
            flush.invalidate(self.address(first), span(level));
            let va = self.address(first);
            flush.detach(Detached { table: below, level: level - 1, va, with_pages: false });
            Ok(())
        })
    }

    /// The large page's entry at `level` that says what the table `below` says, if one does.
    fn whole(&self, level: u8, below: Gfn) -> Result<Option<u64>, EditError> {
        let entry = self.load(below, 0)?;
        let Slot::Page(to, first) = self.format.decode(level - 1, 0, entry) else {
            return Ok(None);
        };
        let bare = |attributes| Attributes { accessed: false, dirty: false, ..attributes };
        let mut accessed = false;
        let alike = self.all(below, 0, ENTRIES, |i, entry| {
            match self.format.decode(level - 1, i, entry) {
                Slot::Page(at, attributes) => {
                    accessed |= attributes.accessed;
                    at == to.plus(i * span(level - 1)) && bare(attributes) == bare(first)
                }
                _ => false,
            }
        })?;
        if !alike {
            return Ok(None);
        }
        let dirty = first.rights.contains(Rights::WRITE);
        let attributes = Attributes { accessed: accessed || dirty, dirty, ..first };
        Ok(self.format.page(level, to, &attributes))
    }

    /// Takes the tables back that an edit gave up, now that no processor holds them, and returns the
    /// pages that it unmapped, with the dirty bits as the processors left them.
    ///
    /// A table that several entries lead to, or that leads to itself, as only adopted tables do, is
    /// looked at once a level and given back once; the root never is. So this ends after as many
    /// tables as memory holds, times the levels, whatever they say.
    ///
    /// # Errors
    /// A table that was given up is where no memory is; the pages under it are not known then.
    pub fn reclaim(&mut self, released: Released) -> Result<Vec<PageRun>, EditError> {
        let Released { detached, mut runs } = released;
        let mut tables = Vec::new();
        let mut looked = Ok(());
        for Detached { table, level, va, with_pages } in detached {
            if with_pages && looked.is_ok() {
                let first = self.reach(va, 1);
                looked = first
                    .and_then(|first| self.dissolve(level, (table, first), &mut runs, &mut tables));
            } else if !with_pages {
                tables.push(table);
            }
        }
        self.give_back(tables);
        looked?;
        runs.sort_by_key(|run| run.va);
        Ok(runs)
    }

    /// Takes the tables back as [`AddressSpace::reclaim`] does, without looking at what they mapped:
    /// for whoever knows the pages and does not care which of them were written. The tables of the
    /// lowest level are not read at all. Returns how many tables went back.
    ///
    /// # Errors
    /// A table that was given up is where no memory is; what is under it is lost to the pool then.
    pub fn discard(&mut self, released: Released) -> Result<u64, EditError> {
        let mut tables = Vec::new();
        let mut looked = Ok(());
        let mut count = 0;
        for Detached { table, level, with_pages, .. } in released.detached {
            // Without pages it is empty, or was merged: nothing is under it.
            let level = if with_pages { level } else { 0 };
            let seen = if self.adopted {
                self.tables_of(level, table, &mut tables)
            } else {
                self.fell(level, table).map(|felled| count += felled)
            };
            looked = looked.and(seen);
        }
        count += self.give_back(tables);
        looked.map(|()| count)
    }

    /// Gives the tables of a tree back, each as it is met; a tree it is because it was made here. How
    /// many they were.
    fn fell(&mut self, level: u8, table: Gfn) -> Result<u64, EditError> {
        let (mut count, mut inner) = (1, Vec::new());
        if level > 0 {
            let AddressSpace { format, memory, frames, .. } = self;
            let (format, at) = (&*format, entry_at(table, 0));
            let met = memory.all_entries(at, ENTRIES, |i, entry| {
                match format.leads_to(level, i, entry) {
                    Some(leaves) if level == 1 => {
                        frames.free(leaves);
                        count += 1;
                    }
                    Some(below) => inner.push(below),
                    None => {}
                }
                true
            });
            met.ok_or(EditError::NoMemory { at })?;
        }
        for below in inner {
            count += self.fell(level - 1, below)?;
        }
        self.frames.free(table);
        Ok(count)
    }

    /// Gives tables back, each once and the root never; how many they were.
    fn give_back(&mut self, tables: Vec<Gfn>) -> u64 {
        if !self.adopted {
            let count = tables.len() as u64;
            tables.into_iter().for_each(|table| self.frames.free(table));
            return count;
        }
        let mut seen = Seen::of(tables.iter().copied());
        seen.insert(self.root);
        let mut count = 0;
        for table in tables {
            if seen.insert(table) {
                self.frames.free(table);
                count += 1;
            }
        }
        count
    }

    /// The tables of a tree that was given up, level by level.
    fn tables_of(&self, level: u8, table: Gfn, tables: &mut Vec<Gfn>) -> Result<(), EditError> {
        let mut here = tables.len();
        tables.push(table);
        for level in (1..=level).rev() {
            let end = tables.len();
            for at in here..end {
                tables.reserve(ENTRIES as usize);
                self.all(tables[at], 0, ENTRIES, |i, entry| {
                    if let Some(below) = self.format.leads_to(level, i, entry) {
                        tables.push(below);
                    }
                    true
                })?;
            }
            here = end;
            if level > 1 {
                let mut below = tables.split_off(here);
                once(&mut below, |&table| table);
                tables.append(&mut below);
            }
        }
        Ok(())
    }

    /// The pages and the tables of a tree that was given up, level by level; `top` is its root and
    /// the first page under it.
    fn dissolve(
        &self,
        level: u8,
        top: (Gfn, u64),
        runs: &mut Vec<PageRun>,
        tables: &mut Vec<Gfn>,
    ) -> Result<(), EditError> {
        let mut here = alloc::vec![top];
        for level in (0..=level).rev() {
            let mut below = Vec::new();
            for &(table, first) in &here {
                self.pages_of(level, table, first, runs, &mut below)?;
                tables.push(table);
            }
            once(&mut below, |&(table, _)| table);
            here = below;
        }
        Ok(())
    }

    /// The pages that one table maps, and the tables that it leads to, each with its first page.
    fn pages_of(
        &self,
        level: u8,
        table: Gfn,
        first: u64,
        runs: &mut Vec<PageRun>,
        below: &mut Vec<(Gfn, u64)>,
    ) -> Result<(), EditError> {
        let base = self.address(first);
        let size = span(level);
        let format = &self.format;
        // An entry that differs from the one before by one page, and perhaps in its accessed bit,
        // lengthens the run; only the others are taken apart.
        let (step, heeded) = (format.step(level), !format.accessed());
        let mut next = 0;
        let mut run: Option<(u64, PageRun)> = None;
        self.all(table, 0, ENTRIES, |i, entry| {
            if (entry ^ next) & heeded == 0 && run.is_some() {
                next += step;
                return true;
            }
            if let Some((begin, mut run)) = run.take() {
                run.pages = (i - begin) * size;
                push_run(runs, run);
            }
            match format.decode(level, i, entry) {
                Slot::Page(to, Attributes { dirty, .. }) => {
                    let va = Gva::new(base.get().wrapping_add((i * size) << 12));
                    let here = PageRun { va, to, pages: size, dirty };
                    // What may follow it is a page to the end of the table.
                    let last = entry.wrapping_add(step.wrapping_mul(ENTRIES - 1 - i));
                    if format.contiguous(level, entry) == 1
                        && matches!(format.decode(level, ENTRIES - 1, last), Slot::Page(..))
                    {
                        next = entry.wrapping_add(step);
                        run = Some((i, here));
                    } else {
                        push_run(runs, here);
                    }
                }
                Slot::Table(table) => below.push((table, first + i * size)),
                Slot::Unused | Slot::Absent(_) => {}
            }
            true
        })?;
        if let Some((begin, mut run)) = run {
            run.pages = (ENTRIES - begin) * size;
            push_run(runs, run);
        }
        Ok(())
    }
}

/// Leaves of each table only the first, in their order.
fn once<T>(tables: &mut Vec<T>, table: impl Fn(&T) -> Gfn) {
    let mut seen = Seen::of(tables.iter().map(&table));
    tables.retain(|one| seen.insert(table(one)));
}

/// Tables that were met. Those that lie close together, as the tables of a pool do, cost a bit each;
/// others an entry of a set.
struct Seen {
    low: u64,
    bits: Vec<u64>,
    far: BTreeSet<Gfn>,
}

impl Seen {
    /// None yet; made for these.
    fn of(tables: impl Iterator<Item = Gfn>) -> Seen {
        let (low, high, count) = tables.fold((u64::MAX, 0, 0), |(low, high, count), table| {
            (low.min(table.get()), high.max(table.get()), count + 1)
        });
        let words = high.saturating_sub(low) / 64;
        let words = if words < 64.max(count) { words as usize + 1 } else { 0 };
        Seen { low, bits: alloc::vec![0; words], far: BTreeSet::new() }
    }

    /// Whether the table is met for the first time.
    #[inline]
    fn insert(&mut self, table: Gfn) -> bool {
        let at = table.get().wrapping_sub(self.low);
        let Some(word) = self.bits.get_mut((at / 64) as usize) else {
            return self.far.insert(table);
        };
        let new = *word & 1 << (at % 64) == 0;
        *word |= 1 << (at % 64);
        new
    }
}

/// A mapping that is being made.
struct Mapping {
    attributes: Attributes,
    largest: u8,
    /// What is added to a page's number for its frame.
    shift: u64,
    /// Frames for the tables, all that the plan counted.
    spare: Vec<Gfn>,
}

impl Mapping {
    fn to(&self, page: u64) -> Gfn {
        Gfn::new(page.wrapping_add(self.shift))
    }

    /// Whether these pages are exactly one page of this level.
    fn is_whole(&self, level: u8, first: u64, pages: u64) -> bool {
        level <= self.largest && pages == span(level) && self.to(first).get().is_multiple_of(pages)
    }
}
