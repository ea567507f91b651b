//! When to remap and when to copy.

/// What to do with a transfer that would put more pages into flight than may be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum OverQuota {
    /// Copy it: it takes longer and holds nothing.
    #[default]
    Copy,
    /// Refuse it: the caller waits for a completion.
    Refuse,
}

/// The limits that transfers keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whole pages in a row from which on they are remapped; fewer are copied. What is worth it
    /// depends on the space: [`calibrate`](crate::calibrate) measures it.
    pub threshold_pages: usize,
    /// Pages that may be in flight at once.
    pub quota_pages: usize,
    /// What happens to those over it.
    pub over_quota: OverQuota,
    /// Bytes of one transfer at most.
    pub limit_bytes: u64,
}

impl Default for Policy {
    /// Every whole page, 16 MiB in flight (NetBSD's limit for loaned socket memory), 64 MiB a
    /// transfer.
    fn default() -> Self {
        Policy {
            threshold_pages: 1,
            quota_pages: 4096,
            over_quota: OverQuota::Copy,
            limit_bytes: 64 << 20,
        }
    }
}
