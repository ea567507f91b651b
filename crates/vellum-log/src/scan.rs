//! Reading a log when it is opened: which frames are there, and where it ends.

use crate::error::Error;
use crate::frame::{self, BODY_MAX, FRAME_HEADER, FrameHeader, INDEX_MAX, LAG_UNKNOWN};
use crate::planted::{Bug, is_planted};
use crate::segment::{SEGMENT_HEADER, Segment, Window};
use crate::verdict::{Evidence, Link, Verdict, decide};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What the scan of an opened log delivers, in the log's order.
#[derive(Debug)]
pub enum Found<'a> {
    /// A frame; its body can be had by [`Segment::read_frame`].
    Frame {
        /// The segment that it stands in.
        segment: &'a Arc<Segment>,
        /// Where in it.
        offset: u64,
        /// Its index, decrypted.
        index: &'a [u8],
        /// Bytes of its body.
        body: usize,
        /// The record goes on in the next frame.
        more: bool,
    },
    /// The frames since the last that ended a record are void.
    Drop,
}

/// How the log ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// At a frame's end, with zeros behind it.
    Clean,
    /// In a write that was never flushed.
    Torn,
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Segments.
    pub segments: u64,
    /// Frames that were taken.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Unfinished records that were dropped.
    pub dropped: u64,
    /// How it ended.
    pub tail: Tail,
}

/// A place in a segment: its end so far, frames up to there, the chain's value there.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: u64,
    frames: u32,
    check: u32,
}

pub(crate) struct Scan<'a> {
    pub(crate) planted: Option<Bug>,
    pub(crate) take: &'a mut dyn FnMut(Found<'_>),
    pub(crate) report: Report,
}

