//! Where things are. The same places as on QEMU's `virt` board, so that one guest runs on both.

use vellum_translate::Gpa;

/// First byte of memory.
pub const RAM_BASE: Gpa = Gpa::new(0x8000_0000);
/// The finisher: power off and reset by one store.
pub const FINISHER: Range = Range::new(0x0010_0000, 0x1000);
/// The clock that knows the date.
pub const RTC: Range = Range::new(0x0010_1000, 0x1000);
/// The interrupt controller.
pub const PLIC: Range = Range::new(0x0c00_0000, 0x60_0000);
/// The console.
pub const UART: Range = Range::new(0x1000_0000, 0x100);
/// The first virtio slot.
pub const VIRTIO: Range = Range::new(0x1000_1000, 0x1000);
/// Number of virtio slots, one behind the other.
pub const VIRTIO_SLOTS: usize = 8;

/// Interrupt of the first virtio slot; slot `i` has this plus `i`.
pub const VIRTIO_IRQ: u32 = 1;
/// The console's interrupt.
pub const UART_IRQ: u32 = 10;
/// The clock's interrupt.
pub const RTC_IRQ: u32 = 11;

/// Ticks of the `time` CSR in a second.
pub const TIMEBASE_HZ: u64 = 10_000_000;
/// Nanoseconds of a tick of the `time` CSR.
pub const NS_PER_TICK: u64 = 1_000_000_000 / TIMEBASE_HZ;

const _: () = assert!(VIRTIO_IRQ + VIRTIO_SLOTS as u32 <= UART_IRQ && UART_IRQ != RTC_IRQ);
const _: () = assert!(virtio_slot(VIRTIO_SLOTS).base.get() <= RAM_BASE.get());

/// A piece of the guest's physical address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub base: Gpa,
    /// Bytes.
    pub length: u64,
}

impl Range {
    /// `length` bytes from `base` on.
    pub const fn new(base: u64, length: u64) -> Self {
        Range { base: Gpa::new(base), length }
    }

    /// The first byte after it; the last address there is for a range that would end beyond it.
    pub const fn end(self) -> Gpa {
        Gpa::new(self.base.get().saturating_add(self.length))
    }

    /// Whether `length` bytes from `at` on lie in it.
    pub const fn holds(self, at: Gpa, length: u64) -> bool {
        at.get() >= self.base.get()
            && length <= self.length
            && at.get() - self.base.get() <= self.length - length
    }
}

/// The place of a virtio slot.
pub const fn virtio_slot(slot: usize) -> Range {
    Range::new(VIRTIO.base.get() + slot as u64 * VIRTIO.length, VIRTIO.length)
}
