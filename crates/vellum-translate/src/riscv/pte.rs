//! A page-table entry.

use super::{Extensions, MemoryType};
use crate::{Access, Gfn, Rights};

/// An entry of an Sv39, Sv48 or Sv57 table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Pte(pub u64);

impl Pte {
    /// Valid.
    pub const V: u64 = 1 << 0;
    /// Readable.
    pub const R: u64 = 1 << 1;
    /// Writable.
    pub const W: u64 = 1 << 2;
    /// Executable.
    pub const X: u64 = 1 << 3;
    /// User.
    pub const U: u64 = 1 << 4;
    /// Global.
    pub const G: u64 = 1 << 5;
    /// Accessed.
    pub const A: u64 = 1 << 6;
    /// Dirty.
    pub const D: u64 = 1 << 7;
    /// Naturally aligned power of two (Svnapot).
    pub const N: u64 = 1 << 63;
    /// Page-based memory type (Svpbmt).
    pub const PBMT: u64 = 3 << 61;
    /// Bits 54 to 63: reserved unless an extension gives them a meaning.
    pub const RESERVED: u64 = 0x3ff << 54;

    /// A leaf for `gfn`.
    pub const fn leaf(gfn: Gfn, flags: u64) -> Pte {
        Pte(gfn.get() << 10 | flags | Pte::V)
    }

    /// A pointer to the table at `gfn`.
    pub const fn table(gfn: Gfn) -> Pte {
        Pte(gfn.get() << 10 | Pte::V)
    }

    /// Whether all of `flags` are set.
    #[inline]
    pub const fn has(self, flags: u64) -> bool {
        self.0 & flags == flags
    }

    /// Step 3 of the specification's algorithm: not valid, W without R, or a reserved bit set.
    #[inline]
    pub const fn is_invalid(self) -> bool {
        !self.has(Pte::V) || self.0 & (Pte::R | Pte::W) == Pte::W || self.0 & Pte::RESERVED != 0
    }

    /// Step 3, with extensions that give bits from 54 up a meaning in leaves.
    #[inline]
    pub const fn is_invalid_with(self, extensions: Extensions) -> bool {
        if !self.has(Pte::V)
            || self.0 & (Pte::R | Pte::W) == Pte::W
            || self.0 & extensions.reserved() != 0
        {
            return true;
        }
        // "In non-leaf PTEs ... must be zeroed": N and PBMT; and PBMT's encoding 3.
        self.0 & (Pte::N | Pte::PBMT) != 0 && (!self.is_leaf() || self.0 & Pte::PBMT == Pte::PBMT)
    }

    /// Step 4: any of R, W and X makes it a leaf.
    #[inline]
    pub const fn is_leaf(self) -> bool {
        self.0 & (Pte::R | Pte::W | Pte::X) != 0
    }

    /// A pointer to a table must have D, A and U clear.
    #[inline]
    pub const fn is_bad_pointer(self) -> bool {
        self.0 & (Pte::D | Pte::A | Pte::U) != 0
    }

    /// The page or table that it names.
    #[inline]
    pub const fn gfn(self) -> Gfn {
        Gfn::new(self.0 << 10 >> 20)
    }

    /// R, W and X.
    #[inline]
    pub const fn rights(self) -> Rights {
        Rights::from_bits_truncate((self.0 >> 1) as u8 & 7)
    }

    /// Whether N is set where it may not be: above level 0, or with another size than 64 KiB.
    #[inline]
    pub const fn is_bad_napot(self, level: u8) -> bool {
        self.has(Pte::N) && (level > 0 || self.gfn().get() & 0xf != 8)
    }

    /// What the entry says about the memory; the reserved encoding counts as no statement.
    #[inline]
    pub const fn memory_type(self) -> MemoryType {
        match MemoryType::from_entry(self.0) {
            Some(memory_type) => memory_type,
            None => MemoryType::Physical,
        }
    }

    /// Which of A and D an access needs and the entry lacks.
    #[inline]
    pub const fn lacks(self, access: Access) -> u64 {
        let needed = match access {
            Access::Store => Pte::A | Pte::D,
            Access::Load | Access::Fetch => Pte::A,
        };
        needed & !self.0
    }

    /// What may be done without setting A or D in it: nothing with A clear, no store with D clear.
    #[inline]
    pub fn rights_now(self) -> Rights {
        if !self.has(Pte::A) {
            Rights::empty()
        } else if !self.has(Pte::D) {
            self.rights() - Rights::WRITE
        } else {
            self.rights()
        }
    }

    /// Whether a leaf at `level` has address bits below its size.
    #[inline]
    pub const fn is_misaligned(self, level: u8) -> bool {
        self.gfn().get() & ((1 << (9 * level as u64)) - 1) != 0
    }
}
