//! The guest's physical memory as walks and policies read tables in it.

use crate::PageSource;
use crate::pager::{GuestPager, PAGER};
use core::cell::Cell;
use vellum_frames::{FramePool, PAGE_SIZE};
use vellum_translate::host::{HostEntry, HostTable, TableReader};
use vellum_translate::riscv::TableMemory;
use vellum_translate::{Gfn, Gpa};

/// As walks see it. A table that is in no frame stops them; it is brought, and they begin again.
pub(crate) struct View<'a> {
    pub(crate) host: &'a HostTable,
    pub(crate) pool: &'a FramePool,
    /// Loads of the host table that the walk took: the second dimension.
    pub(crate) references: Cell<u64>,
}

impl TableMemory for View<'_> {
    #[inline]
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        let mut references = self.references.get();
        let entry = self.host.get_counted(at.gfn(), &mut references);
        self.references.set(references);
        match entry {
            HostEntry::Frame { frame, .. } => Some(self.pool.load(frame, at.page_offset() & !7, 8)),
            _ => None,
        }
    }
}

/// As policies see it: a table that is in no frame is read where it is, so that what is kept of the
/// guest's tables does not depend on where the host keeps them.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    pub(crate) pool: &'a FramePool,
    pub(crate) pager: Option<&'a GuestPager>,
    pub(crate) sources: &'a [Box<dyn PageSource>],
    /// RAM's first page.
    pub(crate) ram: u64,
}

impl Tables<'_> {
    /// The content of an absent page, if its owner can show it.
    #[cold]
    fn peek(&self, host: &HostTable, page: Gfn) -> Option<Box<[u8; PAGE_SIZE]>> {
        let HostEntry::Absent { owner, token } = host.get(page) else { return None };
        let mut bytes = Box::new([0; PAGE_SIZE]);
        let shown = match self.pager {
            Some(pager) if owner == PAGER => pager.peek(page.get() - self.ram, &mut bytes).is_ok(),
            _ => {
                let source =
                    usize::from(owner.0).checked_sub(1).and_then(|at| self.sources.get(at));
                source.is_some_and(|source| source.peek(page, token, &mut bytes))
            }
        };
        shown.then_some(bytes)
    }
}

impl TableReader for Tables<'_> {
    #[inline]
    fn entry(&self, host: &HostTable, table: Gfn, index: usize) -> Option<u64> {
        self.pool.entry(host, table, index).or_else(|| {
            let bytes = self.peek(host, table)?;
            Some(u64::from_le_bytes(*bytes.as_chunks().0.get(index)?))
        })
    }

    fn whole(&self, host: &HostTable, table: Gfn, out: &mut [u64; 512]) -> bool {
        if self.pool.whole(host, table, out) {
            return true;
        }
        let Some(bytes) = self.peek(host, table) else { return false };
        for (entry, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
            *entry = u64::from_le_bytes(*bytes);
        }
        true
    }
}
