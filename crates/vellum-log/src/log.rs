//! The log: append frames, flush them, give back what is no longer needed.

mod flush;
mod open;
mod pending;
mod retire;
mod room;
mod switch;

use crate::error::Error;
use crate::frame::{self, FrameHeader, INDEX_MAX, LAG_UNKNOWN};
use crate::head::Head;
use crate::options::Options;
use crate::planted::{Bug, is_planted};
use crate::segment::{SEGMENT_HEADER, Segment};
use crate::storage::{LockGuard, Storage};
use pending::Pending;
pub use retire::{Retired, Spare, SpareJob};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Costs, counted where they arise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames appended.
    pub frames: u64,
    /// Their bytes, headers and tags included.
    pub bytes: u64,
    /// Writes to segments.
    pub writes: u64,
    /// Bytes of these writes: [`Counters::bytes`], and what fills whole units around them.
    pub written: u64,
    /// Flushes that made frames durable.
    pub flushes: u64,
    /// Segments taken into use.
    pub segments: u64,
    /// Of these, those that had been in use before.
    pub reused: u64,
    /// Files that had to be made and filled with zeros while an append waited.
    pub unprepared: u64,
    /// Files that should have been made ahead of need and could not, on a full disk say.
    pub spare_failures: u64,
}

/// The segment that frames go to.
#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    /// Sequence number of the next frame.
    seq: u32,
    /// Frames below this are durable.
    durable: u32,
    /// Where the next frame goes, the buffered ones counted.
    at: u64,
    /// The file's unit of durable writes.
    unit: usize,
}

/// A segment that is full.
#[derive(Debug, Clone)]
struct Sealed {
    segment: Arc<Segment>,
    /// The chain's value at its end.
    check: u32,
    /// Its last frame ends a record.
    complete: bool,
}

/// An append-only log of frames in segments. One writer; see [`crate`] for how it is used.
#[derive(Debug)]
pub struct Log {
    storage: Arc<dyn Storage>,
    _lock: Box<dyn LockGuard>,
    options: Options,
    place: String,
    id: [u8; 16],
    head: Arc<Mutex<Head>>,
    active: Option<Active>,
    sealed: VecDeque<Sealed>,
    spares: Vec<Spare>,
    /// Spares left over from an earlier life, whose keys may still be there.
    unclean: Vec<String>,
    next_generation: u64,
    next_serial: u64,
    next_size: u64,
    /// No spare is made ahead of need before so many bytes of frames.
    spare_retry: u64,
    /// Frames encoded and not written yet, which end at `active.at`, behind the first `written`
    /// bytes of the unit that they begin in.
    buffer: Pending,
    written: usize,
    /// `check` of the last frame.
    check: u32,
    /// The last frame says that its record goes on.
    open_record: bool,
    /// Frames were written since the last sync.
    unsynced: bool,
    poison: Option<String>,
    counters: Counters,
}

impl Log {
    /// Appends a frame: `index` (small, readable without the body) and `body` (in parts). `more`
    /// says that the record goes on in the next frame: a record is delivered whole or not at all.
    /// Nothing is durable before [`Log::flush`].
    ///
    /// # Errors
    /// When the frame is over [`Options::frame_limit`], the medium fails, or the log is poisoned. A
    /// disk without room for another segment is such an error and harms nothing: nothing was written,
    /// and the frame may be appended later; see [`Log::make_room`].
    pub fn append(&mut self, index: &[u8], body: &[&[u8]], more: bool) -> Result<(), Error> {
        self.alive()?;
        let length = body.iter().map(|part| part.len()).sum();
        let limit = self.options.frame_limit();
        if index.len() > INDEX_MAX || index.len() + length > limit {
            return Err(Error::TooLarge { index: index.len(), body: length, limit });
        }
        let need = frame::frame_len(index.len(), length, crate::cipher::TAG) as u64;
        self.make_room(need, need)?;
        let result = self.append_inner(index, body, length, more);
        self.watch(result)
    }

    fn append_inner(
        &mut self,
        index: &[u8],
        body: &[&[u8]],
        length: usize,
        more: bool,
    ) -> Result<(), Error> {
        let need = frame::frame_len(index.len(), length, crate::cipher::TAG) as u64;
        if self.active.as_ref().is_none_or(|a| a.at + need > a.segment.capacity) {
            self.switch(need)?;
        }
        let waiting = self.buffer.len() - self.written;
        if waiting + need as usize > self.options.buffer {
            self.write()?;
        }
        let Some(active) = &mut self.active else { return Ok(()) };
        let behind = active.seq - active.durable + 1;
        let header = FrameHeader {
            check: 0,
            prev: self.check,
            body: length,
            more,
            seq: active.seq,
            lag: u16::try_from(behind).unwrap_or(LAG_UNKNOWN),
            index: index.len(),
        };
        let before = self.buffer.len();
        let segment = &active.segment;
        let (key, seed) = (&segment.key, &segment.seed);
        self.check = frame::encode(self.buffer.end(), &header, index, body, key, seed);
        let total = (self.buffer.len() - before) as u64;
        active.at += total;
        active.seq += 1;
        self.open_record = more;
        self.counters.frames += 1;
        self.counters.bytes += total;
        Ok(())
    }

    /// Bytes in the log that have not been truncated.
    pub fn live_bytes(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|sealed| sealed.segment.used()).sum();
        sealed + self.active.as_ref().map_or(0, |active| active.at - SEGMENT_HEADER)
    }

    /// The segments that are full, oldest first, up to the last that ends with a record's end:
    /// their frames are durable and can be read by anybody while the log goes on.
    pub fn sealed(&self) -> Vec<Arc<Segment>> {
        let whole = self.sealed.iter().rposition(|sealed| sealed.complete).map_or(0, |at| at + 1);
        self.sealed.iter().take(whole).map(|sealed| sealed.segment.clone()).collect()
    }

    /// Costs so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The options it was opened with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The identity that all files of this log carry.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Makes every further operation fail with [`Error::Poisoned`].
    pub fn poison(&mut self, why: &dyn std::error::Error) {
        if self.poison.is_none() && !is_planted(self.options.planted, Bug::SkipPoison) {
            let mut text = why.to_string();
            if let Some(source) = why.source() {
                text = format!("{text}: {source}");
            }
            self.poison = Some(text);
        }
    }

    fn alive(&self) -> Result<(), Error> {
        match &self.poison {
            Some(first) => Err(Error::Poisoned { first: first.clone() }),
            None => Ok(()),
        }
    }

    fn watch<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.poison(error);
        }
        result
    }

    fn head(&self) -> std::sync::MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
