//! ARC (Megiddo & Modha, *ARC: A Self-Tuning, Low Overhead Replacement Cache*, FAST 2003).

use super::queue::Queues;
use super::{Keep, Policy};

/// T1, T2, B1, B2 of the paper.
const ONCE: u8 = 1;
const OFTEN: u8 = 2;
const GONE_ONCE: u8 = 3;
const GONE_OFTEN: u8 = 4;

/// Two LRU queues, of pages seen once and of pages seen more often, with a memory of what left each;
/// what comes back moves the target of the first queue's size.
#[derive(Debug, Clone)]
pub struct Arc {
    pages: Queues<4>,
    /// The target size of the first queue: the paper's p.
    target: u32,
    capacity: u32,
    /// The page for which the target was already moved.
    adapted: Option<u32>,
}

impl Arc {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        Arc { pages: Queues::new(pages), target: 0, capacity, adapted: None }
    }

    /// The page comes back: moves the target toward the queue that should not have lost it.
    fn adapt(&mut self, page: u32) {
        let (gone_once, gone_often) = (self.pages.len(GONE_ONCE), self.pages.len(GONE_OFTEN));
        match self.pages.place(page) {
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

    fn drop_oldest(&mut self, place: u8) {
        if let Some(page) = self.pages.oldest(place) {
            self.pages.take(page);
        }
    }
}

impl Policy for Arc {
    fn name(&self) -> &'static str {
        "arc"
    }

    fn len(&self) -> u32 {
        self.pages.len(ONCE) + self.pages.len(OFTEN)
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
        matches!(self.pages.place(page), ONCE | OFTEN)
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        if self.pages.place(page) == OFTEN {
            self.pages.renew(page);
        } else {
            self.pages.put(page, OFTEN);
        }
    }

    fn admit(&mut self, page: u32) {
        if self.adapted.take() != Some(page) {
            self.adapt(page);
        }
        let known = self.pages.place(page) != 0;
        self.pages.put(page, if known { OFTEN } else { ONCE });
        while self.pages.len(ONCE) + self.pages.len(GONE_ONCE) > self.capacity
            && self.pages.len(GONE_ONCE) > 0
        {
            self.drop_oldest(GONE_ONCE);
        }
        while self.len() + self.pages.len(GONE_ONCE) + self.pages.len(GONE_OFTEN)
            > self.capacity.saturating_mul(2)
            && self.pages.len(GONE_OFTEN) > 0
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
            back_often = self.pages.place(page) == GONE_OFTEN;
            new = self.pages.place(page) == 0;
        }
        let once = self.pages.len(ONCE);
        // Case IV A: the first queue alone fills the cache; its victim is not remembered.
        let forgotten = new && once >= self.capacity;
        let from_once =
            once > 0 && (forgotten || once > self.target || (back_often && once == self.target));
        let order = if from_once { [ONCE, OFTEN] } else { [OFTEN, ONCE] };
        let page = order.into_iter().find_map(|place| self.pages.first_free(place, keep))?;
        match self.pages.place(page) {
            _ if forgotten => self.pages.take(page),
            ONCE => self.pages.put(page, GONE_ONCE),
            _ => self.pages.put(page, GONE_OFTEN),
        }
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.pages.take(page);
    }
}
