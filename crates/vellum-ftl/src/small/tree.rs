//! The map: a radix tree that is only ever appended to, as in Dhara (D. Beer).
//!
//! Every data page is a root of its own: its entry tells, for each bit of its logical page's number, where
//! the pages are found that differ from it first in that bit. The latest page is the root of the tree as
//! it is. Looking up follows one pointer for each bit in which the page looked at differs from the one
//! that is wanted; inserting a page takes over, on the way, what its entry must say.

use super::Small;
use super::shape::{DEPTH, Entry};
use crate::{FtlError, Lpn};
use vellum_nand::Nand;

/// Where a logical page is, and what a new page for it would point at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// 0: nowhere.
    pub slot: u32,
    pub alt: [u32; DEPTH],
}

impl<N: Nand> Small<N> {
    /// The bit of a number that level `d` of the tree looks at.
    fn bit(&self, lpn: u32, d: usize) -> u32 {
        lpn >> (self.shape.depth - 1 - d) & 1
    }

    /// The way to a logical page. About a page read for every other bit of the number.
    pub(super) fn trace(&mut self, lpn: u32) -> Result<Path, FtlError> {
        let mut path = Path { slot: self.root, alt: [0; DEPTH] };
        if path.slot == 0 {
            return Ok(path);
        }
        let mut entry = self.entry_of(path.slot, lpn)?;
        for d in 0..self.shape.depth {
            if self.bit(lpn, d) == self.bit(entry.lpn, d) {
                path.alt[d] = entry.alt[d];
                continue;
            }
            path.alt[d] = path.slot;
            path.slot = entry.alt[d];
            if path.slot == 0 {
                return Ok(path);
            }
            entry = self.entry_of(path.slot, lpn)?;
        }
        Ok(path)
    }

    /// A page's entry: from RAM, or from its group's metadata or the copy of it.
    pub(super) fn entry_of(&mut self, slot: u32, lpn: u32) -> Result<Entry, FtlError> {
        let found = self.find_entry(slot)?;
        let ppa = self.shape.place(slot);
        found.ok_or(FtlError::Unreadable { lpn: Lpn(lpn), ppa })
    }

    pub(super) fn find_entry(&mut self, slot: u32) -> Result<Option<Entry>, FtlError> {
        if let Some(entry) = self.recent.get(&self.shape, slot) {
            return Ok(Some(entry));
        }
        let shape = self.shape;
        let mut bytes = [0; 8 + 4 * DEPTH];
        let bytes = &mut bytes[..shape.stride()];
        for copy in 0..2 {
            let from = shape.place(shape.meta_of(slot) + copy);
            self.stats.chip_reads += 1;
            let status = self.nand.read(from, shape.entry_at(slot) as u32, bytes, &mut [])?;
            if status.is_readable()
                && let Some(entry) = shape.get(slot, bytes)
            {
                self.stats.meta_rebuilt += copy;
                // Of two copies one is left.
                self.note_effort(slot, if copy > 0 { u8::MAX } else { status.worst() });
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}
