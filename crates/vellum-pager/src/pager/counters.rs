//! What a pager did.

/// Events since the pager was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Faults on pages that were not there.
    pub missing: u64,
    /// Of these, pages that had been there before.
    pub refaults: u64,
    /// Of these, filled with zeros: nothing was ever stored.
    pub zero_fills: u64,
    /// First writes to pages that were as stored.
    pub write_faults: u64,
    /// Faults on pages that were there after all.
    pub spurious: u64,
    /// Accesses that a rule refused.
    pub refused: u64,
    /// Pages evicted.
    pub evicted: u64,
    /// Of these, without being written: the store had them.
    pub evicted_clean: u64,
    /// Pages written to the store.
    pub pages_written: u64,
    /// Lines of 64 bytes of them that had changed; all 64 of a page where that was not known.
    pub lines_written: u64,
    /// Pages read from the store.
    pub pages_read: u64,
    /// Pages brought before they were asked for.
    pub prefetched: u64,
    /// Of these, used afterwards.
    pub prefetch_used: u64,
    /// Reads that were tried again.
    pub retries: u64,
    /// Pages that could not be brought, or not be written.
    pub store_errors: u64,
    /// Pages whose content somebody else dropped.
    pub removed: u64,
}
