//! What the entries of a range say, changed without losing a bit that a processor sets meanwhile.

use super::memory::entry_at;
use super::{AddressSpace, Attributes, EditError, EditMemory, Flush, Format, Frames, Slot};
use crate::{Gfn, Gva, Rights};

/// What [`AddressSpace::protect`] changes; what is `None` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// The rights.
    pub rights: Option<Rights>,
    /// Whether user mode may.
    pub user: Option<bool>,
    /// The accessed bit.
    pub accessed: Option<bool>,
    /// The dirty bit.
    pub dirty: Option<bool>,
}

impl Change {
    /// These rights.
    pub const fn rights(rights: Rights) -> Change {
        Change { rights: Some(rights), user: None, accessed: None, dirty: None }
    }

    fn apply(self, old: Attributes) -> Attributes {
        Attributes {
            rights: self.rights.unwrap_or(old.rights),
            user: self.user.unwrap_or(old.user),
            accessed: self.accessed.unwrap_or(old.accessed),
            dirty: self.dirty.unwrap_or(old.dirty),
            ..old
        }
    }
}

impl<F: Format, M: EditMemory, A: Frames> AddressSpace<F, M, A> {
    /// Changes what the entries of `pages` pages from `va` on say. Holes stay holes; large pages are
    /// split where the range ends inside one. Costs one exchange an entry, so that no accessed or
    /// dirty bit is lost.
    ///
    /// # Errors
    /// Out of reach, too few frames to split a page, or a format that cannot say it; the entries
    /// before the first of the kind have changed then.
    pub fn protect(&mut self, va: Gva, pages: u64, change: Change) -> Result<Flush, EditError> {
        let mut flush = Flush::default();
        if let Some(rights) = change.rights {
            let mut attributes = Attributes::kernel(rights);
            attributes.user = true;
            let to = Gfn::new(0);
            if self.format.page(0, to, &attributes).is_none() {
                return Err(EditError::Unrepresentable { level: 0, to, attributes });
            }
        }
        let Some(first) = self.cut_out(va, pages, &mut flush)? else { return Ok(flush) };
        let top = self.format.levels() - 1;
        self.change(top, self.root, first, pages, change)?;
        flush.invalidate(va, pages);
        Ok(flush)
    }

    fn change(
        &self,
        level: u8,
        table: Gfn,
        first: u64,
        pages: u64,
        change: Change,
    ) -> Result<(), EditError> {
        self.pieces(level, first, pages, |index, first, pages| {
            let mut entry = self.load(table, index)?;
            let at = entry_at(table, index);
            loop {
                let (to, old) = match self.format.decode(level, index, entry) {
                    Slot::Unused | Slot::Absent(_) => return Ok(()),
                    Slot::Table(below) => {
                        return self.change(level - 1, below, first, pages, change);
                    }
                    Slot::Page(to, old) => (to, old),
                };
                let attributes = change.apply(old);
                let refused = EditError::Unrepresentable { level, to, attributes };
                let alone = self.format.page(level, to, &attributes).ok_or(refused)?;
                // An entry that is one page with its neighbours stays so: only bits below the
                // address change.
                let new = match self.format.contiguous(level, entry) {
                    1 => alone,
                    _ => {
                        let before = self.format.page(level, to, &old).ok_or(refused)?;
                        entry ^ before ^ alone
                    }
                };
                let done = self.memory.exchange_entry(at, entry, new);
                if done.ok_or(EditError::NoMemory { at })? {
                    return Ok(());
                }
                entry = self.load(table, index)?;
            }
        })
    }
}
