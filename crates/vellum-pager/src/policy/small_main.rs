//! The policies of a small queue, a main queue and a memory of what left; they differ in which
//! references count.

use super::queue::{Cells, Rings, is_full, mark, marks, place, unmark};
use super::{Alone, Core, Keep, share};
use std::fmt::Debug;

const SMALL: u8 = 1;
const MAIN: u8 = 2;
const GHOST: u8 = 3;
/// The small queue, in percent of the capacity; in both papers.
const SMALL_PERCENT: u32 = 10;
/// The memory of what left the small queue.
const GHOST_PERCENT: u32 = 90;

/// Which references count.
pub trait Rule: Debug + Clone + Send {
    /// The policy's name.
    const NAME: &'static str;
    /// References of a page that are counted at most: so often the main queue turns it round.
    const MOST: u8;
    /// References with which a page goes on from the small queue to the main one.
    const TO_MAIN: u8;

    /// The rule for pages below `pages`.
    fn new(pages: u32) -> Self;

    /// Whether a reference to a page in the small queue counts now.
    fn counts(&self, page: u32) -> bool;

    /// A page has come to the small queue.
    fn arrived(&mut self, page: u32);

    /// The small queue has room for `small` pages now.
    fn resized(&mut self, small: u32);
}

/// The rules of a small queue, a main queue, and the memory of what left the small one.
#[derive(Debug, Clone)]
pub struct SmallMain<R> {
    queues: Rings<3>,
    rule: R,
    capacity: u32,
    /// Pages that the small queue and the memory may have.
    small: u32,
    ghosts: u32,
    /// While memory fills for the first time, what the small queue can't take goes to the main one.
    filling: bool,
}

/// S3-FIFO (Yang et al., *FIFO Queues Are All You Need for Cache Eviction*, SOSP 2023): new pages pass
/// a small FIFO; those referenced twice there, or coming back after they left it, live in a main FIFO
/// with second chances. A reference costs an addition to a byte.
pub type S3Fifo = Alone<SmallMain<Count>>;

/// Clock2Q+ (Zhai et al., *Clock2Q+: A Simple and Efficient Replacement Algorithm for Metadata Cache in
/// VMware vSAN*, VLDB 2026): the same queues, one reference is enough, and references that come close
/// together count once: one in the newer half of the small queue does not count.
pub type Clock2QPlus = Alone<SmallMain<Window>>;

impl<R: Rule> Alone<SmallMain<R>> {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page, and 4 more for
    /// [`Clock2QPlus`].
    pub fn new(pages: u32, capacity: u32) -> Self {
        Alone::over(SmallMain::new(R::new(pages), capacity), pages)
    }
}

impl<R: Rule> SmallMain<R> {
    /// Holds nothing.
    pub(super) fn new(rule: R, capacity: u32) -> Self {
        let queues = Rings::new();
        let mut policy =
            SmallMain { queues, rule, capacity: 0, small: 0, ghosts: 0, filling: true };
        policy.set_capacity(capacity);
        policy
    }

