//! The registers of a virtio device (virtio 1.2, section 4.2, version 2), its status (section 2.1)
//! and its features (section 2.2).

use vellum::DeviceMemory;
use vellum_replay::{Outside, Stamp};
use vellum_state::{Error, Reader, State, Writer};
use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER as DRIVER, VIRTIO_CONFIG_S_DRIVER_OK as DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK as FEATURES_OK, VIRTIO_CONFIG_S_NEEDS_RESET as NEEDS_RESET,
    VIRTIO_F_VERSION_1,
};
use virtio_bindings::virtio_mmio as reg;
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};

use super::queue::VirtQueue;
use super::{
    ADVANCE_BYTES, Broken, Counters, GuestDma, Io, MAX_QUEUES, QUEUE_SIZE, Used, VirtioDevice,
};
use crate::bus::{MmioDevice, Width};
use crate::clock::Instant;

/// `virt` in ASCII.
pub(super) const MAGIC: u32 = 0x7472_6976;
/// The version without legacy.
pub(super) const VERSION: u32 = 2;
/// Not a registered vendor; ASCII `VELL`.
pub(super) const VENDOR: u32 = 0x4c4c_4556;

const EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;
/// What the transport offers beside the device's own features.
const COMMON: u64 = 1 << VIRTIO_F_VERSION_1 | 1 << VIRTIO_RING_F_INDIRECT_DESC | EVENT_IDX;
/// The bits of the status that a driver sets.
const DRIVER_BITS: u32 = 0x8f;

/// A device behind registers.
#[derive(Debug)]
pub struct Transport {
    device: Box<dyn VirtioDevice>,
    status: u32,
    /// Which half of the features the registers show.
    device_half: u32,
    driver_half: u32,
    /// What the driver has taken.
    features: u64,
    selected: u32,
    interrupt: u32,
    queues: Vec<VirtQueue>,
    /// The latest instant that the device has seen.
    now: Instant,
    broken: Option<Broken>,
    counters: Counters,
}

impl Transport {
    /// Puts `device` behind registers, as it is after power-on.
    pub fn new(device: Box<dyn VirtioDevice>) -> Self {
        let queues = device.queues().min(MAX_QUEUES);
        Transport {
            device,
            status: 0,
            device_half: 0,
            driver_half: 0,
            features: 0,
            selected: 0,
            interrupt: 0,
            queues: (0..queues).map(|_| VirtQueue::default()).collect(),
            now: Instant::ZERO,
            broken: None,
            counters: Counters::default(),
        }
    }

    /// Whether the interrupt line is up.
    pub fn interrupt(&self) -> bool {
        self.interrupt != 0
    }

    /// What the driver did wrong, if the device needs a reset.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// What it did since the machine was made; not part of its state.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// When the device has something to do; in the past when it can do it at once.
    pub fn next_event(&self) -> Option<Instant> {
        if !self.works() {
            return None;
        }
        if self.serviceable().is_some() { Some(self.now) } else { self.device.next_event() }
    }

    fn works(&self) -> bool {
        self.status & DRIVER_OK != 0 && self.broken.is_none()
    }

    /// A queue with work that the device would take.
    fn serviceable(&self) -> Option<usize> {
        (0..self.queues.len()).find(|&q| self.queues[q].wants_service() && self.device.has_room(q))
    }

    /// What the device moved without copying, and with.
    pub fn transfers(&self) -> vellum::remap::Counters {
        self.device.transfers()
    }

    /// Brings the device to `now`: takes chains that were notified of, and gives back those that
    /// ended. A `now` before an earlier one counts as that one.
    pub fn advance(
        &mut self,
        now: Instant,
        stamp: Stamp,
        memory: &DeviceMemory<'_>,
        outside: &mut dyn Outside,
    ) {
        if !self.works() {
            return;
        }
        self.now = self.now.max(now);
        let dma = GuestDma(memory);
        let mut io = Io { now: self.now, stamp, memory: &dma, outside };
        if let Err(broken) = self.work(&mut io, memory) {
            self.fail(broken);
        }
    }

