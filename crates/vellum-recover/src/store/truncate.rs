//! Truncation: what the log says is written to the regions' files, and the log lets go of it.
//!
//! What this life of the store has logged is in memory as well, and is written from there
//! ([`super::changed`]); the log is read again only for what was in it when the store was opened, and for
//! pages that a transaction holds.

use super::commit::describe;
use super::{Shared, Store, lock};
use crate::catalog::{self, Entry, REGION_HEADER, region_file};
use crate::error::{Error, io_error};
use crate::lazy::{Recovered, apply_frame};
use crate::memory::PAGE;
use crate::stats::micros;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use vellum_log::{Bug, File, Segment, is_planted};

/// Most pages that are read and written at once.
const RUN_PAGES: u64 = 64;

/// New bytes of one page; they stand in an arena.
#[derive(Debug, Clone, Copy)]
struct Part {
    region: u32,
    start: u64,
    at: usize,
    len: usize,
}

/// A region's file, as truncation needs it.
pub(super) struct Target {
    pub(super) entry: Entry,
    pub(super) file: Arc<dyn File>,
    /// The file has it already.
    skip: bool,
}

/// How far a truncation came without harm.
pub(super) enum Written {
    All,
    /// Nothing was synced or let go of.
    DiskFull(Error),
}

impl Store {
    /// Empties the log: everything in it is written to the regions' files, and the keys of its
    /// segments are destroyed. Commits go on meanwhile; they wait for no more than the end of a
    /// segment, and for the sync of a mebibyte. Cost: a copy and a write of each page that changed, and
    /// a sync of each file; a read of what a crash left in the log.
    ///
    /// # Errors
    /// When the medium fails, or the store is poisoned. A disk that is full while the regions' files
    /// are written is such an error and harms nothing: the log keeps what it has, commits go on, and a
    /// later truncation does it again. Any other error of the medium poisons the store.
    pub fn truncate(&self) -> Result<(), Error> {
        self.alive()?;
        self.shared.truncate()
    }
}

impl Shared {
    pub(super) fn truncate(&self) -> Result<(), Error> {
        let _turn = lock(&self.truncating);
        let mut result = Ok(Written::All);
        self.truncation.store(true, Ordering::Relaxed);
        let time = micros(|| result = self.truncate_now());
        self.truncation.store(false, Ordering::Relaxed);
        let mut stats = lock(&self.stats);
        match result {
            Ok(Written::All) => {
                stats.truncations += 1;
                stats.truncate_us.add(time);
                self.truncate_from.store(self.options.truncate_at, Ordering::Relaxed);
                Ok(())
            }
            Ok(Written::DiskFull(error)) => {
                // Not again before the log has grown by a quarter of what it is truncated at.
                stats.truncation_failures += 1;
                let more = lock(&self.log).live_bytes() + self.options.truncate_at / 4;
                self.truncate_from.store(more, Ordering::Relaxed);
                Err(error)
            }
            Err(error) => {
                self.group.fail(&describe(&error));
                Err(error)
            }
        }
    }

    fn truncate_now(&self) -> Result<Written, Error> {
        self.flush()?;
        let (segments, full) = {
            // Behind the gate every record of a page capture is in its file as well.
            let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            let mut log = lock(&self.log);
            let full = self.seal(&mut log)?;
            (log.sealed(), full)
        };
        let Some(last) = segments.last().map(|segment| segment.generation()) else {
            return Ok(full.map_or(Written::All, Written::DiskFull));
        };
        let targets = self.targets()?;
        let inherited = segments.partition_point(|s| s.generation() <= self.inherited);
        let (old, new) = segments.split_at(inherited);
        // On a full disk some pages are newer than the log's head says. Replay writes the same to them,
        // and nothing has been let go of.
        if let Written::DiskFull(error) = self.apply_all(old, &targets, None)? {
            return Ok(Written::DiskFull(error));
        }
        if let Written::DiskFull(error) = self.write_changed(new, &targets)? {
            return Ok(Written::DiskFull(error));
        }
        if !is_planted(self.options.log.planted, Bug::SkipDataSync) {
            for target in targets.values() {
                let name = region_file(target.entry.id);
                target.file.sync().map_err(io_error("sync", &self.place, &name))?;
            }
        }
        // The files have it now: nobody needs to look into the log any more.
        *self.recovered.write().unwrap_or_else(PoisonError::into_inner) = Recovered::default();
        let retired = lock(&self.log).release(last);
        let recycled = retired.recycle();
        let mut log = lock(&self.log);
        match recycled {
            Ok(spares) => log.adopt(spares),
            Err(error) => {
                log.poison(&error);
                return Err(error.into());
            }
        }
        Ok(Written::All)
    }

