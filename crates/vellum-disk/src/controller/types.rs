//! What the controller remembers of requests and segments.

use super::Ask;

/// Number of a job in the controller's table.
pub(crate) type JobId = usize;

/// How much of a request a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Hit {
    #[default]
    No,
    Partial,
    Whole,
    Append,
    Prepend,
    Collision,
}

/// What a segment's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegState {
    Empty,
    Clean,
    Dirty,
    Reading,
    Writing,
}

/// What the bus does with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegOut {
    Idle,
    Contacting,
    Transferring,
    /// The arm is to be taken away at its next event.
    Preempt,
}

/// What the arm does for a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arm {
    Still,
    Seek,
    Sector,
}

/// The bus as the drive sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bus {
    Idle,
    Waiting,
    Transferring,
}

/// What has happened on the bus when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BusEvent {
    /// Ready to move data.
    Connected(JobId),
    /// Disconnected.
    Left(JobId),
    /// So many sectors have moved.
    Moved(JobId),
    /// The host knows that the request ended.
    Completed(JobId),
}

/// A request inside the controller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Job {
    /// False once the controller has forgotten it.
    pub live: bool,
    /// The drive's number of the request.
    pub ask: u64,
    pub lba: i64,
    pub count: i64,
    pub read: bool,
    /// Still stands for a request; false once only its reading ahead goes on.
    pub asked: bool,
    pub through: bool,
    /// Next sector between host and buffer.
    pub outer: i64,
    /// Next sector between buffer and medium.
    pub inner: i64,
    /// Next sector that is not on the medium.
    pub durable: i64,
    pub hit: Hit,
    pub segment: Option<usize>,
    pub has_arm: bool,
    pub owns_segment: bool,
    pub sent: bool,
    pub received: bool,
    pub extra: bool,
    pub watermark: i64,
    /// When command processing is over.
    pub ready: u64,
    pub arrived: u64,
    pub parts: Parts,
}

/// Where the time of a job went that was not command processing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Parts {
    pub distance: u32,
    pub seek: u64,
    pub settle: u64,
    pub rotation: u64,
    pub switch: u64,
    pub transfer: u64,
    /// Data on the bus: after the medium's end, or all of it if the medium took no part.
    pub bus: u64,
    pub moved: bool,
    pub began: bool,
    /// When the medium had done all of the job; reading ahead comes after it.
    pub medium_end: Option<u64>,
}

impl Parts {
    /// The medium's end, if a request that ended at `at` had to wait for it.
    pub fn waited_until(&self, at: u64) -> Option<u64> {
        self.medium_end.filter(|&end| end <= at)
    }
}

impl Job {
    #[inline(always)]
    pub fn new(ask: &Ask, now: u64) -> Job {
        Job {
            live: true,
            ask: ask.id,
            lba: ask.lba as i64,
            count: i64::from(ask.sectors),
            read: ask.read,
            asked: true,
            through: false,
            outer: ask.lba as i64,
            inner: ask.lba as i64,
            durable: ask.lba as i64,
            hit: Hit::No,
            segment: None,
            has_arm: false,
            owns_segment: false,
            sent: false,
            received: false,
            extra: false,
            watermark: 0,
            ready: 0,
            arrived: now,
            parts: Parts::default(),
        }
    }

    pub fn end(&self) -> i64 {
        self.lba + self.count
    }

    /// A write of which some sectors are not on the medium.
    pub fn is_missing(&self) -> bool {
        !self.read && self.asked && self.durable < self.end()
    }
}

/// A segment of the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub start: i64,
    pub end: i64,
    pub size: i64,
    pub state: SegState,
    pub out: SegOut,
    pub out_count: i64,
    pub ahead_min: i64,
    pub ahead_max: i64,
    pub hold: i64,
    pub hold_count: i64,
    /// Jobs of this segment, by LBN.
    pub jobs: Vec<JobId>,
    /// Whether an access was ever made, and whether the last one read.
    pub used: bool,
    pub reads: bool,
    pub background: bool,
    pub arm: Arm,
    pub arm_time: u64,
    /// LBN that the arm is about.
    pub arm_lbn: i64,
    /// Sector on the track that goes with it.
    pub arm_sector: u32,
    /// 0: the first sector after a seek; 1: in a stream; 2: passing over sectors.
    pub arm_count: u8,
    /// Sectors that the present step passes, if it is one of a stream.
    pub arm_jump: u32,
    /// When the arm's present step began.
    pub time: u64,
}

impl Segment {
    pub fn new(size: i64) -> Segment {
        Segment {
            start: 0,
            end: 0,
            size,
            state: SegState::Empty,
            out: SegOut::Idle,
            out_count: 0,
            ahead_min: -1,
            ahead_max: -1,
            hold: 0,
            hold_count: 0,
            jobs: Vec::new(),
            used: false,
            reads: false,
            background: false,
            arm: Arm::Still,
            arm_time: 0,
            arm_lbn: 0,
            arm_sector: 0,
            arm_count: 0,
            arm_jump: 1,
            time: 0,
        }
    }

    /// Whether the segment's range meets `lba..lba+count`.
    pub fn meets(&self, lba: i64, count: i64) -> bool {
        let end = lba + count;
        (lba >= self.start && lba < self.end)
            || (end > self.start && end <= self.end)
            || (lba <= self.start && end >= self.end)
    }

    /// The sector that moves next between the segment and the medium for its job.
    #[inline]
    pub fn at(&self, job: &Job) -> i64 {
        if self.state == SegState::Reading { self.end } else { job.inner }
    }

    /// Drops the oldest sectors so that those up to `end` fit.
    pub fn wrap(&mut self, end: i64) {
        self.start = self.start.max(end - self.size);
    }
}

/// A request that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub ask: u64,
    pub at: u64,
    pub parts: Parts,
}

/// Sectors that reached the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub ask: u64,
    pub lba: u64,
    pub sectors: u32,
    pub at: u64,
}

/// What an event brought about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Out {
    pub ended: Option<Ended>,
    pub written: Vec<Written>,
}

impl Out {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.ended.is_none() && self.written.is_empty()
    }

    /// Forgets it all.
    pub fn clear(&mut self) {
        self.ended = None;
        self.written.clear();
    }

    /// Notes that sectors reached the medium, joining them to those before.
    pub fn wrote(&mut self, ask: u64, lba: u64, sectors: u32, at: u64) {
        match self.written.last_mut() {
            Some(w) if w.ask == ask && w.lba + u64::from(w.sectors) == lba => {
                w.sectors += sectors;
                w.at = at;
            }
            _ => self.written.push(Written { ask, lba, sectors, at }),
        }
    }
}
