//! A read that misses, from its seek to the answer, in one go.
//!
//! Once a read has the arm and nobody else is in the controller, what follows is settled: the arm seeks
//! from track to track, the sectors pass, the bus is taken when the last of them has, all data crosses it,
//! and the host has its answer, while the arm reads ahead. The plain way takes half a dozen events for it,
//! which [`super::seek`], [`super::pass`], [`super::release`] and the bus serve one by one; here the same
//! times are added up when the seek begins. Whatever could make a difference sends the read the plain way,
//! and a test holds the two against each other.

use crate::config::ReadAhead;
use crate::controller::types::{Arm, Bus, BusEvent, JobId, Out, SegOut, SegState};
use crate::controller::{Control, Fixed};
use crate::geometry::Angle;

impl Control {
    /// Takes what the arm does as far as nothing else can happen.
    #[inline]
    pub(in crate::controller) fn shorten(&mut self, fixed: &Fixed, out: &mut Out) {
        let Some(id) = self.effective_arm else { return };
        let j = self.job(id);
        let Some(n) = j.segment else { return };
        let s = &self.segments[n];
        match s.arm {
            Arm::Seek | Arm::Sector if !j.read => self.hurry_write(fixed, id, n, out),
            Arm::Seek if j.asked && !s.background => self.hurry(fixed, id, n, out),
            Arm::Seek | Arm::Sector if s.background => self.coast(fixed, id, n, out),
            _ => (),
        }
    }

    /// Takes a read that seeks as far as nothing else can happen.
    fn hurry(&mut self, fixed: &Fixed, id: JobId, n: usize, out: &mut Out) {
        if !self.waits_alone(fixed, id, n) {
            return;
        }
        let now = self.now;
        // Until the host has its answer, that is; then others may come.
        let mut end = u64::MAX;
        while out.ended.is_none()
            && self.segments[n].arm == Arm::Seek
            && self.segments[n].arm_time < end
        {
            self.now = self.segments[n].arm_time;
            if let Some((at, BusEvent::Left(_))) = self.bus_event
                && at <= self.now
            {
                self.bus_event = None;
                self.leave_bus(id);
            }
            self.on_track(fixed, id, n, true, out);
            end = match self.bus_event {
                Some((at, BusEvent::Completed(_))) => at,
                _ if self.segments[n].background => break,
                _ => end,
            };
        }
        // The answer, if nothing comes before it.
        if let Some((at, BusEvent::Completed(_))) = self.bus_event
            && at <= self.outside.until
            && self.arm_event().is_none_or(|arm| arm >= at)
        {
            (self.bus_event, self.now) = (None, at);
            self.completed(fixed, id, out);
        }
        self.now = now;
    }

