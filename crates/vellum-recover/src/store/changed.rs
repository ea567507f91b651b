//! The pages that were committed to, written to the regions' files from memory.
//!
//! A page is copied while nobody holds any of it, so it is as it was committed; commits that are newer
//! than the truncated part of the log may be in it. So the log is made durable behind the copy and before
//! the write: a file is never ahead of the log, and replaying the log over it changes nothing.
//!
//! After each mebibyte the file is synced. A flush of the log waits on the device behind what it was
//! given before, and this bounds that.

use super::truncate::{Target, Written};
use super::{Shared, lock};
use crate::catalog::region_file;
use crate::error::{Error, io_error};
use crate::memory::PAGE;
use crate::region::Inner;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vellum_log::{Bug, Segment, is_planted};

/// Pages that are copied, written and synced at a time.
const GROUP: usize = 256;

impl Shared {
    /// Writes all pages that were committed to since the last truncation. `segments` has the log of
    /// them, for pages that somebody holds all the time. Memory: a group of pages, and a number for each.
    pub(super) fn write_changed(
        &self,
        segments: &[Arc<Segment>],
        targets: &BTreeMap<u32, Target>,
    ) -> Result<Written, Error> {
        let open: Vec<Arc<Inner>> = lock(&self.regions).values().cloned().collect();
        let taken: Vec<(Arc<Inner>, Vec<u64>)> = open
            .into_iter()
            .filter(|region| !region.written_at_commit.load(Ordering::Acquire))
            .map(|region| (region.clone(), region.take_changed()))
            .collect();
        let outcome = self.write_taken(segments, targets, &taken);
        if !matches!(outcome, Ok(Written::All)) {
            for (region, pages) in &taken {
                pages.iter().for_each(|page| region.note_page(*page));
            }
        }
        outcome
    }

    fn write_taken(
        &self,
        segments: &[Arc<Segment>],
        targets: &BTreeMap<u32, Target>,
        taken: &[(Arc<Inner>, Vec<u64>)],
    ) -> Result<Written, Error> {
        let (mut copy, mut left) = (Vec::new(), BTreeSet::new());
        for (region, pages) in taken {
            let mut held = Vec::new();
            for group in pages.chunks(GROUP) {
                match self.write_group(region, group, targets, (&mut copy, &mut held)) {
                    Ok(Written::All) => {}
                    other => return other,
                }
            }
            // Who held them may be done; who isn't by now may never be.
            let mut still = Vec::new();
            for group in held.chunks(GROUP) {
                match self.write_group(region, group, targets, (&mut copy, &mut still)) {
                    Ok(Written::All) => {}
                    other => return other,
                }
            }
            for page in still {
                // What is newer than `segments` is left for the next time.
                region.note_page(page);
                left.insert((region.entry.id, page));
            }
        }
        if left.is_empty() {
            Ok(Written::All)
        } else {
            self.apply_all(segments, targets, Some(&left))
        }
    }

    /// Writes a group of pages of one region; those that a transaction holds go to `held`.
    fn write_group(
        &self,
        region: &Inner,
        pages: &[u64],
        targets: &BTreeMap<u32, Target>,
        (copy, held): (&mut Vec<u8>, &mut Vec<u64>),
    ) -> Result<Written, Error> {
        copy.clear();
        let mut copied = Vec::with_capacity(pages.len());
        for page in pages {
            let whole = region.copy_committed(*page, copy);
            if whole { &mut copied } else { &mut *held }.push(*page);
        }
        if copied.is_empty() {
            return Ok(Written::All);
        }
        if !is_planted(self.options.log.planted, Bug::SkipLogBeforeFile) {
            self.settle()?;
        }
        let (id, mut rest) = (region.entry.id, &copy[..]);
        let target = targets.get(&id);
        for run in copied.chunk_by(|one, two| one + 1 == *two) {
            let (bytes, later) = rest.split_at(rest.len().min(run.len() * PAGE));
            rest = later;
            match self.write_back(target, id, run[0] * PAGE as u64, bytes) {
                Err(error) if error.is_disk_full() => return Ok(Written::DiskFull(error)),
                other => other?,
            }
        }
        if let Some(target) = target.filter(|_| copied.len() == GROUP) {
            target.file.sync().map_err(io_error("sync", &self.place, &region_file(id)))?;
        }
        Ok(Written::All)
    }
}
