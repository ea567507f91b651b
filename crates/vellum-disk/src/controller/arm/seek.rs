//! Moving to a track, and the wait for the first sector that is wanted.

use crate::config::ReadAhead;
use crate::controller::types::{Arm, JobId, Out, Parts, SegOut, SegState};
use crate::controller::{Control, Fixed, Target};
use crate::geometry::Angle;
use crate::spindle::Rotation;
use vellum_block::Duration;

impl Control {
    /// Starts to move the arm to the segment's next LBN. False if reading ahead ends there.
    pub(super) fn start_seek(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        first: bool,
        wait: u64,
        shortest: u64,
    ) -> bool {
        let lbn = self.segments[n].arm_lbn;
        self.segments[n].arm = Arm::Still;
        if !self.aim(fixed, lbn) {
            return false;
        }
        let Target { spot, cylinder, head, .. } = self.target;
        let distance = cylinder.abs_diff(self.cylinder);
        let reads = self.segments[n].reads;
        let (moved, settle) = fixed.seek.time(distance, head != self.head, !reads);
        let pause = shortest.saturating_sub(moved + settle);
        let start = self.now + wait + pause;
        let s = &mut self.segments[n];
        s.time = start;
        s.arm_time = start + moved + settle;
        if s.background && reads {
            let other = head != self.head;
            let stop = match fixed.config.buffer.read_ahead {
                ReadAhead::Cylinder => distance != 0,
                ReadAhead::Track => distance != 0 || other,
                _ => false,
            };
            if stop {
                return false;
            }
        }
        s.arm_sector = spot.sector;
        s.arm = Arm::Seek;
        (s.arm_count, s.arm_jump) = (0, 1);
        let Some(parts) = self.waiting_parts(id, n) else { return true };
        if first && !parts.moved {
            parts.moved = true;
            (parts.distance, parts.seek, parts.settle) = (distance, moved, settle);
            if distance == 0 {
                (parts.seek, parts.switch) = (0, moved);
            }
            self.media.accesses += 1;
            self.media.distance += u64::from(distance);
            self.media.seek += Duration::from_ps(moved + settle);
        } else {
            parts.switch += moved + settle;
        }
        true
    }

    /// The heads have settled on a track: wait for the first sector. A read may be the only thing that
    /// goes on.
    pub(super) fn on_track(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        alone: bool,
        out: &mut Out,
    ) {
        let g = &fixed.geometry;
        let lbn = self.segments[n].arm_lbn;
        if !self.aim(fixed, lbn) {
            return;
        }
        let Target { spot, cylinder, head, .. } = self.target;
        (self.cylinder, self.head) = (cylinder, head);
        if self.segments[n].out == SegOut::Preempt {
            self.segments[n].arm = Arm::Still;
            return self.release_arm(fixed, id, out);
        }
        self.track = spot.track;
        self.track_angle = g.track_angle(spot.track);
        let on = g.lbns_on(spot.track, lbn as u64).unwrap_or_default();
        (self.track_low, self.track_high) = (on.first.0 as i64, on.last.0 as i64);
        self.low_sector = on.first.1;
        self.whole = u64::from(on.last.1 - on.first.1) == on.last.0 - on.first.0;
        let s = &mut self.segments[n];
        let mut arrival = self.on_arrival;
        if fixed.config.buffer.keep_free_sectors && s.reads && lbn != self.track_low {
            arrival = true;
        }
        s.time = self.now;
        let angle = self.spindle.angle(self.now);
        let span = (self.track_high - self.track_low + 1) as u32;
        let landed =
            if arrival { self.first_after(fixed, angle, spot.sector, span) } else { spot.sector };
        let start = g.sector_angle(self.track, self.track_angle, landed);
        let wait = self.spindle.between(angle, start);
        let lbn = if landed == spot.sector || spot.remapped {
            lbn
        } else {
            g.lbn_at(self.track, landed).map_or(lbn, |l| l as i64)
        };
        (self.late_start, self.late_end) = (self.track_high + 1, self.track_high + 1);
        let s = &mut self.segments[n];
        s.arm_time = self.now + wait;
        s.arm_lbn = lbn;
        s.arm_sector = landed;
        s.arm = Arm::Sector;
        s.arm_count = 0;
        if let Some(parts) = self.waiting_parts(id, n) {
            if !parts.began {
                parts.began = true;
                parts.rotation = wait;
                self.media.rotation += Duration::from_ps(wait);
            } else {
                parts.switch += wait;
            }
        }
        // Mostly nothing can happen before the first sector has passed: a step less.
        let start = self.now + wait;
        if alone && self.read_whole(fixed, id, n, start) {
            return;
        }
        let quiet = self.quiet_until(fixed);
        if start + self.sector_time(fixed) <= quiet && self.idle_start(id, n) {
            self.wait_for_sector(start);
            if self.only_answers(id, n) {
                self.read_ahead_from(fixed, id, n, start);
            } else {
                self.next_sector(fixed, id, n, start, quiet);
            }
        }
    }

