//! A write that nothing disturbs, from the bus to its end, in two or three steps.
//!
//! While a write has bus and arm for itself, what follows is settled: its data crosses the bus while the
//! arm is on its way, the sectors pass, and the host is told. The plain way takes seven events for it;
//! here the bus's are added up when the data begins to move, and the medium's when the arm is on the
//! track. Nothing becomes durable before its time may be looked at: the medium's part waits until
//! nobody can come before the sectors have passed.

use crate::config::FastWrite;
use crate::controller::types::{Arm, Bus, BusEvent, Hit, JobId, Out, SegOut, SegState};
use crate::controller::{Control, Fixed};
use crate::geometry::Angle;

impl Control {
    /// Moves all of a write's data at once, if the first sector comes by only when it has moved.
    pub(in crate::controller) fn fill(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) -> bool {
        let j = self.job(id);
        let Some(n) = j.segment.filter(|_| !j.read && fixed.whole_reads) else { return false };
        let s = &self.segments[n];
        let c = &fixed.config;
        let through = c.buffer.fast_write == FastWrite::Off || j.through;
        let moved = self.now + c.write_sector.as_ps() * j.count as u64;
        let left = moved + if through { c.overheads.write_disconnect.as_ps() } else { 0 };
        let alone = self.effective_arm == Some(id)
            && s.jobs.len() == 1
            && self.current_bus == Some(id)
            && self.off_bus.is_empty()
            && self.extra_event.is_none()
            && c.extra_disconnect.is_none();
        let fresh = j.hit == Hit::No
            && j.owns_segment
            && (j.outer, j.inner, s.start, s.end) == (j.lba, j.lba, j.lba, j.lba)
            && j.count <= s.size
            && s.out == SegOut::Contacting
            && s.state == SegState::Writing
            && s.hold_count == 0
            && !s.background;
        if !alone || !fresh || s.arm != Arm::Seek {
            return false;
        }
        let (start, end) = (self.now, j.end());
        // The platter may give it time enough where the arm does not.
        if s.arm_time < left && s.arm_time <= self.outside.until {
            self.now = s.arm_time;
            self.on_track(fixed, id, n, false, out);
            self.now = start;
        }
        if self.segments[n].arm_time < left {
            return false;
        }
        let (j, s) = (&mut self.jobs[id], &mut self.segments[n]);
        (j.outer, s.end, s.out) = (end, end, SegOut::Idle);
        j.parts.bus = moved - start;
        (self.transfer_start, self.transferred) = (start, 0);
        if through {
            self.leave_bus(id);
        } else {
            self.now = moved;
            self.complete(fixed, id);
            self.now = start;
        }
        true
    }

    /// Takes a write that seeks as far as nothing else can happen.
    pub(super) fn hurry_write(&mut self, fixed: &Fixed, id: JobId, n: usize, out: &mut Out) {
        let (j, s) = (self.job(id), &self.segments[n]);
        let alone = fixed.whole_reads
            && j.asked
            && !j.sent
            && j.outer == j.end()
            && s.end == j.end()
            && s.jobs.len() == 1
            && s.out == SegOut::Idle
            && s.state == SegState::Writing
            && !s.background
            && !self.held
            && !self.on_arrival
            && self.bus == Bus::Idle
            && self.bus_event.is_none()
            && self.extra_event.is_none()
            && self.current_bus.is_none()
            && self.off_bus[..] == [id]
            && self.queue.is_empty()
            && fixed.config.extra_disconnect.is_none();
        if !alone {
            return;
        }
        let (now, until) = (self.now, self.outside.until);
        while out.ended.is_none() {
            let s = &self.segments[n];
            match s.arm {
                Arm::Seek if s.arm_time <= until => {
                    self.now = s.arm_time;
                    self.on_track(fixed, id, n, true, out);
                }
                Arm::Sector if s.arm_count == 0 => {
                    self.now = s.time;
                    let from = (self.spindle.angle(s.time), s.arm_time);
                    if !self.write_whole(fixed, id, n, from, out) {
                        break;
                    }
                }
                _ => break,
            }
        }
        self.now = now;
    }

    /// Takes a write that is alone, and whose next sector begins at `start`, to its end, or to the next
    /// track if there is more of it, if that is before others may come.
    pub(super) fn write_whole(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        (angle, start): (Angle, u64),
        out: &mut Out,
    ) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        let from = j.inner;
        if !self.whole || s.arm_lbn != from || from >= j.end() {
            return false;
        }
        let to = j.end().min(self.track_high + 1);
        let (last, sectors) = (to == j.end(), (to - from) as u32);
        let passed = start + self.sector_ps * u64::from(sectors);
        if passed > self.outside.until {
            return false;
        }
        self.spindle.wait(angle, self.now, start);
        self.spindle.steps(start, passed, sectors);
        // Some may have passed before, when they came behind another write in the same segment.
        self.note_written(n, (from, to), passed, out);
        let (j, s) = (&mut self.jobs[id], &mut self.segments[n]);
        j.parts.transfer += passed - start;
        (j.inner, s.arm_lbn) = (to, to);
        if !last {
            self.start_seek(fixed, id, n, false, passed - self.now, 0);
            return true;
        }
        (j.parts.medium_end, j.parts.bus, j.sent) = (Some(passed), 0, true);
        s.arm = Arm::Still;
        let o = &fixed.config.overheads;
        let told = passed + o.reselect.as_ps() + o.write_complete.as_ps();
        self.off_bus.clear();
        (self.current_bus, self.effective_bus) = (Some(id), Some(id));
        (self.last_read, self.bus) = (false, Bus::Waiting);
        if told > self.outside.until {
            self.bus_event = Some((told, BusEvent::Completed(id)));
            return true;
        }
        self.now = told;
        self.completed(fixed, id, out);
        true
    }
}
