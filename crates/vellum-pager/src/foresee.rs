//! A run whose references are known beforehand, as a replayed one's are: which pages it fetches, and how
//! often it waits.
//!
//! The rules are those of Cao, Felten, Karlin & Li, *A Study of Integrated Prefetching and Caching
//! Strategies* (SIGMETRICS 1995): a fetch brings the pages that would be missing next, in their order; each takes
//! the place of the page whose next use is farthest away; and none takes the place of one that is used before it.

use crate::policy::{Upcoming, next_uses};

/// What such a run comes to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Foreseen {
    /// References.
    pub references: u64,
    /// References that found their page missing: the run waits for a round trip to the store.
    pub waits: u64,
    /// Pages fetched. Alone, one at a time, they are Belady's misses; fetched early they may be more, since
    /// what they displace is chosen early as well.
    pub fetched: u64,
}

/// Runs a trace of pages below `pages` with `capacity` of them held (at least one), and at most `together` pages
/// a fetch. Memory: 4 bytes a reference, 8 a page, at most 32 a page that is held. Time: O(n log n), each
/// reference is looked at twice.
pub fn foresee(trace: &[u32], pages: u32, capacity: u32, together: u32) -> Foreseen {
    let next = next_uses(trace, pages);
    let mut held = Upcoming::new(pages);
    let mut seen = Foreseen { references: trace.len() as u64, waits: 0, fetched: 0 };
    for (at, &page) in trace.iter().enumerate() {
        if !held.holds(page) {
            seen.waits += 1;
            seen.fetched += 1;
            // The page that is waited for stays while others come with it.
            let room = capacity.saturating_sub(1);
            if held.len() > room
                && let Some((_, last)) = held.farthest()
            {
                held.forget(last);
            }
            seen.fetched += bring(&mut held, trace, at, room, together.saturating_sub(1));
        }
        held.put(page, next[at]);
    }
    seen
}

/// Fetches the pages that will be missing next after reference `at`; how many.
fn bring(held: &mut Upcoming, trace: &[u32], at: usize, room: u32, most: u32) -> u64 {
    let mut brought = 0;
    for (when, &page) in (0_u32..).zip(trace).skip(at + 1) {
        if brought >= most {
            break;
        }
        if held.holds(page) || page == trace[at] {
            continue;
        }
        if held.len() >= room {
            match held.farthest() {
                Some((next, last)) if next > when => held.forget(last),
                _ => break,
            }
        }
        held.put(page, when);
        brought += 1;
    }
    brought.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Belady;
    use crate::simulate::simulate;
    use proptest::prelude::*;

    const PAGES: u32 = 40;

    #[test]
    fn pages_come_together_in_their_order() {
        // Four pages in turn, room for all: two fetches of two.
        let trace = [0, 1, 2, 3, 0, 1, 2, 3];
        let run = foresee(&trace, 4, 4, 2);
        assert_eq!(run, Foreseen { references: 8, waits: 2, fetched: 4 });
        // With room for two only what is not used before goes: 0 with 1, 2 with 3, and again.
        let run = foresee(&trace, 4, 2, 8);
        assert_eq!((run.waits, run.fetched), (4, 8));
    }

    #[test]
    fn nothing_is_displaced_for_a_page_that_is_used_later() {
        // 1 and 2 are used before 3 is: it comes when it is missing.
        let run = foresee(&[0, 1, 2, 1, 2, 3], 4, 3, 8);
        assert_eq!((run.waits, run.fetched), (2, 4));
    }

    proptest! {
        /// One page a fetch is Belady. More never wait more often, and fetch no fewer.
        #[test]
        fn one_at_a_time_is_belady_and_more_wait_less(
            trace in prop::collection::vec(0..PAGES, 0..400),
            capacity in 1..PAGES,
            together in 2_u32..20,
        ) {
            let best = simulate(&mut Belady::new(&trace, PAGES, capacity), &trace).misses;
            let alone = foresee(&trace, PAGES, capacity, 1);
            prop_assert_eq!((alone.waits, alone.fetched), (best, best));
            let run = foresee(&trace, PAGES, capacity, together);
            prop_assert!(run.waits <= best && best <= run.fetched, "{:?}, {} alone", run, best);
            prop_assert!(run.fetched <= run.waits * u64::from(together));
            prop_assert_eq!(run.references, trace.len() as u64);
        }
    }
}
