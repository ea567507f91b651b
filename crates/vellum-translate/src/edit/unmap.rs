//! Pages unmapped by ranges. Tables that become empty, or lie wholly within the range, are cut off.

use super::flush::Detached;
use super::space::{ENTRIES, span};
use super::{
    AddressSpace, Attributes, EditError, EditMemory, Flush, Format, Frames, PageRun, Slot,
};
use crate::{Gfn, Gva};

impl<F: Format, M: EditMemory, A: Frames> AddressSpace<F, M, A> {
    /// Unmaps `pages` pages from `va` on, and forgets what is kept in entries that are not present.
    /// Large pages are split where the range ends inside one; tables that become empty go. Costs one
    /// store for a table whose range goes as a whole, one exchange a page elsewhere.
    ///
    /// # Errors
    /// Out of reach, or too few frames to split a page.
    pub fn unmap(&mut self, va: Gva, pages: u64) -> Result<Flush, EditError> {
        let mut flush = Flush::default();
        let Some(first) = self.cut_out(va, pages, &mut flush)? else { return Ok(flush) };
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
}
