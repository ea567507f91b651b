//! Every event of a policy, counted where it happens; the same counters for all policies.

/// Events since the policy was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Stores into guest tables that trapped.
    pub table_stores: u64,
    /// Of these, those that let a table go out of step.
    pub loosened: u64,
    /// Tables followed again after they were out of step.
    pub followed_again: u64,
    /// Leaves installed after a hidden or host fault.
    pub fills: u64,
    /// Neighbours of these, filled with them.
    pub prefetched: u64,
    /// Leaves brought up to date in the trap of a store into their guest table.
    pub updates: u64,
    /// Leaves filled at a fence.
    pub refills: u64,
    /// Whole tables compared with the guest's at a fence.
    pub resyncs: u64,
    /// Entries compared at fences.
    pub compared: u64,
    /// Of these, those that had changed.
    pub changed: u64,
    /// Large leaves installed.
    pub large_fills: u64,
    /// Times that a page of the guest was large and the host's frames behind it were no run, so that it
    /// was shadowed in pieces.
    pub large_refused: u64,
    /// Large leaves that were split into pieces.
    pub large_split: u64,
    /// Pieces that became a large leaf.
    pub large_merged: u64,
    /// Shadow pages made.
    pub pages_made: u64,
    /// Shadow pages that went because nothing pointed to them any more, or a device wrote there.
    pub unshadowed: u64,
    /// Shadow pages that went because their guest table was written to as no table is.
    pub flooded: u64,
    /// Leaf tables that were given up to be walked themselves.
    pub switched: u64,
    /// Of these, those that were shadowed again.
    pub switched_back: u64,
    /// Shadow pages that went because there were too many.
    pub reclaimed: u64,
    /// Times that everything was thrown away.
    pub cleared: u64,
    /// Leaves that got the host's new word because the host table changed.
    pub host_invalidations: u64,
    /// Loads of `satp` whose root still had its shadow.
    pub roots_found: u64,
    /// Loads of `satp` whose root had none.
    pub roots_missed: u64,
    /// Entries of a virtual TLB that another took the place of.
    pub evicted: u64,
    /// Large leaves now.
    pub large_pages: u64,
    /// Shadow pages now.
    pub pages: u64,
    /// The most shadow pages there were.
    pub peak_pages: u64,
}

impl Counters {
    /// The most bytes of shadow pages there were.
    pub const fn peak_bytes(&self) -> u64 {
        self.peak_pages * super::PAGE_BYTES
    }

    /// The events of both; the pages and large leaves that there are now are `other`'s.
    pub fn plus(&self, other: &Counters) -> Counters {
        Counters {
            table_stores: self.table_stores + other.table_stores,
            loosened: self.loosened + other.loosened,
            followed_again: self.followed_again + other.followed_again,
            fills: self.fills + other.fills,
            prefetched: self.prefetched + other.prefetched,
            updates: self.updates + other.updates,
            refills: self.refills + other.refills,
            resyncs: self.resyncs + other.resyncs,
            compared: self.compared + other.compared,
            changed: self.changed + other.changed,
            large_fills: self.large_fills + other.large_fills,
            large_refused: self.large_refused + other.large_refused,
            large_split: self.large_split + other.large_split,
            large_merged: self.large_merged + other.large_merged,
            large_pages: other.large_pages,
            pages_made: self.pages_made + other.pages_made,
            unshadowed: self.unshadowed + other.unshadowed,
            flooded: self.flooded + other.flooded,
            switched: self.switched + other.switched,
            switched_back: self.switched_back + other.switched_back,
            reclaimed: self.reclaimed + other.reclaimed,
            cleared: self.cleared + other.cleared,
            host_invalidations: self.host_invalidations + other.host_invalidations,
            roots_found: self.roots_found + other.roots_found,
            roots_missed: self.roots_missed + other.roots_missed,
            evicted: self.evicted + other.evicted,
            pages: other.pages,
            peak_pages: self.peak_pages.max(other.peak_pages),
        }
    }
}