    fn work(&mut self, io: &mut Io<'_>, memory: &DeviceMemory<'_>) -> Result<(), Broken> {
        let mut used = Vec::new();
        self.device.advance(io, &mut used)?;
        let mut budget = ADVANCE_BYTES;
        while let Some(number) = self.serviceable() {
            let Some(chain) = self.queues[number].pop(number, memory)? else { continue };
            let bytes = chain.readable() + chain.writable();
            self.counters.chains += 1;
            self.counters.bytes_in += chain.readable();
            used.extend(self.device.start(io, number, chain)?);
            // A chain without bytes costs something, too.
            budget = budget.saturating_sub(bytes.max(1 << 10));
            if budget == 0 {
                break;
            }
        }
        self.device.advance(io, &mut used)?;
        for Used { queue, head, written } in used {
            self.counters.bytes_out += u64::from(written);
            if self.queues[queue].push(queue, memory, head, written)? {
                self.raise(reg::VIRTIO_MMIO_INT_VRING);
            }
        }
        Ok(())
    }

    /// The driver broke a rule: the device stops and says so (section 2.1.2).
    fn fail(&mut self, broken: Broken) {
        self.broken = Some(broken);
        self.counters.broken += 1;
        self.device.reset();
        for queue in &mut self.queues {
            *queue = VirtQueue::default();
        }
        self.status |= NEEDS_RESET;
        if self.status & DRIVER_OK != 0 {
            self.raise(reg::VIRTIO_MMIO_INT_CONFIG);
        }
    }

    fn raise(&mut self, cause: u32) {
        self.counters.interrupts += u64::from(self.interrupt == 0);
        self.interrupt |= cause;
    }

    fn offered(&self) -> u64 {
        self.device.features() | COMMON
    }

    fn set_status(&mut self, value: u32) {
        if value == 0 {
            self.reset();
            return;
        }
        // Bits are only ever added; clearing one takes a reset.
        let mut added = value & DRIVER_BITS & !self.status;
        let acceptable =
            self.features & !self.offered() == 0 && self.features >> VIRTIO_F_VERSION_1 & 1 == 1;
        if added & FEATURES_OK != 0 && !(acceptable && (self.status | added) & DRIVER != 0) {
            added &= !FEATURES_OK;
        }
        if added & DRIVER_OK != 0 && (self.status | added) & FEATURES_OK == 0 {
            added &= !DRIVER_OK;
        }
        self.status |= added;
        if added & DRIVER_OK != 0 {
            self.device.activate(self.features);
        }
    }

    fn reset(&mut self) {
        self.device.reset();
        for queue in &mut self.queues {
            *queue = VirtQueue::default();
        }
        (self.status, self.features, self.interrupt) = (0, 0, 0);
        (self.device_half, self.driver_half, self.selected) = (0, 0, 0);
        self.broken = None;
    }

    fn queue(&self) -> Option<&VirtQueue> {
        self.queues.get(self.selected as usize)
    }

    fn read_register(&self, register: u32) -> u32 {
        match register {
            reg::VIRTIO_MMIO_MAGIC_VALUE => MAGIC,
            reg::VIRTIO_MMIO_VERSION => VERSION,
            reg::VIRTIO_MMIO_DEVICE_ID => self.device.id(),
            reg::VIRTIO_MMIO_VENDOR_ID => VENDOR,
            reg::VIRTIO_MMIO_DEVICE_FEATURES => match self.device_half {
                0 => self.offered() as u32,
                1 => (self.offered() >> 32) as u32,
                _ => 0,
            },
            reg::VIRTIO_MMIO_QUEUE_NUM_MAX => self.queue().map_or(0, |_| QUEUE_SIZE.into()),
            reg::VIRTIO_MMIO_QUEUE_READY => self.queue().map_or(0, |q| q.ready().into()),
            reg::VIRTIO_MMIO_INTERRUPT_STATUS => self.interrupt,
            reg::VIRTIO_MMIO_STATUS => self.status,
            // A region of shared memory that is not there has a length of all ones.
            reg::VIRTIO_MMIO_SHM_LEN_LOW | reg::VIRTIO_MMIO_SHM_LEN_HIGH => u32::MAX,
            // The generation, among others: no configuration here changes by itself.
            _ => 0,
        }
    }

    fn write_register(&mut self, register: u32, value: u32) {
        match register {
            reg::VIRTIO_MMIO_DEVICE_FEATURES_SEL => self.device_half = value,
            reg::VIRTIO_MMIO_DRIVER_FEATURES_SEL => self.driver_half = value,
            reg::VIRTIO_MMIO_DRIVER_FEATURES if self.status & FEATURES_OK == 0 => {
                let value = u64::from(value);
                match self.driver_half {
                    0 => self.features = self.features & !0xffff_ffff | value,
                    1 => self.features = self.features & 0xffff_ffff | value << 32,
                    _ => {}
                }
            }
            reg::VIRTIO_MMIO_QUEUE_SEL => self.selected = value,
            reg::VIRTIO_MMIO_QUEUE_NOTIFY => {
                self.counters.notifications += 1;
                if let Some(queue) = self.queues.get_mut(value as usize) {
                    queue.kicked = queue.ready();
                }
            }
            reg::VIRTIO_MMIO_INTERRUPT_ACK => self.interrupt &= !value,
            reg::VIRTIO_MMIO_STATUS => self.set_status(value),
            _ => self.set_up_queue(register, value),
        }
    }

