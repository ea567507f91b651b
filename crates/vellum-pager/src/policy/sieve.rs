//! SIEVE (Zhang et al., *SIEVE is Simpler than LRU*, NSDI 2024): CLOCK whose survivors stay where
//! they are.

use super::queue::{Links, Queue};
use super::{Keep, Policy};

const HELD: u8 = 1;
const ACCESSED: u8 = 2;

/// A hand moves from the old end of a queue to the new one and takes the first page whose accessed
/// bit is clear; new pages enter behind it. Made for web caches, and not resistant to scans.
#[derive(Debug, Clone)]
pub struct Sieve {
    state: Box<[u8]>,
    links: Links,
    queue: Queue,
    hand: Option<u32>,
    capacity: u32,
}

impl Sieve {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        let state = vec![0; pages as usize].into();
        Sieve { state, links: Links::new(pages), queue: Queue::new(), hand: None, capacity }
    }
}

impl Policy for Sieve {
    fn name(&self) -> &'static str {
        "sieve"
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
        self.state[page as usize] != 0
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        self.state[page as usize] = HELD | ACCESSED;
    }

    fn admit(&mut self, page: u32) {
        self.state[page as usize] = HELD;
        self.queue.push(&mut self.links, page);
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let mut at = self.hand.or(self.queue.oldest())?;
        for _ in 0..=2 * u64::from(self.queue.len()) {
            if self.state[at as usize] & ACCESSED == 0 && !keep(at) {
                self.hand = Some(at);
                self.forget(at);
                return Some(at);
            }
            self.state[at as usize] &= !ACCESSED;
            at = self.queue.newer(&self.links, at).or(self.queue.oldest())?;
        }
        self.hand = Some(at);
        None
    }

    fn forget(&mut self, page: u32) {
        if self.hand == Some(page) {
            self.hand = self.queue.newer(&self.links, page);
        }
        self.state[page as usize] = 0;
        self.queue.remove(&mut self.links, page);
    }
}
