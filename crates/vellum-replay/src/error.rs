//! What can go wrong when the outside is asked.

use thiserror::Error as ThisError;

/// Why the outside had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The operating system gave no random bytes.
    #[error("the operating system gave {got} of {wanted} random bytes: errno {errno}")]
    Entropy {
        /// Bytes that it gave before it failed.
        got: usize,
        /// Bytes asked for.
        wanted: usize,
        /// What it said.
        errno: i32,
    },
}
