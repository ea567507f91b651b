//! Large pages split where an edit ends inside one, and merged again where their pieces are alike.

use super::flush::Detached;
use super::memory::entry_at;
use super::space::{ENTRIES, span};
use super::{AddressSpace, Attributes, EditError, EditMemory, Flush, Format, Frames, Slot};
use crate::{Gfn, Gva, Rights};

impl<F: Format, M: EditMemory, A: Frames> AddressSpace<F, M, A> {
    /// Makes `page` the first of its page: splits every larger one that it lies within. What is
    /// mapped stays the same.
    pub(super) fn split_at(&mut self, page: u64, flush: &mut Flush) -> Result<(), EditError> {
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

    /// Replaces a large page by a table that maps the same.
    pub(super) fn split(
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
}
