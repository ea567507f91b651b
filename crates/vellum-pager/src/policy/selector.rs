//! The default: imitates whichever of three policies would have missed least of late, by measured
//! regret.
//!
//! After Subramanian, Smaragdakis & Loh, *Adaptive Caches* (MICRO 2006): every policy runs in full
//! as a ghost, which holds page numbers and no pages; the misses that some ghosts had and others had
//! not are counted and forgotten again exponentially; the victim is a page that the ghost with the
//! fewest does not hold.

use super::queue::Queues;
use super::{Keep, Lru, Policy, S3Fifo, Sieve, keep_nothing};

/// A miss, in fixed point.
const MISS: u64 = 1 << 32;
/// The place of a page that is really held and not by the ghost.
const EXTRA: u8 = 1;

/// A ghost, and the pages that are really held and not by it.
#[derive(Debug, Clone)]
struct Ghost<P> {
    policy: P,
    extra: Queues<1>,
    /// Misses that not all ghosts had, decaying.
    regret: u64,
}

impl<P: Policy> Ghost<P> {
    fn new(policy: P, pages: u32) -> Self {
        Ghost { policy, extra: Queues::new(pages), regret: 0 }
    }

    fn note(&mut self, page: u32, extra: bool) {
        match (self.extra.place(page), extra) {
            (EXTRA, false) => self.extra.take(page),
            (EXTRA, true) | (_, false) => {}
            (_, true) => self.extra.put(page, EXTRA),
        }
    }

    /// The ghost sees a reference; whether it missed.
    #[inline]
    fn see(&mut self, page: u32, held: &[bool]) -> bool {
        if self.policy.contains(page) {
            self.policy.touch(page);
            return false;
        }
        self.see_miss(page, held);
        true
    }

    #[cold]
    fn see_miss(&mut self, page: u32, held: &[bool]) {
        let room = self.policy.capacity().max(1);
        while self.policy.len() >= room {
            let Some(gone) = self.policy.victim(Some(page), &mut keep_nothing) else { break };
            self.note(gone, held[gone as usize]);
        }
        self.policy.admit(page);
        self.note(page, false);
    }

    fn blame(&mut self, missed: bool, window: u64) {
        self.regret -= self.regret / window;
        self.regret += if missed { MISS } else { 0 };
    }

    fn admit(&mut self, page: u32) {
        let extra = !self.policy.contains(page);
        self.note(page, extra);
    }

    /// A page that the ghost does not hold, or else the one that it would give up next.
    fn choose(&mut self, held: &[bool], keep: Keep<'_>) -> Option<u32> {
        self.extra
            .first_free(EXTRA, keep)
            .or_else(|| self.policy.victim(None, &mut |page| !held[page as usize] || keep(page)))
    }

    fn forget(&mut self, page: u32) {
        if self.policy.contains(page) {
            self.policy.forget(page);
        }
    }
}

/// Follows the best of three policies: by default [`S3Fifo`], which does best where memory is much
/// too small, [`Lru`], where it is nearly enough, and [`Sieve`], where a part of the pages is of one
/// use. A reference costs a step of each.
#[derive(Debug, Clone)]
pub struct Selector<A = S3Fifo, B = Lru, C = Sieve> {
    held: Box<[bool]>,
    len: u32,
    first: Ghost<A>,
    second: Ghost<B>,
    third: Ghost<C>,
    follows: u8,
    /// Misses after which an old one counts 1/e.
    window: u64,
    /// The incoming page that the ghosts have already seen.
    seen: Option<u32>,
    capacity: u32,
    switches: u64,
}

impl Selector {
    /// For pages below `pages`, `capacity` of them held. Memory: 55 bytes a page.
    pub fn new(pages: u32, capacity: u32) -> Self {
        let (first, second) = (S3Fifo::new(pages, capacity), Lru::new(pages, capacity));
        Selector::of(first, second, Sieve::new(pages, capacity), pages, capacity)
    }
}

impl<A: Policy, B: Policy, C: Policy> Selector<A, B, C> {
    /// Selects between policies that were made for the same pages and capacity.
    pub fn of(first: A, second: B, third: C, pages: u32, capacity: u32) -> Self {
        Selector {
            held: vec![false; pages as usize].into(),
            len: 0,
            first: Ghost::new(first, pages),
            second: Ghost::new(second, pages),
            third: Ghost::new(third, pages),
            follows: 0,
            window: window(capacity),
            seen: None,
            capacity,
            switches: 0,
        }
    }

    /// The policy that is followed now.
    pub fn followed(&self) -> &'static str {
        match self.follows {
            0 => self.first.policy.name(),
            1 => self.second.policy.name(),
            _ => self.third.policy.name(),
        }
    }

    /// How often the policy that is followed has changed.
    pub fn switches(&self) -> u64 {
        self.switches
    }

    #[inline]
    fn see(&mut self, page: u32) {
        let missed = [
            self.first.see(page, &self.held),
            self.second.see(page, &self.held),
            self.third.see(page, &self.held),
        ];
        if missed != [missed[0]; 3] {
            self.judge(missed);
        }
    }

    #[cold]
    fn judge(&mut self, missed: [bool; 3]) {
        self.first.blame(missed[0], self.window);
        self.second.blame(missed[1], self.window);
        self.third.blame(missed[2], self.window);
        let regrets = [self.first.regret, self.second.regret, self.third.regret];
        let best = (0..3).min_by_key(|&at| regrets[at]).unwrap_or(0);
        if regrets[best] < regrets[usize::from(self.follows)] {
            self.follows = best as u8;
            self.switches += 1;
        }
    }

    fn leave(&mut self, page: u32) {
        self.held[page as usize] = false;
        self.len -= 1;
        self.first.note(page, false);
        self.second.note(page, false);
        self.third.note(page, false);
    }
}

/// A quarter of what is held: long enough to tell a trend, short enough to follow a phase.
fn window(capacity: u32) -> u64 {
    u64::from(capacity / 4).max(8)
}

impl<A: Policy, B: Policy, C: Policy> Policy for Selector<A, B, C> {
    fn name(&self) -> &'static str {
        "selector"
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn set_capacity(&mut self, pages: u32) {
        self.capacity = pages;
        self.window = window(pages);
        self.first.policy.set_capacity(pages);
        self.second.policy.set_capacity(pages);
        self.third.policy.set_capacity(pages);
    }

    #[inline]
    fn contains(&self, page: u32) -> bool {
        self.held[page as usize]
    }

    #[inline]
    fn touch(&mut self, page: u32) {
        self.see(page);
    }

    fn admit(&mut self, page: u32) {
        if self.seen.take() != Some(page) {
            self.see(page);
        }
        self.held[page as usize] = true;
        self.len += 1;
        self.first.admit(page);
        self.second.admit(page);
        self.third.admit(page);
    }

    fn victim(&mut self, incoming: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        if let Some(page) = incoming
            && self.seen != incoming
        {
            self.see(page);
            self.seen = incoming;
        }
        let page = match self.follows {
            0 => self.first.choose(&self.held, keep),
            1 => self.second.choose(&self.held, keep),
            _ => self.third.choose(&self.held, keep),
        }?;
        self.leave(page);
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.leave(page);
        self.first.forget(page);
        self.second.forget(page);
        self.third.forget(page);
    }
}
