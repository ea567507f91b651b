//! A controller with a segmented buffer: one host request at a time, reading ahead and writing
//! behind it.
//!
//! Modelled: the bus (overheads by hit or miss and by the request before, disconnects, watermarks,
//! sector times), segments with least-recently-used order, partial and full hits, five kinds of
//! reading ahead, reading and writing on arrival, write-behind with appended writes, and the arm and
//! platter sector by sector. Not modelled: more than one host request inside the drive (the queue in
//! front of it reorders instead), bus contention with other devices, recycled segments.
//!
//! The rules are those that DiskSim's manual and parameter files define, so that its drive files
//! mean the same here; the run of events is an own one: there are two timelines, the bus and the
//! arm, each with at most one pending event.

mod arm;
mod arrive;
mod bus;
mod codes;
mod estimate;
mod segments;
mod select;
mod state;
mod types;

use types::{Arm, Bus, BusEvent, Job, JobId, Segment};
pub(crate) use types::{Ended, Out, Parts};

use crate::config::Segmented;
use crate::drive::MediaCounters;
use crate::geometry::{Geometry, Visit};
use crate::seek::SeekTable;
use crate::spindle::Spindle;

/// A request for the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The drive's number for it.
    pub id: u64,
    pub lba: u64,
    pub sectors: u32,
    pub read: bool,
    /// The write must be on the medium when it ends.
    pub through: bool,
}

/// The fixed part.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub geometry: Geometry,
    pub seek: SeekTable,
    pub config: Segmented,
    /// A piece of a read crosses the bus, from connecting to leaving, in no time.
    pub instant_bus: bool,
    /// Reads may go the short way ([`arm`]), and several sectors pass in a step; tests take the plain
    /// way, sector by sector.
    pub whole_reads: bool,
}

impl Fixed {
    pub fn new(geometry: Geometry, seek: SeekTable, config: Segmented) -> Fixed {
        let mut fixed = Fixed { geometry, seek, config, instant_bus: false, whole_reads: true };
        fixed.set_config(config);
        fixed
    }

    pub fn set_config(&mut self, config: Segmented) {
        let o = &config.overheads;
        let leave = o.read_disconnect;
        let times = [o.reselect, o.data_preparation, config.read_sector, leave.read, leave.write];
        self.config = config;
        self.instant_bus = times.iter().all(|t| t.is_zero())
            && config.extra_disconnect.is_none()
            && !config.hold_bus_read
            && !config.never_disconnect;
    }
}

/// The controller's whole state.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub now: u64,
    pub spindle: Spindle,
    pub media: MediaCounters,
    pub cylinder: u32,
    pub head: u32,
    /// Those that are not live are free for the next request.
    jobs: Vec<Job>,
    segments: Vec<Segment>,
    /// Segment numbers, least recently used first.
    order: Vec<usize>,
    /// Jobs that wait for the arm, oldest first.
    queue: Vec<JobId>,
    /// Jobs that left the bus and will need it again, newest first.
    off_bus: Vec<JobId>,
    effective_arm: Option<JobId>,
    current_arm: Option<JobId>,
    effective_bus: Option<JobId>,
    current_bus: Option<JobId>,
    bus: Bus,
    /// The bus waits for the medium with the bus held.
    held: bool,
    bus_event: Option<(u64, BusEvent)>,
    /// The event after an extra disconnect.
    extra_event: Option<(u64, JobId)>,
    extra_job: Option<JobId>,
    last_read: bool,
    dirty: u32,
    on_arrival: bool,
    late_start: i64,
    late_end: i64,
    track_low: i64,
    track_high: i64,
    arm_free: u64,
    transfer_start: u64,
    transferred: i64,
    track: crate::geometry::Track,
    track_angle: crate::geometry::Angle,
    /// Whether the track's LBNs lie on consecutive sectors.
    whole: bool,
    /// Sector of its first LBN.
    low_sector: u32,
    outside: Outside,
    /// The place that the arm asked for last; no state, but a shorter way to the geometry's answer.
    target: Visit,
    /// Picoseconds of a sector of the present track, likewise.
    sector_ps: u64,
}

/// When the next request may come, as whoever asks for a step knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Outside {
    /// One may come at this time, none before it.
    pub until: u64,
    /// But for one that waits in front of the controller, which comes as soon as the present one
    /// has ended.
    pub waits: bool,
    /// One that waits may come after any event: the controller is free, but not for it.
    pub knocks: bool,
}

impl Outside {
    /// The last instant at which nobody comes, if the host has its answer at `end`: a request that waits,
    /// or comes before, is let in then.
    #[inline]
    fn quiet_until(self, end: u64) -> u64 {
        let before = end.saturating_sub(1);
        if self.waits { before } else { before.max(self.until) }
    }
}

