//! What can go wrong, with the numbers and names that were found.

use std::io;
use std::ops::Range;

/// An error of a store, a region or a transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log refused: see there.
    #[error(transparent)]
    Log(#[from] vellum_log::Error),
    /// The medium refused an operation.
    #[error("{place}: {what} `{name}` failed")]
    Io {
        /// What was asked of the medium.
        what: &'static str,
        /// The file.
        name: String,
        /// The directory.
        place: String,
        /// What the medium said.
        source: io::Error,
    },
    /// The directory holds something else.
    #[error("{place}: not a store: {found}")]
    NotAStore {
        /// The directory.
        place: String,
        /// What was found instead.
        found: String,
    },
    /// A file is of a format version that is not known.
    #[error("{place}: `{name}` has format version {found}, this program knows {known}")]
    Version {
        /// The directory.
        place: String,
        /// The file.
        name: String,
        /// The version in the file.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// A file doesn't hold what it must.
    #[error("{place}: `{name}` is damaged: {why}")]
    Damaged {
        /// The directory.
        place: String,
        /// The file.
        name: String,
        /// What doesn't fit.
        why: String,
    },
    /// A region exists with another length.
    #[error("{place}: region `{region}` has {found} bytes, {asked} were asked for")]
    RegionLength {
        /// The directory.
        place: String,
        /// The region.
        region: String,
        /// Its length in bytes.
        found: u64,
        /// The length that was asked for.
        asked: u64,
    },
    /// There is no such region.
    #[error("{place}: there is no region `{region}`")]
    NoRegion {
        /// The directory.
        place: String,
        /// The region.
        region: String,
    },
    /// A region's name or length is outside the limits.
    #[error("region `{region}` of {asked} bytes: {must}")]
    RegionLimit {
        /// The region.
        region: String,
        /// The length that was asked for.
        asked: u64,
        /// The limit.
        must: &'static str,
    },
    /// The region is in use in a way that doesn't go together with this one.
    #[error("region `{region}` is open {how}")]
    RegionMode {
        /// The region.
        region: String,
        /// How it is open.
        how: &'static str,
    },
    /// A range reaches past its region's end, or its start lies behind its end.
    #[error("range {}..{} of region `{region}`, which has {length} bytes", asked.start, asked.end)]
    OutOfRange {
        /// The region.
        region: String,
        /// The range in bytes.
        asked: Range<u64>,
        /// The region's length.
        length: u64,
    },
    /// Another transaction has the range, or a reader does. Abort and try again.
    #[error("range {}..{} of region `{region}` is held by another", asked.start, asked.end)]
    Conflict {
        /// The region.
        region: String,
        /// The range in bytes.
        asked: Range<u64>,
    },
    /// An earlier error made memory and medium differ; only opening anew helps.
    #[error("the store is poisoned by an earlier error: {first}")]
    Poisoned {
        /// The error that did it.
        first: String,
    },
    /// A transaction begun without restore can't be undone.
    #[error(
        "the transaction was begun without restore and can't be aborted; the store is poisoned"
    )]
    NoRestore,
    /// The audit found bytes that were changed without being declared.
    #[error(
        "byte {at} of region `{region}` was changed outside of any declared range (nearest declared: {nearest})"
    )]
    Undeclared {
        /// The region.
        region: String,
        /// The first such byte.
        at: u64,
        /// The declared range that is nearest, or "none".
        nearest: String,
    },
    /// The kernel refused something that memory tracking needs.
    #[error("{what} failed")]
    Memory {
        /// What was asked of the kernel.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the transaction may succeed when it is tried again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether it is the medium's word that there is no room, or no more for this user.
    pub fn is_disk_full(&self) -> bool {
        let source = match self {
            Self::Io { source, .. } | Self::Log(vellum_log::Error::Io { source, .. }) => source,
            _ => return false,
        };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// The errors of the medium, given a place and a name.
pub(crate) fn io_error<'a>(
    what: &'static str,
    place: &'a str,
    name: &'a str,
) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { what, name: name.to_owned(), place: place.to_owned(), source }
}