    /// The registers that set up the selected queue. Its place and size are fixed while it is ready.
    fn set_up_queue(&mut self, register: u32, value: u32) {
        let number = self.selected as usize;
        let negotiated = self.status & FEATURES_OK != 0 && self.broken.is_none();
        let Some(queue) = self.queues.get_mut(number) else { return };
        let result = match (register, value) {
            (reg::VIRTIO_MMIO_QUEUE_READY, 0) => queue.disable(number),
            (reg::VIRTIO_MMIO_QUEUE_READY, 1) if negotiated => {
                queue.enable(number, self.features & EVENT_IDX != 0)
            }
            _ => Ok(()),
        };
        if let Err(broken) = result {
            self.fail(broken);
            return;
        }
        if queue.ready() {
            return;
        }
        let low = |old: u64| old & !0xffff_ffff | u64::from(value);
        let high = |old: u64| old & 0xffff_ffff | u64::from(value) << 32;
        match register {
            reg::VIRTIO_MMIO_QUEUE_NUM => {
                if let Some(size) =
                    u16::try_from(value).ok().filter(|s| s.is_power_of_two() && *s <= QUEUE_SIZE)
                {
                    queue.size = size;
                }
            }
            reg::VIRTIO_MMIO_QUEUE_DESC_LOW => queue.desc = low(queue.desc),
            reg::VIRTIO_MMIO_QUEUE_DESC_HIGH => queue.desc = high(queue.desc),
            reg::VIRTIO_MMIO_QUEUE_AVAIL_LOW => queue.avail = low(queue.avail),
            reg::VIRTIO_MMIO_QUEUE_AVAIL_HIGH => queue.avail = high(queue.avail),
            reg::VIRTIO_MMIO_QUEUE_USED_LOW => queue.used = low(queue.used),
            reg::VIRTIO_MMIO_QUEUE_USED_HIGH => queue.used = high(queue.used),
            _ => {}
        }
    }
}

/// Registers are 32 bits wide; the device's configuration is read in any width.
impl MmioDevice for Transport {
    fn read(&mut self, _now: Instant, offset: u64, width: Width) -> u64 {
        let register = offset as u32;
        if register >= reg::VIRTIO_MMIO_CONFIG {
            let mut bytes = [0; 8];
            let offset = u64::from(register - reg::VIRTIO_MMIO_CONFIG);
            self.device.read_config(offset, &mut bytes[..width.bytes() as usize]);
            return u64::from_le_bytes(bytes);
        }
        if width == Width::Word { self.read_register(register).into() } else { 0 }
    }

    /// No device here has configuration that the driver writes.
    fn write(&mut self, _now: Instant, offset: u64, width: Width, value: u64) {
        if width == Width::Word && offset < reg::VIRTIO_MMIO_CONFIG.into() {
            self.write_register(offset as u32, value as u32);
        }
    }
}

/// What was wrong with a driver is not saved, only that the device needs a reset.
impl State for Transport {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"VIRT", 1, |w| {
            w.u32(self.device.id());
            w.u32(self.status);
            for v in [self.device_half, self.driver_half, self.selected, self.interrupt] {
                w.u32(v);
            }
            w.u64(self.features);
            self.now.save(w);
            self.queues.iter().for_each(|q| q.save(w));
            self.device.save(w);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"VIRT", 1, |r| {
            let id = r.u32()?;
            if id != self.device.id() {
                let why = "the machine has another device in this slot";
                return Err(Error::Value { field: "virtio device", value: id.into(), why });
            }
            self.status = r.u32()?;
            (self.device_half, self.driver_half) = (r.u32()?, r.u32()?);
            (self.selected, self.interrupt) = (r.u32()?, r.u32()?);
            self.features = r.u64()?;
            self.now = Instant::restore(r)?;
            self.queues.iter_mut().try_for_each(|q| q.restore(r))?;
            self.device.restore(r)?;
            let needs_reset = self.status & NEEDS_RESET != 0;
            self.broken = needs_reset.then_some(Broken::Available { queue: 0 });
            Ok(())
        })
    }
}
