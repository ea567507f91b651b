//! How far the arm goes in one event: a sector, or as many as nothing else can happen in.

use crate::controller::types::{BusEvent, Job, JobId, SegOut, SegState, Segment};
use crate::controller::{Control, Fixed};
use crate::spindle::Rotation;

/// Most sectors in a step.
const LONGEST: i64 = 1 << 20;

impl Control {
    /// Lets the next sector of the track come, which begins at `start`; nothing else happens up to
    /// `quiet`.
    pub(super) fn next_sector(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        start: u64,
        quiet: u64,
    ) {
        let width = self.sector_ps;
        let room = quiet.saturating_sub(start);
        if let Some(to) = self.reads_on(fixed, n) {
            let s = &mut self.segments[n];
            let jump = fitting(room, width, to - s.end);
            (s.time, s.arm_time) = (start, start + width * jump as u64);
            (s.arm_count, s.arm_jump) = (1, jump as u32);
            s.arm_lbn += jump;
            s.arm_sector += jump as u32;
            return self.go_round(n);
        }
        let (j, s) = (self.job(id), &self.segments[n]);
        let coming = s.arm_lbn;
        let beyond = self.beyond(s);
        let wanted = wanted(fixed, j, s, beyond);
        let idle = if self.whole { self.idle_sectors(fixed, j, s) } else { 0 };
        let mut jump = if idle > 1 { fitting(room, width, idle) } else { 1 };
        let wraps = coming + jump > self.track_high;
        let lbn = if wraps { self.track_low } else { coming + jump };
        let (mut gap, spot) = self.gap(fixed, s.arm_sector + jump as u32, lbn);
        let count = if wanted && jump == 1 { 1 } else { 2 };
        // After the last sector of a track, in turn, the arm leaves it and waits for no other.
        if count == 1 && wraps && coming == s.at(j) {
            gap = 0;
        }
        let mut more = 0;
        if count == 1 && gap == 0 && self.whole && !wraps {
            let to = self.stretch(fixed, j, s, beyond);
            jump = fitting(room, width, to - coming);
            more = jump - 1;
        }
        let s = &mut self.segments[n];
        s.time = start;
        s.arm_time = start + width * (jump as u64 + u64::from(gap));
        s.arm_count = count;
        s.arm_jump = jump as u32;
        (s.arm_lbn, s.arm_sector) = (lbn + more, spot + more as u32);
        self.go_round(n);
    }

    /// Behind a track's last sector its first comes.
    #[inline]
    pub(super) fn go_round(&mut self, n: usize) {
        let s = &mut self.segments[n];
        if s.arm_lbn > self.track_high {
            (s.arm_lbn, s.arm_sector) = (self.track_low, self.low_sector);
        }
    }

    /// Whether the arm simply reads ahead, sector after sector, of a read that has all of its data; if
    /// so, the end of the sectors that nothing tells apart. What [`stretch`](Self::stretch) would say of
    /// them, in fewer steps.
    #[inline]
    pub(super) fn reads_on(&self, fixed: &Fixed, n: usize) -> Option<i64> {
        let s = &self.segments[n];
        let [only] = s.jobs[..] else { return None };
        let in_turn = self.whole
            && s.background
            && s.state == SegState::Reading
            && s.out == SegOut::Idle
            && !self.held
            && s.arm_lbn == s.end
            && s.end < self.track_high
            && self.late_start > self.track_high
            && !fixed.config.buffer.keep_free_sectors;
        if !in_turn || self.on_arrival || !self.job(only).sent {
            return None;
        }
        let stop = |to: i64, limit: i64| if limit > s.end { to.min(limit) } else { to };
        Some(stop(stop(self.track_high + 1, s.ahead_min), s.ahead_max))
    }

    /// Sectors between the one that was expected and the one that holds `lbn`, and its number.
    /// Slipped and spare sectors pass too; DiskSim's arithmetic leaves them out.
    fn gap(&self, fixed: &Fixed, sector: u32, lbn: i64) -> (u32, u32) {
        let g = &fixed.geometry;
        let next = lbn == self.lbn_by_sector(sector);
        if next && self.whole {
            return (0, sector);
        }
        let spot = match g.home(lbn as u64) {
            Some(h) if h.track == self.track => h.sector,
            _ => sector,
        };
        let gap = match self.spindle.rotation() {
            Rotation::Stepped => 0,
            Rotation::Exact if spot >= sector => spot - sector,
            Rotation::Exact => g.per_turn(self.track) - sector + spot,
        };
        (gap, spot)
    }

    /// The LBN on a sector of the present track, if its LBNs are without holes.
    fn lbn_by_sector(&self, sector: u32) -> i64 {
        self.track_low + i64::from(sector) - i64::from(self.low_sector)
    }

    /// The last instant before which nothing but the arm's own progress can happen.
    pub(super) fn quiet_until(&self, fixed: &Fixed) -> u64 {
        let Some(id) = self.effective_arm.filter(|_| fixed.whole_reads) else { return self.now };
        let bus = match self.bus_event {
            None => u64::MAX,
            Some((at, event)) => match self.answered(fixed, id, at, event) {
                None => at - at.min(1),
                Some(end) => return self.outside.quiet_until(end),
            },
        };
        let extra = self.extra_event.map_or(u64::MAX, |e| e.0.saturating_sub(1));
        let j = self.job(id);
        // While a read is under way no other request reaches the arm, whenever it comes.
        let reading = j.read && j.asked && j.segment.is_some_and(|n| !self.segments[n].background);
        let outside = if reading { u64::MAX } else { self.outside.until };
        bus.min(extra).min(outside)
    }

