//! A request comes: which segment it gets, whether it keeps the bus, and whether it gets the arm.

use super::types::{Bus, BusEvent, Hit, Job, JobId, Out, SegOut, SegState};
use super::{Ask, Control, Fixed, Outside};
use crate::config::FastWrite;

impl Control {
    /// Takes a request at `at`, when no earlier one is with the host any more.
    pub fn arrive(&mut self, fixed: &Fixed, at: u64, ask: Ask, out: &mut Out) {
        self.now = at;
        // The next one waits for this one's end.
        self.outside = Outside { until: at, waits: true, knocks: false };
        self.bus = Bus::Waiting;
        let id = self.add(Job { through: ask.through, ..Job::new(&ask, self.now) });
        self.effective_bus = Some(id);
        self.queue.push(id);
        self.select(fixed, id, true);
        if ask.read {
            self.read_arrives(fixed, id, out);
        } else {
            self.write_arrives(fixed, id, out);
        }
    }

    fn read_arrives(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        let c = &fixed.config;
        let miss = c.overheads.read_miss.get(self.last_read).as_ps();
        self.job_mut(id).ready = self.now + miss;
        let job = self.job(id);
        let (hit, segment, lba, count) = (job.hit, job.segment, job.lba, job.count);
        let mut enough = matches!(hit, Hit::Whole | Hit::Partial);
        if let (Hit::Partial, false, Some(s)) = (hit, c.buffer.partial_hits_start, segment) {
            let water = self.watermark(fixed, s, count, true).min(count);
            let end = self.segments[s].end;
            enough = end > lba && end - lba >= water;
        }
        let free = enough
            && self.current_bus.is_none()
            && self.off_bus.is_empty()
            && (self.effective_arm.is_none() || self.stoppable(fixed, id));
        if c.never_disconnect || free {
            self.current_bus = Some(id);
            if let Some(s) = self.job(id).segment {
                self.set_segment(fixed, id);
                self.segments[s].out = SegOut::Contacting;
            }
            let hit = self.job(id).hit;
            let delay = if hit == Hit::No {
                miss
            } else {
                c.overheads.read_hit.get(self.last_read).as_ps()
            } + c.overheads.data_preparation.as_ps();
            self.bus_event = Some((self.now + delay, BusEvent::Connected(id)));
            self.activate(fixed, id, false, true, out);
        } else {
            let delay = miss + c.overheads.read_disconnect.get(self.last_read).as_ps();
            self.bus_event = Some((self.now + delay, BusEvent::Left(id)));
            self.activate(fixed, id, true, true, out);
        }
    }

    fn write_arrives(&mut self, fixed: &Fixed, id: JobId, out: &mut Out) {
        let c = &fixed.config;
        let over = if c.buffer.fast_write == FastWrite::Off {
            c.overheads.write_miss
        } else {
            c.overheads.write_hit
        };
        let over = over.get(self.last_read).as_ps();
        self.job_mut(id).ready = self.now + over;
        let segment = self.job(id).segment;
        let free = segment.is_some()
            && self.current_bus.is_none()
            && self.off_bus.is_empty()
            && (self.effective_arm.is_none() || self.stoppable(fixed, id));
        if c.never_disconnect || free {
            let (delay, event) = match c.extra_disconnect.filter(|_| self.job(id).extra) {
                Some(x) => {
                    self.job_mut(id).ready = self.now + x.command.as_ps() + x.seek_delta.as_ps();
                    self.extra_job = Some(id);
                    if let Some(s) = segment {
                        self.segments[s].out = SegOut::Idle;
                    }
                    (x.command.as_ps() + x.first.as_ps(), BusEvent::Left(id))
                }
                None => {
                    if let Some(s) = segment {
                        self.segments[s].out = SegOut::Contacting;
                    }
                    (over + c.overheads.data_preparation.as_ps(), BusEvent::Connected(id))
                }
            };
            self.current_bus = Some(id);
            if segment.is_some() {
                self.set_segment(fixed, id);
            }
            self.bus_event = Some((self.now + delay, event));
            self.activate(fixed, id, false, true, out);
        } else {
            self.job_mut(id).extra = false;
            let leave = if c.buffer.fast_write == FastWrite::Off {
                0
            } else {
                c.overheads.write_disconnect.as_ps()
            };
            self.bus_event = Some((self.now + over + leave, BusEvent::Left(id)));
            self.activate(fixed, id, true, true, out);
        }
    }

    /// Gives the arm to a job if it is free or can be freed.
    pub(super) fn activate(
        &mut self,
        fixed: &Fixed,
        id: JobId,
        set: bool,
        may_use_bus: bool,
        out: &mut Out,
    ) {
        let job = self.job(id);
        let (read, hit) = (job.read, job.hit);
        let waiting = !job.has_arm
            && self.effective_arm.is_some_and(|e| e != id)
            && (!read
                || hit != Hit::Collision
                    && job.segment.is_none_or(|s| self.segments[s].state != SegState::Dirty));
        if waiting && self.stoppable(fixed, id) {
            let theirs = self.effective_arm.and_then(|e| self.job(e).segment);
            let joins = if read { hit != Hit::No } else { hit == Hit::Append };
            if self.job(id).segment != theirs || !joins {
                self.stop_arm(fixed);
            } else if read {
                self.swap_arm(fixed, id);
            }
        }
        if self.job(id).segment.is_some() && set {
            if self.effective_arm.is_some() {
                let j = self.job_mut(id);
                j.segment = None;
                j.hit = Hit::No;
            } else {
                self.set_segment(fixed, id);
            }
        }
        if self.job(id).segment.is_some() && !self.job(id).owns_segment {
            self.own_segment(fixed, id);
        }
        if !self.job(id).has_arm && self.job(id).hit != Hit::Collision {
            self.check_arm(fixed, Some(id), may_use_bus, out);
        }
    }
}
