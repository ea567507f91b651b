//! What follows when the medium has done its part: answering, reading ahead, letting the arm go.

use crate::config::{FastWrite, ReadAhead};
use crate::controller::types::{Arm, BusEvent, Hit, Job, JobId, Out, SegOut, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    /// What follows when the medium has done its part, or enough of it for the bus. True if the arm
    /// has other things to do now.
    pub(super) fn request_over(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        n: usize,
        out: &mut Out,
    ) -> bool {
        if self.held {
            self.held = false;
            self.transfer_start = self.now;
            if let Some(bus) = self.effective_bus {
                self.bus_event = Some((self.now, BusEvent::Moved(bus)));
            }
        }
        let j = self.job(id);
        let (received, sent, inner, end) = (j.received, j.sent, j.inner, j.end());
        let s = &self.segments[n];
        let (reading, background) = (s.state == SegState::Reading, s.background);
        let (over, mut enough);
        enough = false;
        match (reading, background) {
            (true, true) => over = s.end >= s.ahead_max,
            (true, false) => {
                enough = s.end - j.outer >= j.watermark;
                over = s.end >= end;
            }
            (false, true) => over = s.end == inner,
            (false, false) => {
                enough = s.end - inner <= j.watermark && s.end < end;
                over = inner >= end;
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
        if background && reading && s.end == s.ahead_min && received {
            return self.pause_and_offer(fixed, id, n, out);
        }
        if (!background || !reading) && over {
            self.medium_done(id, n);
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
                if !sent && self.segments[n].out == SegOut::Idle {
                    self.check_bus(fixed, Some(id), out);
                }
            }
            self.segments[n].arm = Arm::Still;
            self.release_arm(fixed, id, out);
        }
        over
    }

    /// The medium has done all of a job: what the bus still has to move comes after it.
    fn medium_done(&mut self, id: JobId, n: usize) {
        let now = self.now;
        if let Some(parts) = self.waiting_parts(id, n) {
            (parts.medium_end, parts.bus) = (Some(now), 0);
        }
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
    pub(in crate::controller) fn offer_arm(&mut self, fixed: &Fixed, out: &mut Out) {
        if let Some(next) = self.next_job(fixed) {
            let set = self.job(next).segment.is_none();
            if set {
                self.select(fixed, next, false);
            }
            self.activate(fixed, next, set, true, out);
        }
    }

    /// The arm's job gives it up, if it may.
    pub(in crate::controller) fn release_arm(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        if self.effective_arm != Some(id) {
            return;
        }
        let Some(n) = self.job(id).segment else { return };
        let j = self.job(id);
        let (asked, read, received, end) = (j.asked, j.read, j.received, j.end());
        let b = &fixed.config.buffer;
        let (mut release, mut free, mut next) = (false, false, None);
        if !asked {
            (release, free) = (true, true);
            let keep = b.cache || self.segments[n].jobs.len() > 1;
            self.segments[n].state = if keep { SegState::Clean } else { SegState::Empty };
        } else if !read && received {
            (release, free) = (true, true);
            let mut others = self.segments[n].jobs.iter().copied().filter(|&o| o != id);
            let waiting = others.find(|&o| {
                let o = self.job(o);
                o.asked && !o.read && o.inner < o.end()
            });
            if let Some(o) = waiting {
                self.segments[n].state = SegState::Dirty;
                let other = self.job(o);
                if other.hit == Hit::Append
                    && b.fast_write == FastWrite::Sequential
                    && other.lba == end
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
            self.jobs[id].live = false;
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
    pub(in crate::controller) fn new_owner(&mut self, fixed: &Fixed, n: usize) {
        let jobs = || self.segments[n].jobs.iter().map(|&id| (id, self.job(id)));
        if jobs().any(|(_, j)| j.owns_segment) {
            return;
        }
        let reads = |&(id, j): &(JobId, &Job)| {
            self.effective_arm != Some(id) && j.has_arm && j.asked && j.read
        };
        let best = jobs()
            .find(reads)
            .or_else(|| jobs().find(|(_, j)| j.hit == Hit::Append))
            .map(|(id, _)| id)
            .or(self.effective_arm.filter(|_| self.arm_segment() == Some(n)));
        if let Some(id) = best {
            self.own_segment(fixed, id);
        }
    }
}
