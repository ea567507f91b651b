//! Sectors that pass under the head, in turn and out of turn.

use crate::config::ReadAhead;
use crate::controller::types::{Bus, JobId, Out, SegOut, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    /// A sector has passed.
    pub(super) fn sector(&mut self, fixed: &Fixed, id: JobId, n: usize, out: &mut Out) {
        let next = self.track_high + 1;
        let job = self.job(id);
        let (inner, end) = (job.inner, job.end());
        let s = &mut self.segments[n];
        let passed = if s.arm_lbn > self.track_low { s.arm_lbn - 1 } else { self.track_high };
        let (mode, began) = (s.arm_count, s.time);
        let jump = std::mem::replace(&mut s.arm_jump, 1);
        if mode == 0 {
            self.spindle.catch_up(began);
        }
        self.spindle.steps(began, self.now, jump);
        if mode == 1
            && passed + 1 == s.end + i64::from(jump)
            && self.read_on(fixed, id, n, passed, out)
        {
            return;
        }
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
                at = passed + 1;
                if at == self.late_start {
                    at = self.late_end;
                    (self.late_start, self.late_end) = (next + 1, next + 1);
                }
                if !reading {
                    self.note_written(n, (from, at), self.now, out);
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
            // A request may join a step that reading ahead has begun.
            let spent = self.now.saturating_sub(began.max(self.job(id).arrived));
            if let Some(parts) = self.waiting_parts(id, n) {
                parts.transfer += spent;
            }
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
        let quiet = self.quiet_until(fixed);
        self.next_sector(fixed, id, n, self.now, quiet);
    }

    /// Sectors up to `passed` were read ahead in turn, and reading ahead goes on: what is left of
    /// [`sector`](Self::sector) then. False where more has to be done.
    #[inline]
    fn read_on(&mut self, fixed: &Fixed, id: JobId, n: usize, passed: i64, out: &mut Out) -> bool {
        let (at, next) = (passed + 1, self.track_high + 1);
        let s = &mut self.segments[n];
        let ahead = s.background
            && s.reads
            && s.state == SegState::Reading
            && s.out == SegOut::Idle
            && !self.held
            && at < s.ahead_max
            && at != s.ahead_min
            && self.late_start >= next;
        if !ahead {
            return false;
        }
        s.end = at;
        s.wrap(at);
        if at < next {
            let quiet = self.quiet_until(fixed);
            self.next_sector(fixed, id, n, self.now, quiet);
            return true;
        }
        s.arm_lbn = next;
        (self.late_start, self.late_end) = (next + 1, next + 1);
        if !self.start_seek(fixed, id, n, false, 0, 0) {
            self.release_arm(fixed, id, out);
        }
        true
    }

    /// Tells which writes the sectors `from..to` of a segment belong to, the last of which passed at `at`: once,
    /// though a sector that passed behind another write passes again for its own.
    pub(super) fn note_written(
        &mut self,
        n: usize,
        (from, to): (i64, i64),
        at: u64,
        out: &mut Out,
    ) {
        for i in 0..self.segments[n].jobs.len() {
            let id = self.segments[n].jobs[i];
            let j = self.job_mut(id);
            let (first, last) = (from.max(j.durable), to.min(j.end()));
            if !j.read && first == j.durable && first < last {
                j.durable = last;
                out.wrote(j.ask, first as u64, (last - first) as u32, at);
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
