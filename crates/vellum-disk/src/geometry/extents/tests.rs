//! Extents against a list of numbers.

use super::*;
use proptest::prelude::*;

/// Pieces (numbers to pass over, how many to take), repeated: patterns, breaks in them, and what
/// merely goes on.
fn pieces() -> impl Strategy<Value = Vec<(u32, u64, u64)>> {
    let group = (0u32..3, prop::collection::vec((0u64..4, 1u64..9), 1..3), 1usize..30);
    prop::collection::vec(group, 1..8).prop_map(|groups| {
        let mut run = 0;
        let mut all = Vec::new();
        for (step, pattern, times) in groups {
            run += step;
            for _ in 0..times {
                all.extend(pattern.iter().map(|&(pass, take)| (run, pass, take)));
            }
        }
        all
    })
}

proptest! {
    #[test]
    fn extents_hold_what_a_list_of_numbers_holds(pieces in pieces(), start in 0u64..5) {
        let (mut extents, mut plain, mut at) = (Extents::default(), Vec::new(), start);
        for (run, pass, take) in pieces {
            at += pass;
            extents.push(run, at, take);
            plain.extend((at..at + take).map(|number| (run, number)));
            at += take;
        }
        extents.index();
        prop_assert_eq!(extents.sectors(), plain.len() as u64);
        for (lbn, &place) in plain.iter().enumerate() {
            prop_assert_eq!(extents.number_of(lbn as u64), place);
        }
        let lbn_of = |n: u64| plain.iter().position(|p| p.1 == n).map(|i| i as u64);
        for number in 0..at + 3 {
            prop_assert_eq!(extents.lbn_of(number), lbn_of(number), "{}", number);
            for len in [1, 2, 5, 30] {
                let mut inside = (number..number + len).filter_map(lbn_of);
                let first = inside.next();
                let want = first.map(|f| (f, inside.next_back().unwrap_or(f)));
                for near in [0, first.unwrap_or(0), plain.len() as u64] {
                    prop_assert_eq!(extents.between(number, number + len, near), want);
                    if near < plain.len() as u64 {
                        let full = (number..number + len).all(|n| lbn_of(n).is_some());
                        let unbroken = extents.unbroken(number, number + len, near);
                        prop_assert!(unbroken.is_none() || full && unbroken == want);
                    }
                }
            }
        }
    }
}

#[test]
fn even_spares_make_one_extent_and_a_slip_three() {
    let (mut even, mut slipped) = (Extents::default(), Extents::default());
    for track in 0..1000u64 {
        even.push(0, track * 58, 57);
        slipped.push(0, track * 58, if track == 500 { 20 } else { 57 });
        if track == 500 {
            slipped.push(0, track * 58 + 21, 37);
        }
    }
    // Before and with the slip, what is left of its track, and after.
    assert_eq!((even.len(), slipped.len()), (1, 3));
}

#[test]
fn what_is_longer_than_an_extent_takes_several() {
    let mut extents = Extents::default();
    extents.push(0, 7, 5 * SPAN);
    extents.index();
    assert_eq!((extents.len(), extents.sectors()), (5, 5 * SPAN));
    for lbn in [0, SPAN - 1, SPAN, 5 * SPAN - 1] {
        assert_eq!(extents.number_of(lbn), (0, lbn + 7));
        assert_eq!(extents.lbn_of(lbn + 7), Some(lbn));
    }
}
