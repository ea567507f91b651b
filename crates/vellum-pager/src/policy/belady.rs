//! Belady's MIN (*A Study of Replacement Algorithms for a Virtual-Storage Computer*, 1966): the page
//! goes whose next use is farthest away. Needs to know what comes, as a replayed run does.

use super::{Keep, Policy};
use std::collections::BinaryHeap;

/// No reference.
pub(crate) const NEVER: u32 = u32::MAX;

/// By reference of a trace of pages below `pages`: where the same page is referenced next, or [`NEVER`].
pub(crate) fn next_uses(trace: &[u32], pages: u32) -> Box<[u32]> {
    let mut next = vec![NEVER; trace.len()].into_boxed_slice();
    let mut last = vec![NEVER; pages as usize];
    for (at, &page) in trace.iter().enumerate().rev() {
        next[at] = std::mem::replace(&mut last[page as usize], at as u32);
    }
    next
}

/// Held pages by their next reference, and which of them is used last of all.
#[derive(Debug, Clone)]
pub(crate) struct Upcoming {
    /// By page: its next reference; `None` for a page that is not held.
    held: Box<[Option<u32>]>,
    /// Held pages by next reference; entries of a reference that has passed are stale.
    far: BinaryHeap<(u32, u32)>,
    len: u32,
}

/// Entries up to which stale ones are left where they are.
const FEW: usize = 64;

impl Upcoming {
    pub(crate) fn new(pages: u32) -> Self {
        let held = vec![None; pages as usize].into();
        Upcoming { held, far: BinaryHeap::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    pub(crate) fn holds(&self, page: u32) -> bool {
        self.held[page as usize].is_some()
    }

    /// The page is held, and referenced next at `next`.
    pub(crate) fn put(&mut self, page: u32, next: u32) {
        self.len += u32::from(self.held[page as usize].replace(next).is_none());
        if self.far.len() >= 2 * self.len as usize + FEW {
            let held = &self.held;
            self.far.retain(|&(next, page)| held[page as usize] == Some(next));
        }
        self.far.push((next, page));
    }

    pub(crate) fn forget(&mut self, page: u32) {
        self.len -= u32::from(self.held[page as usize].take().is_some());
    }

    /// The page that is used last of all, with its next reference before it.
    pub(crate) fn farthest(&mut self) -> Option<(u32, u32)> {
        while let Some(&(next, page)) = self.far.peek() {
            if self.held[page as usize] == Some(next) {
                return Some((next, page));
            }
            self.far.pop();
        }
        None
    }
}

/// The best that any policy can do on one known trace: the bound that others are shown against, and
/// a policy of its own where a recorded run is replayed. References must come in the trace's order.
#[derive(Debug, Clone)]
pub struct Belady {
    /// By reference: where the same page is referenced next.
    next: Box<[u32]>,
    held: Upcoming,
    at: usize,
    capacity: u32,
}

impl Belady {
    /// For a trace of pages below `pages`, `capacity` of them held. Memory: 4 bytes a reference, 8 a
    /// page, at most 32 a page that is held. References after the end of the trace are taken as never repeated.
    pub fn new(trace: &[u32], pages: u32, capacity: u32) -> Self {
        Belady { next: next_uses(trace, pages), held: Upcoming::new(pages), at: 0, capacity }
    }

    fn step(&mut self, page: u32) {
        let next = self.next.get(self.at).copied().unwrap_or(NEVER);
        self.at += 1;
        self.held.put(page, next);
    }
}

impl Policy for Belady {
    fn name(&self) -> &'static str {
        "belady"
    }

    fn len(&self) -> u32 {
        self.held.len()
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.held.holds(page)
    }

    fn touch(&mut self, page: u32) {
        self.step(page);
    }

    fn admit(&mut self, page: u32) {
        self.step(page);
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let mut kept = Vec::new();
        let mut found = None;
        while let Some((next, page)) = self.held.farthest() {
            self.held.far.pop();
            if !keep(page) {
                found = Some(page);
                break;
            }
            kept.push((next, page));
        }
        self.held.far.extend(kept);
        self.forget(found?);
        found
    }

    fn forget(&mut self, page: u32) {
        self.held.forget(page);
    }
}
