//! The devices, on their bus.

use crate::bus::{Bus, BusError, MmioDevice, Width};
use crate::clock::Instant;
use crate::finisher::Finisher;
use crate::memory_map::{
    FINISHER, PLIC, RTC, RTC_IRQ, UART, UART_IRQ, VIRTIO_IRQ, VIRTIO_SLOTS, virtio_slot,
};
use crate::plic::Plic;
use crate::rtc::Rtc;
use crate::uart::Uart;
use crate::virtio::Slots;
use vellum::{DeviceMemory, VmMemory};
use vellum_replay::{Outside, Stamp};
use vellum_translate::Gpa;

/// Who answers at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Finisher,
    Rtc,
    Plic,
    Uart,
    Virtio(usize),
}

/// All devices of a machine.
#[derive(Debug)]
pub(crate) struct Devices {
    bus: Bus<Who>,
    pub(crate) finisher: Finisher,
    pub(crate) rtc: Rtc,
    pub(crate) plic: Plic,
    pub(crate) uart: Uart,
    pub(crate) virtio: Slots,
}

impl Devices {
    pub(super) fn new(harts: u32, date: u64, virtio: Slots) -> Result<Self, BusError> {
        let mut bus = Bus::new();
        bus.insert(FINISHER, Who::Finisher)?;
        bus.insert(RTC, Who::Rtc)?;
        bus.insert(PLIC, Who::Plic)?;
        bus.insert(UART, Who::Uart)?;
        for slot in 0..VIRTIO_SLOTS {
            bus.insert(virtio_slot(slot), Who::Virtio(slot))?;
        }
        Ok(Devices {
            bus,
            finisher: Finisher::new(),
            rtc: Rtc::new(date),
            plic: Plic::new(harts),
            uart: Uart::new(),
            virtio,
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
            Who::Virtio(slot) => return Ok(self.virtio.read(slot, now, offset, width)),
        };
        Ok(device.read(now, offset, width))
    }

    pub(super) fn write(
        &mut self,
        now: Instant,
        at: Gpa,
        size: u64,
        value: u64,
    ) -> Result<(), BusError> {
        let (who, offset, width) = self.find(at, size)?;
        let value = value & width.mask();
        let device: &mut dyn MmioDevice = match who {
            Who::Finisher => &mut self.finisher,
            Who::Rtc => &mut self.rtc,
            Who::Plic => &mut self.plic,
            Who::Uart => &mut self.uart,
            Who::Virtio(slot) => {
                self.virtio.write(slot, now, offset, width, value);
                return Ok(());
            }
        };
        device.write(now, offset, width, value);
        Ok(())
    }

    /// Lets time-driven devices catch up with virtual time.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        stamp: Stamp,
        memory: &mut VmMemory,
        outside: &mut dyn Outside,
    ) {
        self.rtc.advance(now);
        if self.virtio.is_due(now) {
            let memory = DeviceMemory::new(memory);
            self.virtio.advance(now, stamp, &memory, outside);
        }
    }

    /// When the next device has something to do by itself.
    pub(super) fn next_event(&self) -> Option<Instant> {
        self.rtc.next_event().into_iter().chain(self.virtio.next_event()).min()
    }

    /// The devices' levels, to the PLIC.
    pub(super) fn raise_lines(&mut self) {
        self.plic.set_level(UART_IRQ, self.uart.interrupt());
        self.plic.set_level(RTC_IRQ, self.rtc.interrupt());
        for (slot, &on) in self.virtio.interrupts().iter().enumerate() {
            self.plic.set_level(VIRTIO_IRQ + slot as u32, on);
        }
    }
}
