//! Guest tables, read through the host table.

#[cfg(feature = "std")]
use super::HostEntry;
use super::HostTable;
use crate::Gfn;
use core::fmt;

/// Entries of a table.
pub const ENTRIES: usize = 512;

/// Reads the guest's tables.
pub trait TableReader: fmt::Debug {
    /// The entry at `index` of the table in this page, in one access; `None` where there is no frame
    /// now.
    fn entry(&self, host: &HostTable, table: Gfn, index: usize) -> Option<u64>;

    /// All entries of a table; whether there is a frame.
    fn whole(&self, host: &HostTable, table: Gfn, out: &mut [u64; ENTRIES]) -> bool;
}

#[cfg(feature = "std")]
impl TableReader for vellum_frames::FramePool {
    #[inline]
    fn entry(&self, host: &HostTable, table: Gfn, index: usize) -> Option<u64> {
        match host.get(table) {
            HostEntry::Frame { frame, .. } => Some(self.load(frame, index * 8, 8)),
            _ => None,
        }
    }

    fn whole(&self, host: &HostTable, table: Gfn, out: &mut [u64; ENTRIES]) -> bool {
        let HostEntry::Frame { frame, .. } = host.get(table) else { return false };
        for (index, entry) in out.iter_mut().enumerate() {
            *entry = self.load(frame, index * 8, 8);
        }
        true
    }
}
