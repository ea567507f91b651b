//! Where things are. The same places as on QEMU's `virt` board, so that one guest runs on both.

/// First byte of memory.
pub const RAM_BASE: u64 = 0x8000_0000;
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
const _: () = assert!(VIRTIO.base + VIRTIO_SLOTS as u64 * VIRTIO.length <= RAM_BASE);

/// A piece of the guest's physical address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub length: u64,
}

impl Range {
    /// `length` bytes from `base` on.
    pub const fn new(base: u64, length: u64) -> Self {
        Range { base, length }
    }

    /// The first byte after it.
    pub const fn end(self) -> u64 {
        self.base + self.length
    }
}

/// The place of a virtio slot.
pub const fn virtio_slot(slot: usize) -> Range {
    Range::new(VIRTIO.base + slot as u64 * VIRTIO.length, VIRTIO.length)
}
