//! Giving a free arm to a job, and what the job does first.

use crate::controller::types::{Arm, Hit, JobId, Out, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    /// Gives a free arm to a job, the named one if that can be.
    pub(in crate::controller) fn check_arm(
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
        let limit = self.raise_ahead(fixed, n, lba, count);
        self.on_arrival = fixed.config.buffer.read_on_arrival;
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
}
