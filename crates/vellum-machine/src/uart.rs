//! The console: a 16550A over `vm-superio`'s register model.
//!
//! The register model raises its interrupts as edges; a 16550's output is a level, which is what the
//! interrupt controller wants. So the level is worked out here, from what the chip's data sheet
//! (National Semiconductor PC16550D, section 8.4 and table IV) calls conditions: data to read, and
//! the transmitter running empty. Bytes go out at once and into a buffer that the machine drains.

use vellum_state::{Error, Reader, State, Writer};
use vm_superio::serial::{NoEvents, SerialState};
use vm_superio::{Serial, Trigger};

use crate::bus::{MmioDevice, Width};
use crate::clock::Instant;

/// Output that is held until the machine drains it, in bytes; what is printed beyond it is lost. The
/// machine drains at each safe point, long before.
pub const OUTPUT_LIMIT: usize = 1 << 20;

const DATA: u8 = 0;
const IER: u8 = 1;
const IIR_FCR: u8 = 2;
const LCR: u8 = 3;
const MCR: u8 = 4;
const LSR: u8 = 5;

const IER_RECEIVED: u8 = 1;
const IER_EMPTY: u8 = 2;
const IIR_NONE: u8 = 0xc1;
const IIR_EMPTY: u8 = 0xc2;
const IIR_RECEIVED: u8 = 0xc4;
const FCR_CLEAR_RECEIVED: u8 = 2;
const LCR_DIVISOR: u8 = 0x80;
const MCR_LOOP: u8 = 0x10;
/// Bytes that the receiver holds.
const FIFO: usize = 64;

/// The register model's edges are not used.
#[derive(Debug)]
struct NoTrigger;

impl Trigger for NoTrigger {
    type E = core::convert::Infallible;
    fn trigger(&self) -> Result<(), Self::E> {
        Ok(())
    }
}

type Model = Serial<NoTrigger, NoEvents, Vec<u8>>;

/// The console's UART.
pub struct Uart {
    model: Model,
    /// The transmitter ran empty, and the guest has not been told yet.
    empty: bool,
    /// The guest's last access was a look at the line status that found nothing to read.
    polled: bool,
    /// It was two such looks in a row, with the interrupt off: the guest waits for a key.
    waiting: bool,
}

impl core::fmt::Debug for Uart {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Uart")
            .field("registers", &self.model.state())
            .field("empty", &self.empty)
            .field("polled", &self.polled)
            .field("waiting", &self.waiting)
            .finish()
    }
}

impl Default for Uart {
    fn default() -> Self {
        Uart::new()
    }
}

impl Uart {
    /// A UART after power-on.
    pub fn new() -> Self {
        let model = Serial::new(NoTrigger, Vec::new());
        Uart { model, empty: false, polled: false, waiting: false }
    }

    /// Whether the interrupt line is up.
    pub fn interrupt(&mut self) -> bool {
        let enabled = self.enabled();
        enabled & IER_RECEIVED != 0 && self.has_data() || enabled & IER_EMPTY != 0 && self.empty
    }

    /// How many bytes of input the guest is ready for. None while it neither takes receive
    /// interrupts nor looks for a key again and again: what was typed ahead then waits outside,
    /// and a driver that clears the receiver as it starts loses nothing.
    pub fn wanted(&mut self) -> usize {
        let listens = self.enabled() & IER_RECEIVED != 0 || self.waiting;
        if listens && self.model.read(MCR) & MCR_LOOP == 0 { self.model.fifo_capacity() } else { 0 }
    }

