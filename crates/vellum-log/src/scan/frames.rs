//! The good frames of a segment: read, checked and chained to each other.

use super::{Mark, Rest, rest};
use crate::error::Error;
use crate::frame::{self, FRAME_HEADER, FrameHeader};
use crate::planted::{Bug, is_planted};
use crate::segment::{SEGMENT_HEADER, Segment, Window};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of segments from which on a second thread is worth its beginning.
const SHARED: u64 = 1 << 20;

/// What is kept of a frame.
#[derive(Debug, Clone, Copy)]
struct Kept {
    check: u32,
    total: u32,
    body: u32,
    index: u16,
    more: bool,
}

/// A frame, its index decrypted.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) check: u32,
    pub(super) total: u64,
    pub(super) body: usize,
    pub(super) more: bool,
    pub(super) index: &'a [u8],
}

/// All good frames of one segment from its start.
#[derive(Debug, Default)]
pub(super) struct Frames {
    kept: Vec<Kept>,
    indexes: Vec<u8>,
    /// What the first is chained to.
    link: u32,
    /// Where they end, and what is behind, where that was looked at.
    rest: Option<(u64, Rest)>,
}

impl Frames {
    /// What the first frame is chained to, if there is one.
    pub(super) fn link(&self) -> Option<u32> {
        (!self.kept.is_empty()).then_some(self.link)
    }

    /// What is behind `end`, where that was looked at.
    pub(super) fn rest_behind(&self, end: Mark) -> Option<Rest> {
        self.rest.filter(|(at, _)| *at == end.at).map(|(_, rest)| rest)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut indexes = &self.indexes[..];
        self.kept.iter().map(move |kept| {
            let (index, later) = indexes.split_at(usize::from(kept.index));
            indexes = later;
            let (total, body) = (u64::from(kept.total), kept.body as usize);
            Frame { check: kept.check, total, body, more: kept.more, index }
        })
    }
}

/// The frames of all segments. What is behind the last one's is looked at as well, because nearly always
/// that is asked for. Cost: a read and a checksum of all frames, by two threads.
pub(super) fn find_all(all: &[Arc<Segment>], planted: Option<Bug>) -> Result<Vec<Frames>, Error> {
    let found: Vec<Mutex<Result<Frames, Error>>> =
        all.iter().map(|_| Mutex::new(Ok(Frames::default()))).collect();
    let left = AtomicUsize::new(all.len());
    let work = || {
        let mut window = Window::default();
        // From the end, where the largest are.
        while let Ok(before) =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        {
            let at = before - 1;
            let outcome = find(&mut window, &all[at], before == all.len(), planted);
            *found[at].lock().unwrap_or_else(PoisonError::into_inner) = outcome;
        }
    };
    let bytes: u64 = all.iter().map(|segment| segment.capacity).sum();
    std::thread::scope(|scope| {
        if all.len() > 1 && bytes >= SHARED {
            // Without it this thread does all.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    found.into_iter().map(|one| one.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// The frames of one segment.
fn find(
    window: &mut Window,
    segment: &Segment,
    is_last: bool,
    planted: Option<Bug>,
) -> Result<Frames, Error> {
    let mut found = Frames::default();
    let mut last = Mark::start(0);
    while let Some(header) = good(window, segment, last, planted)? {
        let total = header.total(segment.key.tag_len());
        if found.kept.is_empty() {
            found.link = header.prev;
        }
        let frame = window.bytes(segment, last.at, total)?;
        let from = found.indexes.len();
        found.indexes.extend_from_slice(&frame[FRAME_HEADER..FRAME_HEADER + header.index]);
        segment.key.index(header.seq, &mut found.indexes[from..]);
        // Bodies and indexes have their limits in their fields' widths.
        found.kept.push(Kept {
            check: header.check,
            total: total as u32,
            body: header.body as u32,
            index: header.index as u16,
            more: header.more,
        });
        last = Mark {
            at: last.at + total as u64,
            frames: last.frames.saturating_add(1),
            check: header.check,
        };
    }
    if is_last {
        found.rest = Some((last.at, rest(segment, last)?));
    }
    Ok(found)
}

/// A good frame at `mark`, or `None`. The first of a segment may be chained to anything.
fn good(
    window: &mut Window,
    segment: &Segment,
    mark: Mark,
    planted: Option<Bug>,
) -> Result<Option<FrameHeader>, Error> {
    let left = segment.capacity - mark.at;
    if left < FRAME_HEADER as u64 {
        return Ok(None);
    }
    let Some(header) = FrameHeader::decode(window.bytes(segment, mark.at, FRAME_HEADER)?) else {
        return Ok(None);
    };
    let total = header.total(segment.key.tag_len());
    let fits = total as u64 <= left;
    let in_turn = header.seq == mark.frames;
    let chained = mark.at == SEGMENT_HEADER
        || header.prev == mark.check
        || is_planted(planted, Bug::SkipChain);
    if !(fits && in_turn && chained) {
        return Ok(None);
    }
    let bytes = window.bytes(segment, mark.at, total)?;
    let whole = frame::checksum(&segment.seed, bytes) == header.check;
    Ok((whole || is_planted(planted, Bug::SkipFrameCrc)).then_some(header))
}
