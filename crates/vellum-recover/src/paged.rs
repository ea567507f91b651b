//! Regions captured by pages: memory as one `&mut [u8]`, committed as a whole, without `set_range`.
//!
//! This is failure-atomic `msync` (Park, Kelly, Shen; EuroSys 2013): the kernel says which pages
//! were written, they are compared with the region's file, and the bytes that differ go to the log
//! that all regions share. Once they are durable there they are written to the file, unsynced: so
//! the file (in the page cache) is always the last committed state, and no second copy of the
//! region is needed. Truncation syncs the file and lets go of the log.

#![expect(unsafe_code, reason = "the one handle of an exclusively held region")]

use crate::catalog::{REGION_HEADER, region_file};
use crate::error::{Error, io_error};
use crate::memory::PAGE;
use crate::region::Region;
use crate::store::Store;
use crate::track::{Capture, Tracked};
use std::ops::{Deref, DerefMut, Range};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Equal bytes between two changes that are logged along, because a range of its own costs more.
const GAP: usize = 8;

/// A region that is written freely and committed as a whole. The one handle of it.
#[derive(Debug)]
pub struct PagedRegion<'a> {
    store: &'a Store,
    region: Region,
    tracked: Tracked,
    /// Pages that a refused commit had found.
    refused: Vec<Range<u64>>,
}

impl Store {
    /// Opens (or makes) region `name` for capture by pages, in the way that is asked for or the
    /// best that works here. Nobody else can use it meanwhile. Cost: a read of the whole region.
    ///
    /// # Errors
    /// As [`Store::region`]; [`Error::Conflict`] when it is in use.
    pub fn paged_region(
        &self,
        name: &str,
        len: u64,
        capture: Option<Capture>,
    ) -> Result<PagedRegion<'_>, Error> {
        let region = self.region(name, len)?;
        let inner = &region.0;
        inner.load(&(0..len))?;
        let taken = inner.locks().exclusive(0..len, self.owner());
        if taken.as_ref().is_none_or(|parts| parts.len() != 1 || parts[0] != (0..len)) {
            return Err(Error::Conflict { region: name.to_owned(), asked: 0..len });
        }
        let open = || {
            // What was in the log alone goes to the file, which is the last committed state from
            // here on.
            self.truncate()?;
            Tracked::of(inner.memory.clone(), capture)
        };
        match open() {
            Ok(tracked) => {
                inner.written_at_commit.store(true, Ordering::Release);
                self.note_capture(tracked.capture());
                Ok(PagedRegion { store: self, region, tracked, refused: Vec::new() })
            }
            Err(error) => {
                inner.locks().release_exclusive(&(0..len));
                Err(error)
            }
        }
    }
}

