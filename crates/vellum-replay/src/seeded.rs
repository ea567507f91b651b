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
#[path = "seeded_tests.rs"]
mod tests;
