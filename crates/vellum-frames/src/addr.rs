//! Frames and host physical addresses: newtypes, so that a frame number is never taken for a page
//! number of the guest.

/// log2 of the size of a page and a frame.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes of a page and a frame.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Keeps the bits of an address that name its page.
pub const PAGE_MASK: u64 = !(PAGE_SIZE as u64 - 1);

/// A frame of a pool: an index, meaningful only with the pool that handed it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(u32);

impl FrameId {
    /// The frame that every pool keeps full of zeros and nobody writes.
    pub const ZERO: FrameId = FrameId(0);

    /// The frame with this index. Pools check it on use.
    #[inline]
    pub const fn from_index(index: u32) -> Self {
        FrameId(index)
    }

    /// Its index in the pool.
    #[inline]
    pub const fn index(self) -> u32 {
        self.0
    }

    /// Whether it is the shared zero frame.
    #[inline]
    pub const fn is_zero_frame(self) -> bool {
        self.0 == 0
    }

    /// Its first byte's address in the pool.
    #[inline]
    pub const fn base(self) -> Hpa {
        Hpa((self.0 as u64) << PAGE_SHIFT)
    }
}

/// A host physical address: a byte of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hpa(u64);

impl Hpa {
    /// The byte at this offset of the pool.
    pub const fn new(offset: u64) -> Self {
        Hpa(offset)
    }

    /// Offset in the pool.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The frame it lies in.
    pub const fn frame(self) -> FrameId {
        FrameId((self.0 >> PAGE_SHIFT) as u32)
    }
}

impl core::fmt::Display for FrameId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "frame {}", self.0)
    }
}

impl core::fmt::Display for Hpa {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "hpa {:#x}", self.0)
    }
}
