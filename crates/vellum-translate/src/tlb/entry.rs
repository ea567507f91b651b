//! Entries of a TLB: the guest's word on a page, and with it, as long as it counts, the host's.
//!
//! The guest's word is which guest physical page an address leads to, for whom, and whether the guest
//! allows to write it. The host's is the frame, and which rights nothing withholds just now; it is what
//! a hit needs, and it may go at any moment. Then the entry is *parked*: it hits nothing, but what the
//! guest's tables said when it was filled is still known, so that the next access asks the host alone.
//! So nothing that a host does (paging, sharing, logging) decides which translations a guest that
//! omits a fence goes on to use.

use super::NO_TAG;
use crate::{FrameId, Gfn};

bitflags::bitflags! {
    /// What else is known of a page in the TLB.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct PageFlags: u64 {
        /// The guest's tables map it globally.
        const GLOBAL = 1;
        /// It is a piece of a larger guest page.
        const PIECE = 2;
        /// The guest may store to it, whatever the host withholds.
        const GUEST_WRITABLE = 4;
        /// It is a piece of a guest page of 1 GiB or more.
        const GIANT = 8;
    }
}

/// What a slow path learns from an entry whose tag for the access is missing: the guest's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The guest physical page.
    pub gfn: Gfn,
    /// Flags.
    pub flags: PageFlags,
}

/// A data entry. `host` plus a virtual address of the page is a host pointer; of a parked entry it is
/// the tag.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct DataEntry {
    pub(super) read: u64,
    pub(super) write: u64,
    pub(super) host: u64,
    /// Guest page and flags.
    pub(super) page: u64,
}

impl DataEntry {
    pub(super) const NONE: DataEntry =
        DataEntry { read: NO_TAG, write: NO_TAG, host: NO_TAG, page: 0 };

    /// The guest's word alone.
    pub(super) const fn parked(tag: u64, page: u64) -> DataEntry {
        DataEntry { read: NO_TAG, write: NO_TAG, host: tag, page }
    }

    /// Whose the guest's word is: page and key; no tag if there is none.
    #[inline]
    pub(super) const fn tag(&self) -> u64 {
        if self.read != NO_TAG {
            self.read
        } else if self.write != NO_TAG {
            self.write
        } else {
            self.host
        }
    }

    pub(super) const fn park(&mut self) {
        *self = DataEntry::parked(self.tag(), self.page);
    }

    pub(super) const fn withhold_write(&mut self) {
        if self.read == NO_TAG {
            self.park();
        }
        self.write = NO_TAG;
    }

    pub(super) const fn known(&self) -> Known {
        Known { gfn: Gfn::new(self.page >> 12), flags: PageFlags::from_bits_truncate(self.page) }
    }
}

/// A code entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeEntry {
    /// What a fetch compares; no tag of a parked entry.
    pub(super) hit: u64,
    /// Whose the guest's word is.
    pub(super) tag: u64,
    pub(super) frame: FrameId,
    /// Guest page and flags.
    pub(super) page: u64,
}

impl CodeEntry {
    pub(super) const NONE: CodeEntry =
        CodeEntry { hit: NO_TAG, tag: NO_TAG, frame: FrameId::ZERO, page: 0 };

    pub(super) const fn parked(tag: u64, page: u64) -> CodeEntry {
        CodeEntry { hit: NO_TAG, tag, frame: FrameId::ZERO, page }
    }

    pub(super) const fn known(&self) -> Known {
        Known { gfn: Gfn::new(self.page >> 12), flags: PageFlags::from_bits_truncate(self.page) }
    }
}

/// Guest page and flags in one word.
pub(super) const fn page_word(gfn: Gfn, flags: PageFlags) -> u64 {
    gfn.get() << 12 | flags.bits()
}