    /// Whether nobody but this read is in the controller, and it waits for the medium alone.
    fn waits_alone(&self, fixed: &Fixed, id: JobId, n: usize) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        let b = &fixed.config.buffer;
        let off_bus = match self.bus_event {
            None => self.bus == Bus::Idle && self.off_bus[..] == [id],
            Some((_, BusEvent::Left(whose))) => whose == id && self.off_bus.is_empty(),
            _ => false,
        };
        // What the buffer has of it already must not be enough to take the bus for.
        let too_little = s.end - j.outer < j.watermark.max(1);
        // Neither the read nor reading ahead comes to where there is no room.
        let room = j.end().max(s.ahead_max) - j.outer <= s.size;
        fixed.whole_reads
            && s.state == SegState::Reading
            && off_bus
            && self.current_bus.is_none()
            && self.extra_event.is_none()
            && self.extra_job.is_none()
            && too_little
            && room
            && !self.held
            && s.out == SegOut::Idle
            && s.start <= j.outer
            && j.outer <= s.end
            && s.end < j.end()
            && s.jobs.len() == 1
            && self.queue.is_empty()
            && !b.keep_free_sectors
            && b.read_ahead_over_request != -1
    }

    /// Takes a read that waits alone, and whose next sector begins at `start`, to its answer, or to the
    /// next track if there is more of it, if it can. Reading ahead goes on from there by itself.
    pub(super) fn read_whole(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        (angle, start): (Angle, u64),
        out: &mut Out,
    ) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        if !self.whole || s.arm_lbn != s.end || s.end >= j.end() {
            return false;
        }
        let in_one_piece = j.watermark >= j.end() - j.outer;
        let end = j.end().min(self.track_high + 1);
        let sectors = end - s.end;
        let passed = start + self.sector_ps * sectors as u64;
        if end < j.end() {
            if in_one_piece {
                self.spindle.wait(angle, self.now, start);
                self.read_track(fixed, id, n, (start, passed), sectors as u32);
            }
            return in_one_piece;
        }
        // The bus is free by then.
        let free = self.bus_event.is_none_or(|(at, _)| at <= passed);
        if !free || !(in_one_piece || fixed.instant_bus) {
            return false;
        }
        let o = &fixed.config.overheads;
        let each = self.sector_on_bus(fixed, id);
        let connected = passed + o.reselect.as_ps() + o.data_preparation.as_ps();
        let moved = connected + each * (end - j.outer) as u64;
        self.spindle.wait(angle, self.now, start);
        self.pass(id, n, (start, passed), sectors as u32);
        let j = &mut self.jobs[id];
        let s = &mut self.segments[n];
        // What the medium does.
        (j.parts.medium_end, j.parts.bus) = (Some(passed), moved - connected);
        s.background = fixed.config.buffer.read_ahead != ReadAhead::None && end < s.ahead_max;
        s.arm = if s.background { Arm::Sector } else { Arm::Still };
        // What the bus does.
        (j.outer, j.sent) = (end, true);
        self.off_bus.clear();
        (self.current_bus, self.effective_bus) = (Some(id), Some(id));
        self.last_read = true;
        self.bus = Bus::Waiting;
        let told = moved + o.read_complete.as_ps();
        if !self.outside.waits && told <= self.outside.until && !self.on_arrival {
            // Nobody looks before the answer, nor right after it.
            (s.time, s.arm_time, s.arm_count, s.arm_jump) = (passed, passed, 1, 0);
            (self.bus_event, self.now) = (None, told);
            self.completed(fixed, id, out);
            if self.effective_arm == Some(id) {
                self.coast(fixed, id, n, out);
            }
            return true;
        }
        self.bus_event = Some((told, BusEvent::Completed(id)));
        if s.background {
            let quiet = self.outside.quiet_until(told);
            self.read_ahead_from(fixed, id, n, passed, quiet);
        }
        true
    }

    /// Lets so many sectors of a read pass, the first of a track.
    #[inline]
    fn pass(&mut self, id: JobId, n: usize, (start, passed): (u64, u64), sectors: u32) {
        self.spindle.steps(start, passed, sectors);
        self.job_mut(id).parts.transfer += passed - start;
        self.come_to(n, sectors);
    }

    /// The segment has so many sectors more, and the arm is about the one behind them.
    fn come_to(&mut self, n: usize, sectors: u32) {
        let s = &mut self.segments[n];
        s.end += i64::from(sectors);
        s.arm_sector += sectors;
        s.arm_lbn = s.end;
        s.wrap(s.end);
    }

    /// Reads what is left of a track and sets out for the next one.
    fn read_track(&mut self, fixed: &Fixed, id: JobId, n: usize, time: (u64, u64), sectors: u32) {
        self.pass(id, n, time, sectors);
        self.start_seek(fixed, id, n, false, time.1 - self.now, 0);
    }

    /// Whether all that is left of a read is to tell the host, and the coming sector is the next to be
    /// read ahead.
    pub(super) fn only_answers(&self, id: JobId, n: usize) -> bool {
        let s = &self.segments[n];
        let answers =
            matches!(self.bus_event, Some((_, BusEvent::Completed(whose))) if whose == id);
        answers && self.whole && s.background && s.state == SegState::Reading && s.arm_lbn == s.end
    }

    /// Lets reading ahead go on from `start`, while the host waits for its answer.
    /// Nothing else happens up to `quiet`.
    pub(super) fn read_ahead_from(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        start: u64,
        quiet: u64,
    ) {
        let s = &self.segments[n];
        if s.arm_lbn > self.track_high {
            // Where reading ahead ends with the track, the arm stays.
            self.start_seek(fixed, id, n, false, start - self.now, 0);
            return;
        }
        let width = self.sector_ps;
        let room = quiet.saturating_sub(start);
        let more = room.checked_div(width).unwrap_or(0);
        let left = (self.track_high + 1).min(s.ahead_max) - s.arm_lbn;
        let to_end = more >= left as u64;
        if more == 0 || left <= 0 || to_end && s.ahead_max <= self.track_high + 1 {
            return self.next_sector(fixed, id, n, start, quiet);
        }
        let passing = if to_end { left as u32 } else { more as u32 };
        let at = start + width * u64::from(passing);
        self.spindle.steps(start, at, passing);
        self.come_to(n, passing);
        if to_end {
            self.start_seek(fixed, id, n, false, at - self.now, 0);
        } else {
            // Whoever comes then finds so many sectors read, and the next one on its way.
            self.one_more(fixed, id, n, at, quiet);
        }
    }

    /// The next sector of reading ahead in turn, which begins at `start` and passes only after `quiet`.
    #[inline]
    pub(super) fn one_more(&mut self, fixed: &Fixed, id: JobId, n: usize, start: u64, quiet: u64) {
        if self.on_arrival || fixed.config.buffer.keep_free_sectors {
            return self.next_sector(fixed, id, n, start, quiet);
        }
        let s = &mut self.segments[n];
        (s.time, s.arm_time) = (start, start + self.sector_ps);
        (s.arm_count, s.arm_jump) = (1, 1);
        s.arm_lbn += 1;
        s.arm_sector += 1;
        self.go_round(n);
    }
}
