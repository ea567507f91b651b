//! Taking the arm away from a job that only reads ahead.

use crate::config::FastWrite;
use crate::controller::types::{Arm, Hit, JobId, SegOut, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    /// Whether the arm's present job can be stopped, or joined by this one. May mark it to stop at
    /// its next event.
    pub(in crate::controller) fn stoppable(&mut self, fixed: &Fixed, id: JobId) -> bool {
        let Some(effective) = self.effective_arm else { return true };
        let Some(n) = self.job(effective).segment else { return false };
        let b = &fixed.config.buffer;
        let job = self.job(id);
        let (lba, count, read, segment, hit) = (job.lba, job.count, job.read, job.segment, job.hit);
        let through = job.through;
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
        if read && !through && b.cache && segment == Some(n) && hits {
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
    pub(in crate::controller) fn stop_arm(&mut self, fixed: &Fixed) {
        let Some(id) = self.effective_arm else { return };
        let Some(n) = self.job(id).segment else { return };
        let received = self.job(id).received;
        let s = &mut self.segments[n];
        s.arm = Arm::Still;
        let keep = !received || fixed.config.buffer.cache || s.jobs.len() > 1;
        s.state = if keep { SegState::Clean } else { SegState::Empty };
        if received {
            self.leave_segment(id);
            self.jobs[id].live = false;
            self.new_owner(fixed, n);
        }
        (self.effective_arm, self.current_arm) = (None, None);
    }

    /// A read joins reading ahead in the middle of a stream: what is left of a seek, and the wait on
    /// the next track, are changes of track to it.
    fn join(&mut self, id: JobId, n: usize) {
        let s = &self.segments[n];
        let left = if s.arm == Arm::Seek { s.arm_time.saturating_sub(self.now) } else { 0 };
        let under_way = s.arm != Arm::Still;
        let parts = &mut self.job_mut(id).parts;
        parts.began |= under_way;
        parts.switch += left;
    }

    /// Lets a read take over the arm where reading ahead has brought it.
    pub(in crate::controller) fn swap_arm(&mut self, fixed: &Fixed, id: JobId) {
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
            self.jobs[effective].live = false;
        } else {
            let (count, end) = (self.job(id).count, self.job(id).end());
            self.segments[n].reads = true;
            self.raise_ahead(fixed, n, lba, count);
            let s = &mut self.segments[n];
            s.background = s.end >= end && s.end < s.ahead_max;
        }
        self.join(id, n);
        (self.effective_arm, self.current_arm) = (None, None);
    }
}
