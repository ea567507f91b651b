//! 2Q (Johnson & Shasha, *2Q: A Low Overhead High Performance Buffer Management Replacement
//! Algorithm*, VLDB 1994), the full version.

use super::queue::Queues;
use super::{Keep, Policy, share};

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
    pages: Queues<3>,
    capacity: u32,
}

impl TwoQ {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        TwoQ { pages: Queues::new(pages), capacity }
    }
}

impl Policy for TwoQ {
    fn name(&self) -> &'static str {
        "2q"
    }

    fn len(&self) -> u32 {
        self.pages.len(NEW) + self.pages.len(HOT)
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        matches!(self.pages.place(page), NEW | HOT)
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        if self.pages.place(page) == HOT {
            self.pages.renew(page);
        }
    }

    fn admit(&mut self, page: u32) {
        let known = self.pages.place(page) == GONE;
        self.pages.put(page, if known { HOT } else { NEW });
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let from_new =
            self.pages.len(NEW) > share(self.capacity, NEW_PERCENT) || self.pages.len(HOT) == 0;
        let order = if from_new { [NEW, HOT] } else { [HOT, NEW] };
        let page = order.into_iter().find_map(|place| self.pages.first_free(place, keep))?;
        if self.pages.place(page) == HOT {
            self.pages.take(page);
            return Some(page);
        }
        self.pages.put(page, GONE);
        if self.pages.len(GONE) > share(self.capacity, GONE_PERCENT)
            && let Some(old) = self.pages.oldest(GONE)
        {
            self.pages.take(old);
        }
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.pages.take(page);
    }
}
