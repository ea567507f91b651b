//! Truncation: segments whose frames are no longer needed lose their keys and become spares.
//!
//! The slow parts are jobs that run without the log: [`Retired::recycle`] and [`SpareJob::run`].

use super::Log;
use crate::cipher::Cipher;
use crate::error::{Error, io_error};
use crate::head::Head;
use crate::planted::{Bug, is_planted};
use crate::segment::{SEGMENT_HEADER, log_name, number, spare_name};
use crate::storage::{File, Storage};
use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError};

/// A zero-filled file, ready to become a segment.
#[derive(Debug)]
pub struct Spare {
    pub(super) serial: u64,
    pub(super) file: Arc<dyn File>,
    pub(super) capacity: u64,
    pub(super) reused: bool,
}

/// A spare to be made.
#[derive(Debug)]
pub struct SpareJob {
    storage: Arc<dyn Storage>,
    serial: u64,
    pub(super) capacity: u64,
}

impl SpareJob {
    /// Makes the file and fills it with zeros, durably, so that later flushes of frames change no
    /// metadata. Cost: one write and one sync of the segment's size.
    ///
    /// # Errors
    /// When the medium fails. Nothing is lost then, and no part of the file is left behind: tell
    /// [`Log::spare_failed`], and it is tried again later, in a file of its own.
    pub fn run(self) -> Result<Spare, Error> {
        let (place, name) = (self.storage.place(), spare_name(self.serial));
        let file = self.storage.create(&name).map_err(io_error("create", &place, &name))?;
        let filled = zero(&*file, 0, self.capacity).and_then(|()| file.sync());
        if let Err(error) = filled {
            drop(file);
            // What can't be removed either is removed when the log is opened next.
            let _ = self.storage.remove(&name);
            return Err(io_error("fill", &place, &name)(error));
        }
        Ok(Spare { serial: self.serial, file, capacity: self.capacity, reused: false })
    }
}

/// Segments that have left the log and still hold what was in them.
#[derive(Debug)]
#[must_use = "their keys are there until `recycle` has run"]
pub struct Retired {
    storage: Arc<dyn Storage>,
    head: Arc<Mutex<Head>>,
    first: u64,
    newest: u64,
    check: u32,
    segments: Vec<(u64, Arc<dyn File>, u64)>,
    serial: u64,
    keep: usize,
    cipher: Cipher,
    planted: Option<Bug>,
}

impl Retired {
    /// Moves the head past the segments, durably; destroys their keys; makes spares of them or
    /// removes them. A crash at any point leaves a log that begins before them or after them.
    /// Cost: a sync of the head and two of each segment.
    ///
    /// # Errors
    /// When the medium fails. The log should be poisoned then.
    pub fn recycle(self) -> Result<Vec<Spare>, Error> {
        let has = |bug| is_planted(self.planted, bug);
        let mut spares = Vec::new();
        if self.segments.is_empty() {
            return Ok(spares);
        }
        self.head.lock().unwrap_or_else(PoisonError::into_inner).advance(
            (self.first, self.newest),
            self.check,
            !has(Bug::SkipHeadSync),
        )?;
        let place = self.storage.place();
        // The largest are kept: the log grew to need them, and would have to make them again.
        let mut segments = self.segments;
        segments.sort_by_key(|(generation, _, capacity)| (Reverse(*capacity), *generation));
        for (turn, (generation, file, capacity)) in segments.into_iter().enumerate() {
            let name = log_name(generation);
            if !has(Bug::SkipKeyDestruction) {
                destroy_key(&*file).map_err(io_error("destroy the key of", &place, &name))?;
            }
            if turn >= self.keep {
                self.storage.remove(&name).map_err(io_error("remove", &place, &name))?;
                continue;
            }
            if self.cipher == Cipher::None && !has(Bug::SkipKeyDestruction) {
                zero(&*file, SEGMENT_HEADER, capacity)
                    .and_then(|()| file.sync())
                    .map_err(io_error("fill", &place, &name))?;
            }
            let serial = self.serial + turn as u64;
            let spare = spare_name(serial);
            self.storage.rename(&name, &spare).map_err(io_error("rename", &place, &name))?;
            spares.push(Spare { serial, file, capacity, reused: true });
        }
        self.storage.sync_dir().map_err(io_error("sync", &place, "."))?;
        Ok(spares)
    }
}