    /// When the host will have its answer, if the bus events from this one until then leave the arm and
    /// its segment's limits alone: the request that is read ahead for has all of its data in the
    /// buffer, and nobody else waits in the controller. A quarter to a third of all steps would end at
    /// such events.
    fn answered(&self, fixed: &Fixed, id: JobId, at: u64, event: BusEvent) -> Option<u64> {
        let (BusEvent::Connected(whose) | BusEvent::Moved(whose) | BusEvent::Completed(whose)) =
            event
        else {
            return None;
        };
        if id != whose || self.extra_event.is_some() {
            return None;
        }
        let j = self.job(whose);
        let s = &self.segments[j.segment?];
        let ahead = j.read && s.state == SegState::Reading && s.background && s.end >= j.end();
        if !ahead || s.jobs.len() != 1 || !self.queue.is_empty() || !self.off_bus.is_empty() {
            return None;
        }
        if matches!(event, BusEvent::Completed(_)) {
            return Some(at);
        }
        let under_way = if s.out == SegOut::Transferring { s.out_count } else { 0 };
        let left = (j.end() - j.outer - under_way).max(0) as u64;
        let moved = left.saturating_mul(self.sector_on_bus(fixed, whose));
        Some(at.saturating_add(moved).saturating_add(fixed.config.overheads.read_complete.as_ps()))
    }

    /// How many sectors from the coming one on can't matter to the arm's job.
    #[inline]
    fn idle_sectors(&self, fixed: &Fixed, j: &Job, s: &Segment) -> i64 {
        let coming = s.arm_lbn;
        let reading = s.state == SegState::Reading;
        if reading && fixed.config.buffer.keep_free_sectors || s.out == SegOut::Preempt {
            return 0;
        }
        let (at, stop) = match (reading, s.background) {
            (true, true) => (s.end, s.ahead_max),
            (true, false) => (s.end, j.end()),
            (false, _) => (j.inner, s.end.max(j.end())),
        };
        let any_order = self.on_arrival || self.late_start <= self.track_high;
        let stop = if any_order { stop } else { at + 1 };
        if coming < at {
            at.min(self.track_high + 1) - coming
        } else if coming >= stop {
            self.track_high + 1 - coming
        } else {
            0
        }
    }

    /// The end of the sectors from the coming one on that nothing in the controller tells apart.
    #[inline]
    fn stretch(&self, fixed: &Fixed, j: &Job, s: &Segment, beyond: i64) -> i64 {
        let coming = s.arm_lbn;
        let reading = s.state == SegState::Reading;
        let at = s.at(j);
        let one = at + 1;
        if self.held || s.out == SegOut::Preempt || coming != at {
            return coming + 1;
        }
        let mut to = self.track_high + 1;
        let mut stop = |limit: i64| {
            if limit > at {
                to = to.min(limit);
            }
        };
        stop(self.late_start);
        if reading && s.background {
            stop(s.ahead_min);
            stop(s.ahead_max);
        } else if reading {
            stop(j.end());
            if s.out == SegOut::Idle && !fixed.instant_bus {
                stop(j.outer + j.watermark);
            }
        } else {
            let extra = fixed.config.extra_disconnect.is_some();
            if extra && (j.asked && s.end < j.end() || s.end - s.start > s.size) {
                return one;
            }
            to = to.min(s.end.max(one)).min(j.end().max(one));
            if s.out == SegOut::Idle && !s.background && s.end < j.end() {
                to = to.min((s.end - j.watermark).max(one));
            }
        }
        to.min(beyond.max(one))
    }
}

/// Whether the arm should move the coming sector between segment and medium. From `beyond` on there
/// is no room for what is read.
#[inline]
fn wanted(fixed: &Fixed, j: &Job, s: &Segment, beyond: i64) -> bool {
    let lbn = s.arm_lbn;
    if s.state == SegState::Reading {
        if lbn < s.end && lbn >= s.start {
            return false;
        }
        if lbn < s.start && (!fixed.config.buffer.keep_free_sectors || s.end != s.start) {
            return false;
        }
        return lbn < beyond;
    }
    if lbn < j.inner || lbn >= s.end {
        return false;
    }
    if j.asked && fixed.config.extra_disconnect.is_some() {
        // These drives start to write only when some sectors are buffered.
        let have = s.end - s.start;
        let need = if j.count < 45 { j.count.min(10) } else { 15 };
        return have >= need;
    }
    true
}

/// How many of `wanted` steps of `width` fit into `room`; one at least.
fn fitting(room: u64, width: u64, wanted: i64) -> i64 {
    let wanted = wanted.clamp(1, LONGEST);
    // A division is what this is about, and seldom necessary.
    if (wanted as u64).checked_mul(width).is_some_and(|all| all <= room) {
        return wanted;
    }
    room.checked_div(width).map_or(1, |n| n.clamp(1, wanted as u64) as i64)
}
