//! CLOCK: second chance by an accessed bit (Corbató, *A Paging Experiment with the Multics System*,
//! 1968).

use super::queue::{Links, Queue};
use super::{Keep, Policy};

const HELD: u8 = 1;
const ACCESSED: u8 = 2;

/// The oldest page goes whose accessed bit is clear; the hand clears those it passes. A reference
/// costs the setting of a bit.
#[derive(Debug, Clone)]
pub struct Clock {
    state: Box<[u8]>,
    links: Links,
    queue: Queue,
    capacity: u32,
}

impl Clock {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        let state = vec![0; pages as usize].into();
        Clock { state, links: Links::new(pages), queue: Queue::new(), capacity }
    }
}

impl Policy for Clock {
    fn name(&self) -> &'static str {
        "clock"
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
        // Two rounds: the first may only clear bits.
        for _ in 0..=2 * u64::from(self.queue.len()) {
            let page = self.queue.oldest()?;
            if self.state[page as usize] & ACCESSED == 0 && !keep(page) {
                self.forget(page);
                return Some(page);
            }
            self.state[page as usize] &= !ACCESSED;
            self.queue.renew(&mut self.links, page);
        }
        None
    }

    fn forget(&mut self, page: u32) {
        self.state[page as usize] = 0;
        self.queue.remove(&mut self.links, page);
    }
}
