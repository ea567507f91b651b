//! The guest's tables as shadow tables need them: read, and marked by a walk which notes what it sets.

use crate::host::{Guard, GuardSet, HostTable, TableReader, Withheld};
use crate::{Gfn, Gpa, Rights, TableMemory};
use core::cell::Cell;

/// The guest's tables, read and marked.
pub trait TableStore: TableReader {
    /// Replaces the entry at `index` of the table in this page by `new` if it is still `current`, in
    /// one atomic step: whether it was; `None` where there is no frame. Called only for pages that the
    /// host lets be written, the guard of guest tables aside.
    fn exchange(
        &self,
        host: &HostTable,
        table: Gfn,
        index: usize,
        current: u64,
        new: u64,
    ) -> Option<bool>;
}

#[cfg(feature = "std")]
impl TableStore for vellum_frames::FramePool {
    fn exchange(
        &self,
        host: &HostTable,
        table: Gfn,
        index: usize,
        current: u64,
        new: u64,
    ) -> Option<bool> {
        match host.get(table) {
            crate::host::HostEntry::Frame { frame, .. } => {
                Some(self.compare_exchange(frame, index * 8, 8, current, new).is_ok())
            }
            _ => None,
        }
    }
}

/// This guard and no other.
pub(super) fn only(guard: Guard) -> Withheld {
    Withheld::Guards(GuardSet::of(guard))
}

/// The guest's tables for one walk, which notes what it sets.
pub(super) struct Marking<'a, M> {
    memory: &'a M,
    host: &'a HostTable,
    guard: Guard,
    /// Entries that were set, with what they are now.
    pub(super) marks: Cell<[Option<(Gpa, u64)>; 5]>,
    /// A table that the host does not let be written.
    pub(super) blocked: Cell<Option<Gfn>>,
}

impl<'a, M> Marking<'a, M> {
    pub(super) fn new(memory: &'a M, host: &'a HostTable, guard: Guard) -> Self {
        Marking { memory, host, guard, marks: Cell::default(), blocked: Cell::default() }
    }
}

impl<M: TableStore> TableMemory for Marking<'_, M> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.memory.entry(self.host, at.gfn(), at.page_offset() / 8)
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let why = self.host.why_withheld(at.gfn(), Rights::WRITE);
        if why != Withheld::Nothing && why != only(self.guard) {
            self.blocked.set(Some(at.gfn()));
            return None;
        }
        let index = at.page_offset() / 8;
        let done = self.memory.exchange(self.host, at.gfn(), index, current, new)?;
        if done {
            let mut marks = self.marks.get();
            // A walk that begins anew may set an entry twice.
            let place = marks.iter().position(|mark| mark.is_none_or(|(was, _)| was == at));
            if let Some(place) = place {
                marks[place] = Some((at, new));
            }
            self.marks.set(marks);
        }
        Some(done)
    }
}
