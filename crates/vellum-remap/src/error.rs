//! What can go wrong with a transfer.

use crate::Token;
use thiserror::Error as ThisError;

/// What a space refuses.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum SpaceError {
    /// There is no memory.
    #[error("no memory at {at:#x} ({bytes} bytes were asked for)")]
    NoMemory {
        /// The first byte.
        at: u64,
        /// Bytes asked for.
        bytes: u64,
    },
    /// A page whose frame must stay: a device is at it.
    #[error("the page at {at:#x} is pinned")]
    Pinned {
        /// Its first byte.
        at: u64,
    },
    /// Frames that are not of the space's kind: of another pool, another file, another memory.
    #[error("frames from elsewhere can't be put at {at:#x}")]
    Foreign {
        /// The first byte.
        at: u64,
    },
    /// The system below refused.
    #[error("{what} at {at:#x}: {why}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Where.
        at: u64,
        /// Its answer.
        why: String,
    },
}

/// Why a transfer was not begun, or could not be ended as asked.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The space refused.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// A buffer that wraps around the address space.
    #[error("a buffer of {bytes} bytes at {at:#x} ends beyond the address space")]
    Wraps {
        /// Its first byte.
        at: u64,
        /// Its bytes.
        bytes: u64,
    },
    /// More than one transfer may move.
    #[error("a transfer of {bytes} bytes; one moves at most {limit}")]
    TooLarge {
        /// Its bytes.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More pages would be in flight than may be.
    #[error("{pages} pages would be in flight with {flying} others; at most {quota} may")]
    Quota {
        /// Pages of this transfer.
        pages: usize,
        /// Pages in flight.
        flying: usize,
        /// The most.
        quota: usize,
    },
    /// Two lists of different length.
    #[error("{from} bytes can't be given for {to} bytes")]
    Lengths {
        /// Bytes on the giving side.
        from: u64,
        /// Bytes on the taking side.
        to: u64,
    },
    /// No transfer has this token, or it is of the other kind.
    #[error("{0} is not in flight as such")]
    Unknown(Token),
}
