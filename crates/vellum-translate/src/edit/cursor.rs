//! A cursor over a range: what is there, entry by entry, and edits where it stands. One flush at the
//! end does for all of them.

use super::space::span;
use super::{AddressSpace, Attributes, Change, EditError, EditMemory, Flush, Format, Frames, Slot};
use crate::{Gfn, Gva};

/// What a cursor finds: one entry, as far as the cursor's range reaches into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Where the cursor stands.
    pub va: Gva,
    /// Pages of 4 KiB from there to the end of the entry, or of the range.
    pub pages: u64,
    /// The level of the entry.
    pub level: u8,
    /// What it is; never a table. A page's frame is the one at `va`.
    pub slot: Slot,
}

/// A cursor over a range of an address space. Edits are made at once; what they leave to flush is
/// gathered, and [`Cursor::finish`] returns it.
#[derive(Debug)]
pub struct Cursor<'s, F, M, A> {
    space: &'s mut AddressSpace<F, M, A>,
    page: u64,
    end: u64,
    flush: Flush,
}

impl<F: Format, M: EditMemory, A: Frames> AddressSpace<F, M, A> {
    /// A cursor over `pages` pages from `va` on.
    ///
    /// # Errors
    /// They are not all within the format's reach.
    pub fn cursor(&mut self, va: Gva, pages: u64) -> Result<Cursor<'_, F, M, A>, EditError> {
        let page = self.reach(va, pages)?;
        Ok(Cursor { space: self, page, end: page + pages, flush: Flush::default() })
    }

    /// What is at `va`.
    ///
    /// # Errors
    /// Out of reach, or a table where no memory is.
    pub fn query(&self, va: Gva) -> Result<Item, EditError> {
        let page = self.reach(Gva::new(va.get() & crate::PAGE_MASK), 1)?;
        self.find(page, page + 1)
    }

    fn find(&self, page: u64, end: u64) -> Result<Item, EditError> {
        let (mut level, mut table) = (self.format.levels() - 1, self.root());
        loop {
            let index = self.index(level, page);
            let entry = self.load(table, index)?;
            let slot = match self.format.decode(level, index, entry) {
                Slot::Table(below) => {
                    level -= 1;
                    table = below;
                    continue;
                }
                Slot::Page(to, attributes) => Slot::Page(to.plus(page % span(level)), attributes),
                other => other,
            };
            let pages = (span(level) - page % span(level)).min(end - page);
            return Ok(Item { va: self.address(page), pages, level, slot });
        }
    }
}

impl<F: Format, M: EditMemory, A: Frames> Cursor<'_, F, M, A> {
    /// What is where the cursor stands; `None` at the end of the range.
    ///
    /// # Errors
    /// A table is where no memory is.
    pub fn peek(&self) -> Result<Option<Item>, EditError> {
        if self.page == self.end {
            return Ok(None);
        }
        self.space.find(self.page, self.end).map(Some)
    }

    /// As [`Cursor::peek`], and steps past it.
    ///
    /// # Errors
    /// A table is where no memory is.
    pub fn step(&mut self) -> Result<Option<Item>, EditError> {
        let item = self.peek()?;
        self.page += item.map_or(0, |item| item.pages);
        Ok(item)
    }

    /// Steps to the next entry that is not unused.
    ///
    /// # Errors
    /// A table is where no memory is.
    pub fn next_used(&mut self) -> Result<Option<Item>, EditError> {
        while let Some(item) = self.step()? {
            if item.slot != Slot::Unused {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Maps the next `pages` pages, no more than are left of the range, and steps past them.
    ///
    /// # Errors
    /// As [`AddressSpace::map`].
    pub fn map(
        &mut self,
        pages: u64,
        to: Gfn,
        attributes: Attributes,
        largest: u8,
    ) -> Result<(), EditError> {
        let (va, pages) = self.take(pages);
        let flush = self.space.map(va, pages, to, attributes, largest)?;
        self.done(pages, flush);
        Ok(())
    }

    /// Unmaps the next `pages` pages, no more than are left of the range, and steps past them.
    ///
    /// # Errors
    /// As [`AddressSpace::unmap`].
    pub fn unmap(&mut self, pages: u64) -> Result<(), EditError> {
        let (va, pages) = self.take(pages);
        let flush = self.space.unmap(va, pages)?;
        self.done(pages, flush);
        Ok(())
    }

    /// Changes the next `pages` pages, no more than are left of the range, and steps past them.
    ///
    /// # Errors
    /// As [`AddressSpace::protect`].
    pub fn protect(&mut self, pages: u64, change: Change) -> Result<(), EditError> {
        let (va, pages) = self.take(pages);
        let flush = self.space.protect(va, pages, change)?;
        self.done(pages, flush);
        Ok(())
    }

    fn take(&self, pages: u64) -> (Gva, u64) {
        (self.space.address(self.page), pages.min(self.end - self.page))
    }

    fn done(&mut self, pages: u64, flush: Flush) {
        self.page += pages;
        self.flush.join(flush);
    }

    /// What all edits leave to do.
    pub fn finish(self) -> Flush {
        self.flush
    }
}