    /// A step of the small queue: its oldest page goes on to the main one, or out.
    fn step_small(&mut self, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32> {
        let page = self.queues.oldest(SMALL)?;
        if marks(cells, page) >= R::TO_MAIN || keep(page) {
            self.queues.put(cells, page, MAIN);
            return None;
        }
        self.queues.put(cells, page, GHOST);
        if self.queues.len(GHOST) > self.ghosts
            && let Some(old) = self.queues.oldest(GHOST)
        {
            self.queues.take(cells, old);
        }
        Some(page)
    }

    /// A step of the main queue: its oldest page is turned round, or goes.
    fn step_main(&mut self, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32> {
        let page = self.queues.oldest(MAIN)?;
        if marks(cells, page) > 0 || keep(page) {
            unmark(cells, page);
            self.queues.renew(cells, page);
            return None;
        }
        self.queues.take(cells, page);
        Some(page)
    }
}

impl<R: Rule> Core for SmallMain<R> {
    const NAME: &'static str = R::NAME;

    fn len(&self) -> u32 {
        self.queues.len(SMALL) + self.queues.len(MAIN)
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
        self.small = share(pages, SMALL_PERCENT);
        self.ghosts = share(pages, GHOST_PERCENT);
        self.rule.resized(self.small);
    }

    #[inline]
    fn contains(&self, cells: &impl Cells, page: u32) -> bool {
        matches!(place(cells, page), SMALL | MAIN)
    }

    #[inline]
    fn is_settled(&self, cells: &impl Cells, page: u32) -> bool {
        is_full(cells, page, R::MOST)
    }

    #[inline]
    fn touch(&mut self, cells: &mut impl Cells, page: u32) {
        if place(cells, page) == SMALL && !self.rule.counts(page) {
            return;
        }
        mark(cells, page, R::MOST);
    }

    fn admit(&mut self, cells: &mut impl Cells, page: u32) {
        let known = place(cells, page) == GHOST;
        if known || (self.filling && self.queues.len(SMALL) >= self.small) {
            self.queues.put(cells, page, MAIN);
        } else {
            self.queues.put(cells, page, SMALL);
            self.rule.arrived(page);
        }
    }

    fn victim(&mut self, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32> {
        self.filling = false;
        let main = self.capacity.saturating_sub(self.small);
        // A page is moved on once, and turned round as often as its references count, before it goes.
        for _ in 0..(u64::from(R::MOST) + 2) * u64::from(self.len()) + 1 {
            let from_main = self.queues.len(MAIN) > main || self.queues.len(SMALL) == 0;
            let page =
                if from_main { self.step_main(cells, keep) } else { self.step_small(cells, keep) };
            if page.is_some() {
                return page;
            }
        }
        // One queue may hold only pages that must stay, and never let the other have its turn.
        let page = self
            .queues
            .first_free(cells, SMALL, keep)
            .or_else(|| self.queues.first_free(cells, MAIN, keep))?;
        self.forget(cells, page);
        Some(page)
    }

    fn forget(&mut self, cells: &mut impl Cells, page: u32) {
        self.queues.take(cells, page);
    }
}

/// The rule of [`S3Fifo`]: all references count, up to three.
#[derive(Debug, Clone)]
pub struct Count;

impl Rule for Count {
    const NAME: &'static str = "s3-fifo";
    const MOST: u8 = 3;
    const TO_MAIN: u8 = 2;

    fn new(_: u32) -> Self {
        Count
    }

    #[inline]
    fn counts(&self, _: u32) -> bool {
        true
    }

    fn arrived(&mut self, _: u32) {}

    fn resized(&mut self, _: u32) {}
}

/// The part of the small queue, from its new end, in which a reference does not count; in percent.
const WINDOW_PERCENT: u32 = 50;

/// The rule of [`Clock2QPlus`].
#[derive(Debug, Clone)]
pub struct Window {
    /// The count of arrivals when the page came.
    arrived: Box<[u32]>,
    arrivals: u32,
    window: u32,
}

impl Rule for Window {
    const NAME: &'static str = "clock2q+";
    const MOST: u8 = 1;
    const TO_MAIN: u8 = 1;

    fn new(pages: u32) -> Self {
        Window { arrived: vec![0; pages as usize].into(), arrivals: 0, window: 0 }
    }

    #[inline]
    fn counts(&self, page: u32) -> bool {
        self.arrivals.wrapping_sub(self.arrived[page as usize]) >= self.window
    }

    fn arrived(&mut self, page: u32) {
        self.arrivals = self.arrivals.wrapping_add(1);
        self.arrived[page as usize] = self.arrivals;
    }

    fn resized(&mut self, small: u32) {
        self.window = share(small, WINDOW_PERCENT);
    }
}