    /// All regions of the catalog, open or not.
    fn targets(&self) -> Result<BTreeMap<u32, Target>, Error> {
        let catalog = lock(&self.catalog).clone();
        let open = lock(&self.regions).clone();
        let mut targets = BTreeMap::new();
        for entry in &catalog.entries {
            let (file, skip) = match open.get(&entry.id) {
                Some(inner) => {
                    (inner.file.clone(), inner.written_at_commit.load(Ordering::Acquire))
                }
                None => (catalog::open_region(&*self.storage, &catalog.id, entry)?, false),
            };
            targets.insert(entry.id, Target { entry: entry.clone(), file, skip });
        }
        Ok(targets)
    }

    /// Writes what segments say, to all pages or to `only` these.
    pub(super) fn apply_all(
        &self,
        segments: &[Arc<Segment>],
        targets: &BTreeMap<u32, Target>,
        only: Option<&BTreeSet<(u32, u64)>>,
    ) -> Result<Written, Error> {
        for segment in segments {
            match self.apply(segment, targets, only) {
                Err(error) if error.is_disk_full() => return Ok(Written::DiskFull(error)),
                other => other?,
            }
        }
        Ok(Written::All)
    }

    /// Writes what a segment says, in runs of neighbouring pages: many small changes cost one read
    /// and one write. Memory: the segment's bodies, an entry for each range, and a run.
    fn apply(
        &self,
        segment: &Segment,
        targets: &BTreeMap<u32, Target>,
        only: Option<&BTreeSet<(u32, u64)>>,
    ) -> Result<(), Error> {
        let (arena, mut parts) = self.parts(segment)?;
        let page_of = |part: &Part| (part.region, part.start / PAGE as u64);
        if let Some(only) = only {
            parts.retain(|part| only.contains(&page_of(part)));
        }
        // Stable, so that later parts of a page stay later.
        parts.sort_by_key(page_of);
        let bytes = |part: &Part| &arena[part.at..part.at + part.len];
        let neighbours = |one: &Part, two: &Part| {
            let ((region, page), (same, next)) = (page_of(one), page_of(two));
            region == same && next - page <= 1 && next / RUN_PAGES == page / RUN_PAGES
        };
        let mut merged = Vec::new();
        for run in parts.chunk_by(neighbours) {
            let first = run[0];
            let target = targets.get(&first.region);
            if run.len() == 1 {
                self.write_back(target, first.region, first.start, bytes(&first))?;
                continue;
            }
            let start = run.iter().map(|part| part.start).min().unwrap_or(0);
            let end = run.iter().map(|part| part.start + part.len as u64).max().unwrap_or(0);
            merged.clear();
            merged.resize((end - start) as usize, 0);
            if let Some(target) = target.filter(|target| end <= target.entry.len) {
                let read = target.file.read_at(REGION_HEADER + start, &mut merged);
                read.map_err(|error| self.region_error("read", first.region, error))?;
            }
            for part in run {
                let at = (part.start - start) as usize;
                merged[at..at + part.len].copy_from_slice(bytes(part));
            }
            self.write_back(target, first.region, start, &merged)?;
        }
        Ok(())
    }

    /// A segment's new bytes, split at pages, in the log's order.
    fn parts(&self, segment: &Segment) -> Result<(Vec<u8>, Vec<Part>), Error> {
        let used = usize::try_from(segment.used()).unwrap_or(0);
        let (mut arena, mut parts) = (Vec::with_capacity(used), Vec::<Part>::new());
        segment.for_each_frame(|index, body, _| {
            let fits = apply_frame(index, body, |region, mut start, mut bytes| {
                while !bytes.is_empty() {
                    let room = (PAGE as u64 - start % PAGE as u64) as usize;
                    let (now, later) = bytes.split_at(room.min(bytes.len()));
                    parts.push(Part { region, start, at: arena.len(), len: now.len() });
                    arena.extend_from_slice(now);
                    start += now.len() as u64;
                    bytes = later;
                }
            });
            if fits {
                return Ok(());
            }
            let why = "a frame's index and body don't fit each other".to_owned();
            let (place, name) = (self.place.clone(), "log".to_owned());
            Err(Error::Damaged { place, name, why })
        })?;
        Ok((arena, parts))
    }

    pub(super) fn write_back(
        &self,
        target: Option<&Target>,
        region: u32,
        start: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let Some(target) = target.filter(|t| start + bytes.len() as u64 <= t.entry.len) else {
            let why = format!("the log has bytes at {start} that the region doesn't have");
            let (place, name) = (self.place.clone(), region_file(region));
            return Err(Error::Damaged { place, name, why });
        };
        if target.skip {
            return Ok(());
        }
        let write = target.file.write_at(REGION_HEADER + start, bytes);
        write.map_err(|error| self.region_error("write", region, error))
    }

    fn region_error(&self, what: &'static str, region: u32, error: std::io::Error) -> Error {
        io_error(what, &self.place, &region_file(region))(error)
    }
}
