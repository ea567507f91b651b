//! A shadow entry, packed into 64 bits.
//!
//! ```text
//! bit  0       leaf             bits 7..10  what the guest allows: R, W, X
//! bits 1..4    R, W, X now      bit  10     written by supervisors that heed no such bit alone
//! bit  4       user             bits 11..15 protection key
//! bit  6       global           bits 16..32 generation in which W was granted
//! bit  5       points to a shadow page; with bit 0: to a guest table that is walked itself
//! bits 32..64  frame of a leaf, number of a shadow page, number of the guest table's page
//! ```

use super::format::Said;
use crate::{FrameId, Gfn, Rights};

const LEAF: u64 = 1;
const USER: u64 = 1 << 4;
const LINK: u64 = 1 << 5;
const GLOBAL: u64 = 1 << 6;
const SHIELDED: u64 = 1 << 10;
const KEY_SHIFT: u32 = 11;
const GENERATION_SHIFT: u32 = 16;
const GENERATION_BITS: u32 = 16;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
/// What the guest said: everything but the host's frame, rights and generation.
const GUEST_PART: u64 = LEAF | USER | LINK | GLOBAL | 7 << 7 | SHIELDED | 15 << KEY_SHIFT;

/// How often the part of a generation that an entry holds has begun anew. Grants of another era must
/// be taken out of the entries: their generations come again.
pub(super) const fn era(generation: u64) -> u64 {
    generation >> GENERATION_BITS
}

/// A leaf: what the processor may do, whoever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowLeaf {
    /// The frame.
    pub frame: FrameId,
    /// Guest's rights (A and D considered) and host's rights together. None: the host must be asked.
    pub rights: Rights,
    /// What the guest allows, whatever the host says.
    pub said: Said,
}

/// A packed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(pub u64);

impl ShadowLeaf {
    /// What it says of the page that is so many further on: of a large leaf.
    #[inline]
    pub(super) const fn further(self, pages: u64) -> ShadowLeaf {
        ShadowLeaf { frame: FrameId::from_index(self.frame.index() + pages as u32), ..self }
    }
}

impl Entry {
    pub(super) const NONE: Entry = Entry(0);

    pub(super) fn leaf(leaf: ShadowLeaf, generation: u64) -> Entry {
        Entry(
            Entry::said(leaf.said).0
                | u64::from(leaf.rights.bits()) << 1
                | (generation & GENERATION_MASK) << GENERATION_SHIFT
                | u64::from(leaf.frame.index()) << 32,
        )
    }

    /// A leaf of the guest's word alone.
    pub(super) fn said(said: Said) -> Entry {
        let flag = |on: bool, bit: u64| if on { bit } else { 0 };
        Entry(
            LEAF | flag(said.user, USER)
                | flag(said.global, GLOBAL)
                | flag(said.shielded, SHIELDED)
                | u64::from(said.guest.bits()) << 7
                | u64::from(said.key) << KEY_SHIFT,
        )
    }

    pub(super) const fn link(page: u32) -> Entry {
        Entry(LINK | (page as u64) << 32)
    }

    /// On to a guest table that has no shadow page.
    pub(super) const fn switch(table: Gfn) -> Entry {
        Entry(LEAF | LINK | table.get() << 32)
    }

    #[inline]
    pub(super) const fn is_leaf(self) -> bool {
        self.0 & (LEAF | LINK) == LEAF
    }

    #[inline]
    pub(super) const fn child(self) -> Option<u32> {
        if self.0 & (LEAF | LINK) == LINK { Some((self.0 >> 32) as u32) } else { None }
    }

    #[inline]
    pub(super) const fn table(self) -> Option<Gfn> {
        let switch = LEAF | LINK;
        if self.0 & switch == switch { Some(Gfn::new(self.0 >> 32)) } else { None }
    }

    /// The leaf as it counts in this generation: an older grant to write is void.
    #[inline]
    pub(super) fn as_leaf(self, generation: u64) -> Option<ShadowLeaf> {
        if !self.is_leaf() {
            return None;
        }
        let mut rights = Rights::from_bits_truncate((self.0 >> 1) as u8 & 7);
        if self.0 >> GENERATION_SHIFT & GENERATION_MASK != generation & GENERATION_MASK {
            rights -= Rights::WRITE;
        }
        let said = Said {
            guest: Rights::from_bits_truncate((self.0 >> 7) as u8 & 7),
            user: self.0 & USER != 0,
            global: self.0 & GLOBAL != 0,
            shielded: self.0 & SHIELDED != 0,
            key: (self.0 >> KEY_SHIFT & 15) as u8,
        };
        Some(ShadowLeaf { frame: FrameId::from_index((self.0 >> 32) as u32), rights, said })
    }

    /// Whether a right to write was ever granted in it, in whichever generation.
    pub(super) const fn has_write(self) -> bool {
        self.is_leaf() && self.0 & (Rights::WRITE.bits() as u64) << 1 != 0
    }

    /// Whether the guest said the same of both.
    pub(super) const fn same_guest(self, other: Entry) -> bool {
        self.0 & GUEST_PART == other.0 & GUEST_PART
    }

    /// The same word on the frame that is so many further on: an entry of a large leaf's piece.
    pub(super) const fn further(self, frames: u64) -> Entry {
        Entry(self.0.wrapping_add(frames << 32))
    }

    pub(super) const fn without_write(self) -> Entry {
        Entry(self.0 & !((Rights::WRITE.bits() as u64) << 1))
    }

    /// The guest's word alone.
    pub(super) const fn without_host(self) -> Entry {
        Entry(self.0 & GUEST_PART)
    }

    /// The guest's word, as it is saved.
    pub(super) const fn guest_bits(self) -> u64 {
        self.0 & GUEST_PART
    }

    /// A leaf of the guest's word alone, as it was saved.
    pub(super) const fn from_guest_bits(bits: u64) -> Option<Entry> {
        let leaf = bits & !GUEST_PART == 0 && bits & (LEAF | LINK) == LEAF;
        if leaf { Some(Entry(bits)) } else { None }
    }
}
