//! The small guest on the whole machine: it tests itself, and its run does not depend on how its
//! addresses are translated, on what becomes of the shadow tables, or on being stopped and kept.

use proptest::prelude::*;
use vellum_machine::{Paging, Stop};
use vellum_tests::{PAGINGS, config, machine, run};

const SELFTEST: &str = "quiet run=selftest";
/// Enough of everything to be told apart, short enough to be run often.
const SHORT: &str = "quiet run=cowtest";
const SLICE: u64 = 1_000_000;
const GOOD: Stop = Stop::PowerOff { code: 0 };

#[test]
fn it_tests_itself_alike_under_every_paging() {
    let runs = PAGINGS.map(|paging| {
        let mut machine = machine(config(SELFTEST, paging), 1);
        let ran = run(&mut machine, SLICE, |_| {});
        assert_eq!(ran.stop, GOOD, "{paging}: {}", ran.text);
        (ran.text, machine.instructions(), machine.content_hash())
    });
    assert!(runs[0].0.contains("PASS"), "{}", runs[0].0);
    for (run, paging) in runs.iter().zip(PAGINGS) {
        assert_eq!(run, &runs[0], "{paging} and {} paging", PAGINGS[0]);
    }
}

#[test]
fn it_tests_itself_in_every_mode_and_on_two_harts() {
    for words in ["sv39", "sv48", "sv57", "sv48 asid=off"] {
        for harts in [1, 2] {
            let mut config = config(&format!("{SELFTEST} {words}"), Paging::Shadow);
            config.harts = harts;
            let ran = run(&mut machine(config, 1), SLICE, |_| {});
            assert_eq!(ran.stop, GOOD, "{words}, {harts} harts: {}", ran.text);
        }
    }
}

#[test]
fn one_seed_is_one_run_however_it_is_cut_into_slices() {
    let once = |seed, slice| {
        let mut machine = machine(config(SHORT, Paging::Shadow), seed);
        let ran = run(&mut machine, slice, |_| {});
        (ran, machine.report(), machine.state_hash())
    };
    let first = once(7, SLICE);
    assert_eq!(first.0.stop, GOOD);
    assert_eq!(first, once(7, SLICE));
    assert_eq!(first, once(7, 12_345));
    assert_ne!(first.2, once(8, SLICE).2, "the seed reaches the guest");
}

#[test]
fn every_shadow_entry_is_guest_after_host_all_through_a_boot() {
    let mut looks = 0;
    let ran = run(&mut machine(config(SHORT, Paging::Shadow), 1), 200_000, |machine| {
        let mismatches = machine.memory().audit();
        assert!(mismatches.is_empty(), "at {}: {mismatches:?}", machine.instructions());
        assert_eq!(machine.audit_tlbs(), vec![], "at {}", machine.instructions());
        looks += 1;
    });
    assert_eq!(ran.stop, GOOD);
    assert!(looks > 10, "{looks} looks");
}

#[test]
fn a_restored_run_ends_as_the_one_that_was_never_stopped() {
    let whole = || machine(config(SHORT, Paging::Shadow), 3);
    let mut straight = whole();
    let ran = run(&mut straight, SLICE, |_| {});
    assert_eq!(ran.stop, GOOD);
    for stop_at in [1, 300_000, 2_000_000] {
        let mut first = whole();
        first.run(stop_at);
        let printed = first.take_console_output();
        let kept = first.save();
        // Under another paging too: what is kept does not say how addresses are translated.
        let few = [Paging::Shadow, Paging::Unsync, Paging::Nested, Paging::Flat];
        for paging in if stop_at == 1 { &PAGINGS[..] } else { &few[..] } {
            let paging = *paging;
            let mut second = machine(config(SHORT, paging), 3);
            second.restore_from(&kept).expect("what was kept can be restored");
            assert_eq!(second.content_hash(), first.content_hash(), "right after the restore");
            let rest = run(&mut second, SLICE, |_| {});
            let text = format!("{}{}", String::from_utf8_lossy(&printed), rest.text);
            assert_eq!((rest.stop, text), (GOOD, ran.text.clone()), "{paging} from {stop_at}");
            assert_eq!(second.content_hash(), straight.content_hash(), "{paging} from {stop_at}");
        }
    }
}