impl Scan<'_> {
    fn has(&self, bug: Bug) -> bool {
        is_planted(self.planted, bug)
    }

    /// Scans all segments, oldest first, from the chain value `check`; returns the chain's value
    /// at the end of each segment, and whether a record ends there.
    pub(crate) fn run(
        &mut self,
        all: &[Arc<Segment>],
        mut check: u32,
    ) -> Result<Vec<(u32, bool)>, Error> {
        let links: Result<Vec<_>, _> = all.iter().map(|segment| self.first_link(segment)).collect();
        let links = links?;
        let mut checks = Vec::with_capacity(all.len());
        for (turn, segment) in all.iter().enumerate() {
            let next = links[turn + 1..].iter().flatten().next().copied();
            let complete;
            (check, complete) = self.segment(segment, check, next)?;
            checks.push((check, complete));
        }
        Ok(checks)
    }

    /// A good frame at `at`, or `None`.
    fn frame(
        &self,
        window: &mut Window<'_>,
        segment: &Segment,
        mark: Mark,
        prev: Option<u32>,
    ) -> Result<Option<FrameHeader>, Error> {
        let left = segment.capacity - mark.at;
        if left < FRAME_HEADER as u64 {
            return Ok(None);
        }
        let Some(header) = FrameHeader::decode(window.bytes(mark.at, FRAME_HEADER)?) else {
            return Ok(None);
        };
        let total = header.total(segment.key.tag_len());
        let fits = total as u64 <= left;
        let in_turn = header.seq == mark.frames;
        let chained = prev.is_none_or(|prev| header.prev == prev) || self.has(Bug::SkipChain);
        if !(fits && in_turn && chained) {
            return Ok(None);
        }
        let whole = frame::checksum(&segment.seed, window.bytes(mark.at, total)?) == header.check;
        Ok((whole || self.has(Bug::SkipFrameCrc)).then_some(header))
    }

    /// What the segment's first frame is chained to.
    fn first_link(&self, segment: &Segment) -> Result<Option<u32>, Error> {
        let start = Mark { at: SEGMENT_HEADER, frames: 0, check: 0 };
        let mut window = Window::small(segment);
        Ok(self.frame(&mut window, segment, start, None)?.map(|header| header.prev))
    }

    fn segment(
        &mut self,
        segment: &Arc<Segment>,
        check: u32,
        next: Option<u32>,
    ) -> Result<(u32, bool), Error> {
        let mut window = Window::new(segment);
        let mut last = Mark { at: SEGMENT_HEADER, frames: 0, check };
        let mut complete = last;
        self.report.segments += 1;
        // Chain and checksum are cheap, so every frame is checked before the first is believed.
        while let Some(header) = self.frame(&mut window, segment, last, Some(last.check))? {
            let total = header.total(segment.key.tag_len());
            let bytes = window.bytes(last.at, total)?;
            let index = &mut bytes[FRAME_HEADER..FRAME_HEADER + header.index];
            segment.key.index(header.seq, index);
            let (offset, body, more) = (last.at, header.body, header.more);
            // So that the frame can be read while it is delivered.
            segment.end.store(last.at + total as u64, Ordering::Release);
            (self.take)(Found::Frame { segment, offset, index, body, more });
            last = Mark {
                at: last.at + total as u64,
                frames: last.frames.saturating_add(1),
                check: header.check,
            };
            self.report.frames += 1;
            self.report.bytes += total as u64;
            if !more {
                complete = last;
            }
        }
        let verdict = self.ending(segment, last, complete, next)?;
        let drop = match verdict {
            Verdict::Take | Verdict::Sealed => false,
            Verdict::SealedDropping => true,
            Verdict::Corrupt(why) => return Err(segment.corrupt(last.at, last.frames, why)),
            Verdict::CleanEnd | Verdict::TornTail => {
                self.report.tail =
                    if verdict == Verdict::CleanEnd { Tail::Clean } else { Tail::Torn };
                complete.at != last.at && !self.has(Bug::SkipUnfinished)
            }
        };
        if drop {
            (self.take)(Found::Drop);
            self.report.dropped += 1;
        }
        let end = if drop { complete } else { last };
        segment.end.store(end.at, Ordering::Release);
        Ok((end.check, end.at == complete.at))
    }

    /// Gathers the evidence at the end of a segment's good frames.
    fn ending(
        &self,
        segment: &Segment,
        last: Mark,
        complete: Mark,
        next: Option<u32>,
    ) -> Result<Verdict, Error> {
        let link = match next {
            None => Link::None,
            _ if self.has(Bug::SkipSegmentLink) => Link::Last,
            Some(prev) if prev == last.check => Link::Last,
            Some(prev) if prev == complete.check => Link::Complete,
            Some(_) => Link::Elsewhere,
        };
        let mut found = Evidence { good: false, link, vouched: false, zeros: false };
        if link == Link::None {
            (found.vouched, found.zeros) = rest(segment, last)?;
            found.vouched &= !self.has(Bug::SkipMiddleCheck);
        }
        Ok(decide(found))
    }
}

/// Whether anything behind `end` vouches for a frame there, and whether all of it is zero. Memory:
/// nothing of note when it is.
fn rest(segment: &Segment, end: Mark) -> Result<(bool, bool), Error> {
    let Some(last) = last_byte(segment, end.at)? else { return Ok((false, true)) };
    // Zeros at the end may belong to a frame, which is read whole; it begins before the last byte.
    let longest = FRAME_HEADER + INDEX_MAX + BODY_MAX + crate::cipher::TAG;
    let until = segment.capacity.min(last + longest as u64);
    let mut bytes = vec![0; (until - end.at) as usize];
    let failed = crate::error::io_error("read", &segment.place, &segment.name);
    segment.file.read_at(end.at, &mut bytes).map_err(failed)?;
    let mut starts = 1..(last - end.at) as usize;
    let vouched = starts.any(|at| vouches(segment, &bytes[at..], end.frames));
    Ok((vouched, false))
}

/// Past the last byte behind `start` that isn't zero.
fn last_byte(segment: &Segment, start: u64) -> Result<Option<u64>, Error> {
    const STEP: u64 = 1 << 16;
    let (mut bytes, mut end) = (vec![0; STEP as usize], segment.capacity);
    while end > start {
        let from = end.saturating_sub(STEP).max(start);
        let part = &mut bytes[..(end - from) as usize];
        let failed = crate::error::io_error("read", &segment.place, &segment.name);
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
