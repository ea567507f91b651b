//! What the translation layer refuses, and what it could not keep.

use vellum_nand::{NandError, Ppa};

/// A logical page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lpn(pub u32);

impl core::fmt::Display for Lpn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FtlError {
    /// The chip's shape can't carry this layer.
    #[error("geometry can't carry the layer: {what} is {found}, needs {needed}")]
    Geometry {
        /// What does not fit.
        what: &'static str,
        /// As found.
        found: u64,
        /// The least (or most) that works.
        needed: u64,
    },
    /// More logical pages than the good blocks can carry.
    #[error("{logical} logical pages do not fit: {good} good blocks carry at most {most}")]
    Capacity {
        /// As asked for.
        logical: u64,
        /// Blocks without a marker.
        good: u32,
        /// The most logical pages that work.
        most: u64,
    },
    /// Not even the smallest map fits the RAM.
    #[error("{found} bytes of RAM are too few for this chip, {needed} are needed")]
    Ram {
        /// Bytes given.
        found: usize,
        /// Bytes of the smallest choice.
        needed: usize,
    },
    /// A stream that there is not.
    #[error("stream {found}: there are {streams}, numbered from 0")]
    Stream {
        /// As asked for.
        found: u8,
        /// How many there are.
        streams: u8,
    },
    /// No formatted layer on the chip.
    #[error("no translation layer on this chip: {probed} blocks probed for its anchor")]
    NotFormatted {
        /// Blocks that were looked at.
        probed: u32,
    },
    /// Formatted for another shape.
    #[error("formatted for another geometry: {field} was {found}, the chip has {expected}")]
    OtherGeometry {
        /// The first number that differs.
        field: &'static str,
        /// On the chip.
        found: u64,
        /// The chip's.
        expected: u64,
    },
    /// Formatted by a version that this build does not know.
    #[error("format version {found}, this build knows {known}")]
    Version {
        /// On the chip.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// The anchor stands, but nothing readable hangs on it.
    #[error("no readable metadata after the anchor in block {block}")]
    Damaged {
        /// The anchor's block.
        block: u32,
    },
    /// No such logical page.
    #[error("logical page {lpn} is past the end ({pages} pages)")]
    PastEnd {
        /// The first page that does not exist.
        lpn: u64,
        /// Pages that there are.
        pages: u64,
    },
    /// A buffer is not a page long.
    #[error("buffer of {found} bytes, a page has {expected}")]
    Length {
        /// Bytes given.
        found: usize,
        /// Bytes of a page.
        expected: usize,
    },
    /// An atomic batch that is too long.
    #[error("atomic batch of {found} pages, at most {limit} go together")]
    Batch {
        /// Pages given.
        found: usize,
        /// The most that go.
        limit: usize,
    },
    /// The page's content is gone.
    #[error("logical page {lpn} can't be read: physical page {ppa} is uncorrectable")]
    Unreadable {
        /// The logical page.
        lpn: Lpn,
        /// Where it lies.
        ppa: Ppa,
    },
    /// Too few good blocks are left to write; reading goes on.
    #[error("read only: worn out, {good} good blocks left, {needed} needed")]
    ReadOnly {
        /// Good blocks.
        good: u32,
        /// What writing needs.
        needed: u32,
    },
    /// There is a snapshot already, or none, or no room for what it must keep.
    #[error("snapshot: {0}")]
    Snapshot(&'static str),
    /// The chip failed.
    #[error("chip: {0}")]
    Nand(#[from] NandError),
}
