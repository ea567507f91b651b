//! 2Q (Johnson & Shasha, *2Q: A Low Overhead High Performance Buffer Management Replacement
//! Algorithm*, VLDB 1994), the full version.

use super::queue::{Links, Queue};
use super::{Keep, Policy, first_free, share};

const NEW: u8 = 1;
const HOT: u8 = 2;
const GONE: u8 = 3;
/// The paper's K_in, percent of the capacity.
const NEW_PERCENT: u32 = 25;
/// The paper's K_out, percent of the capacity.
const GONE_PERCENT: u32 = 50;

/// New pages wait in a FIFO; one that comes back after it left enters the hot LRU queue.
#[derive(Debug, Clone)]
pub struct TwoQ {
    state: Box<[u8]>,
    links: Links,
    new: Queue,
    hot: Queue,
    gone: Queue,
    capacity: u32,
}

impl TwoQ {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        TwoQ {
            state: vec![0; pages as usize].into(),
            links: Links::new(pages),
            new: Queue::new(),
            hot: Queue::new(),
            gone: Queue::new(),
            capacity,
        }
    }

    fn take(&mut self, page: u32) {
        match std::mem::take(&mut self.state[page as usize]) {
            NEW => self.new.remove(&mut self.links, page),
            HOT => self.hot.remove(&mut self.links, page),
            GONE => self.gone.remove(&mut self.links, page),
            _ => {}
        }
    }
}

impl Policy for TwoQ {
    fn name(&self) -> &'static str {
        "2q"
    }

    fn len(&self) -> u32 {
        self.new.len() + self.hot.len()
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        matches!(self.state[page as usize], NEW | HOT)
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        if self.state[page as usize] == HOT {
            self.hot.renew(&mut self.links, page);
        }
    }

    fn admit(&mut self, page: u32) {
        let known = self.state[page as usize] == GONE;
        self.take(page);
        if known {
            self.state[page as usize] = HOT;
            self.hot.push(&mut self.links, page);
        } else {
            self.state[page as usize] = NEW;
            self.new.push(&mut self.links, page);
        }
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let from_new = self.new.len() > share(self.capacity, NEW_PERCENT) || self.hot.len() == 0;
        let mut order = [&self.new, &self.hot];
        if !from_new {
            order.reverse();
        }
        let page = order.into_iter().find_map(|queue| first_free(queue, &self.links, keep))?;
        let was_new = self.state[page as usize] == NEW;
        self.take(page);
        if was_new {
            self.state[page as usize] = GONE;
            self.gone.push(&mut self.links, page);
            if self.gone.len() > share(self.capacity, GONE_PERCENT)
                && let Some(old) = self.gone.oldest()
            {
                self.take(old);
            }
        }
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.take(page);
    }
}
