//! The arm: who has it, seeks, and sectors passing under the head.

use super::types::{Arm, Hit, JobId, Out, SegOut, SegState};
use super::{Bus, BusEvent, Control, Fixed};
use crate::config::{FastWrite, ReadAhead};
use crate::geometry::Angle;
use crate::spindle::Rotation;

impl Control {
    pub(super) fn arm_segment(&self) -> Option<usize> {
        self.effective_arm.and_then(|e| self.jobs[e].as_ref()?.segment)
    }

    /// The job that the arm would serve next: the oldest that has, or can get, a segment.
    fn next_job(&mut self, fixed: &Fixed) -> Option<JobId> {
        (0..self.queue.len()).find_map(|i| {
            let id = self.queue[i];
            self.enabled(fixed, id).then_some(id)
        })
    }

    /// Whether a waiting job could be given the arm.
    fn enabled(&mut self, fixed: &Fixed, id: JobId) -> bool {
        let busy = |c: &Control, n: usize| {
            matches!(c.segments[n].state, SegState::Writing | SegState::Dirty)
        };
        if let Some(n) = self.job(id).segment {
            let job = self.job(id);
            if job.read {
                return !busy(self, n);
            }
            if job.owns_segment {
                return true;
            }
            let owner = self.segments[n].jobs.iter().copied();
            let owner = owner
                .clone()
                .find(|&j| self.job(j).owns_segment)
                .or_else(|| owner.clone().find(|&j| !self.job(j).read));
            return match owner.filter(|&o| o != id) {
                Some(o) => {
                    let o = self.job(o);
                    job.end() - o.inner <= self.segments[n].size || o.inner == job.lba
                }
                None => true,
            };
        }
        self.select(fixed, id, false);
        let (hit, segment) = (self.job(id).hit, self.job(id).segment);
        let fits = match segment {
            None => false,
            Some(n) if self.job(id).read => !busy(self, n),
            Some(n) if hit == Hit::Append => {
                let owner = self.segments[n].jobs.iter().map(|&j| self.job(j));
                let inner = owner.clone().find(|j| j.owns_segment).map(|j| j.inner);
                let job = self.job(id);
                inner.is_none_or(|i| job.end() - i <= self.segments[n].size || i == job.lba)
            }
            Some(_) => true,
        };
        if segment.is_some() {
            let j = self.job_mut(id);
            (j.segment, j.hit) = (None, Hit::No);
        }
        fits
    }

    /// Whether the arm's present job can be stopped, or joined by this one. May mark it to stop at
    /// its next event.
    pub(super) fn stoppable(&mut self, fixed: &Fixed, id: JobId) -> bool {
        let Some(effective) = self.effective_arm else { return true };
        let Some(n) = self.job(effective).segment else { return false };
        let b = &fixed.config.buffer;
        let job = self.job(id);
        let (lba, count, read, segment, hit) = (job.lba, job.count, job.read, job.segment, job.hit);
        let s = &self.segments[n];
        if s.state == SegState::Writing {
            let continues = hit == Hit::Append
                && segment == Some(n)
                && s.end == lba
                && (b.fast_write != FastWrite::Sequential || self.queue.len() == 1);
            return continues && self.next_job(fixed).is_none_or(|next| next == id);
        }
        if s.state != SegState::Reading {
            return false;
        }
        let inside = lba >= s.start && lba <= s.end;
        let asked = self.job(effective).asked;
        if asked && s.end < s.ahead_min && (!read || segment != Some(n) || !inside) {
            return false;
        }
        if !read && b.write_stops_read_ahead && s.meets(lba, count) {
            let end = s.end;
            let s = &mut self.segments[n];
            (s.ahead_max, s.ahead_min) = (end, end);
        }
        let s = &self.segments[n];
        let hits = lba >= s.start && (lba < s.end || b.almost_hits && lba == s.end);
        if read && b.cache && segment == Some(n) && hits {
            return self.next_job(fixed).is_none_or(|next| next == id);
        }
        if !self.job(effective).received {
            return false;
        }
        if s.end < s.ahead_min {
            let min = s.ahead_min;
            self.segments[n].ahead_max = min;
            return false;
        }
        self.halt(fixed, n)
    }