    /// Puts input into the receiver; returns how many bytes fitted.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let fitting = bytes.len().min(self.model.fifo_capacity());
        self.polled = false;
        self.waiting &= fitting == 0;
        self.model.enqueue_raw_bytes(&bytes[..fitting]).unwrap_or(0)
    }

    /// What the guest has printed since the last call; the buffer's storage is kept for more.
    pub fn drain(&mut self, out: &mut Vec<u8>) {
        out.append(self.model.writer_mut());
    }

    fn has_data(&self) -> bool {
        self.model.fifo_capacity() < FIFO
    }

    /// Does `f` with the divisor out of the way, which hides two registers while it is selected.
    fn undivided<T>(&mut self, f: impl FnOnce(&mut Model) -> T) -> T {
        let line = self.model.read(LCR);
        self.set(LCR, line & !LCR_DIVISOR);
        let result = f(&mut self.model);
        self.set(LCR, line);
        result
    }

    /// The interrupt enable register.
    fn enabled(&mut self) -> u8 {
        self.undivided(|model| model.read(IER))
    }

    /// The model's only failures are its trigger's, which has none, and its writer's: memory.
    fn set(&mut self, register: u8, value: u8) {
        let _infallible = self.model.write(register, value);
    }

    fn identify(&mut self) -> u8 {
        let enabled = self.enabled();
        if enabled & IER_RECEIVED != 0 && self.has_data() {
            IIR_RECEIVED
        } else if enabled & IER_EMPTY != 0 && self.empty {
            self.empty = false;
            IIR_EMPTY
        } else {
            IIR_NONE
        }
    }

    fn divisor(&mut self) -> bool {
        self.model.read(LCR) & LCR_DIVISOR != 0
    }
}

/// Registers are bytes; a wider access touches the register at its address only, as on `virt`.
impl MmioDevice for Uart {
    fn read(&mut self, _now: Instant, offset: u64, _width: Width) -> u64 {
        let Ok(register @ 0..8) = u8::try_from(offset) else { return 0 };
        let polled = core::mem::take(&mut self.polled);
        let value = match register {
            IIR_FCR => self.identify(),
            _ => self.model.read(register),
        };
        if register == LSR && !self.has_data() {
            self.polled = true;
            self.waiting |= polled && self.enabled() & IER_RECEIVED == 0;
        }
        value.into()
    }

    fn write(&mut self, _now: Instant, offset: u64, _width: Width, value: u64) {
        let Ok(register @ 0..8) = u8::try_from(offset) else { return };
        let value = value as u8;
        (self.polled, self.waiting) = (false, self.waiting && register == DATA);
        if register == IIR_FCR {
            if value & FCR_CLEAR_RECEIVED != 0 {
                for _ in self.model.fifo_capacity()..FIFO {
                    self.undivided(|model| model.read(DATA));
                }
            }
            return;
        }
        let divisor = self.divisor();
        let before = self.enabled();
        if register != DATA || divisor || self.model.writer().len() < OUTPUT_LIMIT {
            self.set(register, value);
        }
        match register {
            // A byte leaves at once, so the transmitter has run empty again.
            DATA if !divisor => self.empty = true,
            // Enabling the interrupt with the transmitter empty raises it.
            IER if !divisor => self.empty |= value & !before & IER_EMPTY != 0,
            _ => {}
        }
    }
}

impl State for Uart {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"UART", 1, |w| {
            let s = self.model.state();
            for register in [
                s.baud_divisor_low,
                s.baud_divisor_high,
                s.interrupt_enable,
                s.interrupt_identification,
                s.line_control,
                s.line_status,
                s.modem_control,
                s.modem_status,
                s.scratch,
            ] {
                w.u8(register);
            }
            w.bytes(&s.in_buffer);
            w.bytes(self.model.writer());
            w.bool(self.empty);
            w.bool(self.polled);
            w.bool(self.waiting);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"UART", 1, |r| {
            let state = SerialState {
                baud_divisor_low: r.u8()?,
                baud_divisor_high: r.u8()?,
                interrupt_enable: r.u8()?,
                interrupt_identification: r.u8()?,
                line_control: r.u8()?,
                line_status: r.u8()?,
                modem_control: r.u8()?,
                modem_status: r.u8()?,
                scratch: r.u8()?,
                in_buffer: r.bytes(FIFO)?.to_vec(),
            };
            let output = r.bytes(OUTPUT_LIMIT)?.to_vec();
            self.model = Serial::from_state(&state, NoTrigger, NoEvents, output).map_err(|_| {
                let why = "more input than the receiver holds";
                Error::Value { field: "input", value: state.in_buffer.len() as u64, why }
            })?;
            (self.empty, self.polled, self.waiting) = (r.bool()?, r.bool()?, r.bool()?);
            Ok(())
        })
    }
}

#[cfg(test)]
#[path = "uart_tests.rs"]
mod tests;
