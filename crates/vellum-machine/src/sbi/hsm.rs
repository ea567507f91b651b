//! The life of a hart: started, stopped, suspended (chapter 9).
//!
//! The machine runs its harts in turns, so "pending" states last only until a hart's next turn:
//! a hart that was started is *start pending* until the monitor takes its start, and likewise on the
//! way out of a suspension.

use vellum_state::{Error, Reader, State, Writer};
use vellum_translate::Gpa;

use super::SbiError;

/// Where a hart begins: at its start, or after a suspension that kept nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hart {
    /// First instruction; translation is off.
    pub entry: Gpa,
    /// The value of `a1`; `a0` is the hart's number.
    pub opaque: u64,
}

/// How a hart waits (section 9.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspend {
    /// As `wfi`: the call returns 0 when an interrupt is pending.
    Retentive,
    /// Everything is lost: the hart goes on at an address of its choice.
    NonRetentive(Hart),
}

impl Suspend {
    /// The kind of suspension with these arguments.
    ///
    /// # Errors
    /// When the specification reserves the kind, or leaves it to platforms.
    pub fn decode(kind: u64, entry: u64, opaque: u64) -> Result<Self, SbiError> {
        // A 32-bit number, handed over sign-extended.
        match kind as u32 {
            0 => Ok(Suspend::Retentive),
            0x8000_0000 => Ok(Suspend::NonRetentive(Hart { entry: Gpa::new(entry), opaque })),
            0x1000_0000..=0x7fff_ffff | 0x9000_0000.. => Err(SbiError::NotSupported),
            _ => Err(SbiError::InvalidParam),
        }
    }
}

/// The state of a hart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HartState {
    /// It runs.
    Started,
    /// It does not, until somebody starts it.
    Stopped,
    /// It will start at its next turn.
    StartPending(Hart),
    /// It waits for an interrupt.
    Suspended(Suspend),
}

impl HartState {
    /// The number that the guest sees (section 9.3, table 4).
    pub const fn code(self) -> u64 {
        match self {
            HartState::Started => 0,
            HartState::Stopped => 1,
            HartState::StartPending(_) => 2,
            HartState::Suspended(_) => 4,
        }
    }
}

/// The states of all harts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hsm {
    harts: Vec<HartState>,
}

impl Hsm {
    /// `harts` harts, of which the first will start at `boot` and the others are stopped.
    pub fn new(harts: u32, boot: Hart) -> Self {
        let mut states = vec![HartState::Stopped; harts as usize];
        if let Some(first) = states.first_mut() {
            *first = HartState::StartPending(boot);
        }
        Hsm { harts: states }
    }

    fn find(&self, hart: u64) -> Result<usize, SbiError> {
        let hart = usize::try_from(hart).map_err(|_| SbiError::InvalidParam)?;
        if hart < self.harts.len() { Ok(hart) } else { Err(SbiError::InvalidParam) }
    }

    /// The state of a hart that is there.
    ///
    /// # Panics
    /// When it is not: the monitor's own numbers are always right.
    pub fn state(&self, hart: u32) -> HartState {
        self.harts[hart as usize]
    }

    /// The guest asks for a hart's state.
    ///
    /// # Errors
    /// When there is no such hart.
    pub fn status(&self, hart: u64) -> Result<u64, SbiError> {
        Ok(self.harts[self.find(hart)?].code())
    }

    /// The guest starts a stopped hart. Whether `begin.entry` can be run is for the monitor to say
    /// beforehand.
    ///
    /// # Errors
    /// When there is no such hart, or it is not stopped.
    pub fn start(&mut self, hart: u64, begin: Hart) -> Result<(), SbiError> {
        let hart = self.find(hart)?;
        if self.harts[hart] != HartState::Stopped {
            return Err(SbiError::AlreadyAvailable);
        }
        self.harts[hart] = HartState::StartPending(begin);
        Ok(())
    }

    /// The monitor takes the start of a hart that has one, and the hart runs.
    pub fn take_start(&mut self, hart: u32) -> Option<Hart> {
        match self.state(hart) {
            HartState::StartPending(begin) => {
                self.harts[hart as usize] = HartState::Started;
                Some(begin)
            }
            _ => None,
        }
    }

    /// A running hart stops itself.
    ///
    /// # Errors
    /// [`SbiError::Failed`] when it does not run.
    pub fn stop(&mut self, hart: u32) -> Result<(), SbiError> {
        self.leave(hart, HartState::Stopped)
    }

    /// A running hart suspends itself.
    ///
    /// # Errors
    /// [`SbiError::Failed`] when it does not run.
    pub fn suspend(&mut self, hart: u32, how: Suspend) -> Result<(), SbiError> {
        self.leave(hart, HartState::Suspended(how))
    }

