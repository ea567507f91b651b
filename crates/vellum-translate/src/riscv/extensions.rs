//! What an implementation of RISC-V's tables may do beyond the base.

/// The optional extensions that change what an entry means, each as `menvcfg`/`henvcfg` leave it
/// enabled. None of them: [`Extensions::NONE`], the implementation with Svade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extensions {
    /// Svadu with `ADUE` set: the walk sets A and D itself. Without it (Svade) a clear bit faults.
    pub svadu: bool,
    /// Svnapot: bit N makes sixteen neighbours one page of 64 KiB.
    pub svnapot: bool,
    /// Svpbmt with `PBMTE` set: bits 61 and 62 override the memory type.
    pub svpbmt: bool,
    /// Svrsw60t59b: bits 59 and 60 are the software's.
    pub svrsw60t59b: bool,
}

impl Extensions {
    /// The base: every bit from 54 up is reserved, A and D are the software's work.
    pub const NONE: Extensions =
        Extensions { svadu: false, svnapot: false, svpbmt: false, svrsw60t59b: false };

    /// All of them.
    pub const ALL: Extensions =
        Extensions { svadu: true, svnapot: true, svpbmt: true, svrsw60t59b: true };

    /// Bits that must be clear in every valid entry.
    #[inline]
    pub(crate) const fn reserved(self) -> u64 {
        let mut reserved = super::Pte::RESERVED;
        if self.svnapot {
            reserved &= !super::Pte::N;
        }
        if self.svpbmt {
            reserved &= !super::Pte::PBMT;
        }
        if self.svrsw60t59b {
            reserved &= !(3 << 59);
        }
        reserved
    }
}

/// How the memory behind a page behaves (Svpbmt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MemoryType {
    /// As the physical address says.
    #[default]
    Physical,
    /// Not cached, idempotent, weakly ordered: main memory.
    NonCacheable,
    /// Not cached, not idempotent, strongly ordered: a device.
    Io,
}

impl MemoryType {
    /// The type in bits 61 and 62 of an entry; `None` for the reserved encoding 3.
    #[inline]
    pub const fn from_entry(entry: u64) -> Option<MemoryType> {
        match entry >> 61 & 3 {
            0 => Some(MemoryType::Physical),
            1 => Some(MemoryType::NonCacheable),
            2 => Some(MemoryType::Io),
            _ => None,
        }
    }

    /// Its bits in an entry.
    pub const fn bits(self) -> u64 {
        (self as u64) << 61
    }
}
