//! What is said of transfers: their names, how each went, and what all did.

use core::fmt;

/// A transfer's name. They ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transfer {}", self.0)
    }
}

/// How a transfer went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// Which.
    pub token: Token,
    /// Bytes that were remapped.
    pub remapped: u64,
    /// Bytes that were copied.
    pub copied: u64,
}

impl Completion {
    /// Whether nothing was remapped: a caller for whom that is the rule had better not ask for it.
    pub const fn was_copied(self) -> bool {
        self.remapped == 0
    }
}

/// Neighbours that ended with the same verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// The first of them.
    pub first: Token,
    /// The last of them.
    pub last: Token,
    /// [`Completion::was_copied`] of all.
    pub copied: bool,
}

/// What transfers did so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Transfers begun.
    pub begun: u64,
    /// Transfers ended, the given-up ones among them.
    pub ended: u64,
    /// Transfers given up.
    pub given_up: u64,
    /// Bytes remapped.
    pub remapped: u64,
    /// Bytes copied.
    pub copied: u64,
    /// Transfers copied because of the quota.
    pub over_quota: u64,
    /// Times that rights and frames were made to take effect everywhere.
    pub published: u64,
}
