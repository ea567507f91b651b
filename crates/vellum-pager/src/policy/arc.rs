//! ARC (Megiddo & Modha, *ARC: A Self-Tuning, Low Overhead Replacement Cache*, FAST 2003).

use super::queue::{Links, Queue};
use super::{Keep, Policy, first_free};

const ONCE: u8 = 1;
const OFTEN: u8 = 2;
const GONE_ONCE: u8 = 3;
const GONE_OFTEN: u8 = 4;

/// Two LRU queues, of pages seen once and of pages seen more often, with a memory of what left each;
/// what comes back moves the target of the first queue's size.
#[derive(Debug, Clone)]
pub struct Arc {
    state: Box<[u8]>,
    links: Links,
    /// T1, T2, B1, B2 of the paper.
    queues: [Queue; 4],
    /// The target size of the first queue: the paper's p.
    target: u32,
    capacity: u32,
    /// The page for which the target was already moved.
    adapted: Option<u32>,
}

impl Arc {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        Arc {
            state: vec![0; pages as usize].into(),
            links: Links::new(pages),
            queues: [const { Queue::new() }; 4],
            target: 0,
            capacity,
            adapted: None,
        }
    }

    fn put(&mut self, page: u32, state: u8) {
        self.state[page as usize] = state;
        self.queues[usize::from(state - 1)].push(&mut self.links, page);
    }

    fn take(&mut self, page: u32) {
        let state = std::mem::take(&mut self.state[page as usize]);
        if state != 0 {
            self.queues[usize::from(state - 1)].remove(&mut self.links, page);
        }
    }

    fn len_of(&self, state: u8) -> u32 {
        self.queues[usize::from(state - 1)].len()
    }

    /// The page comes back: moves the target toward the queue that should not have lost it.
    fn adapt(&mut self, page: u32) {
        let (gone_once, gone_often) = (self.len_of(GONE_ONCE), self.len_of(GONE_OFTEN));
        match self.state[page as usize] {
            GONE_ONCE => {
                let step = (gone_often / gone_once.max(1)).max(1);
                self.target = (self.target + step).min(self.capacity);
            }
            GONE_OFTEN => {
                let step = (gone_once / gone_often.max(1)).max(1);
                self.target = self.target.saturating_sub(step);
            }
            _ => {}
        }
    }

    fn drop_oldest(&mut self, state: u8) {
        if let Some(page) = self.queues[usize::from(state - 1)].oldest() {
            self.take(page);
        }
    }
}

impl Policy for Arc {
    fn name(&self) -> &'static str {
        "arc"
    }

    fn len(&self) -> u32 {
        self.len_of(ONCE) + self.len_of(OFTEN)
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
        self.target = self.target.min(pages);
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        matches!(self.state[page as usize], ONCE | OFTEN)
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        if self.state[page as usize] == OFTEN {
            self.queues[usize::from(OFTEN - 1)].renew(&mut self.links, page);
        } else {
            self.take(page);
            self.put(page, OFTEN);
        }
    }

    fn admit(&mut self, page: u32) {
        if self.adapted.take() != Some(page) {
            self.adapt(page);
        }
        let known = self.state[page as usize] != 0;
        self.take(page);
        self.put(page, if known { OFTEN } else { ONCE });
        while self.len_of(ONCE) + self.len_of(GONE_ONCE) > self.capacity
            && self.len_of(GONE_ONCE) > 0
        {
            self.drop_oldest(GONE_ONCE);
        }
        while self.len() + self.len_of(GONE_ONCE) + self.len_of(GONE_OFTEN)
            > self.capacity.saturating_mul(2)
            && self.len_of(GONE_OFTEN) > 0
        {
            self.drop_oldest(GONE_OFTEN);
        }
    }

    /// The paper's REPLACE.
    fn victim(&mut self, incoming: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let mut back_often = false;
        let mut new = false;
        if let Some(page) = incoming {
            self.adapt(page);
            self.adapted = incoming;
            back_often = self.state[page as usize] == GONE_OFTEN;
            new = self.state[page as usize] == 0;
        }
        let once = self.len_of(ONCE);
        // Case IV A: the first queue alone fills the cache; its victim is not remembered.
        let forgotten = new && once >= self.capacity;
        let from_once =
            once > 0 && (forgotten || once > self.target || (back_often && once == self.target));
        let (first, second) = (usize::from(ONCE - 1), usize::from(OFTEN - 1));
        let order = if from_once { [first, second] } else { [second, first] };
        let page =
            order.into_iter().find_map(|at| first_free(&self.queues[at], &self.links, keep))?;
        let was = self.state[page as usize];
        self.take(page);
        if !forgotten {
            self.put(page, if was == ONCE { GONE_ONCE } else { GONE_OFTEN });
        }
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.take(page);
    }
}
