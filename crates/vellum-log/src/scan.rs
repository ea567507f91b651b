//! Reading a log when it is opened: which frames are there, and where it ends.
//!
//! What costs time is to read and check the frames ([`frames`]), and that needs no knowledge of other
//! segments but for the first frame's chain. So two threads do it for one segment after the other; what
//! follows, in the log's order, is to hold the chain's ends against each other and to deliver.

mod frames;
mod rest;

use crate::error::Error;
use crate::planted::{Bug, is_planted};
use crate::segment::{SEGMENT_HEADER, Segment};
use crate::verdict::{Evidence, Link, Verdict, decide};
use frames::Frames;
use rest::{Rest, rest};
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

impl Mark {
    /// Before the first frame.
    fn start(check: u32) -> Self {
        Self { at: SEGMENT_HEADER, frames: 0, check }
    }
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
    /// at the end of each segment, and whether a record ends there. Memory: a window for each of two
    /// threads, 16 bytes for each frame, and the indexes.
    pub(crate) fn run(
        &mut self,
        all: &[Arc<Segment>],
        mut check: u32,
    ) -> Result<Vec<(u32, bool)>, Error> {
        let found = frames::find_all(all, self.planted)?;
        let mut checks = Vec::with_capacity(all.len());
        for (turn, (segment, frames)) in all.iter().zip(&found).enumerate() {
            // What the next segment that has a frame is chained to.
            let next = found[turn + 1..].iter().find_map(Frames::link);
            let (last, complete) = self.deliver(segment, frames, check);
            let whole;
            (check, whole) =
                self.close(segment, frames.rest_behind(last), (last, complete), next)?;
            checks.push((check, whole));
        }
        Ok(checks)
    }

    /// Delivers the frames of a segment, if they follow `check`; returns the end of the last, and of the
    /// last record.
    fn deliver(&mut self, segment: &Arc<Segment>, frames: &Frames, check: u32) -> (Mark, Mark) {
        let mut last = Mark::start(check);
        let mut complete = last;
        self.report.segments += 1;
        if frames.link().is_some_and(|link| link != check) && !self.has(Bug::SkipChain) {
            return (last, complete);
        }
        for frame in frames.iter() {
            let (offset, total) = (last.at, frame.total);
            // So that the frame can be read while it is delivered.
            segment.end.store(offset + total, Ordering::Release);
            let (index, body, more) = (frame.index, frame.body, frame.more);
            (self.take)(Found::Frame { segment, offset, index, body, more });
            last = Mark {
                at: offset + total,
                frames: last.frames.saturating_add(1),
                check: frame.check,
            };
            self.report.frames += 1;
            self.report.bytes += total;
            if !more {
                complete = last;
            }
        }
        (last, complete)
    }

    /// Decides what the end of a segment's good frames means, with what is behind it (if it was looked
    /// at already) and what the next segment is chained to.
    fn close(
        &mut self,
        segment: &Segment,
        behind: Option<Rest>,
        (last, complete): (Mark, Mark),
        next: Option<u32>,
    ) -> Result<(u32, bool), Error> {
        let verdict = self.ending(segment, behind, (last, complete), next)?;
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
        behind: Option<Rest>,
        (last, complete): (Mark, Mark),
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
            let behind = match behind {
                Some(behind) => behind,
                None => rest(segment, last)?,
            };
            found.zeros = behind.zeros;
            found.vouched = behind.vouched && !self.has(Bug::SkipMiddleCheck);
        }
        Ok(decide(found))
    }
}
