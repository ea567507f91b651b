//! The knobs of a store and of its operations.

/// How far a commit goes before it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Durable when it returns. Alone: one write and one flush.
    #[default]
    Flush,
    /// Atomic, and durable with the next flush of any kind; a crash before may lose it.
    NoFlush,
    /// As `NoFlush`, and a flush is begun at once in the background; see
    /// [`Commit::wait`](crate::Commit::wait).
    Async,
}

/// Whether a transaction can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restore {
    /// Old values are kept, so that it can be aborted.
    #[default]
    Yes,
    /// Old values are not kept; the transaction has to be committed. Dropping it otherwise poisons
    /// the store.
    No,
}

/// When the bytes of a region are read from its file and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Load {
    /// Piece by piece, when they are first used.
    #[default]
    Lazy,
    /// All of them when the region is opened.
    Eager,
}

/// Who does what nobody waits for: background flushes, truncation, new segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Background {
    /// A thread of the store's own.
    #[default]
    Thread,
    /// Nobody, until [`Store::tend`](crate::Store::tend) is called: for runs that must repeat.
    Caller,
}

/// The knobs of a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// The log's: segment sizes, encryption, where keys come from.
    pub log: vellum_log::Options,
    /// When regions are read.
    pub load: Load,
    /// Who does the background work.
    pub background: Background,
    /// Bytes in the log at which it is truncated in the background.
    pub truncate_at: u64,
    /// Bytes of `NoFlush` commits held in memory before they are written anyway.
    pub pending_max: usize,
    /// Compare all memory with what was declared, at every commit: costs a copy of each region and
    /// a comparison of it a commit. For finding forgotten `set_range`s of `unsafe` users.
    pub audit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: vellum_log::Options::default(),
            load: Load::default(),
            background: Background::default(),
            truncate_at: 12 << 20,
            pending_max: 1 << 20,
            audit: false,
        }
    }
}
