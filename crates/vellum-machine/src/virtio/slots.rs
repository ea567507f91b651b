//! The machine's virtio slots: some hold a device, the others say that they are empty.

use vellum::DeviceMemory;
use vellum_replay::{Outside, Stamp};
use vellum_state::{Error, Reader, State, Writer};
use virtio_bindings::virtio_mmio as reg;

use super::transport::{MAGIC, VERSION};
use super::{Transport, VirtioDevice};
use crate::bus::{MmioDevice, Width};
use crate::clock::Instant;
use crate::memory_map::VIRTIO_SLOTS;

/// All slots of a machine.
#[derive(Debug, Default)]
pub struct Slots {
    slots: [Option<Transport>; VIRTIO_SLOTS],
}

impl Slots {
    /// Empty slots.
    pub fn new() -> Self {
        Slots::default()
    }

    /// Puts a device into the first empty slot; which one. `None` when all are taken.
    pub fn plug(&mut self, device: Box<dyn VirtioDevice>) -> Option<usize> {
        let slot = self.slots.iter().position(Option::is_none)?;
        self.slots[slot] = Some(Transport::new(device));
        Some(slot)
    }

    /// Which slots hold a device.
    pub fn taken(&self) -> [bool; VIRTIO_SLOTS] {
        core::array::from_fn(|slot| self.slots[slot].is_some())
    }

    /// The device in a slot.
    pub fn get(&self, slot: usize) -> Option<&Transport> {
        self.slots.get(slot)?.as_ref()
    }

    /// Reads a register of a slot.
    pub fn read(&mut self, slot: usize, now: Instant, offset: u64, width: Width) -> u64 {
        match self.slots.get_mut(slot) {
            Some(Some(transport)) => transport.read(now, offset, width),
            // An empty slot is a device with the number 0 (section 4.2.2).
            _ if width == Width::Word => match offset as u32 {
                reg::VIRTIO_MMIO_MAGIC_VALUE => MAGIC.into(),
                reg::VIRTIO_MMIO_VERSION => VERSION.into(),
                _ => 0,
            },
            _ => 0,
        }
    }

    /// Writes a register of a slot.
    pub fn write(&mut self, slot: usize, now: Instant, offset: u64, width: Width, value: u64) {
        if let Some(Some(transport)) = self.slots.get_mut(slot) {
            transport.write(now, offset, width, value);
        }
    }

    /// When a device has something to do, the earliest of all; in the past when at once.
    pub fn next_event(&self) -> Option<Instant> {
        self.slots.iter().flatten().filter_map(Transport::next_event).min()
    }

    /// Whether [`Slots::advance`] would do anything at `now`: asking is cheaper than lending memory.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next_event().is_some_and(|at| at <= now)
    }

    /// Brings all devices to `now`, in the order of their slots.
    pub fn advance(
        &mut self,
        now: Instant,
        stamp: Stamp,
        memory: &DeviceMemory<'_>,
        outside: &mut dyn Outside,
    ) {
        for transport in self.slots.iter_mut().flatten() {
            transport.advance(now, stamp, memory, outside);
        }
    }

    /// The interrupt lines, by slot.
    pub fn interrupts(&self) -> [bool; VIRTIO_SLOTS] {
        core::array::from_fn(|slot| self.get(slot).is_some_and(Transport::interrupt))
    }
}

impl State for Slots {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"SLOT", 1, |w| {
            for slot in &self.slots {
                w.bool(slot.is_some());
                if let Some(transport) = slot {
                    transport.save(w);
                }
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"SLOT", 1, |r| {
            for (number, slot) in self.slots.iter_mut().enumerate() {
                match (r.bool()?, slot) {
                    (true, Some(transport)) => transport.restore(r)?,
                    (false, None) => {}
                    (true, None) | (false, Some(_)) => {
                        let why = "taken in one machine and empty in the other";
                        return Err(Error::Value { field: "slot", value: number as u64, why });
                    }
                }
            }
            Ok(())
        })
    }
}
