//! A region: a range of memory whose committed content survives.

#![expect(unsafe_code, reason = "gives out slices of mapped memory under range locks")]

use crate::catalog::{Entry, REGION_HEADER, region_file};
use crate::error::{Error, io_error};
use crate::lazy::{CHUNK, Recovered};
use crate::locks::{Owner, RangeLocks};
use crate::memory::{Mapping, PAGE};
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use vellum_log::File;

/// Pages of a chunk: as many as a number of [`Inner::changed`] has bits.
const CHUNK_PAGES: u64 = CHUNK / PAGE as u64;
const _: () = assert!(CHUNK_PAGES == u16::BITS as u64);

/// What is shared by all handles of a region.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) entry: Entry,
    pub(crate) place: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) memory: Arc<Mapping>,
    pub(crate) locks: Mutex<RangeLocks>,
    /// Chunks whose bytes are in memory.
    loaded: Vec<AtomicBool>,
    loading: Mutex<()>,
    /// Pages that were committed to since the last truncation: a bit each, a number for each chunk.
    changed: Vec<AtomicU16>,
    /// The store's; which store a region belongs to is told by it.
    pub(crate) recovered: Arc<RwLock<Recovered>>,
    /// The file is written at each commit (capture by pages), so truncation needn't write it.
    pub(crate) written_at_commit: AtomicBool,
}

/// A handle of a region; clones are the same region.
#[derive(Debug, Clone)]
pub struct Region(pub(crate) Arc<Inner>);

impl Region {
    /// Its name in the store.
    pub fn name(&self) -> &str {
        &self.0.entry.name
    }

    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no region is empty")]
    pub fn len(&self) -> u64 {
        self.0.entry.len
    }

    /// The bytes of `range`, which no transaction can declare while the guard lives. Cost: a lock
    /// and a copy of nothing; the first use of a 64 KiB chunk reads it from its file.
    ///
    /// # Errors
    /// [`Error::Conflict`] while a transaction holds some of the range for writing;
    /// [`Error::OutOfRange`]; and what loading the bytes may meet.
    pub fn read(&self, range: Range<u64>) -> Result<ReadGuard<'_>, Error> {
        ReadGuard::new(&self.0, range, None)
    }
}

/// Bytes of a region that nobody changes as long as this lives.
#[derive(Debug)]
pub struct ReadGuard<'a> {
    region: &'a Inner,
    range: Range<u64>,
}

impl<'a> ReadGuard<'a> {
    pub(crate) fn new(
        region: &'a Inner,
        range: Range<u64>,
        owner: Option<Owner>,
    ) -> Result<Self, Error> {
        region.check(&range)?;
        region.load(&range)?;
        if !region.locks().shared(range.clone(), owner) {
            return Err(Error::Conflict { region: region.entry.name.clone(), asked: range });
        }
        Ok(Self { region, range })
    }
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        self.region.locks().release_shared(&self.range);
    }
}

impl Deref for ReadGuard<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the guard holds the range shared, so no transaction but perhaps the one that made
        // the guard has it, and that one is borrowed by the guard and gives out no `&mut` meanwhile.
        unsafe { self.region.memory.slice(self.range.start as usize..self.range.end as usize) }
    }
}

impl Inner {
    pub(crate) fn new(
        entry: Entry,
        place: String,
        file: Arc<dyn File>,
        recovered: Arc<RwLock<Recovered>>,
    ) -> Result<Self, Error> {
        let memory = Mapping::new(entry.len as usize)
            .map_err(|source| Error::Memory { what: "mapping memory", source })?;
        let memory = Arc::new(memory);
        let chunks = entry.len.div_ceil(CHUNK);
        {
            let index = recovered.read().unwrap_or_else(PoisonError::into_inner);
            if index.reach(entry.id) > entry.len.next_multiple_of(CHUNK) {
                let why = "the log changes bytes past the region's end".to_owned();
                return Err(Error::Damaged { place, name: region_file(entry.id), why });
            }
        }
        let changed = (0..chunks).map(|_| AtomicU16::new(0)).collect();
        let loaded = (0..chunks).map(|_| AtomicBool::new(false)).collect();
        let (locks, loading) = (Mutex::new(RangeLocks::default()), Mutex::new(()));
        let written_at_commit = AtomicBool::new(false);
        Ok(Self {
            entry,
            place,
            file,
            memory,
            locks,
            loaded,
            loading,
            changed,
            recovered,
            written_at_commit,
        })
    }

