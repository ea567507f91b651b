//! S3-FIFO (Yang et al., *FIFO Queues Are All You Need for Cache Eviction*, SOSP 2023).

use super::queue::{Links, Queue};
use super::{Keep, Policy, first_free, share};

/// Where a page is, in the low bits; above them the count of its references, at most three.
const PLACE: u8 = 3;
const SMALL: u8 = 1;
const MAIN: u8 = 2;
const GHOST: u8 = 3;
const ONE: u8 = 4;
const MOST: u8 = 3 * ONE;
/// The paper's sizes: the small queue, and the memory of what left it, in percent.
const SMALL_PERCENT: u32 = 10;
const GHOST_PERCENT: u32 = 90;
/// References after which a page goes on to the main queue.
const TO_MAIN: u8 = 2 * ONE;

/// New pages pass a small FIFO; those referenced twice there, or coming back after they left it,
/// live in a main FIFO with second chances. A reference costs an addition to a byte.
#[derive(Debug, Clone)]
pub struct S3Fifo {
    state: Box<[u8]>,
    links: Links,
    small: Queue,
    main: Queue,
    ghost: Queue,
    capacity: u32,
    /// While memory fills for the first time, what the small queue can't take goes to the main one.
    filling: bool,
}

impl S3Fifo {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        S3Fifo {
            state: vec![0; pages as usize].into(),
            links: Links::new(pages),
            small: Queue::new(),
            main: Queue::new(),
            ghost: Queue::new(),
            capacity,
            filling: true,
        }
    }

    fn remember(&mut self, page: u32) {
        self.state[page as usize] = GHOST;
        self.ghost.push(&mut self.links, page);
        if self.ghost.len() > share(self.capacity, GHOST_PERCENT)
            && let Some(old) = self.ghost.pop(&mut self.links)
        {
            self.state[old as usize] = 0;
        }
    }

    /// A step of the small queue: its oldest page goes on to the main one, or out.
    fn step_small(&mut self, keep: Keep<'_>) -> Option<u32> {
        let page = self.small.pop(&mut self.links)?;
        if self.state[page as usize] & !PLACE >= TO_MAIN || keep(page) {
            self.state[page as usize] = MAIN;
            self.main.push(&mut self.links, page);
            return None;
        }
        self.remember(page);
        Some(page)
    }

    fn step_main(&mut self, keep: Keep<'_>) -> Option<u32> {
        let page = self.main.oldest()?;
        let state = &mut self.state[page as usize];
        if *state & !PLACE > 0 || keep(page) {
            *state = MAIN | (*state & !PLACE).saturating_sub(ONE);
            self.main.renew(&mut self.links, page);
            return None;
        }
        *state = 0;
        self.main.remove(&mut self.links, page);
        Some(page)
    }
}

impl Policy for S3Fifo {
    fn name(&self) -> &'static str {
        "s3-fifo"
    }

    fn len(&self) -> u32 {
        self.small.len() + self.main.len()
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        matches!(self.state[page as usize] & PLACE, SMALL | MAIN)
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        let state = &mut self.state[page as usize];
        if *state < MOST {
            *state += ONE;
        }
    }

    fn admit(&mut self, page: u32) {
        let known = self.state[page as usize] == GHOST;
        if known {
            self.ghost.remove(&mut self.links, page);
        }
        let small = share(self.capacity, SMALL_PERCENT);
        if known || (self.filling && self.small.len() >= small) {
            self.state[page as usize] = MAIN;
            self.main.push(&mut self.links, page);
        } else {
            self.state[page as usize] = SMALL;
            self.small.push(&mut self.links, page);
        }
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        self.filling = false;
        let main = self.capacity.saturating_sub(share(self.capacity, SMALL_PERCENT));
        // A page is moved on once, and turned round three times, before it goes.
        for _ in 0..5 * u64::from(self.len()) + 1 {
            let from_main = self.main.len() > main || self.small.len() == 0;
            let page = if from_main { self.step_main(keep) } else { self.step_small(keep) };
            if page.is_some() {
                return page;
            }
        }
        // One queue may hold only pages that must stay, and never let the other have its turn.
        let page = first_free(&self.small, &self.links, keep)
            .or_else(|| first_free(&self.main, &self.links, keep))?;
        self.forget(page);
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        match std::mem::take(&mut self.state[page as usize]) & PLACE {
            SMALL => self.small.remove(&mut self.links, page),
            MAIN => self.main.remove(&mut self.links, page),
            GHOST => self.ghost.remove(&mut self.links, page),
            _ => {}
        }
    }
}