impl Control {
    pub fn new(fixed: &Fixed, spindle: Spindle) -> Control {
        let n = fixed.config.buffer.segments as usize;
        let size = i64::from(fixed.config.buffer.segment_sectors);
        Control {
            now: 0,
            spindle,
            media: MediaCounters::default(),
            cylinder: 0,
            head: 0,
            jobs: Vec::new(),
            segments: (0..n).map(|_| Segment::new(size)).collect(),
            order: (0..n).collect(),
            queue: Vec::new(),
            off_bus: Vec::new(),
            effective_arm: None,
            current_arm: None,
            effective_bus: None,
            current_bus: None,
            bus: Bus::Idle,
            held: false,
            bus_event: None,
            extra_event: None,
            extra_job: None,
            // As if a read had gone before; only the first overhead depends on it.
            last_read: true,
            dirty: 0,
            on_arrival: false,
            late_start: 0,
            late_end: 0,
            track_low: 0,
            track_high: 0,
            arm_free: 0,
            transfer_start: 0,
            transferred: 0,
            track: Default::default(),
            track_angle: Default::default(),
            whole: false,
            low_sector: 0,
            outside: Outside::default(),
            target: Visit { lbn: u64::MAX, ..Visit::default() },
            sector_ps: 0,
        }
    }

    fn job(&self, id: JobId) -> &Job {
        &self.jobs[id]
    }

    fn job_mut(&mut self, id: JobId) -> &mut Job {
        &mut self.jobs[id]
    }

    #[inline(always)]
    fn add(&mut self, job: Job) -> JobId {
        if let Some(i) = self.jobs.iter().position(|j| !j.live) {
            self.jobs[i] = job;
            return i;
        }
        self.jobs.push(job);
        self.jobs.len() - 1
    }

    fn live_jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|j| j.live)
    }

    /// When the next event is due.
    #[inline]
    pub fn next(&self) -> Option<u64> {
        let bus = self.bus_event.map_or(u64::MAX, |e| e.0);
        let extra = self.extra_event.map_or(u64::MAX, |e| e.0);
        let arm = self.arm_event().unwrap_or(u64::MAX);
        let at = bus.min(extra).min(arm);
        (at != u64::MAX).then_some(at)
    }

    #[inline]
    fn arm_event(&self) -> Option<u64> {
        let seg = self.job(self.effective_arm?).segment?;
        let s = &self.segments[seg];
        (s.arm != Arm::Still).then_some(s.arm_time)
    }

    /// Whether a write has ended for the host and is not on the medium.
    pub fn behind(&self) -> bool {
        self.live_jobs().any(|j| !j.read && j.asked)
    }

    /// Serves the next event, which is due at `at`, and those after it until one has something to
    /// tell or others may come. The time of the last.
    pub fn step(&mut self, fixed: &Fixed, at: u64, outside: Outside, out: &mut Out) -> u64 {
        (self.now, self.outside) = (at, outside);
        let mut last = at;
        // What has just come may go a short way, and leave nothing to be served for now.
        self.shorten(fixed, out);
        let mut more = self.next().filter(|&next| next <= outside.until);
        while let (Some(at), true) = (more, out.is_empty()) {
            (self.now, last) = (at, at);
            self.serve(fixed, at, out);
            self.shorten(fixed, out);
            more = self.next().filter(|&next| next < outside.until && !outside.knocks);
        }
        out.ended.map_or(last, |e| e.at)
    }

    /// Serves the event that is due at `at`.
    fn serve(&mut self, fixed: &Fixed, at: u64, out: &mut Out) {
        if let Some((_, event)) = self.bus_event.filter(|e| e.0 == at) {
            self.bus_event = None;
            return self.bus_done(fixed, event, out);
        }
        if let Some((_, job)) = self.extra_event.filter(|e| e.0 == at) {
            self.extra_event = None;
            return self.check_bus(fixed, Some(job), out);
        }
        self.arm_done(fixed, out);
    }

    /// Loses the power: everything but the medium and the platter's turn is forgotten.
    pub fn power_off(&mut self, fixed: &Fixed) {
        let (spindle, now, media) = (self.spindle, self.now, self.media);
        *self = Control::new(fixed, spindle);
        (self.now, self.media) = (now, media);
    }

    /// Whether a write that has ended for the host is not (wholly) on the medium.
    pub fn misses(&self, number: u64) -> bool {
        self.live_jobs().any(|j| j.ask == number && j.is_missing())
    }

    /// Writes that are not (wholly) on the medium: the drive's number and the first LBN and count
    /// of what is missing.
    pub fn missing(&self) -> Vec<(u64, u64, u32)> {
        let mut out: Vec<_> = self
            .live_jobs()
            .filter(|j| j.is_missing())
            .map(|j| (j.ask, j.durable as u64, (j.end() - j.durable) as u32))
            .collect();
        out.sort_unstable();
        out
    }

    /// The sector that is passing under a writing head, if any.
    pub fn under_head(&self) -> Option<u64> {
        let job = self.job(self.effective_arm?);
        let s = &self.segments[job.segment?];
        (!job.read && s.arm == Arm::Sector && s.arm_count == 1).then_some(job.inner as u64)
    }
}
