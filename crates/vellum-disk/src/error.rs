//! What can be wrong with a drive's description.

use std::path::PathBuf;

/// Why a drive could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter file that does not follow the syntax.
    #[error("{file}:{line}: {what}")]
    Syntax {
        /// The file, as it was named.
        file: String,
        /// The line, from 1.
        line: u32,
        /// What is wrong.
        what: String,
    },
    /// A field is missing.
    #[error("{block}: the field `{field}` is missing")]
    Missing {
        /// The block that should have it.
        block: String,
        /// The field.
        field: &'static str,
    },
    /// A field holds what it can't hold.
    #[error("{block}: `{field}` is {value}: {why}")]
    Field {
        /// The block.
        block: String,
        /// The field.
        field: String,
        /// What it holds.
        value: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Fields that contradict each other.
    #[error("geometry: {what} ({found}, expected {expected})")]
    Geometry {
        /// What does not add up.
        what: &'static str,
        /// What was found.
        found: u64,
        /// What it should be.
        expected: u64,
    },
    /// A number that is beyond what any drive has.
    #[error("geometry: {what}: {found}, where 1 to {limit} is expected")]
    Limit {
        /// What the number counts.
        what: &'static str,
        /// What was found.
        found: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
