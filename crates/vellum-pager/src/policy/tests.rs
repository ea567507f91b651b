//! Every policy against what all of them promise, and the plain ones against plain models.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const PAGES: u32 = 40;

fn all(capacity: u32) -> Vec<Box<dyn Policy>> {
    NAMES.iter().map(|name| by_name(name, PAGES, capacity).unwrap()).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Reference(u32),
    Forget(u32),
    Victim(u32),
    Resize(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..PAGES).prop_map(Step::Reference),
        12 => (0..8_u32).prop_map(Step::Reference),
        1 => (0..PAGES).prop_map(Step::Forget),
        2 => (0..PAGES).prop_map(Step::Victim),
        1 => (1..20_u32).prop_map(Step::Resize),
    ];
    proptest::collection::vec(step, 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Where a policy says that a reference changes nothing, leaving it out changes nothing: neither the
    /// misses nor who is held in the end.
    #[test]
    fn references_that_change_nothing_may_be_left_out(
        references in proptest::collection::vec(
            prop_oneof![3 => 0..6_u32, 2 => 0..PAGES], 1..600,
        ),
    ) {
        for (mut whole, mut sparing) in all(10).into_iter().zip(all(10)) {
            let mut misses = 0;
            for &page in &references {
                misses += u64::from(!reference(&mut *whole, page));
                prop_assert!(!whole.is_settled(page) || whole.contains(page));
            }
            prop_assert_eq!(crate::simulate::simulate(&mut *sparing, &references).misses, misses);
            for page in 0..PAGES {
                prop_assert_eq!(whole.contains(page), sparing.contains(page), "{}", whole.name());
            }
        }
    }

    /// Held is what was admitted and neither evicted nor forgotten; a victim was held and was not
    /// to be kept; `None` means that nothing could go.
    #[test]
    fn a_policy_holds_what_it_says(steps in steps()) {
        for mut policy in all(10) {
            let mut held = std::collections::BTreeSet::new();
            for step in &steps {
                match *step {
                    Step::Reference(page) => {
                        if policy.contains(page) {
                            policy.touch(page);
                        } else {
                            while policy.len() >= policy.capacity() {
                                let gone = policy.victim(Some(page), &mut keep_nothing).unwrap();
                                prop_assert!(held.remove(&gone), "{} {gone}", policy.name());
                            }
                            policy.admit(page);
                            held.insert(page);
                        }
                    }
                    Step::Forget(page) => {
                        if held.remove(&page) {
                            policy.forget(page);
                        }
                    }
                    Step::Victim(kept) => {
                        let gone = policy.victim(None, &mut |page| page >= kept);
                        match gone {
                            Some(gone) => {
                                prop_assert!(gone < kept && held.remove(&gone));
                            }
                            None => prop_assert!(
                                held.iter().all(|&page| page >= kept),
                                "{} gives up with {held:?} below {kept}", policy.name()
                            ),
                        }
                    }
                    Step::Resize(pages) => policy.set_capacity(pages),
                }
                prop_assert_eq!(policy.len() as usize, held.len(), "{}", policy.name());
                for page in 0..PAGES {
                    prop_assert_eq!(policy.contains(page), held.contains(&page));
                }
            }
        }
    }

    #[test]
    fn lru_and_clock_do_what_their_definitions_say(
        references in proptest::collection::vec(0..PAGES, 1..600),
        capacity in 1..12_u32,
    ) {
        let (mut lru, mut clock) = (Lru::new(PAGES, capacity), Clock::new(PAGES, capacity));
        let (mut recent, mut round) = (VecDeque::new(), VecDeque::<(u32, bool)>::new());
        for &page in &references {
            let held = recent.iter().position(|&other| other == page);
            prop_assert_eq!(reference(&mut lru, page), held.is_some());
            match held {
                Some(at) => { recent.remove(at); }
                None if recent.len() == capacity as usize => { recent.pop_front(); }
                None => {}
            }
            recent.push_back(page);

            let held = round.iter_mut().find(|(other, _)| *other == page);
            prop_assert_eq!(reference(&mut clock, page), held.is_some());
            match held {
                Some((_, accessed)) => *accessed = true,
                None => {
                    while round.len() == capacity as usize {
                        let (oldest, accessed) = round.pop_front().unwrap();
                        if accessed {
                            round.push_back((oldest, false));
                        }
                    }
                    round.push_back((page, false));
                }
            }
        }
    }

    /// Belady's bound holds for all, and is reached: a search over all choices finds nothing less.
    #[test]
    fn nobody_beats_belady(references in proptest::collection::vec(0..7_u32, 1..14)) {
        fn best(left: &[u32], held: u32) -> u32 {
            let Some((&page, rest)) = left.split_first() else { return 0 };
            if held & 1 << page != 0 {
                return best(rest, held);
            }
            if held.count_ones() < 3 {
                return 1 + best(rest, held | 1 << page);
            }
            let choices = (0..7).filter(|old| held & 1 << old != 0);
            1 + choices.map(|old| best(rest, held & !(1 << old) | 1 << page)).min().unwrap()
        }
        let score = |policy: &mut dyn Policy| crate::simulate::simulate(policy, &references).misses;
        let bound = score(&mut Belady::new(&references, PAGES, 3));
        prop_assert_eq!(bound, u64::from(best(&references, 0)));
        for mut policy in all(3) {
            prop_assert!(score(&mut *policy) >= bound, "{}", policy.name());
        }
    }
}

#[test]
fn a_scan_does_not_empty_what_resists_scans() {
    // Ten pages in use, a hundred that are referenced once, and the ten again.
    let mut trace: Vec<u32> = (0..200).map(|at| at % 10).collect();
    trace.extend(10..110);
    trace.extend(0..10);
    let misses = |name: &str| {
        let mut policy = by_name(name, 128, 20).unwrap();
        crate::simulate::simulate(&mut *policy, &trace).misses
    };
    assert_eq!(misses("lru"), 120, "LRU loses all ten");
    for name in ["arc", "s3-fifo", "clock2q+"] {
        // The first two of the ten may have been in the small queue when the scan came.
        assert!((110..=112).contains(&misses(name)), "{name} {}", misses(name));
    }
}

#[test]
fn the_selector_follows_the_one_that_misses_less() {
    // A loop a little larger than memory: LRU misses every time.
    let (pages, capacity) = (128, 100);
    let trace: Vec<u32> = (0..20_000).map(|at| at % 110).collect();
    let mut selector = Selector::new(pages, capacity);
    let misses = |policy: &mut dyn Policy| crate::simulate::simulate(policy, &trace).misses;
    let selected = misses(&mut selector);
    assert_eq!(misses(&mut Lru::new(pages, capacity)), 20_000);
    let best =
        misses(&mut S3Fifo::new(pages, capacity)).min(misses(&mut Sieve::new(pages, capacity)));
    assert!(selected <= best + best / 20, "{selected} {best}");
    assert_ne!(selector.followed(), "lru");
}