    fn leave(&mut self, hart: u32, to: HartState) -> Result<(), SbiError> {
        if self.state(hart) != HartState::Started {
            return Err(SbiError::Failed);
        }
        self.harts[hart as usize] = to;
        Ok(())
    }

    /// An interrupt wakes a suspended hart; the monitor then either returns 0 from the call or
    /// starts the hart anew. `None` if it was not suspended.
    pub fn wake(&mut self, hart: u32) -> Option<Suspend> {
        match self.state(hart) {
            HartState::Suspended(how) => {
                self.harts[hart as usize] = HartState::Started;
                Some(how)
            }
            _ => None,
        }
    }
}

impl State for Hsm {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"HSM ", 1, |w| {
            w.u32(self.harts.len() as u32);
            for &state in &self.harts {
                let none = Hart { entry: Gpa::new(0), opaque: 0 };
                let (kind, begin) = match state {
                    HartState::Started => (0, none),
                    HartState::Stopped => (1, none),
                    HartState::StartPending(begin) => (2, begin),
                    HartState::Suspended(Suspend::Retentive) => (4, none),
                    HartState::Suspended(Suspend::NonRetentive(begin)) => (5, begin),
                };
                w.u8(kind);
                w.u64(begin.entry.get());
                w.u64(begin.opaque);
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"HSM ", 1, |r| {
            let count = r.u32()?;
            if count as usize != self.harts.len() {
                let why = "the machine has another number of harts";
                return Err(Error::Value { field: "harts", value: count.into(), why });
            }
            for state in &mut self.harts {
                let kind = r.u8()?;
                let begin = Hart { entry: Gpa::new(r.u64()?), opaque: r.u64()? };
                *state = match kind {
                    0 => HartState::Started,
                    1 => HartState::Stopped,
                    2 => HartState::StartPending(begin),
                    4 => HartState::Suspended(Suspend::Retentive),
                    5 => HartState::Suspended(Suspend::NonRetentive(begin)),
                    _ => {
                        let why = "no such state of a hart";
                        return Err(Error::Value { field: "hart", value: kind.into(), why });
                    }
                };
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Hart = Hart { entry: Gpa::new(0x8020_0000), opaque: 9 };

    #[test]
    fn the_life_of_a_second_hart() {
        let mut h = Hsm::new(2, AT);
        assert_eq!(h.take_start(0), Some(AT));
        assert_eq!((h.status(0), h.status(1)), (Ok(0), Ok(1)));
        assert_eq!(h.start(1, AT), Ok(()));
        assert_eq!(h.status(1), Ok(2));
        assert_eq!(h.start(1, AT), Err(SbiError::AlreadyAvailable));
        assert_eq!(h.stop(1), Err(SbiError::Failed), "it does not run yet");
        assert_eq!(h.take_start(1), Some(AT));
        assert_eq!(h.take_start(1), None);
        assert_eq!(h.suspend(1, Suspend::Retentive), Ok(()));
        assert_eq!(h.status(1), Ok(4));
        assert_eq!(h.wake(1), Some(Suspend::Retentive));
        assert_eq!(h.wake(1), None);
        assert_eq!(h.stop(1), Ok(()));
        assert_eq!(h.start(1, AT), Ok(()));
    }

    #[test]
    fn harts_that_are_not_there() {
        let mut h = Hsm::new(2, AT);
        for hart in [2, u64::MAX, 1 << 32] {
            assert_eq!(h.status(hart), Err(SbiError::InvalidParam));
            assert_eq!(h.start(hart, AT), Err(SbiError::InvalidParam));
        }
    }

    #[test]
    fn kinds_of_suspension() {
        assert_eq!(Suspend::decode(0, 1, 2), Ok(Suspend::Retentive));
        // As a 64-bit guest hands it over: sign-extended.
        let kind = 0xffff_ffff_8000_0000;
        assert_eq!(Suspend::decode(kind, AT.entry.get(), 9), Ok(Suspend::NonRetentive(AT)));
        assert_eq!(Suspend::decode(1, 0, 0), Err(SbiError::InvalidParam));
        assert_eq!(Suspend::decode(0x8000_0001, 0, 0), Err(SbiError::InvalidParam));
        assert_eq!(Suspend::decode(0x1000_0000, 0, 0), Err(SbiError::NotSupported));
    }

    #[test]
    fn every_state_survives() {
        let mut h = Hsm::new(5, AT);
        h.harts[1] = HartState::Started;
        h.harts[2] = HartState::Suspended(Suspend::Retentive);
        h.harts[3] = HartState::Suspended(Suspend::NonRetentive(AT));
        let bytes = vellum_state::to_bytes(&h);
        let mut other = Hsm::new(5, Hart { entry: Gpa::new(0), opaque: 0 });
        vellum_state::from_bytes(&mut other, &bytes).unwrap();
        assert_eq!(other, h);
        assert!(vellum_state::from_bytes(&mut Hsm::new(4, AT), &bytes).is_err());
    }
}
