//! Why an edit was not made. Nothing has changed then.

use super::Attributes;
use crate::{Gfn, Gpa, Gva};

/// An edit that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The pages are not all within the format's reach, or the address is not a page's.
    #[error("{pages} pages from {va} are not within reach of {levels} levels of tables")]
    OutOfReach {
        /// The first page.
        va: Gva,
        /// How many.
        pages: u64,
        /// The format's levels.
        levels: u8,
    },
    /// Something is there already, present or not.
    #[error("{va} is used already, in a table at level {level}")]
    Used {
        /// The first address that is used.
        va: Gva,
        /// Where its entry is.
        level: u8,
    },
    /// The pool has too few frames.
    #[error("{needed} frames for tables are needed, and there are only {found}")]
    OutOfFrames {
        /// Frames that the edit needs.
        needed: u64,
        /// Frames that there were.
        found: u64,
    },
    /// The format has no entry that says that.
    #[error("no entry at level {level} maps {to} with {attributes:?}")]
    Unrepresentable {
        /// The entry's level.
        level: u8,
        /// The target.
        to: Gfn,
        /// What it was to say.
        attributes: Attributes,
    },
    /// An entry leads to a table where no memory is.
    #[error("a table is at {at}, where no memory is")]
    NoMemory {
        /// The entry that was to be read or written.
        at: Gpa,
    },
}
