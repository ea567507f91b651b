//! The finisher: one register whose store ends the run (SiFive's test device, as on QEMU's `virt`).

use vellum_state::{Error, Reader, State, Writer};

use crate::bus::{MmioDevice, Width};
use crate::clock::Instant;

/// Low half of a store that says "failed"; the high half is the exit code.
pub const FAIL: u16 = 0x3333;
/// Low half of a store that says "all well": power off.
pub const PASS: u16 = 0x5555;
/// Low half of a store that asks for a reset.
pub const RESET: u16 = 0x7777;

/// How the guest ended its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It switched the machine off; 0 means that all is well.
    PowerOff {
        /// What it gave as its exit code.
        code: u16,
    },
    /// It asked for a reset.
    Reset,
}

/// The device. The first store that means something counts; later ones change nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finisher {
    ending: Option<Ending>,
}

impl Finisher {
    /// A device that nobody has written to.
    pub fn new() -> Self {
        Finisher::default()
    }

    /// How the guest ended the run, once it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }
}

impl MmioDevice for Finisher {
    fn read(&mut self, _now: Instant, _offset: u64, _width: Width) -> u64 {
        0
    }

    fn write(&mut self, _now: Instant, offset: u64, width: Width, value: u64) {
        if offset != 0 || width < Width::Half || self.ending.is_some() {
            return;
        }
        let code = (value >> 16) as u16;
        self.ending = match value as u16 {
            FAIL => Some(Ending::PowerOff { code }),
            PASS => Some(Ending::PowerOff { code: 0 }),
            RESET => Some(Ending::Reset),
            _ => None,
        };
    }
}

impl State for Finisher {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"FINI", 1, |w| {
            let (kind, code) = match self.ending {
                None => (0, 0),
                Some(Ending::PowerOff { code }) => (1, code),
                Some(Ending::Reset) => (2, 0),
            };
            w.u8(kind);
            w.u16(code);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"FINI", 1, |r| {
            let (kind, code) = (r.u8()?, r.u16()?);
            self.ending = match kind {
                0 => None,
                1 => Some(Ending::PowerOff { code }),
                2 => Some(Ending::Reset),
                _ => {
                    let why = "no such ending";
                    return Err(Error::Value { field: "ending", value: kind.into(), why });
                }
            };
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(stores: &[(u64, u64)]) -> Finisher {
        let mut f = Finisher::new();
        for &(offset, value) in stores {
            f.write(Instant::ZERO, offset, Width::Word, value);
        }
        f
    }

    #[test]
    fn stores_and_their_endings() {
        for (value, ending) in [
            (0x5555, Some(Ending::PowerOff { code: 0 })),
            (0x0007_3333, Some(Ending::PowerOff { code: 7 })),
            (0x7777, Some(Ending::Reset)),
            (0x1234, None),
        ] {
            let f = after(&[(0, value)]);
            assert_eq!(f.ending(), ending);
            let mut other = Finisher::new();
            vellum_state::from_bytes(&mut other, &vellum_state::to_bytes(&f)).unwrap();
            assert_eq!(other, f);
        }
    }

    #[test]
    fn only_the_register_counts_and_only_once() {
        assert_eq!(after(&[(4, 0x5555)]).ending(), None);
        let f = after(&[(0, 0x7777), (0, 0x5555)]);
        assert_eq!(f.ending(), Some(Ending::Reset));
    }
}
