//! Telling the host that a request ended, and what the drive does after it.

use crate::controller::types::{Arm, Bus, BusEvent, Ended, JobId, Out, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    /// Tells the host that the request ended.
    pub(in crate::controller) fn complete(&mut self, fixed: &Fixed, id: JobId) {
        let o = &fixed.config.overheads;
        let read = self.job(id).read;
        self.last_read = read;
        self.job_mut(id).sent = true;
        let Some(n) = self.job(id).segment else { return };
        if read {
            self.queue.retain(|&q| q != id);
            if fixed.config.buffer.read_ahead_over_request == -1 && self.segments[n].jobs.len() == 1
            {
                let outer = self.job(id).outer;
                self.segments[n].start = outer;
            }
        }
        let delay = if read { o.read_complete } else { o.write_complete };
        self.bus = Bus::Waiting;
        self.bus_event = Some((self.now + delay.as_ps(), BusEvent::Completed(id)));
    }

    fn arm_is_of(&self, id: JobId) -> bool {
        self.effective_arm == Some(id) || self.current_arm == Some(id)
    }

    /// The host has been told.
    pub(in crate::controller) fn completed(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        let j = self.job(id);
        let (read, segment, owns, over) = (j.read, j.segment, j.owns_segment, j.inner >= j.end());
        out.ended = Some(Ended { ask: j.ask, at: self.now, parts: j.parts });
        self.job_mut(id).received = true;
        self.effective_bus = None;
        if self.current_bus == Some(id) {
            self.current_bus = None;
        }
        self.bus = Bus::Idle;
        let Some(n) = segment else { return };
        if read {
            self.job_mut(id).asked = false;
            if self.arm_is_of(id) {
                if self.segments[n].arm == Arm::Still {
                    self.release_arm(fixed, id, out);
                } else {
                    self.offer_arm(fixed, out);
                }
            } else {
                self.drop_job(fixed, id, n);
                if self.segments[n].jobs.is_empty() && !fixed.config.buffer.cache {
                    self.segments[n].state = SegState::Empty;
                }
            }
        } else if over {
            if self.arm_is_of(id) {
                self.release_arm(fixed, id, out);
            } else {
                self.drop_job(fixed, id, n);
            }
        } else if owns {
            self.segments[n].background = true;
        }
        if self.effective_arm.is_none() {
            self.check_arm(fixed, None, true, out);
        }
        self.check_bus(fixed, None, out);
    }

    fn drop_job(&mut self, fixed: &Fixed, id: JobId, n: usize) {
        self.queue.retain(|&q| q != id);
        self.leave_segment(id);
        self.jobs[id].live = false;
        if !self.segments[n].jobs.is_empty() {
            self.new_owner(fixed, n);
        }
    }
}