    /// Stops the arm's reading ahead, at once if the drive can.
    fn halt(&mut self, fixed: &Fixed, n: usize) -> bool {
        let b = &fixed.config.buffer;
        let s = &self.segments[n];
        match s.arm {
            Arm::Still => true,
            Arm::Seek if !b.stop_in_seek => {
                // The seek is carried to its end, then the arm is free.
                if let Some(spot) = fixed.geometry.locate(s.arm_lbn as u64) {
                    let (cylinder, head) = fixed.geometry.track_place(spot.track);
                    (self.cylinder, self.head) = (cylinder, head);
                }
                self.arm_free = self.segments[n].arm_time;
                self.segments[n].arm = Arm::Still;
                true
            }
            Arm::Sector if !b.stop_in_seek && !b.stop_in_sector => {
                self.arm_free = s.arm_time;
                self.segments[n].arm = Arm::Still;
                true
            }
            Arm::Seek => {
                self.segments[n].out = SegOut::Preempt;
                false
            }
            Arm::Sector if !b.stop_in_sector => {
                self.segments[n].out = SegOut::Preempt;
                false
            }
            Arm::Sector => true,
        }
    }

    /// Takes the arm away from reading ahead.
    pub(super) fn stop_arm(&mut self, fixed: &Fixed) {
        let Some(id) = self.effective_arm else { return };
        let Some(n) = self.job(id).segment else { return };
        let received = self.job(id).received;
        let s = &mut self.segments[n];
        s.arm = Arm::Still;
        let keep = !received || fixed.config.buffer.cache || s.jobs.len() > 1;
        s.state = if keep { SegState::Clean } else { SegState::Empty };
        if received {
            self.leave_segment(id);
            self.jobs[id] = None;
            self.new_owner(fixed, n);
        }
        (self.effective_arm, self.current_arm) = (None, None);
    }

    /// Lets a read take over the arm where reading ahead has brought it.
    pub(super) fn swap_arm(&mut self, fixed: &Fixed, id: JobId) {
        let Some(effective) = self.effective_arm else { return };
        let Some(n) = self.job(effective).segment else { return };
        let lba = self.job(id).lba;
        let e = self.job(effective);
        let may = !e.asked || e.lba < lba;
        if self.current_arm != Some(effective) || !self.segments[n].background || !may {
            return;
        }
        if self.job(effective).received {
            self.leave_segment(effective);
            self.jobs[effective] = None;
        } else {
            let (count, end) = (self.job(id).count, self.job(id).end());
            self.segments[n].reads = true;
            self.raise_ahead(fixed, n, lba, count);
            let s = &mut self.segments[n];
            s.background = s.end >= end && s.end < s.ahead_max;
        }
        (self.effective_arm, self.current_arm) = (None, None);
    }

    /// Gives a free arm to a job, the named one if that can be.
    pub(super) fn check_arm(
        &mut self,
        fixed: &Fixed,
        wish: Option<JobId>,
        may_use_bus: bool,
        out: &mut Out,
    ) {
        if self.effective_arm.is_some() || !self.take_arm(fixed, wish) {
            return;
        }
        let Some(id) = self.effective_arm else { return };
        let Some(n) = self.job(id).segment else { return };
        let (mut seek, mut release, mut shortest) = (false, false, 0);
        if self.job(id).asked {
            if self.job(id).read {
                (seek, release) = self.plan_read(fixed, id, n);
            } else {
                (seek, release) = self.plan_write(id, n);
                shortest = self.shortest_write_seek(fixed, id, n);
                let inner = self.job(id).inner;
                let received = self.job(id).received;
                let s = &mut self.segments[n];
                (s.reads, s.background) = (false, received);
                s.arm_lbn = inner;
            }
            if may_use_bus && self.extra_job != Some(id) {
                self.check_bus(fixed, Some(id), out);
            }
        } else {
            let s = &mut self.segments[n];
            s.state = SegState::Reading;
            if s.end < s.ahead_max {
                if s.arm == Arm::Still {
                    s.arm_lbn = s.end;
                    seek = true;
                }
                (s.reads, s.background) = (true, true);
                self.on_arrival = fixed.config.buffer.read_on_arrival;
            } else {
                release = true;
            }
        }
        if seek {
            let wait = self.job(id).ready.saturating_sub(self.now)
                + self.arm_free.saturating_sub(self.now);
            if !self.start_seek(fixed, id, n, true, wait, shortest) {
                self.release_arm(fixed, id, out);
            }
        } else if release {
            self.release_arm(fixed, id, out);
        }
        if !release
            && self.segments[n].state == SegState::Reading
            && self.segments[n].background
            && self.effective_arm == Some(id)
        {
            self.offer_arm(fixed, out);
        }
    }

