//! Counts of what the memory subsystem did: the cost, where it arises.

/// Events since the machine was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// TLB misses of loads, stores and fetches that came here.
    pub misses: [u64; 3],
    /// Of these, resolved by the shadow tables alone.
    pub shadow_hits: u64,
    /// Misses resolved by the guest's word that the TLB had, the host's having gone: where TLBs are a
    /// part of the machine's state.
    pub recalled: u64,
    /// Hidden faults: the guest's tables and the host table allow it, the shadow had no entry, or
    /// one with too few rights. What shadow paging costs beside the traps of table stores.
    pub hidden_faults: u64,
    /// Host faults: the host table itself had to do something first (a page's first write, a copy,
    /// a page brought). They would be there without shadow tables too.
    pub host_faults: u64,
    /// True faults: the guest's own.
    pub guest_faults: u64,
    /// Entries of guest tables read by walks.
    pub guest_references: u64,
    /// Entries of the policy's own tables read by misses.
    pub shadow_references: u64,
    /// Misses that went on in a guest table which the policy does not shadow, being written too often.
    pub switched_walks: u64,
    /// Entries of the host table read by walks of the second dimension.
    pub host_references: u64,
    /// Pages given a frame of their own on the first write.
    pub zero_pages_filled: u64,
    /// Frames copied because they were shared.
    pub copies_on_write: u64,
    /// Pages brought by their owner.
    pub pages_brought: u64,
    /// Faults that owners of guards resolved.
    pub guard_faults: u64,
    /// Stores to pages that instructions had been decoded from.
    pub code_stores: u64,
    /// Fences that the guest asked for: everything, an address, an ASID, both.
    pub fences: [u64; 4],
    /// Loads of `satp`.
    pub root_loads: u64,
    /// Accesses to devices.
    pub device_accesses: u64,
    /// Pages written by devices, bytes not counted.
    pub device_page_writes: u64,
}

impl Counters {
    /// What the host table had to do for accesses so far.
    pub(crate) fn host_work(&self) -> u64 {
        self.zero_pages_filled + self.copies_on_write + self.pages_brought + self.guard_faults
    }
}
