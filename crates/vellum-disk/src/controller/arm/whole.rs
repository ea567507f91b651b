//! A read that misses, from its last track to the answer, in one go.
//!
//! Once the head is over the last track of a read, what follows is mostly settled: its sectors pass, the
//! bus is taken when the last of them has, all data crosses it, and the host has its answer. The plain
//! way takes five events for it, which [`super::pass`], [`super::release`] and the bus serve one by one;
//! here the same times are added up. Whatever could make a difference sends the read the plain way, and
//! a test holds the two against each other.

use crate::config::ReadAhead;
use crate::controller::types::{Arm, Bus, BusEvent, JobId, SegOut, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    /// Whether nobody but this read is in the controller, and all that it waits for is on this track.
    fn alone_on_track(&self, fixed: &Fixed, id: JobId, n: usize) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        let b = &fixed.config.buffer;
        let idle_bus = self.bus == Bus::Idle
            && self.bus_event.is_none()
            && self.extra_event.is_none()
            && self.extra_job.is_none()
            && self.current_bus.is_none()
            && self.off_bus[..] == [id];
        let waits = j.read && j.asked && !s.background && s.state == SegState::Reading;
        let one_piece = j.watermark >= j.end() - j.outer || fixed.instant_bus;
        // Neither the read nor reading ahead comes to where there is no room.
        let room = j.end().max(s.ahead_max) - j.outer <= s.size;
        fixed.whole_reads
            && idle_bus
            && waits
            && one_piece
            && room
            && self.whole
            && !self.held
            && s.out == SegOut::Idle
            && s.arm_lbn == s.end
            && s.start <= j.outer
            && j.outer <= s.end
            && s.end < j.end()
            && j.end() <= self.track_high + 1
            && s.jobs.len() == 1
            && self.queue.is_empty()
            && !b.keep_free_sectors
            && b.read_ahead_over_request != -1
    }

    /// Takes a read whose next sector begins at `start` to its answer, if it can. Reading ahead goes on
    /// from there by itself.
    pub(super) fn read_whole(&mut self, fixed: &Fixed, id: JobId, n: usize, start: u64) -> bool {
        if !self.alone_on_track(fixed, id, n) {
            return false;
        }
        let o = &fixed.config.overheads;
        let each = self.sector_on_bus(fixed, id);
        let width = self.sector_time(fixed);
        let (j, s) = (self.job(id), &self.segments[n]);
        let (sectors, end) = (j.end() - s.end, j.end());
        let passed = start + width * sectors as u64;
        let connected = passed + o.reselect.as_ps() + o.data_preparation.as_ps();
        let moved = connected + each * (end - j.outer) as u64;
        self.wait_for_sector(start);
        self.spindle.steps(start, passed, sectors as u32);
        let j = self.jobs[id].as_mut().expect("a live job");
        let s = &mut self.segments[n];
        // What the medium does.
        j.parts.transfer += passed - start;
        (j.parts.medium_end, j.parts.bus) = (Some(passed), moved - connected);
        s.end = end;
        s.arm_sector += sectors as u32;
        s.arm_lbn = end;
        s.background = fixed.config.buffer.read_ahead != ReadAhead::None && end < s.ahead_max;
        s.arm = if s.background { Arm::Sector } else { Arm::Still };
        // What the bus does.
        (j.outer, j.sent) = (end, true);
        self.off_bus.clear();
        (self.current_bus, self.effective_bus) = (Some(id), Some(id));
        self.last_read = true;
        self.bus = Bus::Waiting;
        self.bus_event = Some((moved + o.read_complete.as_ps(), BusEvent::Completed(id)));
        if s.background {
            self.read_ahead_from(fixed, id, n, passed);
        }
        true
    }

    /// Lets reading ahead go on from the end of a read, at `start`.
    fn read_ahead_from(&mut self, fixed: &Fixed, id: JobId, n: usize, start: u64) {
        let s = &mut self.segments[n];
        if s.arm_lbn > self.track_high {
            // Where reading ahead ends with the track, the arm stays.
            self.start_seek(fixed, id, n, false, start - self.now, 0);
            return;
        }
        let quiet = self.quiet_until(fixed);
        let width = self.sector_time(fixed);
        let room = quiet.saturating_sub(start);
        let more = room.checked_div(width).unwrap_or(0);
        let s = &mut self.segments[n];
        let left = (self.track_high.min(s.ahead_max - 1) - s.arm_lbn).max(0) as u64;
        if !self.outside.waits || more == 0 || more >= left {
            return self.next_sector(fixed, id, n, start, quiet);
        }
        // The request that waits finds so many sectors read, and the next one on its way.
        let at = start + width * more;
        self.spindle.steps(start, at, more as u32);
        s.arm_lbn += more as i64;
        s.arm_sector += more as u32;
        s.end = s.arm_lbn;
        s.wrap(s.end);
        self.next_sector(fixed, id, n, at, quiet);
    }
}
