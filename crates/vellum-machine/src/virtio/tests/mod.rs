//! A driver of its own against the devices, over Vellum's memory.

mod block;
mod hostile;
mod registers;
mod remap;

use vellum::{Builder, DeviceMemory, VmMemory};
use vellum_replay::{Script, Seeded, Stamp};
use vellum_translate::Gpa;
use virtio_bindings::virtio_mmio as reg;

use super::*;
use crate::bus::Width;
use crate::disk::{self, Disk};
use crate::memory_map::RAM_BASE;

const RAM: u64 = RAM_BASE.get();
const RAM_BYTES: u64 = 1 << 20;
const DESC: u64 = RAM;
const AVAIL: u64 = RAM + 0x1000;
const USED: u64 = RAM + 0x2000;
/// Free for buffers, from here to the end.
const BUFFERS: u64 = RAM + 0x4000;
const SECTORS: u64 = 128;

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
const NEEDS_RESET: u32 = 64;
const VERSION_1: u64 = 1 << 32;
const EVENT_IDX: u64 = 1 << 29;

/// A guest with one device in slot 0 and a driver for its first queue.
struct Guest {
    vm: VmMemory,
    slots: Slots,
    outside: Seeded,
    now: Instant,
    /// Where the driver is in its rings.
    avail: u16,
    seen: u16,
}

fn disk() -> impl Disk {
    disk::in_memory(SECTORS * 512).unwrap()
}

impl Guest {
    fn with(device: impl VirtioDevice + 'static) -> Self {
        let mut slots = Slots::new();
        assert_eq!(slots.plug(Box::new(device)), Some(0));
        Guest {
            vm: Builder::new(RAM_BASE, RAM_BYTES).build().unwrap(),
            slots,
            outside: Seeded::new(7, Script::new()),
            now: Instant::ZERO,
            avail: 0,
            seen: 0,
        }
    }

    fn with_disk() -> Self {
        let mut g = Guest::with(Block::new(Box::new(disk()), "a name that is far too long"));
        let offered = g.offered();
        g.start(offered);
        g
    }

    fn get(&mut self, register: u32) -> u32 {
        self.slots.read(0, self.now, register.into(), Width::Word) as u32
    }

    fn set(&mut self, register: u32, value: u32) {
        self.slots.write(0, self.now, register.into(), Width::Word, value.into());
    }

    fn offered(&mut self) -> u64 {
        self.set(reg::VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
        let low = self.get(reg::VIRTIO_MMIO_DEVICE_FEATURES);
        self.set(reg::VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
        u64::from(self.get(reg::VIRTIO_MMIO_DEVICE_FEATURES)) << 32 | u64::from(low)
    }

    /// Resets the device and brings it to life as a driver does (section 3.1.1).
    fn start(&mut self, features: u64) {
        self.set(reg::VIRTIO_MMIO_STATUS, 0);
        self.set(reg::VIRTIO_MMIO_STATUS, 1);
        self.set(reg::VIRTIO_MMIO_STATUS, 3);
        for half in 0..2 {
            self.set(reg::VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
            self.set(reg::VIRTIO_MMIO_DRIVER_FEATURES, (features >> (32 * half)) as u32);
        }
        self.set(reg::VIRTIO_MMIO_STATUS, 11);
        self.queue(DESC, AVAIL, USED);
        self.set(reg::VIRTIO_MMIO_STATUS, 15);
        for ring in [AVAIL, USED] {
            self.vm.write(Gpa::new(ring), &[0; 0x1000]).unwrap();
        }
        (self.avail, self.seen) = (0, 0);
    }

    fn queue(&mut self, desc: u64, avail: u64, used: u64) {
        self.set(reg::VIRTIO_MMIO_QUEUE_SEL, 0);
        self.set(reg::VIRTIO_MMIO_QUEUE_READY, 0);
        for (low, value) in [
            (reg::VIRTIO_MMIO_QUEUE_DESC_LOW, desc),
            (reg::VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail),
            (reg::VIRTIO_MMIO_QUEUE_USED_LOW, used),
        ] {
            self.set(low, value as u32);
            self.set(low + 4, (value >> 32) as u32);
        }
        self.set(reg::VIRTIO_MMIO_QUEUE_READY, 1);
    }

    fn poke(&mut self, at: u64, bytes: &[u8]) {
        self.vm.write(Gpa::new(at), bytes).unwrap();
    }

    fn peek<const N: usize>(&mut self, at: u64) -> [u8; N] {
        let mut out = [0; N];
        self.vm.read(Gpa::new(at), &mut out).unwrap();
        out
    }

    fn descriptor(&mut self, table: u64, index: u16, at: u64, bytes: u32, flags: u16, next: u16) {
        let mut d = at.to_le_bytes().to_vec();
        d.extend(bytes.to_le_bytes());
        d.extend(flags.to_le_bytes());
        d.extend(next.to_le_bytes());
        self.poke(table + 16 * u64::from(index), &d);
    }

    /// Puts these buffers (address, bytes, writable) into descriptors from 0 on.
    fn chain(&mut self, buffers: &[(u64, u32, bool)]) {
        for (i, &(at, bytes, writable)) in buffers.iter().enumerate() {
            let more = if i + 1 < buffers.len() { NEXT } else { 0 };
            let write = if writable { WRITE } else { 0 };
            self.descriptor(DESC, i as u16, at, bytes, more | write, i as u16 + 1);
        }
    }

    /// Makes a chain available and notifies the device.
    fn offer(&mut self, head: u16) {
        let slot = AVAIL + 4 + 2 * u64::from(self.avail % QUEUE_SIZE);
        self.poke(slot, &head.to_le_bytes());
        self.avail = self.avail.wrapping_add(1);
        self.poke(AVAIL + 2, &self.avail.to_le_bytes());
        self.set(reg::VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    }

    fn advance(&mut self) {
        let memory = DeviceMemory::new(&mut self.vm);
        let stamp = Stamp::new(0, self.now.as_ns());
        self.slots.advance(self.now, stamp, &memory, &mut self.outside);
    }

    /// Lets time pass until the devices have nothing more to do.
    fn settle(&mut self) {
        while let Some(at) = self.slots.next_event() {
            self.now = self.now.max(at);
            self.advance();
        }
    }

    /// The next used chain: its head and length.
    fn used(&mut self) -> Option<(u32, u32)> {
        if u16::from_le_bytes(self.peek(USED + 2)) == self.seen {
            return None;
        }
        let at = USED + 4 + 8 * u64::from(self.seen % QUEUE_SIZE);
        self.seen = self.seen.wrapping_add(1);
        let (head, written) = (self.peek(at), self.peek(at + 4));
        Some((u32::from_le_bytes(head), u32::from_le_bytes(written)))
    }

    fn broken(&mut self) -> Option<Broken> {
        let broken = self.slots.get(0).unwrap().broken();
        let status = self.get(reg::VIRTIO_MMIO_STATUS);
        assert_eq!(broken.is_some(), status & NEEDS_RESET != 0);
        broken
    }
}
