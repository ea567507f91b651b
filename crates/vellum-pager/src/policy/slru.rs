//! Segmented LRU (Karedla, Love & Wherry, *Caching Strategies to Improve Disk System Performance*,
//! 1994), with four segments.

use super::queue::{Links, Queue};
use super::{Keep, Policy, first_free};

const SEGMENTS: usize = 4;

/// A reference lifts a page one segment up; a segment that overflows lets its oldest page down. The
/// victim is the oldest page of the lowest segment.
#[derive(Debug, Clone)]
pub struct Slru {
    /// 0, or the segment's number from 1.
    state: Box<[u8]>,
    links: Links,
    segments: [Queue; SEGMENTS],
    capacity: u32,
}

impl Slru {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        Slru {
            state: vec![0; pages as usize].into(),
            links: Links::new(pages),
            segments: [const { Queue::new() }; SEGMENTS],
            capacity,
        }
    }

    fn room(&self) -> u32 {
        (self.capacity / SEGMENTS as u32).max(1)
    }

    /// Puts a page into a segment; what overflows goes down, at most to the lowest.
    fn put(&mut self, page: u32, segment: usize) {
        self.state[page as usize] = segment as u8 + 1;
        self.segments[segment].push(&mut self.links, page);
        for at in (1..=segment).rev() {
            if self.segments[at].len() <= self.room() {
                break;
            }
            if let Some(old) = self.segments[at].pop(&mut self.links) {
                self.state[old as usize] = at as u8;
                self.segments[at - 1].push(&mut self.links, old);
            }
        }
    }
}

impl Policy for Slru {
    fn name(&self) -> &'static str {
        "slru"
    }

    fn len(&self) -> u32 {
        self.segments.iter().map(Queue::len).sum()
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.state[page as usize] != 0
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        let segment = usize::from(self.state[page as usize] - 1);
        if segment == SEGMENTS - 1 {
            self.segments[segment].renew(&mut self.links, page);
        } else {
            self.segments[segment].remove(&mut self.links, page);
            self.put(page, segment + 1);
        }
    }

    /// Into the lowest segment that has room: while memory fills, nothing is pushed out.
    fn admit(&mut self, page: u32) {
        let room = self.room();
        let segment = self.segments.iter().position(|segment| segment.len() < room).unwrap_or(0);
        self.put(page, segment);
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let mut segments = self.segments.iter();
        let page = segments.find_map(|segment| first_free(segment, &self.links, keep))?;
        self.forget(page);
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        let segment = std::mem::take(&mut self.state[page as usize]);
        self.segments[usize::from(segment - 1)].remove(&mut self.links, page);
    }
}
