//! Scripts and their moments; runs that are saved and go on.

use super::*;

fn take(s: &mut Seeded, instret: u64) -> Vec<u8> {
    let mut out = [0; 64];
    let n = s.console(Stamp::new(0, instret), &mut out);
    out[..n].to_vec()
}

#[test]
fn pieces_wait_for_their_moment() {
    let script = Script::typed("a")
        .then(When::Instret(100), "b")
        .unwrap()
        .then(When::Shown(b"# ".to_vec()), "c")
        .unwrap()
        .then(When::Asked, "d")
        .unwrap();
    let mut s = Seeded::new(1, script);
    assert_eq!(take(&mut s, 0), b"a");
    assert_eq!(take(&mut s, 99), b"");
    assert_eq!(take(&mut s, 100), b"b");
    s.shown(Stamp::new(0, 101), b"login#");
    assert_eq!(take(&mut s, 102), b"");
    s.shown(Stamp::new(0, 103), b" ");
    assert_eq!(take(&mut s, 104), b"cd");
    assert!(s.script_done());
}

#[test]
fn output_before_the_piece_does_not_count() {
    let script = Script::typed("a").then(When::Shown(b">".to_vec()), "b").unwrap();
    let mut s = Seeded::new(1, script);
    s.shown(Stamp::default(), b">");
    assert_eq!(take(&mut s, 0), b"a");
    assert_eq!(take(&mut s, 0), b"");
    s.shown(Stamp::default(), b">");
    assert_eq!(take(&mut s, 0), b"b");
}

#[test]
fn an_idle_machine_gets_the_next_piece_at_once() {
    let script = Script::new()
        .then(When::Instret(u64::MAX), "x")
        .unwrap()
        .then(When::Shown(b"never".to_vec()), "")
        .unwrap();
    let mut s = Seeded::new(1, script);
    assert_eq!(take(&mut s, 5), b"");
    assert_eq!(s.idle(Stamp::new(0, 5)), Expect::Input);
    assert_eq!(take(&mut s, 5), b"x");
    assert_eq!(s.idle(Stamp::new(0, 5)), Expect::Nothing);
}

#[test]
fn a_pattern_is_bounded() {
    for length in [0, PATTERN_LIMIT + 1] {
        assert_eq!(
            Script::typed("a").then(When::Shown(vec![b'x'; length]), "b"),
            Err(crate::ScriptError::Pattern { piece: 1, length })
        );
    }
}

use crate::PATTERN_LIMIT;
use proptest::prelude::*;

proptest! {
    /// The incremental search finds a pattern exactly when a plain search of everything would.
    #[test]
    fn a_pattern_is_found_as_a_plain_search_finds_it(
        pattern in proptest::collection::vec(0u8..2, 1..8),
        text in proptest::collection::vec(0u8..2, 0..64),
        cuts in proptest::collection::vec(1usize..9, 1..64),
    ) {
        let script = Script::new().then(When::Shown(pattern.clone()), "x").unwrap();
        let mut s = Seeded::new(0, script);
        let (mut at, mut cut) = (0, cuts.iter().cycle());
        while at < text.len() {
            let end = text.len().min(at + cut.next().unwrap());
            s.shown(Stamp::default(), &text[at..end]);
            at = end;
        }
        let plain = text.windows(pattern.len()).any(|w| w == pattern);
        prop_assert_eq!(!take(&mut s, 0).is_empty(), plain);
    }

    /// Saved at any moment and restored, the rest of the run is the same.
    #[test]
    fn a_restored_run_goes_on_as_the_other(
        seed: u64,
        steps in proptest::collection::vec((0u8..4, 0usize..5), 1..40),
        stop in 0usize..40,
    ) {
        let script = Script::typed("hello world")
            .then(When::Instret(7), "second").unwrap()
            .then(When::Shown(b"aab".to_vec()), "third").unwrap()
            .then(When::Asked, "end").unwrap();
        let mut a = Seeded::new(seed, script.clone());
        let mut b = Seeded::new(!seed, script);
        for (i, &(kind, n)) in steps.iter().enumerate() {
            if i == stop {
                vellum_state::from_bytes(&mut b, &vellum_state::to_bytes(&a)).unwrap();
            }
            let at = Stamp::new(0, i as u64);
            let answer = |s: &mut Seeded| {
                let mut out = vec![0; n];
                match kind {
                    0 => { s.console(at, &mut out); }
                    1 => s.entropy(at, &mut out).unwrap(),
                    2 => s.shown(at, &b"aabaa"[..n]),
                    _ => out.push((n == 0 && s.idle(at) == Expect::Input).into()),
                }
                out
            };
            let from_a = answer(&mut a);
            if i >= stop {
                prop_assert_eq!(from_a, answer(&mut b));
                prop_assert_eq!(vellum_state::state_hash(&a), vellum_state::state_hash(&b));
            }
        }
    }
}

#[test]
fn a_state_beyond_the_script_is_refused() {
    let mut long = Seeded::new(1, Script::typed("abcdef"));
    take(&mut long, 0);
    let bytes = vellum_state::to_bytes(&long);
    let mut none = Seeded::new(1, Script::new());
    assert!(matches!(
        vellum_state::from_bytes(&mut none, &bytes),
        Err(vellum_state::Error::Value { field: "script piece", .. })
    ));
}
