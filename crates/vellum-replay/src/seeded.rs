//! A run that is wholly given beforehand: a seed, a script, a date.

use vellum_state::{Reader, State, Writer};

use crate::{Error, Expect, Generator, Outside, Script, Stamp, WallClock, When};

/// The outside of a run that repeats: entropy from a seed, input from a script, a fixed date.
///
/// The script and the date are the run's parameters and not saved with its state: a restored run is
/// built with the same ones. (The state says how far the script has got, and with a script of
/// another shape it is refused.)
#[derive(Debug, Clone)]
pub struct Seeded {
    generator: Generator,
    script: Script,
    clock: WallClock,
    /// The piece that is next, and how much of it was taken.
    piece: usize,
    taken: usize,
    /// The next piece's moment has come.
    open: bool,
    /// Bytes of the awaited pattern that the newest output ends with.
    matched: usize,
}

impl Seeded {
    /// The date of a run that names none: 2026-01-01 00:00 UTC.
    pub const DEFAULT_CLOCK: WallClock = WallClock::from_secs(1_767_225_600);

    /// An outside with this seed, typing `script`, switched on at [`Seeded::DEFAULT_CLOCK`].
    pub fn new(seed: u64, script: Script) -> Self {
        let mut seeded = Seeded {
            generator: Generator::new(seed),
            script,
            clock: Seeded::DEFAULT_CLOCK,
            piece: 0,
            taken: 0,
            open: false,
            matched: 0,
        };
        seeded.skip_empty();
        seeded
    }

    /// The same, switched on at another date.
    pub fn at_date(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// Whether everything in the script was taken.
    pub fn script_done(&self) -> bool {
        self.piece == self.script.pieces().len()
    }

    fn next_piece(&self) -> Option<(&When, &[u8])> {
        self.script.pieces().get(self.piece).map(|(when, bytes)| (when, &bytes[..]))
    }

    /// Opens the next piece if its moment is `at`; whether it is open.
    fn opened(&mut self, at: Stamp) -> bool {
        self.open |= match self.next_piece() {
            Some((When::Asked, _)) => true,
            Some((When::Instret(n), _)) => at.instret >= *n,
            Some((When::Shown(_), _)) | None => false,
        };
        self.open
    }

    fn step(&mut self) {
        self.piece += 1;
        (self.taken, self.open, self.matched) = (0, false, 0);
    }

    /// A piece without bytes that waits for nothing has nothing to give.
    fn skip_empty(&mut self) {
        while matches!(self.next_piece(), Some((When::Asked, []))) {
            self.step();
        }
    }
}

impl Outside for Seeded {
    fn console(&mut self, at: Stamp, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < out.len() && self.opened(at) {
            let Some((_, bytes)) = self.next_piece() else { break };
            let left = &bytes[self.taken..];
            let n = left.len().min(out.len() - filled);
            out[filled..filled + n].copy_from_slice(&left[..n]);
            let whole = n == left.len();
            filled += n;
            self.taken += n;
            if whole {
                self.step();
                self.skip_empty();
            }
        }
        filled
    }

    fn entropy(&mut self, _at: Stamp, out: &mut [u8]) -> Result<(), Error> {
        self.generator.fill(out);
        Ok(())
    }

    fn boot_clock(&mut self, _at: Stamp) -> WallClock {
        self.clock
    }

    fn shown(&mut self, _at: Stamp, bytes: &[u8]) {
        if self.open {
            return;
        }
        let Some((When::Shown(pattern), _)) = self.script.pieces().get(self.piece) else { return };
        let mut matched = self.matched;
        for &byte in bytes {
            matched = longer_match(pattern, matched, byte);
            if matched == pattern.len() {
                self.open = true;
                break;
            }
        }
        self.matched = matched;
    }

    fn idle(&mut self, _at: Stamp) -> Expect {
        // A piece without bytes only waits; once brought forward it is over.
        while let Some((_, bytes)) = self.next_piece() {
            if !bytes.is_empty() {
                self.open = true;
                return Expect::Input;
            }
            self.step();
        }
        Expect::Nothing
    }
}

/// The longest start of `pattern` that `pattern[..matched]` followed by `byte` ends with.
/// Quadratic in the pattern at worst, which has at most [`crate::PATTERN_LIMIT`] bytes.
fn longer_match(pattern: &[u8], matched: usize, byte: u8) -> usize {
    if pattern[matched] == byte {
        return matched + 1;
    }
    (0..matched)
        .rev()
        .find(|&n| pattern[n] == byte && pattern[..n] == pattern[matched - n..matched])
        .map_or(0, |n| n + 1)
}

impl State for Seeded {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"SEED", 1, |w| {
            self.generator.save(w);
            w.u64(self.piece as u64);
            w.u64(self.taken as u64);
            w.bool(self.open);
            w.u64(self.matched as u64);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), vellum_state::Error> {
        r.section(*b"SEED", 1, |r| {
            self.generator.restore(r)?;
            let pieces = self.script.pieces();
            self.piece = below(r.u64()?, pieces.len(), "script piece")?;
            let (pattern, length) = match pieces.get(self.piece) {
                Some((When::Shown(pattern), bytes)) => (pattern.len(), bytes.len()),
                Some((_, bytes)) => (0, bytes.len()),
                None => (0, 0),
            };
            self.taken = below(r.u64()?, length, "script byte")?;
            self.open = r.bool()?;
            self.matched = below(r.u64()?, pattern, "script pattern")?;
            if !self.open && pattern > 0 && self.matched == pattern {
                return Err(vellum_state::Error::Value {
                    field: "script pattern",
                    value: pattern as u64,
                    why: "wholly seen, yet still waited for",
                });
            }
            Ok(())
        })
    }
}

fn below(value: u64, limit: usize, field: &'static str) -> Result<usize, vellum_state::Error> {
    match usize::try_from(value) {
        Ok(n) if n <= limit => Ok(n),
        _ => Err(vellum_state::Error::Value { field, value, why: "beyond this run's script" }),
    }
}

#[cfg(test)]
mod tests {
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
}
