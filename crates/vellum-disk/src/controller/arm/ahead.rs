//! Reading ahead with nobody else in the controller, from track to track in one go.
//!
//! Once the host has its answer and until the next request may come, nothing can happen but sector
//! after sector passing under the head. The plain way takes a seek and one or several steps for each
//! track, served one by one by [`super::seek`] and [`super::pass`]; here the same times are added up.
//! Where the next request may come in the middle, the arm is left exactly where it then is.

use crate::controller::types::{Arm, JobId, Out, SegOut, SegState, Segment};
use crate::controller::{Control, Fixed};

impl Control {
    /// Takes reading ahead as far as no request may come.
    pub(super) fn coast(&mut self, fixed: &Fixed, id: JobId, n: usize, out: &mut Out) {
        if !self.reads_ahead_alone(fixed, id, n) {
            return;
        }
        let (quiet, s) = (self.outside.until, &mut self.segments[n]);
        let mut at = s.arm_time;
        if at > quiet {
            return;
        }
        match s.arm {
            Arm::Sector if self.whole && s.in_turn(self.track_high) => {
                if s.arm_jump > 0 {
                    self.spindle.steps(s.time, at, s.arm_jump);
                }
                s.end += i64::from(s.arm_jump);
            }
            Arm::Seek if s.arm_lbn == s.end => match self.land(fixed, id, n, quiet) {
                Some(start) => at = start,
                None => return,
            },
            _ => return,
        }
        while self.rest_of_track(fixed, id, n, &mut at, quiet) {
            let s = &mut self.segments[n];
            s.arm_lbn = self.track_high + 1;
            if s.end >= s.ahead_max || self.set_out(fixed, n, at, 0).is_none() {
                self.segments[n].arm = Arm::Still;
                return self.release_arm(fixed, id, out);
            }
            if self.segments[n].arm_time > quiet {
                return;
            }
            match self.land(fixed, id, n, quiet) {
                Some(start) => at = start,
                None => return,
            }
        }
    }

    /// Whether the arm reads ahead of a read that has its answer, and nobody else is here.
    fn reads_ahead_alone(&self, fixed: &Fixed, id: JobId, n: usize) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        fixed.whole_reads
            && j.read
            && j.received
            && s.reads
            && s.state == SegState::Reading
            && s.out == SegOut::Idle
            && s.jobs.len() == 1
            && s.end < s.ahead_max
            && !self.outside.waits
            && !self.held
            && !self.on_arrival
            && !fixed.config.buffer.keep_free_sectors
            && self.bus_event.is_none()
            && self.extra_event.is_none()
            && self.queue.is_empty()
            && self.off_bus.is_empty()
    }

    /// The heads are on the next track: waits for its first sector, and tells when that begins. `None`
    /// where a request may come before it has passed, or the track has holes.
    fn land(&mut self, fixed: &Fixed, id: JobId, n: usize, quiet: u64) -> Option<u64> {
        let lbn = self.segments[n].arm_lbn;
        if !self.aim(fixed, lbn) {
            return None;
        }
        let sector = self.target.spot.sector;
        self.settle(fixed);
        let s = &mut self.segments[n];
        let now = s.arm_time;
        let angle = self.spindle.angle(now);
        let first = fixed.geometry.sector_angle(self.track, self.track_angle, sector);
        let start = now + self.spindle.between(angle, first);
        (s.time, s.arm_time, s.arm, s.arm_sector) = (now, start, Arm::Sector, sector);
        if start + self.sector_ps > quiet {
            return None;
        }
        self.spindle.wait(angle, now, start);
        if !self.whole {
            self.next_sector(fixed, id, n, start, quiet);
            return None;
        }
        Some(start)
    }

    /// Reads what is left of a track, or of what may be read ahead, from `at` on. False where a request
    /// may come first: it finds a step of so many sectors under way.
    fn rest_of_track(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        at: &mut u64,
        quiet: u64,
    ) -> bool {
        let width = self.sector_ps;
        let s = &mut self.segments[n];
        let to = (self.track_high + 1).min(s.ahead_max);
        let mut left = (to - s.end).max(0) as u32;
        let in_full = *at + width * u64::from(left) <= quiet;
        if !in_full {
            left = quiet.saturating_sub(*at).checked_div(width).unwrap_or(0) as u32;
        }
        let passed = *at + width * u64::from(left);
        self.spindle.steps(*at, passed, left);
        s.end += i64::from(left);
        s.wrap(s.end);
        *at = passed;
        if !in_full {
            s.arm_lbn = s.end;
            s.arm_sector = self.low_sector + (s.end - self.track_low) as u32;
            self.one_more(fixed, id, n, passed, quiet);
        }
        in_full
    }
}

impl Segment {
    /// Whether the present step passes the sectors that come next, in turn.
    fn in_turn(&self, track_high: i64) -> bool {
        let to = self.end + i64::from(self.arm_jump);
        let next = to == self.arm_lbn || to == track_high + 1;
        self.arm_count == 1 && next
    }
}