#[test]
fn what_a_lazy_policy_keeps_is_saved_and_restored_to_the_last_entry() {
    for paging in PAGINGS.into_iter().filter(|paging| !paging.in_step()) {
        let whole = || machine(config(SHORT, paging), 3);
        let mut straight = whole();
        straight.run(1_200_000);
        let mut first = whole();
        first.run(700_000);
        let mut second = whole();
        second.restore_from(&first.save()).expect("what was kept can be restored");
        assert_eq!(second.state_hash(), first.state_hash(), "{paging}, right after the restore");
        assert_eq!(second.memory().audit(), vec![], "{paging}");
        assert_eq!(second.audit_tlbs(), vec![], "{paging}");
        second.run(straight.instructions() - second.instructions());
        assert_eq!(second.instructions(), straight.instructions(), "{paging}");
        assert_eq!(second.state_hash(), straight.state_hash(), "{paging}, translations and all");
        let ran = run(&mut second, SLICE, |_| {});
        assert_eq!(ran.stop, GOOD, "{paging}: {}", ran.text);
    }
}

#[test]
fn the_paging_changes_while_the_guest_runs() {
    let mut plain = machine(config(SHORT, Paging::Shadow), 1);
    let want = run(&mut plain, SLICE, |_| {});
    let mut changing = machine(config(SHORT, Paging::Shadow), 1);
    let mut kinds = Paging::ALL.into_iter().filter(|p| *p != Paging::Flat).cycle();
    let ran = run(&mut changing, 150_000, |machine| {
        let paging = kinds.next().expect("a cycle does not end");
        machine.memory_mut().set_paging(paging).expect("any but flat");
        assert_eq!(machine.report().paging, paging);
    });
    assert_eq!(ran, want);
    assert_eq!(changing.content_hash(), plain.content_hash());
    assert!(
        changing.memory_mut().set_paging(Paging::Flat).is_err(),
        "its memory is laid out another way"
    );
}

#[test]
fn a_damaged_or_foreign_state_is_refused() {
    let mut first = machine(config(SHORT, Paging::Shadow), 3);
    first.run(100_000);
    let kept = first.save();
    for bytes in [&kept[..kept.len() - 1], &kept[..20], &[]] {
        assert!(machine(config(SHORT, Paging::Shadow), 3).restore_from(bytes).is_err());
    }
    let mut bent = kept.clone();
    bent[kept.len() / 2] ^= 1;
    assert!(machine(config(SHORT, Paging::Shadow), 3).restore_from(&bent).is_err());
    let mut other = config(SHORT, Paging::Shadow);
    other.harts = 2;
    assert!(machine(other, 3).restore_from(&kept).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Shadow tables are derived: what is thrown away comes back, and costs time alone.
    #[test]
    fn shadow_tables_lost_at_random_instants_change_nothing(
        slices in proptest::collection::vec((10_000u64..400_000, any::<u64>(), any::<bool>()), 1..40),
    ) {
        let mut plain = machine(config(SHORT, Paging::Shadow), 1);
        let want = run(&mut plain, SLICE, |_| {});
        let mut disturbed = machine(config(SHORT, Paging::Shadow), 1);
        let mut text = Vec::new();
        let mut stop = Stop::Slice;
        for (length, choice, all) in slices {
            stop = disturbed.run(length);
            text.extend(disturbed.take_console_output());
            if stop != Stop::Slice {
                break;
            }
            match all {
                true => disturbed.memory_mut().drop_shadow(),
                false => disturbed.memory_mut().drop_some_shadow(choice),
            }
            prop_assert_eq!(disturbed.memory().audit(), vec![]);
            prop_assert_eq!(disturbed.audit_tlbs(), vec![]);
        }
        let mut text = String::from_utf8_lossy(&text).into_owned();
        if stop == Stop::Slice {
            let rest = run(&mut disturbed, SLICE, |_| {});
            (stop, text) = (rest.stop, text + &rest.text);
        }
        prop_assert_eq!((stop, text), (want.stop, want.text));
        prop_assert_eq!(disturbed.instructions(), plain.instructions());
        prop_assert_eq!(disturbed.state_hash(), plain.state_hash());
    }
}
