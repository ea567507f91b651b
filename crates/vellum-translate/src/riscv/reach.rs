//! How a walk reaches the entries of its tables: directly, or through a second stage.

use crate::{Fault, FaultKind, Gfn, Gpa, TableMemory};

/// How a walk reaches the entries of its tables.
pub(super) trait Reach {
    /// Why it did not.
    type Error;
    /// Entry `index` of the table whose first page is `table`.
    fn load(&self, table: Gfn, index: u64) -> Result<u64, Self::Error>;
    /// Whether the entry was still `current` and is `new` now.
    fn exchange(&self, at: Gpa, current: u64, new: u64) -> Result<bool, Self::Error>;
    /// The fault that follows; `refused` says what was tried.
    fn fault(refused: Fault, error: Self::Error) -> Fault;
}

/// Physical memory, reached directly.
pub(super) struct Direct<'a, M: ?Sized>(pub &'a M);

impl<M: TableMemory + ?Sized> Reach for Direct<'_, M> {
    type Error = ();

    #[inline(always)]
    fn load(&self, table: Gfn, index: u64) -> Result<u64, ()> {
        self.0.load_in(table, index).ok_or(())
    }

    #[inline]
    fn exchange(&self, at: Gpa, current: u64, new: u64) -> Result<bool, ()> {
        self.0.exchange_entry(at, current, new).ok_or(())
    }

    #[inline]
    fn fault(refused: Fault, (): ()) -> Fault {
        Fault { kind: FaultKind::Access, ..refused }
    }
}
