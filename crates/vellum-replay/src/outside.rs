//! The door itself.

use crate::{Error, Stamp};

/// The date, in nanoseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallClock(u64);

impl WallClock {
    /// The date `nanos` after 1970-01-01 00:00 UTC.
    pub const fn from_nanos(nanos: u64) -> Self {
        WallClock(nanos)
    }

    /// The date `seconds` after 1970-01-01 00:00 UTC; at most what 64 bits of nanoseconds hold
    /// (the year 2554).
    pub const fn from_secs(seconds: u64) -> Self {
        WallClock(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

/// What a machine in which nothing is left to do may still expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Input is there: ask for it.
    Input,
    /// Input may come from somebody at any moment: wait for it in real time.
    Wait,
    /// Nothing will come any more.
    Nothing,
}

/// Everything that a machine cannot compute from its own state.
///
/// The machine calls it from one thread. A call's answer may depend on the stamp and on the calls
/// before it, and for a run that shall repeat on nothing else. Stamps of one hart never decrease.
pub trait Outside {
    /// Takes console input that is there at `at`: fills the front of `out` and says how many bytes.
    /// 0 when there is none (or `out` is empty); the bytes not taken stay for the next call.
    fn console(&mut self, at: Stamp, out: &mut [u8]) -> usize;

    /// Fills `out` with entropy.
    ///
    /// # Errors
    /// When there is none to be had; `out` may then be partly filled.
    fn entropy(&mut self, at: Stamp, out: &mut [u8]) -> Result<(), Error>;

    /// The date at which the machine was switched on. Asked once a boot; later dates follow from it
    /// and from virtual time.
    fn boot_clock(&mut self, at: Stamp) -> WallClock;

    /// Shows what the guest has printed. Must not change what the guest can see, except through
    /// the answers of later calls.
    fn shown(&mut self, at: Stamp, bytes: &[u8]);

    /// Called when every hart waits, no timer is set and no device is busy. A script whose next
    /// input was meant for a later instruction brings it forward, since that instruction would
    /// never come.
    fn idle(&mut self, at: Stamp) -> Expect;
}

/// A pointer to an outside is one.
macro_rules! forward {
    ($pointer:ty) => {
        impl<O: Outside + ?Sized> Outside for $pointer {
            fn console(&mut self, at: Stamp, out: &mut [u8]) -> usize {
                (**self).console(at, out)
            }

            fn entropy(&mut self, at: Stamp, out: &mut [u8]) -> Result<(), Error> {
                (**self).entropy(at, out)
            }

            fn boot_clock(&mut self, at: Stamp) -> WallClock {
                (**self).boot_clock(at)
            }

            fn shown(&mut self, at: Stamp, bytes: &[u8]) {
                (**self).shown(at, bytes);
            }

            fn idle(&mut self, at: Stamp) -> Expect {
                (**self).idle(at)
            }
        }
    };
}

forward!(&mut O);
forward!(Box<O>);