    /// Finds who gets the arm.
    fn take_arm(&mut self, fixed: &Fixed, wish: Option<JobId>) -> bool {
        if let Some(current) = self.current_arm {
            self.effective_arm = Some(current);
            return true;
        }
        let wished = wish.filter(|&w| !self.job(w).asked || self.enabled(fixed, w));
        let Some(id) = wished.or_else(|| self.next_job(fixed)) else { return false };
        if self.job(id).segment.is_some() && !self.job(id).owns_segment {
            self.own_segment(fixed, id);
        }
        if self.job(id).segment.is_none() {
            self.select(fixed, id, false);
            if self.job(id).segment.is_none() {
                return false;
            }
            self.set_segment(fixed, id);
            self.own_segment(fixed, id);
        }
        self.queue.retain(|&q| q != id);
        (self.current_arm, self.effective_arm) = (Some(id), Some(id));
        self.job_mut(id).has_arm = true;
        true
    }

    fn plan_read(&mut self, fixed: &Fixed, id: JobId, n: usize) -> (bool, bool) {
        let (lba, count, end, outer) = {
            let j = self.job(id);
            (j.lba, j.count, j.end(), j.outer)
        };
        let s = &mut self.segments[n];
        (s.reads, s.background) = (true, false);
        if s.arm == Arm::Still {
            s.arm_lbn = s.end;
        }
        self.raise_ahead(fixed, n, lba, count);
        self.on_arrival = fixed.config.buffer.read_on_arrival;
        let limit = self.ahead_limit(fixed, n, lba, count);
        let s = &mut self.segments[n];
        s.state = SegState::Reading;
        let (mut seek, mut release) = (false, false);
        if s.end < end || s.start > outer {
            seek = true;
        } else if s.end < s.ahead_max.max(limit) {
            s.background = true;
            seek = fixed.config.buffer.read_ahead_on_hit;
        } else {
            release = true;
        }
        if s.arm != Arm::Still {
            return (false, false);
        }
        (seek, release)
    }

    fn plan_write(&mut self, id: JobId, n: usize) -> (bool, bool) {
        let s = &mut self.segments[n];
        if !matches!(s.state, SegState::Writing | SegState::Dirty) {
            self.dirty += 1;
        }
        s.state = SegState::Writing;
        let j = self.job(id);
        (j.inner < j.end(), j.inner >= j.end())
    }

    /// The least time that the arm needs before a write that does not continue the one before.
    fn shortest_write_seek(&mut self, fixed: &Fixed, id: JobId, n: usize) -> u64 {
        self.on_arrival = fixed.config.buffer.write_on_arrival;
        let (s, j) = (&self.segments[n], self.job(id));
        let continues = j.hit == Hit::Append
            && s.arm_lbn == j.lba
            && s.arm_count == 1
            && s.arm_time == self.now;
        if continues { 0 } else { fixed.config.write_seek_min.as_ps() }
    }

    /// Starts to move the arm to the segment's next LBN. False if reading ahead ends there.
    fn start_seek(
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
        let Some(spot) = fixed.geometry.locate(lbn as u64) else { return false };
        let (cylinder, head) = fixed.geometry.track_place(spot.track);
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
        s.arm_count = 0;
        let parts = &mut self.job_mut(id).parts;
        if first && !parts.moved {
            parts.moved = true;
            (parts.distance, parts.seek, parts.settle) = (distance, moved, settle);
            if distance == 0 {
                (parts.seek, parts.switch) = (0, moved);
            }
        } else {
            parts.switch += moved + settle;
        }
        true
    }

    /// The arm's event.
    pub(super) fn arm_done(&mut self, fixed: &Fixed, out: &mut Out) {
        let Some(id) = self.effective_arm else { return };
        let Some(n) = self.job(id).segment else { return };
        match self.segments[n].arm {
            Arm::Seek => self.on_track(fixed, id, n, out),
            Arm::Sector => self.sector(fixed, id, n, out),
            Arm::Still => {}
        }
    }

