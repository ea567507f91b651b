//! What a crash left in the log, applied to memory when the memory is first used.
//!
//! Opening reads only the indexes of the log's frames: which bytes they change. The bodies stay
//! where they are until somebody needs a chunk that they touch.

use crate::batch::decode_index;
use crate::error::Error;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use vellum_log::Segment;

/// Bytes that are loaded at a time.
pub(crate) const CHUNK: u64 = 1 << 16;

/// A frame touches a chunk: region, chunk, number of the frame.
type Touch = (u32, u64, u32);

/// Lookups that go through all touches before it is worth sorting them.
const UNSORTED_LOOKUPS: u32 = 8;

/// The frames that a log held when it was opened, and what they change.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    frames: Vec<(Arc<Segment>, u64)>,
    /// In the log's order.
    touches: Vec<Touch>,
    /// By region and chunk, made when there are many lookups.
    sorted: OnceLock<Vec<Touch>>,
    lookups: AtomicU32,
    complete: (usize, usize),
    /// An index that could not be read.
    pub(crate) bad: Option<u64>,
}

impl Recovered {
    /// Takes in a frame of the scan.
    pub(crate) fn frame(
        &mut self,
        segment: &Arc<Segment>,
        offset: u64,
        index: &[u8],
        body: usize,
        more: bool,
    ) {
        let number = self.frames.len() as u32;
        self.frames.push((segment.clone(), offset));
        let (mut sum, touches) = (0_u64, &mut self.touches);
        let whole = decode_index(index, |region, start, len| {
            sum = sum.saturating_add(len);
            // A length beyond the body is refused below, before it costs anything.
            if sum <= body as u64 && len > 0 {
                for chunk in start / CHUNK..=(start + len - 1) / CHUNK {
                    if touches.last() != Some(&(region, chunk, number)) {
                        touches.push((region, chunk, number));
                    }
                }
            }
        });
        if !whole || sum != body as u64 {
            self.bad.get_or_insert(offset);
        }
        if !more {
            self.complete = (self.frames.len(), self.touches.len());
        }
    }

    /// The frames since the last complete record are void.
    pub(crate) fn drop_unfinished(&mut self) {
        self.frames.truncate(self.complete.0);
        self.touches.truncate(self.complete.1);
    }

    /// Past the last byte of `region` that any frame may touch, rounded up to a chunk.
    pub(crate) fn reach(&self, region: u32) -> u64 {
        let chunks = self.touches.iter().filter(|touch| touch.0 == region).map(|touch| touch.1);
        chunks.max().map_or(0, |chunk| (chunk + 1).saturating_mul(CHUNK))
    }

    /// The frames that touch a chunk, in the log's order.
    fn touching(&self, region: u32, chunk: u64) -> Vec<u32> {
        if self.lookups.fetch_add(1, Ordering::Relaxed) < UNSORTED_LOOKUPS {
            let fits = |touch: &&Touch| (touch.0, touch.1) == (region, chunk);
            return self.touches.iter().filter(fits).map(|touch| touch.2).collect();
        }
        let sorted = self.sorted.get_or_init(|| {
            let mut sorted = self.touches.clone();
            sorted.sort_unstable();
            sorted.dedup();
            sorted
        });
        let from = sorted.partition_point(|touch| (touch.0, touch.1) < (region, chunk));
        let rest = sorted[from..].iter();
        rest.take_while(|t| (t.0, t.1) == (region, chunk)).map(|touch| touch.2).collect()
    }

    /// Brings the bytes of one chunk of `region`, as its file has them, up to date.
    pub(crate) fn apply(&self, region: u32, chunk: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let held = chunk * CHUNK..chunk * CHUNK + bytes.len() as u64;
        for frame in self.touching(region, chunk) {
            let (segment, offset) = &self.frames[frame as usize];
            segment.read_frame(*offset, |index, body| {
                apply_frame(index, body, |which, start, new| {
                    if which == region {
                        overlay(bytes, &held, start, new);
                    }
                });
            })?;
        }
        Ok(())
    }
}

/// Copies the part of `new` (at `start`) that lies in `held` into `bytes` (which are `held`).
pub(crate) fn overlay(bytes: &mut [u8], held: &Range<u64>, start: u64, new: &[u8]) {
    let end = start + new.len() as u64;
    let (from, to) = (start.max(held.start), end.min(held.end));
    if from < to {
        let target = (from - held.start) as usize..(to - held.start) as usize;
        bytes[target].copy_from_slice(&new[(from - start) as usize..(to - start) as usize]);
    }
}

/// Goes through the ranges of a frame: region, start, new bytes. `false` when index and body
/// don't fit each other.
pub(crate) fn apply_frame(
    index: &[u8],
    body: &[u8],
    mut each: impl FnMut(u32, u64, &[u8]),
) -> bool {
    let (mut at, mut fits) = (0_usize, true);
    let whole = decode_index(index, |region, start, len| {
        let end = usize::try_from(len).ok().and_then(|len| at.checked_add(len));
        match end.and_then(|end| body.get(at..end).map(|new| (end, new))) {
            Some((end, new)) if fits => {
                each(region, start, new);
                at = end;
            }
            _ => fits = false,
        }
    });
    whole && fits && at == body.len()
}
