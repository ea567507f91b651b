//! What is behind the last good frame of a log: nothing, a write that was torn, or frames that say that
//! one before them is missing.

use super::Mark;
use crate::error::{Error, io_error};
use crate::frame::{self, BODY_MAX, FRAME_HEADER, FrameHeader, INDEX_MAX, LAG_UNKNOWN};
use crate::segment::Segment;

/// What is behind the good frames of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// Something vouches for a frame that isn't there.
    pub(super) vouched: bool,
    /// All of it is zero.
    pub(super) zeros: bool,
}

/// Looks at what is behind `end`. Memory: nothing of note when it is zeros.
pub(super) fn rest(segment: &Segment, end: Mark) -> Result<Rest, Error> {
    let Some(last) = last_byte(segment, end.at)? else {
        return Ok(Rest { vouched: false, zeros: true });
    };
    // Zeros at the end may belong to a frame, which is read whole; it begins before the last byte.
    let longest = FRAME_HEADER + INDEX_MAX + BODY_MAX + crate::cipher::TAG;
    let until = segment.capacity.min(last + longest as u64);
    let mut bytes = vec![0; (until - end.at) as usize];
    let failed = io_error("read", &segment.place, &segment.name);
    segment.file.read_at(end.at, &mut bytes).map_err(failed)?;
    let mut starts = 1..(last - end.at) as usize;
    let vouched = starts.any(|at| vouches(segment, &bytes[at..], end.frames));
    Ok(Rest { vouched, zeros: false })
}

/// Past the last byte behind `start` that isn't zero.
fn last_byte(segment: &Segment, start: u64) -> Result<Option<u64>, Error> {
    const STEP: u64 = 1 << 17;
    let (mut bytes, mut end) = (vec![0; STEP as usize], segment.capacity);
    while end > start {
        let from = end.saturating_sub(STEP).max(start);
        let part = &mut bytes[..(end - from) as usize];
        let failed = io_error("read", &segment.place, &segment.name);
        segment.file.read_at(from, part).map_err(failed)?;
        // All bytes together, because that is eight times as fast as to stop at the first.
        if part.iter().fold(0, |all, byte| all | *byte) != 0 {
            let at = part.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            return Ok(Some(from + at as u64 + 1));
        }
        end = from;
    }
    Ok(None)
}

/// Whether `bytes` begin with a whole frame written when frame `missing` was known to be durable.
fn vouches(segment: &Segment, bytes: &[u8], missing: u32) -> bool {
    let Some(header) = FrameHeader::decode(bytes) else { return false };
    if header.seq <= missing || header.lag == LAG_UNKNOWN {
        return false;
    }
    let durable = i64::from(header.seq) - i64::from(header.lag);
    let total = header.total(segment.key.tag_len());
    durable >= i64::from(missing)
        && total <= bytes.len()
        && frame::checksum(&segment.seed, &bytes[..total]) == header.check
}
