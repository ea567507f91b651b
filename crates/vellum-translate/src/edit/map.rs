//! Pages mapped by ranges: what is needed is counted first, so that a map that fails changes nothing.

use super::memory::entry_at;
use super::space::{ENTRIES, span};
use super::{AddressSpace, Attributes, EditError, EditMemory, Flush, Format, Frames, Slot};
use crate::{Gfn, Gva, Rights};
use alloc::vec::Vec;

impl<F: Format, M: EditMemory, A: Frames> AddressSpace<F, M, A> {
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

    pub(super) fn reserve(&mut self, spare: &mut Vec<Gfn>, needed: u64) -> Result<(), EditError> {
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
