//! What a chip, or its driver, refuses.

use crate::{EraseBlock, Ppa};

/// Why an operation did not happen. An uncorrectable page is no such error: reading it succeeds,
/// and its [`crate::ReadStatus`] says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NandError {
    /// The shape does not fit together.
    #[error("geometry can't work: {field} is {value}")]
    Geometry {
        /// What does not fit.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// No such page.
    #[error("page {ppa} is past the chip's end ({pages} pages)")]
    PastEnd {
        /// The page asked for.
        ppa: Ppa,
        /// Pages that there are.
        pages: u64,
    },
    /// A buffer has another length than the page.
    #[error("buffer of {found} bytes for {what}, which has {expected}")]
    Length {
        /// Which part of a page.
        what: &'static str,
        /// Bytes given.
        found: usize,
        /// Bytes that fit.
        expected: usize,
    },
    /// A program below the block's last programmed page.
    #[error("page {ppa} programmed out of order: the block is at page {next}")]
    Order {
        /// The page.
        ppa: Ppa,
        /// The next page that may be programmed.
        next: u32,
    },
    /// A page programmed more often than the chip allows between erases.
    #[error("page {ppa} was programmed {times} times since its erase, the chip allows {limit}")]
    Reprogrammed {
        /// The page.
        ppa: Ppa,
        /// Programs so far.
        times: u8,
        /// What is allowed.
        limit: u8,
    },
    /// Erase or program of a block that carries a bad-block marker.
    #[error("block {block} is marked bad")]
    BadBlock {
        /// The block.
        block: EraseBlock,
    },
    /// More blocks open for programming than the chip allows.
    #[error("block {block} would be the {open}th open block, the chip allows {limit}")]
    OpenBlocks {
        /// The block.
        block: EraseBlock,
        /// Open blocks with it.
        open: u32,
        /// What is allowed.
        limit: u32,
    },
    /// A copy-back between planes or units.
    #[error("copy-back from page {from} to {to}, which is in another plane or unit")]
    CopyBack {
        /// The source.
        from: Ppa,
        /// The target.
        to: Ppa,
    },
    /// The chip reports that the program failed; the page's content is not to be trusted.
    #[error("program of page {ppa} failed")]
    ProgramFailed {
        /// The page.
        ppa: Ppa,
    },
    /// The chip reports that the erase failed.
    #[error("erase of block {block} failed")]
    EraseFailed {
        /// The block.
        block: EraseBlock,
    },
    /// The power is off, or went during this operation.
    #[error("the power is off")]
    PowerLost,
    /// The driver does not do this.
    #[error("not supported by this chip: {what}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
    },
    /// The bus failed.
    #[error("bus failed: {what}")]
    Bus {
        /// What failed.
        what: &'static str,
    },
    /// The chip stays busy, or answers with another identity.
    #[error("chip does not answer as expected: {what} is {found:#x}")]
    Chip {
        /// What was asked.
        what: &'static str,
        /// The answer.
        found: u32,
    },
}
