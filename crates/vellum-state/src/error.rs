//! What can be wrong with saved state.

use thiserror::Error as ThisError;

/// Why a state could not be restored.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The file does not start as a saved state does.
    #[error("not a saved state: the {found} bytes do not start with a state's header")]
    NotAState {
        /// Bytes there were.
        found: usize,
    },
    /// A section of another kind stands here.
    #[error("expected section {}, found {} at byte {at}", show(.expected), show(.found))]
    Tag {
        /// The section asked for.
        expected: [u8; 4],
        /// The section found.
        found: [u8; 4],
        /// Where in the body.
        at: usize,
    },
    /// A version that this build does not know.
    #[error("section {} has version {found}, this build knows {known}", show(.tag))]
    Version {
        /// The section.
        tag: [u8; 4],
        /// Its version.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// The length does not fit what is there.
    #[error("section {} says {said} bytes, found {found}", show(.tag))]
    Length {
        /// The section.
        tag: [u8; 4],
        /// Its stated length.
        said: u64,
        /// What was there, or was read.
        found: u64,
    },
    /// The body does not have the checksum that the header says.
    #[error("checksum is {found:#010x}, the header says {said:#010x}: the file is damaged")]
    Checksum {
        /// In the header.
        said: u32,
        /// Of the body.
        found: u32,
    },
    /// A field was cut off.
    #[error("cut off: a field of {wanted} bytes at byte {at}, {left} left")]
    CutOff {
        /// Bytes asked for.
        wanted: u64,
        /// Where.
        at: usize,
        /// Bytes left.
        left: usize,
    },
    /// A field holds a value that the state can't have.
    #[error("{field} is {value}, which is not possible: {why}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

fn show(tag: &[u8; 4]) -> String {
    tag.escape_ascii().to_string()
}
