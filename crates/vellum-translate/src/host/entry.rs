//! One entry of the host table, packed into 64 bits.
//!
//! ```text
//! bits  0..2   kind: 0 hole, 1 frame, 2 absent
//! frame:  2..5 rights (R, W, X)   32..64 frame number
//! absent: 8..16 owner             16..64 the owner's token
//! ```

use crate::{FrameId, Rights};

/// Who owns pages that are not in a frame: a pager source, a packed store, a device. The facade
/// hands these out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(pub u8);

/// What the owner needs to find the page again: 48 bits of its own choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl Token {
    /// A token; `None` for one over 48 bits.
    pub const fn new(token: u64) -> Option<Token> {
        if token >> 48 == 0 { Some(Token(token)) } else { None }
    }

    /// Its value.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What is behind a guest page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostEntry {
    /// Nothing: an access is an access fault.
    Hole,
    /// A frame, and the most that may be done with it.
    Frame {
        /// The frame.
        frame: FrameId,
        /// Rights, before guards and sharing take theirs.
        rights: Rights,
    },
    /// No frame: `owner` knows.
    Absent {
        /// Who to ask.
        owner: OwnerId,
        /// What to ask for.
        token: Token,
    },
}

impl HostEntry {
    /// A page that was never written: the shared zero frame with every right.
    pub const ZERO: HostEntry = HostEntry::Frame { frame: FrameId::ZERO, rights: Rights::all() };

    #[inline]
    pub(super) const fn pack(self) -> u64 {
        match self {
            HostEntry::Hole => 0,
            HostEntry::Frame { frame, rights } => {
                1 | (rights.bits() as u64) << 2 | (frame.index() as u64) << 32
            }
            HostEntry::Absent { owner, token } => 2 | (owner.0 as u64) << 8 | token.0 << 16,
        }
    }

    #[inline]
    pub(super) const fn unpack(bits: u64) -> Self {
        match bits & 3 {
            1 => HostEntry::Frame {
                frame: FrameId::from_index((bits >> 32) as u32),
                rights: Rights::from_bits_truncate((bits >> 2) as u8),
            },
            2 => HostEntry::Absent { owner: OwnerId((bits >> 8) as u8), token: Token(bits >> 16) },
            _ => HostEntry::Hole,
        }
    }
}
