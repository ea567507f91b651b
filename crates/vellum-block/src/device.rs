//! The device: when requests end and what is durable. Content is another matter ([`crate::Media`]).
//!
//! The legal order of calls: `submit` at a time not before any earlier call's; `next_event` tells
//! when something will happen next; `advance(t)` brings the device to `t` and reports in order of
//! time everything that happened up to and including `t`. Calling `advance` more often than needed,
//! or in other steps, changes nothing in what is reported: a device's timeline hangs on the
//! submissions alone.

use crate::{Breakdown, Duration, Instant, Lba, Op, Request, SubmitError, Tag};

/// What a device is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of sectors that can be addressed.
    pub sectors: u64,
    /// Bytes in a sector that can be addressed.
    pub sector_bytes: u32,
    /// Bytes that the medium writes as one; more than `sector_bytes` on a 512e disk and on flash.
    pub physical_bytes: u32,
    /// Most requests that it holds at once; `submit` answers [`SubmitError::Full`] beyond.
    pub queue_depth: u32,
    /// Whether a completed write may still be lost when the power goes.
    pub volatile_cache: bool,
}

impl Shape {
    /// Bytes in all; saturates.
    pub const fn bytes(&self) -> u64 {
        self.sectors.saturating_mul(self.sector_bytes as u64)
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Done.
    Done,
    /// Done, after reading again: SCSI's RECOVERED ERROR.
    Recovered {
        /// The sector that needed it.
        lba: Lba,
    },
    /// A sector can't be read: SCSI's MEDIUM ERROR, unrecovered read error (03/11/00).
    Unreadable {
        /// The first such sector.
        lba: Lba,
    },
    /// A sector can't be written: MEDIUM ERROR, write error (03/0c/00), no spare left.
    Unwritable {
        /// The first such sector.
        lba: Lba,
    },
    /// A zone's rules forbid it: ILLEGAL REQUEST, e.g. an unaligned write (05/21/04).
    ZoneViolation {
        /// Where the write began.
        lba: Lba,
        /// Where the zone expected it.
        expected: Lba,
    },
    /// A write would open a zone and no more can be open: ILLEGAL REQUEST (05/55/0e).
    ZoneResources {
        /// Zones that are open.
        open: u32,
        /// Most that can be.
        limit: u32,
    },
    /// The device failed as a whole: HARDWARE ERROR.
    Failed,
}

impl Status {
    /// Whether the request did what was asked.
    pub const fn is_ok(self) -> bool {
        matches!(self, Status::Done | Status::Recovered { .. })
    }
}

/// A request that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Completion {
    /// The request, as submitted.
    pub request: Request,
    /// When it was submitted.
    pub submitted: Instant,
    /// When it ended.
    pub at: Instant,
    /// How it ended.
    pub status: Status,
    /// Where the time from `submitted` to `at` went; sums exactly to it.
    pub breakdown: Breakdown,
}

impl Completion {
    /// A completion at `submitted` plus the breakdown's total, so that the two can't disagree.
    pub fn new(
        request: Request,
        submitted: Instant,
        status: Status,
        breakdown: Breakdown,
    ) -> Completion {
        Completion { request, submitted, at: submitted + breakdown.total(), status, breakdown }
    }

    /// The request's tag.
    pub const fn tag(&self) -> Tag {
        self.request.tag
    }

    /// Time from submission to completion.
    pub const fn response(&self) -> Duration {
        self.at.since(self.submitted)
    }
}

/// Sectors of a write (or discard) that are durable from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Landed {
    /// The request that they belong to.
    pub tag: Tag,
    /// First of them.
    pub lba: Lba,
    /// How many.
    pub sectors: u32,
    /// When the last of them became durable.
    pub at: Instant,
}

/// What became of sectors of a write that was not durable when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fate {
    /// The medium still holds what it held before the write.
    Lost,
    /// The power went while these sectors were being written: reading them fails, or gives old or
    /// new content in part.
    Torn,
    /// Durable, although not reported as [`Landed`] before.
    Kept,
}

/// Sectors whose write the loss of power cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Loss {
    /// The write.
    pub tag: Tag,
    /// First sector.
    pub lba: Lba,
    /// How many.
    pub sectors: u32,
    /// What became of them.
    pub fate: Fate,
}

/// Takes what a device reports. Any `FnMut(Completion)` is one that ignores durability.
pub trait Sink {
    /// A request ended.
    fn completed(&mut self, completion: Completion);

    /// Sectors became durable. Comes no later than the completion for a write through, and at any
    /// time after it for a write into a cache.
    fn landed(&mut self, landed: Landed) {
        let _ = landed;
    }
}

impl<F: FnMut(Completion)> Sink for F {
    fn completed(&mut self, completion: Completion) {
        self(completion);
    }
}

/// A block device in virtual time.
pub trait Device {
    /// What the device is like.
    fn shape(&self) -> Shape;

    /// Takes a request at `now`.
    ///
    /// # Errors
    /// When the range is wrong, the queue full, or `now` lies in the device's past; nothing has
    /// changed then.
    fn submit(&mut self, now: Instant, request: Request) -> Result<(), SubmitError>;

    /// When the device will next do something by itself; `None` while it is idle. It may be earlier
    /// than the next completion.
    fn next_event(&self) -> Option<Instant>;

    /// Brings the device to `now` and reports, in order of time, what happened up to then.
    fn advance(&mut self, now: Instant, sink: &mut dyn Sink);

    /// The power goes at `now`. First the device is brought to `now`, with what happened reported
    /// to `sink`; then everything volatile is gone, requests in flight end without a completion, and
    /// `loss` hears of every sector of every accepted write that is not durable. The device then
    /// refuses requests until [`Device::power_on`].
    fn power_loss(&mut self, now: Instant, sink: &mut dyn Sink, loss: &mut dyn FnMut(Loss));

    /// The power returns at `now`, with an empty queue and an empty cache.
    fn power_on(&mut self, now: Instant);

    /// Requests that were taken and have not ended.
    fn in_flight(&self) -> usize;

    /// Whether the device does `op`.
    fn supports(&self, op: Op) -> bool {
        matches!(op, Op::Read | Op::Write | Op::Flush)
    }
}

/// Runs the device until nothing is in flight, and returns the time of the last completion.
///
/// Ends early if the device has requests in flight but names no next event, which would be a fault
/// of the model; callers can tell by [`Device::in_flight`].
pub fn drain(device: &mut dyn Device, sink: &mut dyn Sink) -> Instant {
    struct Last<'a>(&'a mut dyn Sink, Instant);
    impl Sink for Last<'_> {
        fn completed(&mut self, completion: Completion) {
            self.1 = self.1.max(completion.at);
            self.0.completed(completion);
        }
        fn landed(&mut self, landed: Landed) {
            self.0.landed(landed);
        }
    }
    let mut last = Last(sink, Instant::ZERO);
    while device.in_flight() > 0 {
        match device.next_event() {
            Some(at) => device.advance(at, &mut last),
            None => break,
        }
    }
    last.1
}
