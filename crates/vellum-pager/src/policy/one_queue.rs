//! The policies of one queue; they differ in what a reference does and in how the old end is looked
//! at.

use super::queue::{Cells, Rings, is_full, mark, marks, place, unmark};
use super::{Alone, Core, Keep};
use std::fmt::Debug;

const HELD: u8 = 1;

/// What tells one policy of one queue from another.
pub trait Order: Debug + Clone + Default + Send {
    /// The policy's name.
    const NAME: &'static str;

    /// Marks with which a page does not change when it is referenced, if there is such a number.
    const SETTLED: Option<u8>;

    /// A held page is referenced.
    fn touch(ring: &mut Ring, cells: &mut impl Cells, page: u32);

    /// The page to go, which is still held.
    fn choose(&mut self, ring: &mut Ring, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32>;

    /// A page is about to go.
    fn leaving(&mut self, ring: &Ring, cells: &impl Cells, page: u32) {
        let _ = (ring, cells, page);
    }
}

/// Held pages in the order of their arrival, or of what was made of it.
#[derive(Debug, Clone)]
pub struct Ring(Rings<1>);

/// The rules of a policy of one queue.
#[derive(Debug, Clone)]
pub struct OneQueue<O> {
    ring: Ring,
    order: O,
    capacity: u32,
}

/// Least recently used: the page goes that was not referenced for the longest time. A reference costs
/// a move in a queue.
pub type Lru = Alone<OneQueue<Recency>>;

/// CLOCK: second chance by an accessed bit (Corbató, *A Paging Experiment with the Multics System*,
/// 1968). The oldest page goes whose bit is clear; the hand clears those it passes. A reference costs
/// the setting of a bit.
pub type Clock = Alone<OneQueue<SecondChance>>;

/// SIEVE (Zhang et al., *SIEVE is Simpler than LRU*, NSDI 2024): CLOCK whose survivors stay where they
/// are. A hand moves from the old end of the queue to the new one and takes the first page whose bit
/// is clear; new pages enter behind it. Made for web caches, and not resistant to scans.
pub type Sieve = Alone<OneQueue<Hand>>;

impl<O: Order> Alone<OneQueue<O>> {
    /// For pages below `pages`, `capacity` of them held. Memory: 9 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        Alone::over(OneQueue::new(capacity), pages)
    }
}

impl<O: Order> OneQueue<O> {
    /// Holds nothing.
    pub(super) fn new(capacity: u32) -> Self {
        OneQueue { ring: Ring(Rings::new()), order: O::default(), capacity }
    }
}

impl<O: Order> Core for OneQueue<O> {
    const NAME: &'static str = O::NAME;

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
    fn contains(&self, cells: &impl Cells, page: u32) -> bool {
        place(cells, page) != 0
    }

    #[inline]
    fn is_settled(&self, cells: &impl Cells, page: u32) -> bool {
        O::SETTLED.is_some_and(|marks| is_full(cells, page, marks))
    }

    #[inline]
    fn touch(&mut self, cells: &mut impl Cells, page: u32) {
        O::touch(&mut self.ring, cells, page);
    }

    fn admit(&mut self, cells: &mut impl Cells, page: u32) {
        self.ring.0.put(cells, page, HELD);
    }

    fn victim(&mut self, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32> {
        let page = self.order.choose(&mut self.ring, cells, keep)?;
        self.forget(cells, page);
        Some(page)
    }

    fn forget(&mut self, cells: &mut impl Cells, page: u32) {
        self.order.leaving(&self.ring, cells, page);
        self.ring.0.take(cells, page);
    }
}

/// The order of [`Lru`].
#[derive(Debug, Default, Clone)]
pub struct Recency;

impl Order for Recency {
    const NAME: &'static str = "lru";
    const SETTLED: Option<u8> = None;

    #[inline]
    fn touch(ring: &mut Ring, cells: &mut impl Cells, page: u32) {
        ring.0.renew(cells, page);
    }

    fn choose(&mut self, ring: &mut Ring, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32> {
        ring.0.first_free(cells, HELD, keep)
    }
}

/// The order of [`Clock`].
#[derive(Debug, Default, Clone)]
pub struct SecondChance;

impl Order for SecondChance {
    const NAME: &'static str = "clock";
    const SETTLED: Option<u8> = Some(1);

    #[inline]
    fn touch(_: &mut Ring, cells: &mut impl Cells, page: u32) {
        mark(cells, page, 1);
    }

    fn choose(&mut self, ring: &mut Ring, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32> {
        // Two rounds: the first may only clear bits.
        for _ in 0..=2 * u64::from(ring.0.len(HELD)) {
            let page = ring.0.oldest(HELD)?;
            if marks(cells, page) == 0 && !keep(page) {
                return Some(page);
            }
            unmark(cells, page);
            ring.0.renew(cells, page);
        }
        None
    }
}

/// The order of [`Sieve`].
#[derive(Debug, Default, Clone)]
pub struct Hand(Option<u32>);

impl Order for Hand {
    const NAME: &'static str = "sieve";
    const SETTLED: Option<u8> = Some(1);

    #[inline]
    fn touch(_: &mut Ring, cells: &mut impl Cells, page: u32) {
        mark(cells, page, 1);
    }

    fn choose(&mut self, ring: &mut Ring, cells: &mut impl Cells, keep: Keep<'_>) -> Option<u32> {
        let mut at = self.0.or(ring.0.oldest(HELD))?;
        let mut chosen = None;
        for _ in 0..=2 * u64::from(ring.0.len(HELD)) {
            if marks(cells, at) == 0 && !keep(at) {
                chosen = Some(at);
                break;
            }
            unmark(cells, at);
            at = ring.0.newer(cells, at).or(ring.0.oldest(HELD))?;
        }
        self.0 = Some(at);
        chosen
    }

    fn leaving(&mut self, ring: &Ring, cells: &impl Cells, page: u32) {
        if self.0 == Some(page) {
            self.0 = ring.0.newer(cells, page);
        }
    }
}
