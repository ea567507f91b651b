//! Least recently used.

use super::queue::{Links, Queue};
use super::{Keep, Policy, first_free};

/// The page goes that was not referenced for the longest time. A reference costs a move in a queue.
#[derive(Debug, Clone)]
pub struct Lru {
    held: Box<[bool]>,
    links: Links,
    queue: Queue,
    capacity: u32,
}

impl Lru {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        let held = vec![false; pages as usize].into();
        Lru { held, links: Links::new(pages), queue: Queue::new(), capacity }
    }
}

impl Policy for Lru {
    fn name(&self) -> &'static str {
        "lru"
    }

    fn len(&self) -> u32 {
        self.queue.len()
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.held[page as usize]
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        self.queue.renew(&mut self.links, page);
    }

    fn admit(&mut self, page: u32) {
        self.held[page as usize] = true;
        self.queue.push(&mut self.links, page);
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let page = first_free(&self.queue, &self.links, keep)?;
        self.forget(page);
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.held[page as usize] = false;
        self.queue.remove(&mut self.links, page);
    }
}
