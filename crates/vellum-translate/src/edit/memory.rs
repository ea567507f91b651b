//! The memory that an editor writes tables to, and the frames it takes for them.

use crate::{Gfn, Gpa, PAGE_SHIFT, TableMemory, Words};
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

/// Memory whose tables can be edited while processors walk them: every store is of a whole entry.
pub trait EditMemory: TableMemory {
    /// Stores the entry at `at`, with release ordering; `None` where there is no memory.
    fn store_entry(&self, at: Gpa, entry: u64) -> Option<()>;

    /// Stores `entry(0)`, `entry(1)` and so on to `count` entries from `at` on.
    fn write_entries(&self, at: Gpa, count: u64, mut entry: impl FnMut(u64) -> u64) -> Option<()> {
        (0..count).try_for_each(|i| self.store_entry(Gpa::new(at.get() + 8 * i), entry(i)))
    }

    /// Whether `see` accepts every one of `count` entries from `at` on; it is not asked again after
    /// the first that it refuses.
    fn all_entries(
        &self,
        at: Gpa,
        count: u64,
        mut see: impl FnMut(u64, u64) -> bool,
    ) -> Option<bool> {
        for i in 0..count {
            if !see(i, self.load_entry(Gpa::new(at.get() + 8 * i))?) {
                return Some(false);
            }
        }
        Some(true)
    }
}

impl<M: EditMemory + ?Sized> EditMemory for &M {
    fn store_entry(&self, at: Gpa, entry: u64) -> Option<()> {
        (**self).store_entry(at, entry)
    }

    fn write_entries(&self, at: Gpa, count: u64, entry: impl FnMut(u64) -> u64) -> Option<()> {
        (**self).write_entries(at, count, entry)
    }

    fn all_entries(&self, at: Gpa, count: u64, see: impl FnMut(u64, u64) -> bool) -> Option<bool> {
        (**self).all_entries(at, count, see)
    }
}

impl EditMemory for Words<'_> {
    #[inline]
    fn store_entry(&self, at: Gpa, entry: u64) -> Option<()> {
        self.slice(at, 1)?[0].store(entry, Ordering::Release);
        Some(())
    }

    #[inline]
    fn write_entries(&self, at: Gpa, count: u64, mut entry: impl FnMut(u64) -> u64) -> Option<()> {
        for (i, word) in self.slice(at, count as usize)?.iter().enumerate() {
            word.store(entry(i as u64), Ordering::Release);
        }
        Some(())
    }

    #[inline]
    fn all_entries(
        &self,
        at: Gpa,
        count: u64,
        mut see: impl FnMut(u64, u64) -> bool,
    ) -> Option<bool> {
        let words = self.slice(at, count as usize)?.iter().enumerate();
        Some({ words }.all(|(i, word)| see(i as u64, word.load(Ordering::Acquire))))
    }
}

/// Where an editor's tables come from.
pub trait Frames {
    /// A run of `frames` (1, or 4 for a root of the second stage), aligned to its length, with any
    /// content.
    fn allocate(&mut self, frames: u64) -> Option<Gfn>;

    /// Takes back a frame that was allocated, each of a run by itself. An editor calls it only when
    /// no processor can hold the frame any more.
    fn free(&mut self, frame: Gfn);

    /// Takes many back, as [`Frames::free`] does one: a pool that keeps a list lengthens it once.
    fn free_many(&mut self, frames: &[Gfn]) {
        frames.iter().for_each(|&frame| self.free(frame));
    }
}

impl<A: Frames + ?Sized> Frames for &mut A {
    fn allocate(&mut self, frames: u64) -> Option<Gfn> {
        (**self).allocate(frames)
    }

    fn free(&mut self, frame: Gfn) {
        (**self).free(frame);
    }

    fn free_many(&mut self, frames: &[Gfn]) {
        (**self).free_many(frames);
    }
}

/// A pool of frames: a range, and what came back.
#[derive(Debug, Clone)]
pub struct Pool {
    fresh: Range<u64>,
    freed: Vec<Gfn>,
}

impl Pool {
    /// A pool of the frames from `first` to before `end`.
    pub const fn new(first: Gfn, end: Gfn) -> Pool {
        Pool { fresh: first.get()..end.get(), freed: Vec::new() }
    }

    /// Frames that are left.
    pub fn available(&self) -> u64 {
        self.fresh.end.saturating_sub(self.fresh.start) + self.freed.len() as u64
    }
}

impl Frames for Pool {
    #[inline]
    fn allocate(&mut self, frames: u64) -> Option<Gfn> {
        if frames == 1
            && let Some(frame) = self.freed.pop()
        {
            return Some(frame);
        }
        let first = self.fresh.start.next_multiple_of(frames.max(1));
        let end = first.checked_add(frames).filter(|&end| end <= self.fresh.end)?;
        self.freed.extend((self.fresh.start..first).map(Gfn::new));
        self.fresh.start = end;
        Some(Gfn::new(first))
    }

    fn free(&mut self, frame: Gfn) {
        self.freed.push(frame);
    }

    fn free_many(&mut self, frames: &[Gfn]) {
        self.freed.extend_from_slice(frames);
    }
}

/// The address of entry `index` of the table at `table`.
#[inline]
pub(super) fn entry_at(table: Gfn, index: u64) -> Gpa {
    Gpa::new((table.get() << PAGE_SHIFT) + index * 8)
}
