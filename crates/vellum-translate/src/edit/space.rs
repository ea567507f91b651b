//! An address space: the tables under one root, and how their entries are reached.

use super::memory::entry_at;
use super::{EditError, EditMemory, Flush, Format, Frames};
use crate::{Gfn, Gva};

/// Entries of a table.
pub(super) const ENTRIES: u64 = 512;

/// Pages of 4 KiB under an entry at `level`.
pub(super) const fn span(level: u8) -> u64 {
    1 << (9 * level as u32)
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
    pub(super) frames: A,
    pub(super) root: Gfn,
    /// The tables are not all from here: several entries may lead to one, or to themselves.
    pub(super) adopted: bool,
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

    /// The first page of a range that an edit concerns, as [`AddressSpace::reach`] says it, with no
    /// large page left that the range ends inside; none if the range is empty.
    pub(super) fn cut_out(
        &mut self,
        va: Gva,
        pages: u64,
        flush: &mut Flush,
    ) -> Result<Option<u64>, EditError> {
        if pages == 0 {
            return Ok(None);
        }
        let first = self.reach(va, pages)?;
        self.split_at(first, flush)?;
        self.split_at(first + pages, flush)?;
        Ok(Some(first))
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

    pub(super) fn index(&self, level: u8, page: u64) -> u64 {
        let index = page / span(level);
        if level + 1 == self.format.levels() { index } else { index % ENTRIES }
    }

    pub(super) fn load(&self, table: Gfn, index: u64) -> Result<u64, EditError> {
        let at = entry_at(table, index);
        self.memory.load_entry(at).ok_or(EditError::NoMemory { at })
    }

    pub(super) fn store(&self, table: Gfn, index: u64, entry: u64) -> Result<(), EditError> {
        let at = entry_at(table, index);
        self.memory.store_entry(at, entry).ok_or(EditError::NoMemory { at })
    }

    /// Puts `entry` in the place of whatever is there, and returns that.
    pub(super) fn swap(&self, table: Gfn, index: u64, entry: u64) -> Result<u64, EditError> {
        let at = entry_at(table, index);
        loop {
            let old = self.load(table, index)?;
            let done = self.memory.exchange_entry(at, old, entry);
            if done.ok_or(EditError::NoMemory { at })? {
                return Ok(old);
            }
        }
    }

    pub(super) fn all(
        &self,
        table: Gfn,
        first: u64,
        count: u64,
        see: impl FnMut(u64, u64) -> bool,
    ) -> Result<bool, EditError> {
        let at = entry_at(table, first);
        self.memory.all_entries(at, count, see).ok_or(EditError::NoMemory { at })
    }

    /// Calls `each` with index, first page and number of pages of every entry of a table at `level`
    /// that the range touches.
    pub(super) fn pieces<E>(
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

    pub(super) fn zero(&self, table: Gfn) -> Result<(), EditError> {
        let at = entry_at(table, 0);
        self.memory.write_entries(at, ENTRIES, |_| 0).ok_or(EditError::NoMemory { at })
    }
}