    /// The heads have settled on a track: wait for the first sector.
    fn on_track(&mut self, fixed: &Fixed, id: JobId, n: usize, out: &mut Out) {
        let g = &fixed.geometry;
        let lbn = self.segments[n].arm_lbn;
        let Some(spot) = g.locate(lbn as u64) else { return };
        (self.cylinder, self.head) = g.track_place(spot.track);
        if self.segments[n].out == SegOut::Preempt {
            self.segments[n].arm = Arm::Still;
            return self.release_arm(fixed, id, out);
        }
        self.track = spot.track;
        self.track_angle = g.track_angle(spot.track);
        let (low, high) = g.track_lbns(spot.track, lbn as u64).unwrap_or((lbn as u64, lbn as u64));
        (self.track_low, self.track_high) = (low as i64, high as i64);
        let sector = |l| g.home(l).map_or(0, |h| h.sector);
        self.low_sector = sector(low);
        self.whole = u64::from(sector(high) - self.low_sector) == high - low;
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
        let lbn = match g.lbn_at(self.track, landed) {
            Some(l) if !spot.remapped => l as i64,
            _ => lbn,
        };
        (self.late_start, self.late_end) = (self.track_high + 1, self.track_high + 1);
        let s = &mut self.segments[n];
        s.arm_time = self.now + wait;
        s.arm_lbn = lbn;
        s.arm_sector = landed;
        s.arm = Arm::Sector;
        s.arm_count = 0;
        let parts = &mut self.job_mut(id).parts;
        if !parts.began {
            parts.began = true;
            parts.rotation = wait;
        } else {
            parts.switch += wait;
        }
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
        let up = into.next_multiple_of_or_wrap(width);
        let sector = (up / width) % sectors;
        // Nothing can be read from a spare or slipped sector.
        if g.lbn_at(self.track, sector).is_some() { sector } else { wanted }
    }

    /// A sector has passed.
    fn sector(&mut self, fixed: &Fixed, id: JobId, n: usize, out: &mut Out) {
        let (first, last, next) = (self.track_low, self.track_high, self.track_high + 1);
        let s = &self.segments[n];
        let passed = if s.arm_lbn > first { s.arm_lbn - 1 } else { last };
        let (mode, began) = (s.arm_count, s.time);
        if mode == 0 {
            self.spindle.catch_up(began);
        }
        let jump = self.segments[n].arm_jump;
        self.segments[n].arm_jump = 1;
        if jump == 1 {
            self.spindle.step(began, self.now);
        } else {
            let each = (self.now - began) / u64::from(jump);
            self.spindle.steps(began, each, u64::from(jump));
        }
        let job = self.job(id);
        let (inner, end) = (job.inner, job.end());
        let s = &self.segments[n];
        let reading = s.state == SegState::Reading;
        let (mut at, stop) = if reading {
            let limit = if s.background { s.ahead_max } else { end };
            (s.end, limit.min(next))
        } else {
            (inner, s.end.min(next))
        };
        let mut lowest = s.start;
        if mode == 1 {
            let skipped = i64::from(jump) - 1;
            if passed == at + skipped {
                let from = at;
                at += 1 + skipped;
                if at == self.late_start {
                    at = self.late_end;
                    (self.late_start, self.late_end) = (next + 1, next + 1);
                }
                if !reading {
                    self.note_written(n, from, at, out);
                }
            } else if passed < s.start {
                lowest = passed;
                at = passed + 1;
            } else {
                self.out_of_turn(fixed, n, passed, at, stop, inner, reading);
            }
        }
        self.segments[n].start = lowest;
        if mode != 0 {
            let spent = self.now - began;
            self.job_mut(id).parts.transfer += spent;
        }
        if self.segments[n].out == SegOut::Transferring {
            self.moved_so_far(fixed, n);
        }
        if reading {
            self.segments[n].end = at;
        } else {
            self.job_mut(id).inner = at;
        }
        let e = self.segments[n].end;
        self.segments[n].wrap(e);
        if self.request_over(fixed, id, n, out) {
            return;
        }
        if at >= next {
            self.segments[n].arm_lbn = next;
            if !self.start_seek(fixed, id, n, false, 0, 0) {
                self.release_arm(fixed, id, out);
            }
            return;
        }
        self.next_sector(fixed, n, first, last);
    }

