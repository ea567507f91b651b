//! The clock that knows the date: the Goldfish RTC, as on QEMU's `virt`.
//!
//! Its date is the one at power-on, which comes from the outside, plus virtual time. Registers
//! (Android emulator's `docs/GOLDFISH-VIRTUAL-HARDWARE`): the low half of the time latches the high
//! half; an alarm raises the interrupt once.

use vellum_state::{Error, Reader, State, Writer};

use crate::bus::{MmioDevice, Width};
use crate::clock::Instant;

const TIME_LOW: u64 = 0x00;
const TIME_HIGH: u64 = 0x04;
const ALARM_LOW: u64 = 0x08;
const ALARM_HIGH: u64 = 0x0c;
const IRQ_ENABLED: u64 = 0x10;
const CLEAR_ALARM: u64 = 0x14;
const ALARM_STATUS: u64 = 0x18;
const CLEAR_INTERRUPT: u64 = 0x1c;

/// The clock. All its times are nanoseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rtc {
    /// The date at power-on; a guest can set it anew.
    base: u64,
    /// The high half of the time, as it was when the low half was read.
    latched: u32,
    /// The high half of a date or alarm that is being written.
    high: u32,
    alarm: Option<u64>,
    enabled: bool,
    pending: bool,
}

impl Rtc {
    /// A clock that shows `date` (nanoseconds since 1970) at power-on.
    pub fn new(date: u64) -> Self {
        Rtc { base: date, ..Rtc::default() }
    }

    /// The date at `now`.
    pub fn date(&self, now: Instant) -> u64 {
        self.base.wrapping_add(now.as_ns())
    }

    /// Whether the interrupt line is up.
    pub fn interrupt(&self) -> bool {
        self.pending && self.enabled
    }

    /// When the alarm goes off, if one is set.
    pub fn next_event(&self) -> Option<Instant> {
        self.alarm.map(|at| Instant::from_ns(at.saturating_sub(self.base)))
    }

    /// Sets off an alarm whose time has come.
    pub fn advance(&mut self, now: Instant) {
        if self.alarm.is_some_and(|at| at <= self.date(now)) {
            self.alarm = None;
            self.pending = true;
        }
    }
}

/// All registers are 32 bits wide; other widths read zero and write nothing.
impl MmioDevice for Rtc {
    fn read(&mut self, now: Instant, offset: u64, width: Width) -> u64 {
        if width != Width::Word {
            return 0;
        }
        self.advance(now);
        let alarm = self.alarm.unwrap_or(0);
        match offset {
            TIME_LOW => {
                let date = self.date(now);
                self.latched = (date >> 32) as u32;
                date & 0xffff_ffff
            }
            TIME_HIGH => self.latched.into(),
            ALARM_LOW => alarm & 0xffff_ffff,
            ALARM_HIGH => alarm >> 32,
            IRQ_ENABLED => self.enabled.into(),
            ALARM_STATUS => self.alarm.is_some().into(),
            _ => 0,
        }
    }

    fn write(&mut self, now: Instant, offset: u64, width: Width, value: u64) {
        if width != Width::Word {
            return;
        }
        let whole = u64::from(self.high) << 32 | value;
        match offset {
            TIME_HIGH | ALARM_HIGH => self.high = value as u32,
            TIME_LOW => self.base = whole.wrapping_sub(now.as_ns()),
            ALARM_LOW => self.alarm = Some(whole),
            IRQ_ENABLED => self.enabled = value & 1 == 1,
            CLEAR_ALARM => self.alarm = None,
            CLEAR_INTERRUPT => self.pending = false,
            _ => {}
        }
        self.advance(now);
    }
}

impl State for Rtc {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"GRTC", 1, |w| {
            w.u64(self.base);
            w.u32(self.latched);
            w.u32(self.high);
            w.bool(self.alarm.is_some());
            w.u64(self.alarm.unwrap_or(0));
            w.bool(self.enabled);
            w.bool(self.pending);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"GRTC", 1, |r| {
            (self.base, self.latched, self.high) = (r.u64()?, r.u32()?, r.u32()?);
            let (armed, alarm) = (r.bool()?, r.u64()?);
            self.alarm = armed.then_some(alarm);
            (self.enabled, self.pending) = (r.bool()?, r.bool()?);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: u64 = 0x1234_5678_ffff_fff0;

    fn read(c: &mut Rtc, ns: u64, offset: u64) -> u64 {
        c.read(Instant::from_ns(ns), offset, Width::Word)
    }

    #[test]
    fn the_high_half_belongs_to_the_low_half_read_before() {
        let mut c = Rtc::new(DATE);
        assert_eq!(read(&mut c, 0, TIME_LOW), 0xffff_fff0);
        // The low half has wrapped by now.
        assert_eq!(read(&mut c, 0x20, TIME_HIGH), 0x1234_5678);
        assert_eq!(read(&mut c, 0x20, TIME_LOW), 0x10);
        assert_eq!(read(&mut c, 0x20, TIME_HIGH), 0x1234_5679);
    }

    #[test]
    fn an_alarm_rings_once_at_its_time() {
        let mut c = Rtc::new(DATE);
        let at = DATE + 0x100;
        let now = Instant::ZERO;
        c.write(now, IRQ_ENABLED, Width::Word, 1);
        c.write(now, ALARM_HIGH, Width::Word, at >> 32);
        c.write(now, ALARM_LOW, Width::Word, at & 0xffff_ffff);
        assert_eq!(c.next_event(), Some(Instant::from_ns(0x100)));
        c.advance(Instant::from_ns(0xff));
        assert!(!c.interrupt());
        assert_eq!(read(&mut c, 0xff, ALARM_STATUS), 1);
        c.advance(Instant::from_ns(0x100));
        assert!(c.interrupt());
        let mut other = Rtc::new(0);
        vellum_state::from_bytes(&mut other, &vellum_state::to_bytes(&c)).unwrap();
        assert_eq!(other, c);
        c.write(Instant::from_ns(0x101), CLEAR_INTERRUPT, Width::Word, 1);
        assert!(!c.interrupt());
        assert_eq!((c.next_event(), read(&mut c, 0x200, ALARM_STATUS)), (None, 0));
    }

    #[test]
    fn a_guest_can_set_the_date() {
        let mut c = Rtc::new(DATE);
        let now = Instant::from_ns(50);
        c.write(now, TIME_HIGH, Width::Word, 7);
        c.write(now, TIME_LOW, Width::Word, 9);
        assert_eq!(c.date(Instant::from_ns(51)), (7 << 32 | 9) + 1);
    }
}
