//! Room in the log, promised to a commit before it changes anything.
//!
//! A commit lets go of its ranges when its values are in a batch, and from there on it can't be undone:
//! others may have built on it. So a full disk must be met before. Each commit is promised the bytes
//! that it may take in the log; when there is none to promise, another segment is made, and when the
//! disk has no room for that, the commit is refused and undone, and nothing is lost.

use super::{Shared, lock};
use crate::error::Error;
use std::sync::atomic::Ordering;
use vellum_log::{FRAME_HEADER, Log, SEGMENT_HEADER, cipher};

/// Bytes of the log.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// What there is, by the last look.
    bytes: u64,
    /// What of it is promised to commits that aren't in the log yet.
    promised: u64,
}

/// Bytes of a frame beside its index and body.
const FRAME: u64 = (FRAME_HEADER + cipher::TAG) as u64;
/// The first frames of the batch that gathers and of the one that is written.
const BATCHES: u64 = 2 * FRAME;
/// Most bytes of an index that a range takes, and one more for every two thousand ranges' frame.
const RANGE: u64 = 26;

/// Bytes of the log that ranges take at the most, in frames of so many bytes of index and body, beside
/// the first frame's header and tag.
fn cost(frame_limit: usize, ranges: usize, bytes: u64) -> u64 {
    if ranges == 0 {
        return 0;
    }
    let content = bytes + ranges as u64 * RANGE;
    // Where it is cut into frames, each piece has a header, a tag and another entry of the index:
    // fewer than 64 bytes for what is more than half the limit.
    content + content * 128 / frame_limit as u64 + 1
}

impl Shared {
    /// Most bytes of index and body of a frame: frames much smaller than segments fill them better.
    pub(super) fn frame_limit(&self) -> usize {
        let log = &self.options.log;
        let half = usize::try_from((log.segment_max - SEGMENT_HEADER) / 2).unwrap_or(usize::MAX);
        log.frame_limit().min(half)
    }

    fn largest(&self) -> u64 {
        self.frame_limit() as u64 + FRAME
    }

    /// Bytes of the log that `ranges` ranges with `bytes` bytes take at the most.
    pub(super) fn cost(&self, ranges: usize, bytes: u64) -> u64 {
        cost(self.frame_limit(), ranges, bytes)
    }

    /// Promises so many bytes of the log.
    ///
    /// # Errors
    /// When the disk has no room for another segment, or fails, or the log is poisoned.
    pub(crate) fn promise(&self, cost: u64) -> Result<(), Error> {
        if cost == 0 {
            return Ok(());
        }
        {
            let mut room = lock(&self.room);
            if room.promised + cost + BATCHES <= room.bytes {
                room.promised += cost;
                return Ok(());
            }
        }
        let mut log = lock(&self.log);
        let mut room = lock(&self.room);
        let made = log.make_room(room.promised + cost + BATCHES, self.largest());
        room.bytes = log.room(self.largest());
        made?;
        room.promised += cost;
        Ok(())
    }

    /// A commit was refused: what truncation lets go of is room. It is due once, whatever the log has,
    /// and not again after it has found the disk full itself.
    pub(super) fn wish_truncation(&self) {
        let usual = self.options.truncate_at;
        let order = Ordering::Relaxed;
        if self.truncate_from.compare_exchange(usual, 0, order, order).is_ok() {
            self.due.store(true, order);
        }
    }

    /// So much of what was promised isn't needed.
    pub(crate) fn give_back(&self, cost: u64) {
        if cost > 0 {
            lock(&self.room).promised -= cost;
        }
    }

    /// A batch stands in the log; its promise is kept.
    pub(super) fn keep(&self, log: &Log, cost: u64) {
        let mut room = lock(&self.room);
        room.bytes = log.room(self.largest());
        room.promised -= cost;
    }

    /// Ends the segment that is written. What is promised must fit without the rest of it; where the
    /// disk has no room for that, it goes on to be written, and this is the disk's word.
    pub(super) fn seal(&self, log: &mut Log) -> Result<Option<Error>, Error> {
        let mut room = lock(&self.room);
        if room.promised > 0
            && let Err(error) = log.make_spare_room(room.promised + BATCHES, self.largest())
        {
            let error = Error::from(error);
            return if error.is_disk_full() { Ok(Some(error)) } else { Err(error) };
        }
        log.seal()?;
        room.bytes = log.room(self.largest());
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use proptest::prelude::*;

    /// What a batch takes in the log.
    fn taken(batch: &Batch, limit: usize) -> u64 {
        let mut taken = 0;
        let frames = batch.frames(limit, |index, bodies, _| {
            let body: usize = bodies.iter().map(|body| body.len()).sum();
            assert!(index.len() + body <= limit, "{} + {body} of {limit}", index.len());
            taken += FRAME + (index.len() + body) as u64;
            Ok::<(), ()>(())
        });
        assert!(frames.is_ok());
        taken
    }

    /// Ranges anywhere, so that their numbers are as long as they get, and of any length.
    fn ranges() -> impl Strategy<Value = Vec<(u32, u64, usize)>> {
        let start = prop_oneof![0_u64..64, 0_u64..1 << 14, 0_u64..1 << 42, (1_u64 << 41)..1 << 42];
        let len = prop_oneof![4 => 0_usize..4, 2 => 0_usize..300, 1 => 0_usize..9000];
        let region = prop_oneof![0_u32..4, Just(u32::MAX), any::<u32>()];
        prop::collection::vec((region, start, len), 0..60)
    }

    /// Each in a region of its own, far from its begin: no entry of an index can be longer.
    #[test]
    fn entries_as_long_as_they_get_have_room() {
        let (mut batch, limit, count) = (Batch::default(), 300_000, 1000_u32);
        for number in 0..count {
            batch.add(u32::MAX - number, (1 << 62) + 1, &[7; 200]);
        }
        batch.coalesce();
        let (ranges, bytes) = batch.size();
        assert_eq!(ranges, count as usize);
        let (taken, promised) = (taken(&batch, limit), cost(limit, ranges, bytes));
        assert!(taken > bytes + 16 * u64::from(count), "{taken}: the entries are long");
        assert!(taken <= promised + FRAME, "{taken} of {promised}");
    }

    proptest! {
        /// A commit is promised enough: however its ranges lie, whatever else is in its batch, and
        /// wherever frames are cut.
        #[test]
        fn what_is_promised_is_never_less_than_what_is_taken(
            commits in prop::collection::vec(ranges(), 1..5),
            limit in prop_oneof![512_usize..520, 512_usize..6000, 4096_usize..300_000],
            compact in any::<bool>(),
        ) {
            let (mut batch, mut promised) = (Batch::default(), 0);
            for ranges in &commits {
                let bytes = ranges.iter().map(|(.., len)| *len as u64).sum();
                promised += cost(limit, ranges.len(), bytes);
                for (region, start, len) in ranges {
                    batch.add(*region, *start, &vec![7; *len]);
                }
            }
            if compact {
                batch.compact();
                let (ranges, bytes) = batch.size();
                promised = promised.min(cost(limit, ranges, bytes));
            } else {
                batch.coalesce();
            }
            let taken = taken(&batch, limit);
            prop_assert!(taken <= promised + FRAME, "{taken} of {promised}, limit {limit}");
        }
    }
}