    /// Tells which writes the sectors `from..to` of a segment belong to.
    fn note_written(&mut self, n: usize, from: i64, to: i64, out: &mut Out) {
        let now = self.now;
        for i in 0..self.segments[n].jobs.len() {
            let id = self.segments[n].jobs[i];
            let j = self.job_mut(id);
            let (first, last) = (from.max(j.durable), to.min(j.end()));
            if !j.read && first == j.durable && first < last {
                j.durable = last;
                out.wrote(j.ask, first as u64, (last - first) as u32, now);
            }
        }
    }

    /// A sector that is wanted, but not the next one: noted while reading or writing on arrival.
    #[allow(clippy::too_many_arguments)]
    fn out_of_turn(
        &mut self,
        fixed: &Fixed,
        n: usize,
        passed: i64,
        at: i64,
        stop: i64,
        inner: i64,
        reading: bool,
    ) {
        let next = self.track_high + 1;
        if self.on_arrival && self.late_start >= next {
            let ahead = reading
                && fixed.config.buffer.read_ahead != ReadAhead::None
                && passed < inner
                && passed >= stop;
            if ahead || (passed < stop && passed > at) {
                (self.late_start, self.late_end) = (passed, passed + 1);
            }
        } else if passed == self.late_end && (passed < stop || passed < inner) {
            self.late_end += 1;
            let end = self.late_end;
            self.segments[n].wrap(end);
        } else if passed > self.late_end && passed < stop {
            (self.late_start, self.late_end) = (passed, passed + 1);
        }
    }

