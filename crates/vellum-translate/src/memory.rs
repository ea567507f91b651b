//! The physical memory that tables lie in, as far as walks and edits need it.

use crate::{Gfn, Gpa, PAGE_SHIFT};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

/// Where entry `index` of the table whose first page is `table` is.
#[inline(always)]
pub(crate) const fn entry_at(table: Gfn, index: u64) -> Gpa {
    Gpa::new(table.base().get().wrapping_add(index << 3))
}

/// Physical memory that a walk reads tables from.
pub trait TableMemory {
    /// Loads the entry at `at` (8-byte aligned) in one access; `None` where there is no memory.
    fn load_entry(&self, at: Gpa) -> Option<u64>;

    /// Loads entry `index` of the table whose first page is `table`: what a walk does at each level.
    /// As [`TableMemory::load_entry`], which memory of its own kind may reach on a shorter way.
    #[inline]
    fn load_in(&self, table: Gfn, index: u64) -> Option<u64> {
        self.load_entry(entry_at(table, index))
    }

    /// Replaces the entry at `at` by `new` if it is still `current`, in one atomic step: whether it
    /// was. `None` where there is no memory, or none that the walk may write to; that is also what
    /// the default says, for memory that is only read.
    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let _ = (at, current, new);
        None
    }
}

impl<M: TableMemory + ?Sized> TableMemory for &M {
    #[inline]
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        (**self).load_entry(at)
    }

    #[inline]
    fn load_in(&self, table: Gfn, index: u64) -> Option<u64> {
        (**self).load_in(table, index)
    }

    #[inline]
    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        (**self).exchange_entry(at, current, new)
    }
}

/// Table memory over a slice of atomics: entry `i` lies at `base + 8 i`.
///
/// What the frame pool's pages are when borrowed, and what tests and examples use.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// The first word's number: its address over 8.
    first: u64,
    words: &'a [AtomicU64],
}

impl<'a> Words<'a> {
    /// `words` as the memory from `base` on, which must be a multiple of 8.
    pub const fn new(base: Gpa, words: &'a [AtomicU64]) -> Self {
        Words { first: base.get() >> 3, words }
    }

    /// The addresses that there is memory for.
    pub const fn range(&self) -> Range<u64> {
        self.first << 3..(self.first << 3) + self.words.len() as u64 * 8
    }

    #[inline]
    fn word(&self, at: Gpa) -> Option<&'a AtomicU64> {
        // An address below the base wraps to an index that no slice reaches.
        self.words.get((at.get() >> 3).wrapping_sub(self.first) as usize)
    }

    /// The `count` words from `at` on, if all of them are memory.
    #[inline]
    pub fn slice(&self, at: Gpa, count: usize) -> Option<&'a [AtomicU64]> {
        let first = (at.get() >> 3).wrapping_sub(self.first) as usize;
        self.words.get(first..first.checked_add(count)?)
    }
}

impl TableMemory for Words<'_> {
    #[inline]
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        Some(self.word(at)?.load(Ordering::Acquire))
    }

    #[inline]
    fn load_in(&self, table: Gfn, index: u64) -> Option<u64> {
        // The table's number comes last, from the load before: one addition waits for it.
        let inside = index.wrapping_sub(self.first);
        let number = (table.get() << (PAGE_SHIFT - 3)).wrapping_add(inside);
        let word = self.words.get(number as usize)?;
        Some(word.load(Ordering::Acquire))
    }

    #[inline]
    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let word = self.word(at)?;
        Some(word.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire).is_ok())
    }
}
