//! A shadow entry, packed into 64 bits.
//!
//! ```text
//! bit  0      leaf          bit 5  points to a shadow page     bit 7  guest allows writing
//! bits 1..4   R, W, X       bit 4  user                        bit 6  global
//! bits 8..32  generation in which W was granted
//! bits 32..64 frame of a leaf, number of a shadow page
//! ```

use crate::{FrameId, Rights};

const LEAF: u64 = 1;
const USER: u64 = 1 << 4;
const LINK: u64 = 1 << 5;
const GLOBAL: u64 = 1 << 6;
const GUEST_WRITABLE: u64 = 1 << 7;
const GENERATION_BITS: u32 = 24;

/// A leaf: what the processor may do, whoever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowLeaf {
    /// The frame.
    pub frame: FrameId,
    /// Guest's rights (A and D considered) and host's rights together.
    pub rights: Rights,
    /// The guest's user bit.
    pub user: bool,
    /// The guest's global bit.
    pub global: bool,
    /// The guest allows writing, whatever the host says.
    pub guest_writable: bool,
}

/// A packed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(pub u64);

impl Entry {
    pub(super) const NONE: Entry = Entry(0);

    pub(super) fn leaf(leaf: ShadowLeaf, generation: u32) -> Entry {
        let generation = u64::from(generation) & ((1 << GENERATION_BITS) - 1);
        let flag = |on: bool, bit: u64| if on { bit } else { 0 };
        Entry(
            LEAF | u64::from(leaf.rights.bits()) << 1
                | flag(leaf.user, USER)
                | flag(leaf.global, GLOBAL)
                | flag(leaf.guest_writable, GUEST_WRITABLE)
                | generation << 8
                | u64::from(leaf.frame.index()) << 32,
        )
    }

    pub(super) const fn link(page: u32) -> Entry {
        Entry(LINK | (page as u64) << 32)
    }

    #[inline]
    pub(super) const fn is_leaf(self) -> bool {
        self.0 & LEAF != 0
    }

    #[inline]
    pub(super) const fn child(self) -> Option<u32> {
        if self.0 & LINK != 0 { Some((self.0 >> 32) as u32) } else { None }
    }

    /// The leaf as it counts in this generation: an older grant to write is void.
    #[inline]
    pub(super) fn as_leaf(self, generation: u32) -> Option<ShadowLeaf> {
        if !self.is_leaf() {
            return None;
        }
        let mut rights = Rights::from_bits_truncate((self.0 >> 1) as u8 & 7);
        if (self.0 >> 8) as u32 & ((1 << GENERATION_BITS) - 1)
            != generation & ((1 << GENERATION_BITS) - 1)
        {
            rights -= Rights::WRITE;
        }
        Some(ShadowLeaf {
            frame: FrameId::from_index((self.0 >> 32) as u32),
            rights,
            user: self.0 & USER != 0,
            global: self.0 & GLOBAL != 0,
            guest_writable: self.0 & GUEST_WRITABLE != 0,
        })
    }

    pub(super) const fn without_write(self) -> Entry {
        Entry(self.0 & !((Rights::WRITE.bits() as u64) << 1))
    }
}