impl PagedRegion<'_> {
    /// How changed pages are found.
    pub fn capture(&self) -> Capture {
        self.tracked.capture()
    }

    fn range(&self) -> Range<u64> {
        0..self.region.len()
    }

    /// Makes all changes since the last commit permanent, together. Returns the bytes that differed.
    /// Cost: a read of the written pages from the file (the page cache), one flush, and a write.
    ///
    /// # Errors
    /// When the log can't be written; the store is poisoned then. A disk that has no room for another
    /// segment of the log ([`Error::is_disk_full`]) harms nothing: the memory stays as it is, nothing is
    /// written, and it may be committed later.
    pub fn commit(&mut self) -> Result<u64, Error> {
        self.store.alive()?;
        let dirty = self.take_dirty()?;
        let changes = match self.differences(&dirty) {
            Ok(changes) => changes,
            Err(error) => {
                // The pages are not known to be dirty any more.
                self.store.poison(&error.to_string());
                return Err(error);
            }
        };
        if changes.is_empty() {
            return Ok(0);
        }
        let bytes = changes.iter().map(|change| change.len() as u64).sum();
        let promised = match self.store.promise(changes.len(), bytes) {
            Ok(promised) => promised,
            Err(error) => {
                self.refused = dirty;
                return Err(error);
            }
        };
        let shared = self.store.shared();
        let _gate = shared.gate().read().unwrap_or_else(PoisonError::into_inner);
        let inner = &self.region.0;
        // SAFETY: this handle holds the whole region, and nobody writes while `self` is borrowed.
        let bytes = unsafe { inner.held(&self.range()) };
        let ticket = self.store.hand_in(promised, |batch| {
            for change in &changes {
                batch.add(inner.entry.id, change.start as u64, &bytes[change.clone()]);
            }
        })?;
        shared.make_durable(ticket)?;
        let name = region_file(inner.entry.id);
        for change in &changes {
            let at = REGION_HEADER + change.start as u64;
            if let Err(error) = inner.file.write_at(at, &bytes[change.clone()]) {
                self.store.poison("a region's file could not be written");
                return Err(io_error("write", &inner.place, &name)(error));
            }
        }
        let lengths: Vec<u64> = changes.iter().map(|change| change.len() as u64).collect();
        self.store.note_commit(lengths.iter().copied());
        Ok(lengths.iter().sum())
    }

    /// Undoes all changes since the last commit.
    ///
    /// # Errors
    /// When the region's file can't be read; the store is poisoned then.
    pub fn rollback(&mut self) -> Result<(), Error> {
        let dirty = self.take_dirty()?;
        let (len, name) = (self.region.len(), region_file(self.region.0.entry.id));
        for run in dirty {
            let range = run.start * PAGE as u64..(run.end * PAGE as u64).min(len);
            let inner = &self.region.0;
            // SAFETY: this handle holds the whole region, and `self` is borrowed for writing.
            let bytes = unsafe { inner.held_mut(&range) };
            if let Err(error) = inner.file.read_at(REGION_HEADER + range.start, bytes) {
                self.store.poison("a region could not be rolled back");
                return Err(io_error("read", &inner.place, &name)(error));
            }
        }
        // Rolling back wrote to the pages; they are as committed now.
        self.tracked.take_dirty().map(|_| ())
    }

    /// The pages that may differ from the file's, in runs; they are looked for no more.
    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, Error> {
        let mut runs = self.tracked.take_dirty()?;
        if !self.refused.is_empty() {
            runs.append(&mut self.refused);
            runs.sort_unstable_by_key(|run| run.start);
            // Runs of the two may overlap, and no page is to be counted twice.
            let mut end = 0;
            for run in &mut runs {
                run.start = run.start.max(end);
                end = end.max(run.end);
            }
            runs.retain(|run| run.start < run.end);
        }
        Ok(runs)
    }

    /// The ranges of the dirty pages whose bytes differ from the file's.
    fn differences(&self, dirty: &[Range<u64>]) -> Result<Vec<Range<usize>>, Error> {
        let inner = &self.region.0;
        let name = region_file(inner.entry.id);
        let (mut old, mut changes) = (vec![0; PAGE], Vec::<Range<usize>>::new());
        // SAFETY: this handle holds the whole region, and nobody writes while `self` is borrowed.
        let bytes = unsafe { inner.held(&self.range()) };
        for page in dirty.iter().cloned().flatten() {
            let start = page as usize * PAGE;
            let new = &bytes[start.min(bytes.len())..(start + PAGE).min(bytes.len())];
            let old = &mut old[..new.len()];
            inner.file.read_at(REGION_HEADER + start as u64, old).map_err(io_error(
                "read",
                &inner.place,
                &name,
            ))?;
            let mut at = 0;
            while let Some(off) = new[at..].iter().zip(&old[at..]).position(|(n, o)| n != o) {
                let from = at + off;
                let same = new[from..].iter().zip(&old[from..]).position(|(n, o)| n == o);
                at = same.map_or(new.len(), |len| from + len);
                match changes.last_mut() {
                    Some(last) if start + from <= last.end + GAP => last.end = start + at,
                    _ => changes.push(start + from..start + at),
                }
            }
        }
        Ok(changes)
    }
}

impl Deref for PagedRegion<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: this handle holds the whole region; writing needs it borrowed for writing.
        unsafe { self.region.0.held(&self.range()) }
    }
}

impl DerefMut for PagedRegion<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: this handle holds the whole region and is borrowed for writing.
        unsafe { self.region.0.held_mut(&self.range()) }
    }
}

impl Drop for PagedRegion<'_> {
    fn drop(&mut self) {
        // What was not committed must not be seen by whoever opens the region next. When this
        // fails, it has poisoned the store.
        let _ = self.rollback();
        // Records of this handle are in the file, and later ones will be written by truncation;
        // those two must not be mixed up in one log.
        if self.store.truncate().is_ok() {
            self.region.0.written_at_commit.store(false, Ordering::Release);
        }
        self.region.0.locks().release_exclusive(&self.range());
    }
}
