//! The devices, on their bus.

use crate::bus::{Bus, BusError, MmioDevice, Width};
use crate::clock::Instant;
use crate::finisher::Finisher;
use crate::memory_map::{FINISHER, PLIC, RTC, RTC_IRQ, UART, UART_IRQ};
use crate::plic::Plic;
use crate::rtc::Rtc;
use crate::uart::Uart;
use vellum::VmMemory;
use vellum_translate::Gpa;

/// Who answers at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Finisher,
    Rtc,
    Plic,
    Uart,
}

/// All devices of a machine.
#[derive(Debug)]
pub(crate) struct Devices {
    bus: Bus<Who>,
    pub(crate) finisher: Finisher,
    pub(crate) rtc: Rtc,
    pub(crate) plic: Plic,
    pub(crate) uart: Uart,
}

impl Devices {
    pub(super) fn new(harts: u32, date: u64) -> Result<Self, BusError> {
        let mut bus = Bus::new();
        bus.insert(FINISHER, Who::Finisher)?;
        bus.insert(RTC, Who::Rtc)?;
        bus.insert(PLIC, Who::Plic)?;
        bus.insert(UART, Who::Uart)?;
        Ok(Devices {
            bus,
            finisher: Finisher::new(),
            rtc: Rtc::new(date),
            plic: Plic::new(harts),
            uart: Uart::new(),
        })
    }

    fn find(&self, at: Gpa, size: u64) -> Result<(Who, u64, Width), BusError> {
        let width = Width::of(size as usize);
        let width = width.ok_or(BusError::Unmapped { address: at, bytes: size })?;
        let (who, offset) = self.bus.find(at, width)?;
        Ok((*who, offset, width))
    }

    pub(super) fn read(&mut self, now: Instant, at: Gpa, size: u64) -> Result<u64, BusError> {
        let (who, offset, width) = self.find(at, size)?;
        let device: &mut dyn MmioDevice = match who {
            Who::Finisher => &mut self.finisher,
            Who::Rtc => &mut self.rtc,
            Who::Plic => &mut self.plic,
            Who::Uart => &mut self.uart,
        };
        Ok(device.read(now, offset, width))
    }

    pub(super) fn write(
        &mut self,
        now: Instant,
        at: Gpa,
        size: u64,
        value: u64,
        _memory: &mut VmMemory,
    ) -> Result<(), BusError> {
        let (who, offset, width) = self.find(at, size)?;
        let device: &mut dyn MmioDevice = match who {
            Who::Finisher => &mut self.finisher,
            Who::Rtc => &mut self.rtc,
            Who::Plic => &mut self.plic,
            Who::Uart => &mut self.uart,
        };
        device.write(now, offset, width, value & width.mask());
        Ok(())
    }

    /// Lets time-driven devices catch up with virtual time.
    pub(super) fn advance(&mut self, now: Instant, _memory: &mut VmMemory) {
        self.rtc.advance(now);
    }

    /// When the next device has something to do by itself.
    pub(super) fn next_event(&self) -> Option<Instant> {
        self.rtc.next_event()
    }

    /// The devices' levels, to the PLIC.
    pub(super) fn raise_lines(&mut self) {
        self.plic.set_level(UART_IRQ, self.uart.interrupt());
        self.plic.set_level(RTC_IRQ, self.rtc.interrupt());
    }
}
