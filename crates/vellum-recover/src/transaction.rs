//! Transactions: declare ranges, change them, commit or abort.

#![expect(unsafe_code, reason = "gives out slices of the ranges it holds")]

use crate::error::Error;
use crate::locks::Owner;
use crate::options::{Durability, Restore};
use crate::region::{Inner, ReadGuard, Region};
use crate::store::{Commit, Store};
use std::ops::Range;
use std::sync::Arc;

/// A declared part of a region: nobody else has it until the transaction ends.
#[derive(Debug)]
struct Part {
    region: Arc<Inner>,
    range: Range<u64>,
    /// Where the old bytes are in `undo`.
    undo: usize,
}

/// Changes that become permanent together or not at all. Dropping it aborts it.
#[derive(Debug)]
pub struct Transaction<'a> {
    store: &'a Store,
    owner: Owner,
    restore: Restore,
    parts: Vec<Part>,
    undo: Vec<u8>,
    /// Bytes of the log that were promised to what can't be undone.
    promised: u64,
}

/// Ranges, and bytes of them, that a transaction has room for from its first: one allocation of each
/// in place of four.
const USUAL: (usize, usize) = (8, 1024);

/// Gives the parts back, taking each region's lock once for those that follow each other.
fn release(parts: &[Part]) {
    for run in parts.chunk_by(|one, two| Arc::ptr_eq(&one.region, &two.region)) {
        let mut locks = run[0].region.locks();
        run.iter().for_each(|part| locks.release_exclusive(&part.range));
    }
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(store: &'a Store, owner: Owner, restore: Restore) -> Self {
        Self { store, owner, restore, parts: Vec::new(), undo: Vec::new(), promised: 0 }
    }

    /// Declares that `range` of `region` is about to change, and hands it out for that. Ranges may
    /// overlap earlier ones of the same transaction. Cost: a lock and, with [`Restore::Yes`], a
    /// copy of the bytes that had not been declared before.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another transaction or a reader holds some of it: abort and try
    /// again. [`Error::OutOfRange`], [`Error::Poisoned`], and what loading the bytes may meet. With
    /// [`Restore::No`] also a disk without room for the log: such a transaction could not be refused
    /// later.
    pub fn set_range(&mut self, region: &Region, range: Range<u64>) -> Result<&mut [u8], Error> {
        self.store.alive()?;
        let inner = &region.0;
        self.store.check_mine(region)?;
        inner.check(&range)?;
        inner.load(&range)?;
        if self.restore == Restore::No {
            self.promised += self.store.promise(1, range.end - range.start)?;
        }
        let parts = inner.locks().exclusive(range.clone(), self.owner);
        let Some(parts) = parts else {
            return Err(Error::Conflict { region: inner.entry.name.clone(), asked: range });
        };
        if self.parts.capacity() == 0 {
            self.parts.reserve(USUAL.0);
            if self.restore == Restore::Yes {
                self.undo.reserve(USUAL.1);
            }
        }
        for part in parts {
            let undo = self.undo.len();
            if self.restore == Restore::Yes {
                // SAFETY: the part was just locked for this transaction, which has given out no
                // slice of it yet.
                self.undo.extend_from_slice(unsafe { inner.held(&part) });
            }
            self.parts.push(Part { region: inner.clone(), range: part, undo });
        }
        // SAFETY: this transaction holds all of the range, and the slice borrows the transaction
        // for writing, so no other slice of it exists until this one is gone; the transaction
        // borrows the store, which keeps every region it has opened.
        Ok(unsafe { inner.held_mut(&range) })
    }

    /// The bytes of `range` as this transaction sees them.
    ///
    /// # Errors
    /// As [`Region::read`]; the transaction's own declared ranges don't conflict.
    pub fn read<'t>(
        &'t self,
        region: &'t Region,
        range: Range<u64>,
    ) -> Result<ReadGuard<'t>, Error> {
        ReadGuard::new(&region.0, range, Some(self.owner))
    }

    /// Makes the changes permanent, as far as `durability` says. On a disk that has no room for
    /// another segment of the log the transaction is refused: it is undone as by
    /// [`Transaction::abort`], nothing is written, and the store goes on (see
    /// [`Error::is_disk_full`]). When it fails otherwise, the store is poisoned: memory and medium may
    /// differ.
    ///
    /// # Errors
    /// When there is no room, the log can't be written, or the store is poisoned.
    pub fn commit(mut self, durability: Durability) -> Result<Commit, Error> {
        let store = self.store;
        store.alive()?;
        if store.audits() {
            let declared: Vec<_> =
                self.parts.iter().map(|p| (p.region.entry.id, p.range.clone())).collect();
            store.audit(&declared)?;
        }
        let bytes = self.parts.iter().map(|part| part.range.end - part.range.start).sum();
        let promised = match self.restore {
            Restore::Yes => match store.promise(self.parts.len(), bytes) {
                Ok(promised) => promised,
                Err(error) => {
                    self.undo_all()?;
                    return Err(error);
                }
            },
            Restore::No => std::mem::take(&mut self.promised),
        };
        let parts = std::mem::take(&mut self.parts);
        for part in &parts {
            part.region.note_changed(&part.range);
        }
        let joined = store.hand_in(promised, |batch| {
            for part in &parts {
                // SAFETY: the transaction still holds the part, and no slice of it is left: `self`
                // was moved here.
                let bytes = unsafe { part.region.held(&part.range) };
                batch.add(part.region.entry.id, part.range.start, bytes);
            }
        });
        // With the values in the batch, whoever takes the ranges next comes later in the log.
        release(&parts);
        let ticket = joined?;
        store.note_commit(parts.iter().map(|part| part.range.end - part.range.start));
        let commit = Commit { ticket };
        store.carry_out(&commit, durability)?;
        Ok(commit)
    }

    /// Undoes the changes.
    ///
    /// # Errors
    /// [`Error::NoRestore`] when the transaction was begun without restore and has declared
    /// something; the store is poisoned then.
    pub fn abort(mut self) -> Result<(), Error> {
        self.undo_all()
    }

    fn undo_all(&mut self) -> Result<(), Error> {
        let parts = std::mem::take(&mut self.parts);
        let lost = self.restore == Restore::No && !parts.is_empty();
        for part in &parts {
            if self.restore == Restore::Yes {
                // SAFETY: the transaction holds the part until `release` below, and no
                // slice of it is left, because `self` is borrowed for writing.
                let bytes = unsafe { part.region.held_mut(&part.range) };
                bytes.copy_from_slice(&self.undo[part.undo..part.undo + bytes.len()]);
            }
        }
        release(&parts);
        self.store.note_abort();
        if lost {
            self.store.poison("a transaction without restore was abandoned");
            return Err(Error::NoRestore);
        }
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.store.shared().give_back(std::mem::take(&mut self.promised));
        if !self.parts.is_empty() {
            // Poisoning is all that a drop can do about a transaction without restore.
            let _ = self.undo_all();
        }
    }
}
