//! The outside of a booted machine: what is typed, by a person or a script, and chance.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vellum_replay::{Error, Expect, Live, Outside, Script, Seeded, Stamp, WallClock};
use vellum_state::{Reader, State, Writer};

/// `Ctrl-D`, which a terminal sends where input ends.
const END_OF_INPUT: u8 = 0x04;

/// Typed keys that a kept run holds at most, in bytes.
const TYPED_LIMIT: usize = 1 << 20;

/// The door, one handle of which the machine holds and one the console.
#[derive(Debug, Clone)]
pub struct Door(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// The script, and with a seed entropy and date too.
    seeded: Seeded,
    /// Entropy and date of the real world, where wanted.
    live: Option<Live>,
    typed: VecDeque<u8>,
    /// No more will be typed.
    closed: bool,
    /// The guest was told so.
    told: bool,
}

impl Door {
    pub fn new(seed: u64, live: bool, script: Script) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            seeded: Seeded::new(seed, script),
            live: live.then(Live::new),
            typed: VecDeque::new(),
            closed: false,
            told: false,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves the queue as it was: whole bytes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Types `bytes`.
    pub fn push(&self, bytes: &[u8]) {
        self.inner().typed.extend(bytes);
    }

    /// Says that nothing more will be typed.
    pub fn close(&self) {
        self.inner().closed = true;
    }

    /// Whether the script has been typed and input has ended.
    pub fn exhausted(&self) -> bool {
        let inner = self.inner();
        inner.closed && inner.typed.is_empty() && inner.seeded.script_done()
    }

    /// Types the end of input, once; whether it did.
    pub fn tell_end(&self) -> bool {
        self.inner().tell_end()
    }
}

/// What a run that goes on from a kept machine needs of its outside: how far script and seed have
/// got, and what was typed and not taken. The script itself is the run's, and not kept.
impl State for Door {
    fn save(&self, w: &mut Writer<'_>) {
        let inner = self.inner();
        w.section(*b"DOOR", 1, |w| {
            inner.seeded.save(w);
            w.bool(inner.told);
            let (front, back) = inner.typed.as_slices();
            w.u64(inner.typed.len() as u64);
            w.raw(front);
            w.raw(back);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), vellum_state::Error> {
        let mut inner = self.inner();
        r.section(*b"DOOR", 1, |r| {
            inner.seeded.restore(r)?;
            inner.told = r.bool()?;
            inner.typed = r.bytes(TYPED_LIMIT)?.iter().copied().collect();
            Ok(())
        })
    }
}

impl Inner {
    fn tell_end(&mut self) -> bool {
        if self.told {
            return false;
        }
        self.told = true;
        self.typed.push_back(END_OF_INPUT);
        true
    }
}

impl Outside for Door {
    fn console(&mut self, at: Stamp, out: &mut [u8]) -> usize {
        let mut inner = self.inner();
        let count = out.len().min(inner.typed.len());
        for (slot, byte) in out.iter_mut().zip(inner.typed.drain(..count)) {
            *slot = byte;
        }
        count + inner.seeded.console(at, &mut out[count..])
    }

    fn entropy(&mut self, at: Stamp, out: &mut [u8]) -> Result<(), Error> {
        let inner = &mut *self.inner();
        match &mut inner.live {
            Some(live) => live.entropy(at, out),
            None => inner.seeded.entropy(at, out),
        }
    }

    fn boot_clock(&mut self, at: Stamp) -> WallClock {
        let inner = &mut *self.inner();
        match &mut inner.live {
            Some(live) => live.boot_clock(at),
            None => inner.seeded.boot_clock(at),
        }
    }

    fn shown(&mut self, at: Stamp, bytes: &[u8]) {
        self.inner().seeded.shown(at, bytes);
    }

    fn idle(&mut self, at: Stamp) -> Expect {
        let mut inner = self.inner();
        if !inner.typed.is_empty() || inner.seeded.idle(at) == Expect::Input {
            return Expect::Input;
        }
        if !inner.closed {
            return Expect::Wait;
        }
        if inner.tell_end() { Expect::Input } else { Expect::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Stamp = Stamp::new(0, 0);

    fn take(door: &mut Door) -> Vec<u8> {
        let mut out = [0; 8];
        let count = door.console(AT, &mut out);
        out[..count].to_vec()
    }

    #[test]
    fn typed_keys_come_before_the_script_and_the_end_comes_last() {
        let mut door = Door::new(1, false, Script::typed("cd"));
        door.push(b"ab");
        assert_eq!(take(&mut door), b"abcd");
        assert_eq!(door.idle(AT), Expect::Wait);
        door.close();
        assert!(door.exhausted());
        assert_eq!(door.idle(AT), Expect::Input);
        assert_eq!(take(&mut door), [END_OF_INPUT]);
        assert_eq!(door.idle(AT), Expect::Nothing);
    }

    #[test]
    fn a_kept_door_goes_on_where_it_was() {
        let script = || Script::typed("cdefghijklmnop");
        let mut door = Door::new(1, false, script());
        door.push(b"ab");
        assert_eq!(take(&mut door), b"abcdefgh");
        door.entropy(AT, &mut [0; 5]).unwrap();
        door.push(b"xy");
        let kept = vellum_state::to_bytes(&door);
        let mut other = Door::new(9, false, script());
        vellum_state::from_bytes(&mut other, &kept).unwrap();
        let rest = |door: &mut Door| {
            let mut bytes = [0; 8];
            door.entropy(AT, &mut bytes).unwrap();
            (take(door), bytes)
        };
        assert_eq!(rest(&mut other), rest(&mut door));
    }

    #[test]
    fn one_seed_gives_one_entropy_and_date() {
        let draw = |seed| {
            let mut door = Door::new(seed, false, Script::new());
            let mut bytes = [0; 16];
            door.entropy(AT, &mut bytes).unwrap();
            (bytes, door.boot_clock(AT))
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3).0, draw(4).0);
    }
}