/// Fills `from..to` with zeros.
fn zero(file: &dyn File, from: u64, to: u64) -> std::io::Result<()> {
    const STEP: u64 = 1 << 16;
    let zeros = vec![0; STEP.min(to - from) as usize];
    let mut at = from;
    while at < to {
        let step = STEP.min(to - at);
        file.write_at(at, &zeros[..step as usize])?;
        at += step;
    }
    Ok(())
}

/// Overwrites a segment's header, and the key in it, in place.
fn destroy_key(file: &dyn File) -> std::io::Result<()> {
    file.write_at(0, &[0; SEGMENT_HEADER as usize])?;
    file.sync()
}

impl Log {
    /// Takes all sealed segments up to `generation` out of the log. Fast; the work is in
    /// [`Retired::recycle`], and its spares come back by [`Log::adopt`].
    pub fn release(&mut self, generation: u64) -> Retired {
        let mut segments = Vec::new();
        let (mut first, mut check) = (generation + 1, self.check);
        while let Some(sealed) = self.sealed.front()
            && sealed.segment.generation <= generation
        {
            let segment = &sealed.segment;
            (first, check) = (segment.generation + 1, sealed.check);
            segments.push((segment.generation, segment.file.clone(), segment.capacity));
            self.sealed.pop_front();
        }
        let serial = self.next_serial;
        self.next_serial += segments.len() as u64;
        Retired {
            storage: self.storage.clone(),
            head: self.head.clone(),
            first,
            newest: self.next_generation - 1,
            check,
            segments,
            serial,
            keep: self.options.spares.saturating_sub(self.spares.len()),
            cipher: self.options.cipher,
            planted: self.options.planted,
        }
    }

    /// Takes spares into reserve.
    pub fn adopt(&mut self, spares: impl IntoIterator<Item = Spare>) {
        self.spares.extend(spares);
    }

    /// A spare that should be made ahead of need, if one should.
    pub fn wants_spare(&mut self) -> Option<SpareJob> {
        self.needs_spare().then(|| self.new_spare_job(self.options.segment_min))
    }

    /// Whether [`Log::wants_spare`] would give a job.
    pub fn needs_spare(&self) -> bool {
        self.active.is_some()
            && self.spares.is_empty()
            && self.unclean.is_empty()
            && self.counters.bytes >= self.spare_retry
    }

    /// A job of [`Log::wants_spare`] failed. It is wanted again when the log has grown by a quarter of
    /// the least segment: a full disk may have room by then, and isn't filled again and again.
    pub fn spare_failed(&mut self) {
        self.counters.spare_failures += 1;
        self.spare_retry = self.counters.bytes + self.options.segment_min / 4;
        // The size that could not be had is not doubled for it.
        self.next_size = (self.next_size / 2).max(self.options.segment_min);
    }

    /// The next size: doubled with every new file, because a file is new only when the log grows.
    pub(super) fn new_spare_job(&mut self, least: u64) -> SpareJob {
        let capacity = self.next_size.max(least);
        self.next_size = (capacity * 2).min(self.options.segment_max);
        let serial = self.next_serial;
        self.next_serial += 1;
        SpareJob { storage: self.storage.clone(), serial, capacity }
    }

    /// Removes what an earlier life left behind: segments before the head, and spares, whose keys
    /// and bytes nobody vouches for.
    pub(super) fn clean_up(&mut self) -> Result<(), Error> {
        for name in std::mem::take(&mut self.unclean) {
            let failed = |what| io_error(what, &self.place, &name);
            let file = self.storage.open(&name).map_err(failed("open"))?;
            let capacity = file.len().map_err(failed("measure"))?;
            if capacity >= SEGMENT_HEADER {
                destroy_key(&*file).map_err(failed("destroy the key of"))?;
            }
            let fits = capacity >= self.options.segment_min
                && capacity <= self.options.segment_max
                && self.spares.len() < self.options.spares;
            let serial = number(&name, "spare-").filter(|_| fits);
            let Some(serial) = serial else {
                self.storage.remove(&name).map_err(failed("remove"))?;
                continue;
            };
            zero(&*file, SEGMENT_HEADER, capacity)
                .and_then(|()| file.sync())
                .map_err(failed("fill"))?;
            self.spares.push(Spare { serial, file, capacity, reused: true });
        }
        Ok(())
    }

    /// The oldest generation that counts.
    pub fn first_generation(&self) -> u64 {
        self.head().first
    }
}
