//! Moving to a track, and the wait for the first sector that is wanted.

use crate::config::ReadAhead;
use crate::controller::types::{Arm, JobId, Out, Parts, SegOut, SegState};
use crate::controller::{Control, Fixed};
use crate::geometry::{Angle, Visit};
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
        let Some((distance, moved, settle)) = self.set_out(fixed, n, self.now + wait, shortest)
        else {
            return false;
        };
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

    /// Sets the arm in motion at `start`, or so much later that it moves for `shortest`. Cylinders on
    /// the way, time for them, and for settling; `None` if reading ahead ends here.
    #[inline]
    pub(super) fn set_out(
        &mut self,
        fixed: &Fixed,
        n: usize,
        start: u64,
        shortest: u64,
    ) -> Option<(u32, u64, u64)> {
        let lbn = self.segments[n].arm_lbn;
        self.segments[n].arm = Arm::Still;
        if !self.aim(fixed, lbn) {
            return None;
        }
        let Visit { spot, cylinder, head, .. } = self.target;
        let distance = cylinder.abs_diff(self.cylinder);
        let other = head != self.head;
        let s = &mut self.segments[n];
        let (moved, settle) = fixed.seek.time(distance, other, !s.reads);
        let start = start + shortest.saturating_sub(moved + settle);
        s.time = start;
        s.arm_time = start + moved + settle;
        if s.background && s.reads {
            let stop = match fixed.config.buffer.read_ahead {
                ReadAhead::Cylinder => distance != 0,
                ReadAhead::Track => distance != 0 || other,
                _ => false,
            };
            if stop {
                return None;
            }
        }
        s.arm_sector = spot.sector;
        s.arm = Arm::Seek;
        (s.arm_count, s.arm_jump) = (0, 1);
        Some((distance, moved, settle))
    }

    /// The heads have settled on the track of the last target.
    #[inline]
    pub(super) fn settle(&mut self, fixed: &Fixed) {
        let Visit { spot, cylinder, head, angle, on, .. } = self.target;
        (self.cylinder, self.head) = (cylinder, head);
        (self.track, self.track_angle) = (spot.track, angle);
        self.sector_ps = self.spindle.sweep(fixed.geometry.width(spot.track));
        (self.track_low, self.track_high) = (on.first.0 as i64, on.last.0 as i64);
        self.low_sector = on.first.1;
        self.whole = u64::from(on.last.1 - on.first.1) == on.last.0 - on.first.0;
        (self.late_start, self.late_end) = (self.track_high + 1, self.track_high + 1);
    }

    /// The heads have settled on a track: wait for the first sector. A request may be the only thing
    /// that goes on.
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
        let Visit { spot, cylinder, head, .. } = self.target;
        if self.segments[n].out == SegOut::Preempt {
            (self.cylinder, self.head) = (cylinder, head);
            self.segments[n].arm = Arm::Still;
            return self.release_arm(fixed, id, out);
        }
        self.settle(fixed);
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
        if alone && self.pass_whole(fixed, id, n, (angle, start), out) {
            return;
        }
        let quiet = self.quiet_until(fixed);
        if start + self.sector_ps <= quiet && self.idle_start(id, n) {
            self.spindle.wait(angle, self.now, start);
            if self.only_answers(id, n) {
                self.read_ahead_from(fixed, id, n, start, quiet);
            } else {
                self.next_sector(fixed, id, n, start, quiet);
            }
        }
    }

    /// The arm's job is the only thing that goes on: takes it as far as that can be told.
    fn pass_whole(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        from: (Angle, u64),
        out: &mut Out,
    ) -> bool {
        if self.job(id).read {
            self.read_whole(fixed, id, n, from, out)
        } else {
            self.write_whole(fixed, id, n, from, out)
        }
    }

    /// Finds the place of an LBN, if the drive has it. The arm asks for it when it sets out and again
    /// when it is there.
    #[inline]
    pub(super) fn aim(&mut self, fixed: &Fixed, lbn: i64) -> bool {
        self.target.lbn == lbn as u64 || self.look_up(fixed, lbn)
    }

    #[inline(never)]
    fn look_up(&mut self, fixed: &Fixed, lbn: i64) -> bool {
        fixed.geometry.visit(lbn as u64, &mut self.target)
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
    #[inline(always)]
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
