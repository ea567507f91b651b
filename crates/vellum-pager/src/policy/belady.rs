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

/// The best that any policy can do on one known trace: the bound that others are shown against, and
/// a policy of its own where a recorded run is replayed. References must come in the trace's order.
#[derive(Debug, Clone)]
pub struct Belady {
    /// By reference: where the same page is referenced next.
    next: Box<[u32]>,
    /// By page: its next reference; `None` for a page that is not held.
    held: Box<[Option<u32>]>,
    /// Held pages by next reference; entries of a reference that has passed are stale.
    far: BinaryHeap<(u32, u32)>,
    at: usize,
    len: u32,
    capacity: u32,
}

impl Belady {
    /// For a trace of pages below `pages`, `capacity` of them held. Memory: 4 bytes a reference, 8 a
    /// page. References after the end of the trace are taken as never repeated.
    pub fn new(trace: &[u32], pages: u32, capacity: u32) -> Self {
        let next = next_uses(trace, pages);
        let held = vec![None; pages as usize].into();
        Belady { next, held, far: BinaryHeap::new(), at: 0, len: 0, capacity }
    }

    fn step(&mut self, page: u32) {
        let next = self.next.get(self.at).copied().unwrap_or(NEVER);
        self.at += 1;
        self.held[page as usize] = Some(next);
        self.far.push((next, page));
    }
}

impl Policy for Belady {
    fn name(&self) -> &'static str {
        "belady"
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.held[page as usize].is_some()
    }

    fn touch(&mut self, page: u32) {
        self.step(page);
    }

    fn admit(&mut self, page: u32) {
        self.len += 1;
        self.step(page);
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let mut kept = Vec::new();
        let mut found = None;
        while let Some((next, page)) = self.far.pop() {
            if self.held[page as usize] != Some(next) {
                continue;
            }
            if !keep(page) {
                found = Some(page);
                break;
            }
            kept.push((next, page));
        }
        self.far.extend(kept);
        self.forget(found?);
        found
    }

    fn forget(&mut self, page: u32) {
        self.len -= 1;
        self.held[page as usize] = None;
    }
}