    pub(crate) fn locks(&self) -> MutexGuard<'_, RangeLocks> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn check(&self, range: &Range<u64>) -> Result<(), Error> {
        if range.start <= range.end && range.end <= self.entry.len {
            return Ok(());
        }
        let (region, asked) = (self.entry.name.clone(), range.clone());
        Err(Error::OutOfRange { region, asked, length: self.entry.len })
    }

    /// Makes sure that the bytes of `range` are in memory.
    pub(crate) fn load(&self, range: &Range<u64>) -> Result<(), Error> {
        for chunk in range.start / CHUNK..range.end.div_ceil(CHUNK) {
            if !self.loaded[chunk as usize].load(Ordering::Acquire) {
                self.load_chunk(chunk)?;
            }
        }
        Ok(())
    }

    /// Notes the pages of `range`, which the caller holds exclusively and is about to commit.
    pub(crate) fn note_changed(&self, range: &Range<u64>) {
        let page = PAGE as u64;
        (range.start / page..range.end.div_ceil(page)).for_each(|page| self.note_page(page));
    }

    /// Notes one page.
    pub(crate) fn note_page(&self, page: u64) {
        let (bits, bit) = (&self.changed[(page / CHUNK_PAGES) as usize], 1 << (page % CHUNK_PAGES));
        // Most are noted already, and a look costs the other threads nothing.
        if bits.load(Ordering::Relaxed) & bit == 0 {
            bits.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// The pages that were noted, in ascending order; they aren't any more.
    pub(crate) fn take_changed(&self) -> Vec<u64> {
        let mut pages = Vec::new();
        for (chunk, bits) in (0..).zip(&self.changed) {
            if bits.load(Ordering::Relaxed) != 0 {
                let bits = bits.swap(0, Ordering::Relaxed);
                let set = (0..CHUNK_PAGES).filter(|page| bits >> page & 1 == 1);
                pages.extend(set.map(|page| chunk * CHUNK_PAGES + page));
            }
        }
        pages
    }

    /// Appends a page to `out` as it was committed; `false` while a transaction holds some of it.
    pub(crate) fn copy_committed(&self, page: u64, out: &mut Vec<u8>) -> bool {
        let start = page * PAGE as u64;
        let range = start..(start + PAGE as u64).min(self.entry.len);
        let locks = self.locks();
        if locks.is_held(&range) {
            return false;
        }
        // SAFETY: nobody holds any of it for writing, and nobody can begin to while the lock table is
        // locked. Its chunk is loaded, because it was declared.
        out.extend_from_slice(unsafe { self.held(&range) });
        true
    }

    fn load_chunk(&self, chunk: u64) -> Result<(), Error> {
        let _turn = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let flag = &self.loaded[chunk as usize];
        if flag.load(Ordering::Acquire) {
            return Ok(());
        }
        let start = chunk * CHUNK;
        let end = (start + CHUNK).min(self.entry.len);
        // SAFETY: nobody has a reference to a chunk that isn't loaded: all accessors load first,
        // the flag is set below, and `loading` keeps other loaders out.
        let bytes = unsafe { self.memory.slice_mut(start as usize..end as usize) };
        let name = region_file(self.entry.id);
        // Held until the log's part is applied, so that truncation can't take it away in between.
        let recovered = self.recovered.read().unwrap_or_else(PoisonError::into_inner);
        self.file.read_at(REGION_HEADER + start, bytes).map_err(io_error(
            "read",
            &self.place,
            &name,
        ))?;
        recovered.apply(self.entry.id, chunk, bytes)?;
        flag.store(true, Ordering::Release);
        Ok(())
    }

    /// The bytes of a range that the caller holds exclusively, for reading.
    ///
    /// # Safety
    /// The caller holds the range's exclusive lock and has given out no `&mut` to it.
    pub(crate) unsafe fn held(&self, range: &Range<u64>) -> &[u8] {
        // SAFETY: by contract nobody else may access the range, and the caller doesn't write.
        unsafe { self.memory.slice(range.start as usize..range.end as usize) }
    }

    /// The bytes of a range that the caller holds exclusively, for writing.
    ///
    /// # Safety
    /// The caller holds the range's exclusive lock, has given out no other reference to it, and
    /// keeps the region alive for `'b`.
    pub(crate) unsafe fn held_mut<'b>(&self, range: &Range<u64>) -> &'b mut [u8] {
        // SAFETY: by contract this is the only reference to the range.
        let bytes = unsafe { self.memory.slice_mut(range.start as usize..range.end as usize) };
        let (base, len) = (bytes.as_mut_ptr(), bytes.len());
        // SAFETY: the same slice for as long as the mapping lives, which is `'b` by contract.
        unsafe { std::slice::from_raw_parts_mut(base, len) }
    }
}