    /// The wait for a track's first sector, from now to `start`, has passed.
    pub(super) fn wait_for_sector(&mut self, start: u64) {
        self.spindle.wait(self.now, start);
    }

    /// Finds the place of an LBN, if the drive has it. The arm asks for it when it sets out and again
    /// when it is there.
    #[inline]
    fn aim(&mut self, fixed: &Fixed, lbn: i64) -> bool {
        if self.target.lbn == lbn {
            return true;
        }
        let Some(spot) = fixed.geometry.locate(lbn as u64) else { return false };
        let (cylinder, head) = fixed.geometry.track_place(spot.track);
        self.target = Target { lbn, spot, cylinder, head };
        true
    }

    /// Whether the first sector of a track can begin without anything to be done about it.
    fn idle_start(&self, id: JobId, n: usize) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        if self.held || matches!(s.out, SegOut::Preempt | SegOut::Transferring) {
            return false;
        }
        let next = self.track_high + 1;
        if s.state != SegState::Reading {
            let enough = s.end - j.inner <= j.watermark && s.end < j.end();
            return j.inner < next && s.end != j.inner && j.inner < j.end() && !enough;
        }
        let enough = s.end >= j.end() || s.end - j.outer >= j.watermark;
        let waits =
            if s.background { s.end < s.ahead_max && s.end != s.ahead_min } else { !enough };
        s.end < next && waits
    }

    /// The account of a job that waits for the medium; none once the medium has done its part and
    /// only reads ahead for it.
    #[inline]
    pub(in crate::controller) fn waiting_parts(
        &mut self,
        id: JobId,
        n: usize,
    ) -> Option<&mut Parts> {
        let ahead = self.segments[n].reads && self.segments[n].background;
        let job = self.job_mut(id);
        (job.asked && !ahead && job.parts.medium_end.is_none()).then_some(&mut job.parts)
    }

    /// On arrival, the first whole sector that comes by; the wanted one if the head is before it.
    fn first_after(&self, fixed: &Fixed, angle: Angle, wanted: u32, span: u32) -> u32 {
        let g = &fixed.geometry;
        // DiskSim means to do the same, but on zoned layouts its test for the result always fails.
        if self.spindle.rotation() == Rotation::Stepped && g.is_zoned() {
            return wanted;
        }
        let sectors = g.per_turn(self.track);
        let last = (wanted + span - 1).min(sectors - 1);
        let at = |s| g.sector_angle(self.track, self.track_angle, s).0;
        let (start, end, now) = (at(wanted), at(last), angle.0);
        // The span may run over the index mark.
        let outside = last == wanted
            || if start < end { now <= start || now >= end } else { end < now && now <= start };
        if outside {
            return wanted;
        }
        let width = g.width(self.track);
        let into = now.wrapping_sub(self.track_angle.0);
        let up = round_up(into, width);
        let sector = (up / width) % sectors;
        // Nothing can be read from a spare or slipped sector.
        if g.lbn_at(self.track, sector).is_some() { sector } else { wanted }
    }
}

/// `v` rounded up to a multiple of `n`; a full turn wraps to nothing.
fn round_up(v: u32, n: u32) -> u32 {
    match v % n {
        0 => v,
        rest => v.wrapping_add(n - rest),
    }
}
