//! Opening a log: find its files, check them, read what is there.

use super::{Counters, Log, Pending, Sealed};
use crate::error::{Error, io_error};
use crate::frame;
use crate::head::{HEAD_NAME, Head};
use crate::options::Options;
use crate::planted::{Bug, is_planted};
use crate::scan::{Found, Report, Scan, Tail};
use crate::segment::{SEGMENT_HEADER, Segment, number};
use crate::storage::{LockGuard, Storage};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};

/// Takes a storage for this process.
///
/// # Errors
/// [`Error::InUse`] when another has it.
pub(crate) fn lock(storage: &dyn Storage) -> Result<Box<dyn LockGuard>, Error> {
    let place = storage.place();
    storage.lock().map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => Error::InUse { place },
        _ => Error::Io { what: "lock", name: ".".to_owned(), place, source: error },
    })
}

impl Log {
    /// Opens the log in `storage`, or makes one where none is, and hands every frame that is there
    /// to `take`, oldest first. Cost: one sequential read of each segment, and two syncs.
    /// An existing log is not written to before the first append.
    ///
    /// # Errors
    /// When another process has it, a file is not what it should be, flushed frames are gone, or
    /// the medium fails.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: Options,
        take: &mut dyn FnMut(Found<'_>),
    ) -> Result<(Self, Report), Error> {
        let guard = lock(&*storage)?;
        Self::open_locked(storage, guard, options, take)
    }

    /// As [`Log::open`], by a caller who holds the storage's lock already.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_locked(
        storage: Arc<dyn Storage>,
        guard: Box<dyn LockGuard>,
        options: Options,
        take: &mut dyn FnMut(Found<'_>),
    ) -> Result<(Self, Report), Error> {
        options.check()?;
        let place = storage.place();
        let names = storage.list().map_err(io_error("list", &place, "."))?;
        let generations: Vec<u64> = names.iter().filter_map(|name| number(name, "log-")).collect();
        let spares: Vec<u64> = names.iter().filter_map(|name| number(name, "spare-")).collect();
        let head = Self::find_head(&*storage, &options, &names, &generations)?;
        let live = Self::live(&place, &head, &generations)?;
        let open = |generation: &u64| {
            let skip = is_planted(options.planted, Bug::SkipGeneration);
            let seed = frame::seed(&head.id, (!skip).then_some(*generation));
            // A segment is synced before the next one gets its name, so only the newest may stand
            // in the page cache alone.
            let sync = Some(generation) == live.last();
            let sync = sync && !is_planted(options.planted, Bug::SkipOpenSync);
            Segment::open(&*storage, &head.id, *generation, seed, (sync, skip)).map(Arc::new)
        };
        let segments = live.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let report = Report { segments: 0, frames: 0, bytes: 0, dropped: 0, tail: Tail::Clean };
        let mut scan = Scan { planted: options.planted, take, report };
        let checks = scan.run(&segments, head.check)?;
        let report = scan.report;
        let newest = generations.last().copied().unwrap_or(0).max(head.first - 1).max(head.newest);
        let dead = generations.iter().filter(|g| **g < head.first);
        let unclean = dead.map(|g| crate::segment::log_name(*g));
        let unclean =
            unclean.chain(spares.iter().map(|s| crate::segment::spare_name(*s))).collect();
        let check = checks.last().map_or(head.check, |(check, _)| *check);
        let sealed = segments.into_iter().zip(checks);
        let log = Self {
            place,
            _lock: guard,
            id: head.id,
            head: Arc::new(Mutex::new(head)),
            active: None,
            sealed: sealed
                .map(|(segment, (check, complete))| Sealed { segment, check, complete })
                .collect::<VecDeque<_>>(),
            spares: Vec::new(),
            unclean,
            next_generation: newest + 1,
            next_serial: spares.last().map_or(0, |serial| serial + 1),
            next_size: options.segment_min,
            spare_retry: 0,
            // Two more units: what the first frames' unit held before them, and zeros behind.
            buffer: Pending::new(options.buffer + 2 * SEGMENT_HEADER as usize),
            written: 0,
            check,
            open_record: false,
            unsynced: false,
            poison: None,
            counters: Counters::default(),
            storage,
            options,
        };
        Ok((log, report))
    }

    fn find_head(
        storage: &dyn Storage,
        options: &Options,
        names: &[String],
        generations: &[u64],
    ) -> Result<Head, Error> {
        let place = storage.place();
        if names.iter().any(|name| name == HEAD_NAME) {
            return Head::read(storage);
        }
        if !generations.is_empty() {
            let (name, why) = (HEAD_NAME.to_owned(), "it is missing while there are segments");
            return Err(Error::Corrupt { place, name, offset: 0, frame: 0, why });
        }
        let mut id = [0; 16];
        options.entropy.fill(&mut id).map_err(io_error("make an id for", &place, HEAD_NAME))?;
        Head::create(storage, id)
    }

    /// The generations that count; none between the head and the newest may be missing.
    fn live(place: &str, head: &Head, generations: &[u64]) -> Result<Vec<u64>, Error> {
        let live: Vec<u64> = generations.iter().copied().filter(|g| *g >= head.first).collect();
        let last = live.last().copied().unwrap_or(0).max(head.newest);
        match (head.first..=last).find(|want| live.binary_search(want).is_err()) {
            Some(generation) => Err(Error::Missing { place: place.to_owned(), generation }),
            None => Ok(live),
        }
    }
}
