//! Clock2Q+ (Zhai et al., *Clock2Q+: A Simple and Efficient Replacement Algorithm for Metadata Cache
//! in VMware vSAN*, VLDB 2026): three queues, and references that come close together count once.

use super::queue::{Links, Queue};
use super::{Keep, Policy, first_free, share};

const PLACE: u8 = 3;
const SMALL: u8 = 1;
const MAIN: u8 = 2;
const GHOST: u8 = 3;
const ACCESSED: u8 = 4;
/// The small queue, in percent of the capacity.
const SMALL_PERCENT: u32 = 10;
/// The memory of what left it.
const GHOST_PERCENT: u32 = 90;
/// The part of the small queue, from its new end, in which a reference does not count.
const WINDOW_PERCENT: u32 = 50;

/// New pages pass a small FIFO. One that is referenced after it has moved through the first half of
/// it, or that comes back after it left, goes on to the main queue, a CLOCK; the rest go.
#[derive(Debug, Clone)]
pub struct Clock2QPlus {
    state: Box<[u8]>,
    /// The count of arrivals in the small queue when the page came.
    arrived: Box<[u32]>,
    links: Links,
    small: Queue,
    main: Queue,
    ghost: Queue,
    arrivals: u32,
    window: u32,
    capacity: u32,
    filling: bool,
}

impl Clock2QPlus {
    /// For pages below `pages`, `capacity` of them held. Memory: 13 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        let mut policy = Clock2QPlus {
            state: vec![0; pages as usize].into(),
            arrived: vec![0; pages as usize].into(),
            links: Links::new(pages),
            small: Queue::new(),
            main: Queue::new(),
            ghost: Queue::new(),
            arrivals: 0,
            window: 0,
            capacity: 0,
            filling: true,
        };
        policy.set_capacity(capacity);
        policy
    }

    fn step_small(&mut self, keep: Keep<'_>) -> Option<u32> {
        let page = self.small.pop(&mut self.links)?;
        if self.state[page as usize] & ACCESSED != 0 || keep(page) {
            self.state[page as usize] = MAIN;
            self.main.push(&mut self.links, page);
            return None;
        }
        self.state[page as usize] = GHOST;
        self.ghost.push(&mut self.links, page);
        if self.ghost.len() > share(self.capacity, GHOST_PERCENT)
            && let Some(old) = self.ghost.pop(&mut self.links)
        {
            self.state[old as usize] = 0;
        }
        Some(page)
    }

    fn step_main(&mut self, keep: Keep<'_>) -> Option<u32> {
        let page = self.main.oldest()?;
        if self.state[page as usize] & ACCESSED != 0 || keep(page) {
            self.state[page as usize] = MAIN;
            self.main.renew(&mut self.links, page);
            return None;
        }
        self.state[page as usize] = 0;
        self.main.remove(&mut self.links, page);
        Some(page)
    }
}

impl Policy for Clock2QPlus {
    fn name(&self) -> &'static str {
        "clock2q+"
    }

    fn len(&self) -> u32 {
        self.small.len() + self.main.len()
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
        self.window = share(share(pages, SMALL_PERCENT), WINDOW_PERCENT);
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        matches!(self.state[page as usize] & PLACE, SMALL | MAIN)
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        let state = &mut self.state[page as usize];
        if *state == SMALL {
            let age = self.arrivals.wrapping_sub(self.arrived[page as usize]);
            if age < self.window {
                return;
            }
        }
        *state |= ACCESSED;
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
            self.arrivals = self.arrivals.wrapping_add(1);
            self.arrived[page as usize] = self.arrivals;
            self.state[page as usize] = SMALL;
            self.small.push(&mut self.links, page);
        }
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        self.filling = false;
        let main = self.capacity.saturating_sub(share(self.capacity, SMALL_PERCENT));
        for _ in 0..3 * u64::from(self.len()) + 1 {
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
