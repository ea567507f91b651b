//! What can go wrong with a log, with the numbers that were found.

use std::io;

/// An error of the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The medium refused an operation. The log is poisoned if it was a write or a flush.
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
    /// An earlier I/O error made the state of the medium unknown; only opening anew helps.
    #[error("the log is poisoned by an earlier error: {first}")]
    Poisoned {
        /// The error that did it.
        first: String,
    },
    /// Another process (or another handle of this one) has the directory.
    #[error("{place}: already in use by another process")]
    InUse {
        /// The directory.
        place: String,
    },
    /// The file isn't a log segment.
    #[error("{place}: `{name}` is not a log segment: {why}")]
    NotASegment {
        /// The directory.
        place: String,
        /// The file.
        name: String,
        /// What was found instead.
        why: String,
    },
    /// The file is of a format version that is not known.
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
    /// Bytes that had been flushed are not there any more.
    #[error("{place}: `{name}` is corrupt at byte {offset} (frame {frame}): {why}")]
    Corrupt {
        /// The directory.
        place: String,
        /// The file.
        name: String,
        /// Where in the file.
        offset: u64,
        /// The frame expected there, counted from the segment's start.
        frame: u32,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// A segment that must be there is not.
    #[error("{place}: segment of generation {generation} is missing")]
    Missing {
        /// The directory.
        place: String,
        /// The generation that is not there.
        generation: u64,
    },
    /// The options contradict themselves or a limit.
    #[error("{what} is {found}, must be {must}")]
    Option {
        /// The option.
        what: &'static str,
        /// Its value.
        found: u64,
        /// What it has to be.
        must: &'static str,
    },
    /// A frame's index or body is larger than a frame can carry.
    #[error(
        "a frame of {index} index bytes and {body} body bytes is over the limit of {limit} bytes"
    )]
    TooLarge {
        /// Bytes of index.
        index: usize,
        /// Bytes of body.
        body: usize,
        /// What fits.
        limit: usize,
    },
}

/// The errors of the medium, given a place and a name.
pub(crate) fn io_error<'a>(
    what: &'static str,
    place: &'a str,
    name: &'a str,
) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { what, name: name.to_owned(), place: place.to_owned(), source }
}