    /// Lets the next sector of the track come.
    fn next_sector(&mut self, fixed: &Fixed, n: usize, first: i64, last: i64) {
        let coming = self.segments[n].arm_lbn;
        let wanted = self.wanted(fixed, n, coming);
        let width = self.spindle.sweep(fixed.geometry.width(self.track));
        let idle = if self.whole { self.idle_sectors(fixed, n, coming) } else { 0 };
        let jump = if idle > 1 { idle.min(self.fits(width)) } else { 1 };
        let lbn = if coming + jump > last { first } else { coming + jump };
        let sector = self.segments[n].arm_sector + jump as u32;
        let (gap, spot) = self.gap(fixed, sector, lbn);
        let now = self.now;
        let s = &mut self.segments[n];
        s.arm_lbn = lbn;
        s.time = now;
        s.arm_time = now + width * (jump as u64 + u64::from(gap));
        s.arm_sector = spot;
        s.arm_count = if wanted && jump == 1 { 1 } else { 2 };
        s.arm_jump = jump as u32;
        if wanted && gap == 0 && jump == 1 && self.whole {
            self.stretch(fixed, n, coming, width);
        }
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

    /// Steps of `width` that fit before anything else can happen.
    fn fits(&self, width: u64) -> i64 {
        let bus = self.bus_event.map_or(u64::MAX, |e| e.0);
        let extra = self.extra_event.map_or(u64::MAX, |e| e.0);
        // While a read is under way no other request reaches the arm, whenever it comes.
        let reading = self.effective_arm.is_some_and(|id| {
            let j = self.job(id);
            j.read && j.asked && j.segment.is_some_and(|n| !self.segments[n].background)
        });
        let limit = if reading { u64::MAX } else { self.limit };
        let room = limit.min(bus.saturating_sub(1)).min(extra.saturating_sub(1));
        let fits = room.saturating_sub(self.now).checked_div(width).unwrap_or(1);
        fits.clamp(1, 1 << 20) as i64
    }

    /// How many sectors from `coming` on can't matter to the arm's job.
    fn idle_sectors(&self, fixed: &Fixed, n: usize, coming: i64) -> i64 {
        let Some(j) = self.effective_arm.map(|id| self.job(id)) else { return 0 };
        let s = &self.segments[n];
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

    /// Lengthens a step over one sector to one over as many as nothing else can happen in.
    fn stretch(&mut self, fixed: &Fixed, n: usize, coming: i64, width: u64) {
        let Some(id) = self.effective_arm else { return };
        let (j, s) = (self.job(id), &self.segments[n]);
        let at = if s.state == SegState::Reading { s.end } else { j.inner };
        if self.held || s.out == SegOut::Preempt || coming != at || s.arm_lbn != coming + 1 {
            return;
        }
        let idle = s.out == SegOut::Idle;
        let mut to = self.track_high + 1;
        let mut stop = |limit: i64| {
            if limit > at {
                to = to.min(limit);
            }
        };
        stop(self.late_start);
        if s.state == SegState::Reading {
            if s.background {
                stop(s.ahead_min);
                stop(s.ahead_max);
            } else {
                stop(j.end());
                if idle {
                    stop(j.outer + j.watermark);
                }
            }
            if let Some(o) = self.reader(n).filter(|o| !o.sent) {
                to = to.min((o.outer + s.size).max(at + 1));
            }
        } else {
            let extra = fixed.config.extra_disconnect.is_some();
            if extra && (j.asked && s.end < j.end() || s.end - s.start > s.size) {
                return;
            }
            to = to.min(s.end.max(at + 1)).min(j.end().max(at + 1));
            if idle && !s.background && s.end < j.end() {
                to = to.min((s.end - j.watermark).max(at + 1));
            }
        }
        let jump = (to - at).clamp(1, 1 << 20).min(self.fits(width));
        let now = self.now;
        let s = &mut self.segments[n];
        s.arm_jump = jump as u32;
        s.arm_time = now + width * jump as u64;
        s.arm_sector += jump as u32 - 1;
        s.arm_lbn += jump - 1;
        if s.arm_lbn > self.track_high {
            (s.arm_lbn, s.arm_sector) = (self.track_low, self.low_sector);
        }
    }

    /// What follows when the medium has done its part, or enough of it for the bus. True if the arm
    /// has other things to do now.
    fn request_over(&mut self, fixed: &Fixed, id: JobId, n: usize, out: &mut Out) -> bool {
        if self.held {
            self.held = false;
            if let Some(bus) = self.effective_bus {
                self.bus_event = Some((self.now, BusEvent::Moved(bus)));
            }
        }
        let j = self.job(id).clone();
        let s = &self.segments[n];
        let (reading, background) = (s.state == SegState::Reading, s.background);
        let (over, mut enough);
        enough = false;
        match (reading, background) {
            (true, true) => over = s.end >= s.ahead_max,
            (true, false) => {
                enough = s.end - j.outer >= j.watermark;
                over = s.end >= j.end();
            }
            (false, true) => over = s.end == j.inner,
            (false, false) => {
                enough = s.end - j.inner <= j.watermark && s.end < j.end();
                over = j.inner >= j.end();
            }
        }
        if (background && over && reading) || s.out == SegOut::Preempt {
            self.segments[n].arm = Arm::Still;
            self.release_arm(fixed, id, out);
            return true;
        }
        if !background && s.out == SegOut::Idle && (over || enough) {
            self.check_bus(fixed, Some(id), out);
        }
        let s = &self.segments[n];
        if background && reading && s.end == s.ahead_min && j.received {
            return self.pause_and_offer(fixed, id, n, out);
        }
        if (!background || !reading) && over {
            self.job_mut(id).parts.medium_end = self.now;
            let goes_on = reading
                && fixed.config.buffer.read_ahead != ReadAhead::None
                && self.segments[n].end < self.segments[n].ahead_max;
            if goes_on {
                self.segments[n].background = true;
                if self.job(id).received {
                    return self.pause_and_offer(fixed, id, n, out);
                }
                return false;
            }
            self.segments[n].arm = Arm::Still;
        }
        if over {
            if !reading {
                self.queue.retain(|&q| q != id);
                if !self.job(id).sent && self.segments[n].out == SegOut::Idle {
                    self.check_bus(fixed, Some(id), out);
                }
            }
            self.segments[n].arm = Arm::Still;
            self.release_arm(fixed, id, out);
        }
        over
    }

    /// Between two sectors of reading ahead, lets a waiting job have the arm.
    fn pause_and_offer(&mut self, fixed: &Fixed, id: JobId, n: usize, out: &mut Out) -> bool {
        let held = self.segments[n].arm;
        self.segments[n].arm = Arm::Still;
        self.offer_arm(fixed, out);
        if self.segments[n].out == SegOut::Preempt || self.effective_arm != Some(id) {
            return true;
        }
        self.segments[n].arm = held;
        false
    }

    /// Gives a waiting job the chance to stop reading ahead.
    pub(super) fn offer_arm(&mut self, fixed: &Fixed, out: &mut Out) {
        if let Some(next) = self.next_job(fixed) {
            let set = self.job(next).segment.is_none();
            if set {
                self.select(fixed, next, false);
            }
            self.activate(fixed, next, set, true, out);
        }
    }

    /// The arm's job gives it up, if it may.
    pub(super) fn release_arm(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        if self.effective_arm != Some(id) {
            return;
        }
        let Some(n) = self.job(id).segment else { return };
        let j = self.job(id).clone();
        let b = &fixed.config.buffer;
        let (mut release, mut free, mut next) = (false, false, None);
        if !j.asked {
            (release, free) = (true, true);
            let keep = b.cache || self.segments[n].jobs.len() > 1;
            self.segments[n].state = if keep { SegState::Clean } else { SegState::Empty };
        } else if !j.read && j.received {
            (release, free) = (true, true);
            let others = self.segments[n].jobs.iter().copied().filter(|&o| o != id);
            let waiting: Vec<JobId> = others
                .filter(|&o| {
                    let o = self.job(o);
                    o.asked && !o.read && o.inner < o.end()
                })
                .collect();
            if let Some(&o) = waiting.first() {
                self.segments[n].state = SegState::Dirty;
                let other = self.job(o);
                if other.hit == Hit::Append
                    && b.fast_write == FastWrite::Sequential
                    && other.lba == j.end()
                {
                    next = Some(o);
                }
            } else {
                let keep = self.segments[n].jobs.len() > 1 || b.cache && b.hits_on_writes;
                self.segments[n].state = if keep { SegState::Clean } else { SegState::Empty };
                self.dirty = self.dirty.saturating_sub(1);
            }
        }
        if free {
            self.queue.retain(|&q| q != id);
            self.leave_segment(id);
            self.jobs[id] = None;
            self.new_owner(fixed, n);
        }
        if release {
            if self.segments[n].out == SegOut::Preempt {
                self.segments[n].out = SegOut::Idle;
            }
            (self.current_arm, self.effective_arm) = (None, None);
            self.check_arm(fixed, next, true, out);
        }
    }

    /// Finds a new owner for a segment whose owner has gone.
    pub(super) fn new_owner(&mut self, fixed: &Fixed, n: usize) {
        let jobs = self.segments[n].jobs.clone();
        if jobs.iter().any(|&j| self.job(j).owns_segment) {
            return;
        }
        let reads = |c: &Control, j: JobId| {
            let job = c.job(j);
            c.effective_arm != Some(j) && job.has_arm && job.asked && job.read
        };
        let best = jobs
            .iter()
            .copied()
            .find(|&j| reads(self, j))
            .or_else(|| jobs.iter().copied().find(|&j| self.job(j).hit == Hit::Append))
            .or(self.effective_arm.filter(|_| self.arm_segment() == Some(n)));
        if let Some(id) = best {
            self.own_segment(fixed, id);
        }
    }

    /// Sectors that have crossed the bus since the transfer began, noted sector by sector.
    fn moved_so_far(&mut self, fixed: &Fixed, n: usize) {
        let Some(id) = self.effective_bus else { return };
        if self.held || self.bus != Bus::Transferring {
            return;
        }
        let each = self.sector_on_bus(fixed, id);
        let count = match (self.now - self.transfer_start).checked_div(each) {
            Some(moved) => moved as i64 - self.transferred,
            None => self.segments[n].out_count,
        };
        let count = count.min(self.segments[n].out_count);
        self.transferred += count;
        self.segments[n].out_count -= count;
        self.job_mut(id).outer += count;
        let outer = self.job(id).outer;
        let s = &mut self.segments[n];
        s.end = s.end.max(outer);
        let end = s.end;
        s.wrap(end);
    }
}

trait RoundUp {
    fn next_multiple_of_or_wrap(self, n: u32) -> u32;
}

impl RoundUp for u32 {
    fn next_multiple_of_or_wrap(self, n: u32) -> u32 {
        match self % n {
            0 => self,
            rest => self.wrapping_add(n - rest),
        }
    }
}
