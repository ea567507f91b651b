//! A run in the real world.

use std::collections::VecDeque;

use vellum_state::{Reader, State, Writer};

use crate::{Error, Expect, Outside, Stamp, WallClock};

/// Console input that [`Live`] holds at most, in bytes. More than a pasted page; a writer that is
/// told "0 taken" tries again later.
pub const CONSOLE_QUEUE: usize = 64 * 1024;

/// The real outside: keys pushed in by whoever reads the terminal, the operating system's entropy,
/// the real date.
#[derive(Debug, Default)]
pub struct Live {
    input: VecDeque<u8>,
    closed: bool,
}

impl Live {
    /// An outside with no input yet.
    pub fn new() -> Self {
        Live::default()
    }

    /// Adds console input; returns how many bytes were taken. Fewer than given when
    /// [`CONSOLE_QUEUE`] is full or the input was closed.
    pub fn push_console(&mut self, bytes: &[u8]) -> usize {
        if self.closed {
            return 0;
        }
        let n = bytes.len().min(CONSOLE_QUEUE - self.input.len());
        self.input.extend(&bytes[..n]);
        n
    }

    /// Says that no more input will come: an idle machine then stops waiting.
    pub fn close_console(&mut self) {
        self.closed = true;
    }
}

impl Outside for Live {
    fn console(&mut self, _at: Stamp, out: &mut [u8]) -> usize {
        let n = out.len().min(self.input.len());
        for (slot, byte) in out.iter_mut().zip(self.input.drain(..n)) {
            *slot = byte;
        }
        n
    }

    fn entropy(&mut self, _at: Stamp, out: &mut [u8]) -> Result<(), Error> {
        let mut got = 0;
        while got < out.len() {
            match rustix::rand::getrandom(&mut out[got..], rustix::rand::GetRandomFlags::empty()) {
                Ok(n) => got += n,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => {
                    return Err(Error::Entropy { got, wanted: out.len(), errno: e.raw_os_error() });
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door that the date comes through")]
    fn boot_clock(&mut self, _at: Stamp) -> WallClock {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 is a clock that was never set.
        WallClock::from_nanos(since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }

    fn shown(&mut self, _at: Stamp, _bytes: &[u8]) {}

    fn idle(&mut self, _at: Stamp) -> Expect {
        match (self.input.is_empty(), self.closed) {
            (false, _) => Expect::Input,
            (true, false) => Expect::Wait,
            (true, true) => Expect::Nothing,
        }
    }
}

/// What a live outside can keep: the keys that the guest has not taken yet.
impl State for Live {
    fn save(&self, w: &mut Writer<'_>) {
        let (a, b) = self.input.as_slices();
        w.section(*b"LIVE", 1, |w| {
            w.bool(self.closed);
            w.u64(self.input.len() as u64);
            w.raw(a);
            w.raw(b);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), vellum_state::Error> {
        r.section(*b"LIVE", 1, |r| {
            self.closed = r.bool()?;
            self.input = r.bytes(CONSOLE_QUEUE)?.iter().copied().collect();
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Stamp = Stamp::new(0, 0);

    #[test]
    fn keys_come_out_in_order_and_the_queue_has_an_end() {
        let mut live = Live::new();
        assert_eq!(live.idle(AT), Expect::Wait);
        assert_eq!(live.push_console(b"hello"), 5);
        assert_eq!(live.idle(AT), Expect::Input);
        let mut out = [0; 3];
        assert_eq!(live.console(AT, &mut out), 3);
        assert_eq!(&out, b"hel");
        assert_eq!(live.push_console(&vec![b'x'; CONSOLE_QUEUE]), CONSOLE_QUEUE - 2);
        assert_eq!(live.push_console(b"y"), 0);
    }

    #[test]
    fn a_closed_console_gives_the_rest_and_then_nothing() {
        let mut live = Live::new();
        live.push_console(b"q");
        live.close_console();
        assert_eq!(live.push_console(b"more"), 0);
        assert_eq!(live.idle(AT), Expect::Input);
        let mut out = [0; 8];
        assert_eq!(live.console(AT, &mut out), 1);
        assert_eq!(live.idle(AT), Expect::Nothing);
    }

    #[test]
    fn entropy_is_the_systems() {
        let (mut a, mut b) = ([0; 300], [0; 300]);
        let mut live = Live::new();
        live.entropy(AT, &mut a).unwrap();
        live.entropy(AT, &mut b).unwrap();
        // Equal with probability 2^-2400.
        assert_ne!(a, b);
        live.entropy(AT, &mut []).unwrap();
    }

    #[test]
    fn untaken_keys_survive_save_and_restore() {
        let mut live = Live::new();
        live.push_console(b"abc");
        live.console(AT, &mut [0]);
        let mut other = Live::new();
        vellum_state::from_bytes(&mut other, &vellum_state::to_bytes(&live)).unwrap();
        let mut out = [0; 4];
        assert_eq!(other.console(AT, &mut out), 2);
        assert_eq!(&out[..2], b"bc");
    }
}
