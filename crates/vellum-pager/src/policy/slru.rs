//! Segmented LRU (Karedla, Love & Wherry, *Caching Strategies to Improve Disk System Performance*,
//! 1994), with four segments.

use super::queue::Queues;
use super::{Keep, Policy};

/// The lowest segment and the highest, as places.
const LOWEST: u8 = 1;
const HIGHEST: u8 = 4;

/// A reference lifts a page one segment up; a segment that overflows lets its oldest page down. The
/// victim is the oldest page of the lowest segment.
#[derive(Debug, Clone)]
pub struct Slru {
    pages: Queues<{ HIGHEST as usize }>,
    capacity: u32,
}

impl Slru {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        Slru { pages: Queues::new(pages), capacity }
    }

    fn room(&self) -> u32 {
        (self.capacity / u32::from(HIGHEST)).max(1)
    }

    /// Puts a page into a segment; what overflows goes down, at most to the lowest.
    fn put(&mut self, page: u32, segment: u8) {
        self.pages.put(page, segment);
        for above in (LOWEST + 1..=segment).rev() {
            if self.pages.len(above) <= self.room() {
                break;
            }
            if let Some(old) = self.pages.oldest(above) {
                self.pages.put(old, above - 1);
            }
        }
    }
}

impl Policy for Slru {
    fn name(&self) -> &'static str {
        "slru"
    }

    fn len(&self) -> u32 {
        (LOWEST..=HIGHEST).map(|segment| self.pages.len(segment)).sum()
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.pages.place(page) != 0
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        match self.pages.place(page) {
            HIGHEST => self.pages.renew(page),
            segment => self.put(page, segment + 1),
        }
    }

    /// Into the lowest segment that has room: while memory fills, nothing is pushed out.
    fn admit(&mut self, page: u32) {
        let room = self.room();
        let segment = (LOWEST..=HIGHEST).find(|&segment| self.pages.len(segment) < room);
        self.put(page, segment.unwrap_or(LOWEST));
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let page = (LOWEST..=HIGHEST).find_map(|segment| self.pages.first_free(segment, keep))?;
        self.forget(page);
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.pages.take(page);
    }
}
