//! The policies of one queue; they differ in what a reference does and in how the old end is looked
//! at.

use super::queue::Queues;
use super::{Keep, Policy};
use std::fmt::Debug;

const HELD: u8 = 1;

/// What tells one policy of one queue from another.
pub trait Order: Debug + Clone + Default + Send {
    /// The policy's name.
    const NAME: &'static str;

    /// A held page is referenced.
    fn touch(queue: &mut Ring, page: u32);

    /// The page to go, which is still held.
    fn choose(&mut self, queue: &mut Ring, keep: Keep<'_>) -> Option<u32>;

    /// A page is about to go.
    fn leaving(&mut self, queue: &Ring, page: u32) {
        let _ = (queue, page);
    }
}

/// Held pages in the order of their arrival, or of what was made of it.
#[derive(Debug, Clone)]
pub struct Ring(Queues<1>);

/// A policy of one queue.
#[derive(Debug, Clone)]
pub struct OneQueue<O> {
    ring: Ring,
    order: O,
    capacity: u32,
}

/// Least recently used: the page goes that was not referenced for the longest time. A reference costs
/// a move in a queue.
pub type Lru = OneQueue<Recency>;

/// CLOCK: second chance by an accessed bit (Corbató, *A Paging Experiment with the Multics System*,
/// 1968). The oldest page goes whose bit is clear; the hand clears those it passes. A reference costs
/// the setting of a bit.
pub type Clock = OneQueue<SecondChance>;

/// SIEVE (Zhang et al., *SIEVE is Simpler than LRU*, NSDI 2024): CLOCK whose survivors stay where they
/// are. A hand moves from the old end of the queue to the new one and takes the first page whose bit
/// is clear; new pages enter behind it. Made for web caches, and not resistant to scans.
pub type Sieve = OneQueue<Hand>;

impl<O: Order> OneQueue<O> {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        OneQueue { ring: Ring(Queues::new(pages)), order: O::default(), capacity }
    }
}

impl<O: Order> Policy for OneQueue<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn len(&self) -> u32 {
        self.ring.0.len(HELD)
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.ring.0.place(page) != 0
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        O::touch(&mut self.ring, page);
    }

    fn admit(&mut self, page: u32) {
        self.ring.0.put(page, HELD);
    }

    fn victim(&mut self, _: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        let page = self.order.choose(&mut self.ring, keep)?;
        self.forget(page);
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.order.leaving(&self.ring, page);
        self.ring.0.take(page);
    }
}

/// The order of [`Lru`].
#[derive(Debug, Default, Clone)]
pub struct Recency;

impl Order for Recency {
    const NAME: &'static str = "lru";

    #[inline]
    fn touch(queue: &mut Ring, page: u32) {
        queue.0.renew(page);
    }

    fn choose(&mut self, queue: &mut Ring, keep: Keep<'_>) -> Option<u32> {
        queue.0.first_free(HELD, keep)
    }
}

/// The order of [`Clock`].
#[derive(Debug, Default, Clone)]
pub struct SecondChance;

impl Order for SecondChance {
    const NAME: &'static str = "clock";

    #[inline]
    fn touch(queue: &mut Ring, page: u32) {
        queue.0.mark(page, 1);
    }

    fn choose(&mut self, queue: &mut Ring, keep: Keep<'_>) -> Option<u32> {
        // Two rounds: the first may only clear bits.
        for _ in 0..=2 * u64::from(queue.0.len(HELD)) {
            let page = queue.0.oldest(HELD)?;
            if queue.0.marks(page) == 0 && !keep(page) {
                return Some(page);
            }
            queue.0.unmark(page);
            queue.0.renew(page);
        }
        None
    }
}

/// The order of [`Sieve`].
#[derive(Debug, Default, Clone)]
pub struct Hand(Option<u32>);

impl Order for Hand {
    const NAME: &'static str = "sieve";

    #[inline]
    fn touch(queue: &mut Ring, page: u32) {
        queue.0.mark(page, 1);
    }

    fn choose(&mut self, queue: &mut Ring, keep: Keep<'_>) -> Option<u32> {
        let mut at = self.0.or(queue.0.oldest(HELD))?;
        let mut chosen = None;
        for _ in 0..=2 * u64::from(queue.0.len(HELD)) {
            if queue.0.marks(at) == 0 && !keep(at) {
                chosen = Some(at);
                break;
            }
            queue.0.unmark(at);
            at = queue.0.newer(at).or(queue.0.oldest(HELD))?;
        }
        self.0 = Some(at);
        chosen
    }

    fn leaving(&mut self, queue: &Ring, page: u32) {
        if self.0 == Some(page) {
            self.0 = queue.0.newer(page);
        }
    }
}
