//! The names of things: sets of pages, packed objects, sharing domains.

use core::fmt;

/// A set of pages that was handed to a scavenger: one virtual machine, or one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub(crate) u32);

impl SetId {
    /// Its number: sets are counted from 0.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A content that the scavenger keeps: in a frame that several pages share, or packed. What a page
/// whose frame was taken away has instead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub(crate) u32);

impl ObjectId {
    /// The object with this number. Scavengers check it on use.
    pub const fn from_number(number: u32) -> Self {
        ObjectId(number)
    }

    /// Its number, which fits the token of an absent page.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A sharing domain. Pages of two domains are never shared, never compared and never a reference to
/// each other, whatever they hold: their hashes have different keys, and their objects carry the
/// domain. A tenant is a domain.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(pub u8);

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set {}", self.0)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object {}", self.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "domain {}", self.0)
    }
}
