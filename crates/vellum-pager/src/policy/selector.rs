//! The default: imitates whichever of three policies would have missed least of late, by measured
//! regret.
//!
//! After Subramanian, Smaragdakis & Loh, *Adaptive Caches* (MICRO 2006): every policy runs in full
//! as a ghost, which holds page numbers and no pages; the misses that some ghosts had and others had
//! not are counted and forgotten again exponentially; the victim is a page that the ghost with the
//! fewest does not hold.

mod lines;

use super::one_queue::{Hand, Recency};
use super::small_main::{Count, Rule};
use super::{Core, Keep, OneQueue, Policy, SmallMain, keep_nothing};
use lines::{Lane, Lines, extra};
use std::collections::VecDeque;

/// A miss, in fixed point.
const MISS: u64 = 1 << 32;

/// A ghost, in the lane `AT`, and the pages that are really held and not by it.
#[derive(Debug, Clone)]
struct Ghost<P, const AT: usize> {
    policy: P,
    /// Those pages in the order in which they became so, each once; those that are none any more are
    /// dropped when they come up.
    extra: VecDeque<u32>,
    /// Misses that not all ghosts had, decaying.
    regret: u64,
}

impl<P: Core, const AT: usize> Ghost<P, AT> {
    fn new(policy: P) -> Self {
        Ghost { policy, extra: VecDeque::new(), regret: 0 }
    }

    /// A page is now really held and not by the ghost, or is so no more.
    #[inline]
    fn note(&mut self, lines: &mut Lines, page: u32, is: bool) {
        let state = &mut lines.of_mut(page).extra[AT];
        if !is {
            *state &= !extra::IS;
        } else if std::mem::replace(state, extra::IS | extra::LISTED) & extra::LISTED == 0 {
            self.extra.push_back(page);
            self.tidy(lines);
        }
    }

    /// Drops pages at the list's old end that are none.
    #[inline]
    fn tidy(&mut self, lines: &mut Lines) {
        while let Some(&page) = self.extra.front() {
            let state = &mut lines.of_mut(page).extra[AT];
            if *state & extra::IS != 0 {
                break;
            }
            *state = 0;
            self.extra.pop_front();
        }
    }

    /// The ghost sees a reference; whether it missed.
    #[inline]
    fn see(&mut self, lines: &mut Lines, page: u32, held: &[bool]) -> bool {
        let mut lane = Lane::<AT>(lines);
        if self.policy.contains(&lane, page) {
            self.policy.touch(&mut lane, page);
            return false;
        }
        self.see_miss(lines, page, held);
        true
    }

    #[cold]
    fn see_miss(&mut self, lines: &mut Lines, page: u32, held: &[bool]) {
        let room = self.policy.capacity().max(1);
        while self.policy.len() >= room {
            let gone = self.policy.victim(&mut Lane::<AT>(lines), &mut keep_nothing);
            let Some(gone) = gone else { break };
            self.note(lines, gone, held[gone as usize]);
        }
        self.policy.admit(&mut Lane::<AT>(lines), page);
        self.note(lines, page, false);
    }

    fn blame(&mut self, missed: bool, window: u64) {
        self.regret -= self.regret / window;
        self.regret += if missed { MISS } else { 0 };
    }

    fn admit(&mut self, lines: &mut Lines, page: u32) {
        let extra = !self.policy.contains(&Lane::<AT>(lines), page);
        self.note(lines, page, extra);
    }

    /// A page that the ghost does not hold, or else the one that it would give up next.
    fn choose(&mut self, lines: &mut Lines, held: &[bool], keep: Keep<'_>) -> Option<u32> {
        self.tidy(lines);
        let is_extra = |page: u32| lines.of(page).extra[AT] & extra::IS != 0;
        let extra = self.extra.iter().copied().find(|&page| is_extra(page) && !keep(page));
        extra.or_else(|| {
            let mut stays = |page: u32| !held[page as usize] || keep(page);
            self.policy.victim(&mut Lane::<AT>(lines), &mut stays)
        })
    }

    fn forget(&mut self, lines: &mut Lines, page: u32) {
        let mut lane = Lane::<AT>(lines);
        if self.policy.contains(&lane, page) {
            self.policy.forget(&mut lane, page);
        }
    }
}

/// Follows the best of three policies: [`S3Fifo`](super::S3Fifo), which does best where memory is much
/// too small, [`Lru`](super::Lru), where it is nearly enough, and [`Sieve`](super::Sieve), where a part
/// of the pages is of one use. A reference costs a step of each.
#[derive(Debug, Clone)]
pub struct Selector {
    lines: Lines,
    held: Box<[bool]>,
    len: u32,
    first: Ghost<SmallMain<Count>, 0>,
    second: Ghost<OneQueue<Recency>, 1>,
    third: Ghost<OneQueue<Hand>, 2>,
    follows: u8,
    /// Misses after which an old one counts 1/e.
    window: u64,
    /// The incoming page that the ghosts have already seen.
    seen: Option<u32>,
    capacity: u32,
    switches: u64,
}

impl Selector {
    /// For pages below `pages`, `capacity` of them held. Memory: 33 bytes a page, and
    /// up to 4 more a ghost.
    pub fn new(pages: u32, capacity: u32) -> Self {
        Selector {
            lines: Lines::new(pages),
            held: vec![false; pages as usize].into(),
            len: 0,
            first: Ghost::new(SmallMain::new(Count::new(pages), capacity)),
            second: Ghost::new(OneQueue::new(capacity)),
            third: Ghost::new(OneQueue::new(capacity)),
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
            0 => SmallMain::<Count>::NAME,
            1 => OneQueue::<Recency>::NAME,
            _ => OneQueue::<Hand>::NAME,
        }
    }

    /// How often the policy that is followed has changed.
    pub fn switches(&self) -> u64 {
        self.switches
    }

    #[inline]
    fn see(&mut self, page: u32) {
        let missed = [
            self.first.see(&mut self.lines, page, &self.held),
            self.second.see(&mut self.lines, page, &self.held),
            self.third.see(&mut self.lines, page, &self.held),
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
        self.first.note(&mut self.lines, page, false);
        self.second.note(&mut self.lines, page, false);
        self.third.note(&mut self.lines, page, false);
    }
}

/// A quarter of what is held: long enough to tell a trend, short enough to follow a phase.
fn window(capacity: u32) -> u64 {
    u64::from(capacity / 4).max(8)
}

impl Policy for Selector {
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
        self.first.admit(&mut self.lines, page);
        self.second.admit(&mut self.lines, page);
        self.third.admit(&mut self.lines, page);
    }

    fn victim(&mut self, incoming: Option<u32>, keep: Keep<'_>) -> Option<u32> {
        if let Some(page) = incoming
            && self.seen != incoming
        {
            self.see(page);
            self.seen = incoming;
        }
        let page = match self.follows {
            0 => self.first.choose(&mut self.lines, &self.held, keep),
            1 => self.second.choose(&mut self.lines, &self.held, keep),
            _ => self.third.choose(&mut self.lines, &self.held, keep),
        }?;
        self.leave(page);
        Some(page)
    }

    fn forget(&mut self, page: u32) {
        self.leave(page);
        self.first.forget(&mut self.lines, page);
        self.second.forget(&mut self.lines, page);
        self.third.forget(&mut self.lines, page);
    }
}
