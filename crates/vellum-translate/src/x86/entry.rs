//! A paging-structure entry.

use crate::Gfn;

/// An entry of a table of any level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Entry(pub u64);

impl Entry {
    /// Present.
    pub const P: u64 = 1 << 0;
    /// Read/write.
    pub const W: u64 = 1 << 1;
    /// User/supervisor.
    pub const U: u64 = 1 << 2;
    /// Page-level write-through.
    pub const PWT: u64 = 1 << 3;
    /// Page-level cache disable.
    pub const PCD: u64 = 1 << 4;
    /// Accessed.
    pub const A: u64 = 1 << 5;
    /// Dirty, in an entry that maps a page.
    pub const D: u64 = 1 << 6;
    /// Page size: the entry maps a page of 2 MiB or 1 GiB. At level 0 the bit is PAT's.
    pub const PS: u64 = 1 << 7;
    /// Global, in an entry that maps a page.
    pub const G: u64 = 1 << 8;
    /// PAT's bit in an entry that maps 4 KiB.
    pub const PAT: u64 = 1 << 7;
    /// PAT's bit in an entry that maps 2 MiB or 1 GiB.
    pub const PAT_LARGE: u64 = 1 << 12;
    /// Execute disable.
    pub const NX: u64 = 1 << 63;
    /// Where the protection key's four bits begin.
    pub const KEY_SHIFT: u32 = 59;
    /// Where an address may be, whatever the processor's width: bits 12 to 51.
    pub const ADDRESS: u64 = ((1 << 52) - 1) & !0xfff;

    /// An entry for `gfn` with these flags.
    pub const fn new(gfn: Gfn, flags: u64) -> Entry {
        Entry(gfn.get() << 12 | flags)
    }

    /// Whether all of `flags` are set.
    #[inline]
    pub const fn has(self, flags: u64) -> bool {
        self.0 & flags == flags
    }

    /// Whether the entry, if present, maps a page when it stands at `level`.
    #[inline]
    pub const fn is_leaf(self, level: u8) -> bool {
        level == 0 || (self.has(Entry::PS) && level <= 2)
    }

    /// The table it names.
    #[inline]
    pub const fn table(self) -> Gfn {
        Gfn::new((self.0 & Entry::ADDRESS) >> 12)
    }

    /// The first 4 KiB page of the page that it maps at `level`; PAT's bit is not of the address.
    #[inline]
    pub const fn page(self, level: u8) -> Gfn {
        let below = (1_u64 << (12 + 9 * level as u32)) - 1;
        Gfn::new((self.0 & Entry::ADDRESS & !below) >> 12)
    }

    /// The protection key.
    #[inline]
    pub const fn key(self) -> u8 {
        (self.0 >> Entry::KEY_SHIFT & 0xf) as u8
    }
}
