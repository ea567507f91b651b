//! Choosing a segment for a request: which one it fits best, and how.

use super::types::{Hit, Job, JobId, SegOut, SegState};
use super::{Control, Fixed};

impl Control {
    /// Whether the segment is kept for writes.
    fn for_writes(&self, fixed: &Fixed, seg: usize) -> bool {
        fixed.config.buffer.own_write_segment && seg == 0
    }

    fn alone(&self, seg: usize) -> bool {
        self.segments[seg].jobs.is_empty()
    }

    /// Whether the segment only reads ahead: its one job has ended for the host.
    fn only_ahead(&self, seg: usize) -> bool {
        self.segments[seg].jobs.first().is_some_and(|&j| !self.job(j).asked)
    }

    /// Finds a segment for a job and says how it fits.
    pub(super) fn select(&mut self, fixed: &Fixed, id: JobId, note_extra: bool) {
        if self.job(id).read {
            self.select_read(fixed, id);
        } else {
            self.select_write(fixed, id);
        }
        let job = self.job(id);
        if !note_extra || fixed.config.extra_disconnect.is_none() || job.read {
            return;
        }
        // A write that follows a write which it does not continue.
        let newest = *self.order.last().unwrap_or(&0);
        let extra = !fixed.config.never_disconnect
            && self.extra_job.is_none()
            && job.segment.is_some_and(|s| {
                let seg = &self.segments[s];
                s == newest && seg.used && !seg.reads && job.lba != seg.end
            });
        self.job_mut(id).extra = extra;
    }

    fn select_read(&mut self, fixed: &Fixed, id: JobId) {
        let b = &fixed.config.buffer;
        let (lba, count, end, through) = {
            let j = self.job(id);
            (j.lba, j.count, j.end(), j.through)
        };
        let (mut best, mut chosen, mut hit, mut collision) = (0, None, Hit::No, false);
        for i in 0..self.order.len() {
            let n = self.order[i];
            let s = &self.segments[n];
            if collision {
                break;
            }
            let dirty = matches!(s.state, SegState::Dirty | SegState::Writing);
            if self.for_writes(fixed, n) {
                collision |= dirty && s.meets(lba, count);
                continue;
            }
            let (mut value, mut how) = (-1, Hit::No);
            if s.state == SegState::Empty {
                value = 3;
            } else if through || lba < s.start || lba >= s.end {
                if s.state == SegState::Clean && self.alone(n) {
                    value = 2;
                } else if s.state == SegState::Reading {
                    if s.end == lba && b.almost_hits && !through {
                        (value, how) = (5, Hit::Partial);
                    } else if self.only_ahead(n) {
                        value = 1;
                    }
                } else if lba < s.start && dirty {
                    collision |= s.meets(lba, count);
                }
            } else {
                match s.state {
                    SegState::Dirty | SegState::Writing if b.cache => {
                        if b.hits_on_writes && best < 10 {
                            value = if s.state == SegState::Dirty { 11 } else { 10 };
                        } else {
                            collision = true;
                        }
                    }
                    SegState::Reading if b.cache => value = 9,
                    SegState::Clean if b.hits_on_writes || s.used && s.reads => value = 8,
                    _ => {}
                }
                how = Hit::Whole;
                if s.end < end {
                    how = Hit::Partial;
                    value -= 4;
                }
            }
            if value > best {
                (best, chosen, hit) = (value, Some(n), how);
            }
        }
        if collision {
            (chosen, hit, best) = (None, Hit::Collision, 0);
        }
        let j = self.job_mut(id);
        (j.segment, j.hit) = (chosen, hit);
        if best == 1 && !self.stoppable(fixed, id) {
            self.job_mut(id).segment = None;
        }
    }

    fn select_write(&mut self, fixed: &Fixed, id: JobId) {
        let b = &fixed.config.buffer;
        let (lba, count, end) = {
            let j = self.job(id);
            (j.lba, j.count, j.end())
        };
        let room = self.dirty < b.write_segments;
        let (mut best, mut chosen, mut hit, mut collision) = (0, None, Hit::No, false);
        for i in 0..self.order.len() {
            let n = self.order[i];
            if collision {
                break;
            }
            let s = &self.segments[n];
            let (mut value, mut how) = (-1, Hit::No);
            if b.own_write_segment && !self.for_writes(fixed, n) {
                let busy = match s.state {
                    SegState::Clean => !self.alone(n),
                    SegState::Reading => {
                        !self.only_ahead(n) || s.jobs.len() > 1 || !self.stoppable(fixed, id)
                    }
                    _ => false,
                };
                collision |= busy && self.segments[n].meets(lba, count);
            } else if s.state == SegState::Empty {
                value = if room { 3 } else { -1 };
            } else if s.state == SegState::Reading {
                if self.only_ahead(n) && s.jobs.len() == 1 {
                    value = if room { 1 } else { -1 };
                } else {
                    collision |= s.meets(lba, count);
                }
            } else if s.state == SegState::Clean {
                if self.alone(n) {
                    value = if !room { -1 } else { 2 + 2 * i32::from(s.meets(lba, count)) };
                } else {
                    collision |= s.meets(lba, count);
                }
            } else if b.combine_writes && s.out != SegOut::Transferring {
                (value, how) = self.joins(n, lba, count, end);
                collision |= how == Hit::No && s.meets(lba, count);
            } else {
                collision |= s.meets(lba, count);
            }
            if value > best && !collision {
                (best, chosen, hit) = (value, Some(n), how);
            }
        }
        if collision {
            (chosen, hit, best) = (None, Hit::Collision, 0);
        }
        let j = self.job_mut(id);
        (j.segment, j.hit) = (chosen, hit);
        if best == 1 && !self.stoppable(fixed, id) {
            let meets = chosen.is_some_and(|n| self.segments[n].meets(lba, count));
            let j = self.job_mut(id);
            j.segment = None;
            if meets {
                j.hit = Hit::Collision;
            }
        }
    }

    /// Whether a write can go behind or before the dirty data of a segment.
    pub(super) fn joins(&self, n: usize, lba: i64, count: i64, end: i64) -> (i32, Hit) {
        let s = &self.segments[n];
        let writes = || s.jobs.iter().map(|&j| self.job(j)).filter(|j| !j.read);
        let Some(last) = writes().next_back() else { return (-1, Hit::No) };
        let owner = s.jobs.iter().map(|&j| self.job(j)).find(|j| j.owns_segment);
        let inner = owner.map_or(last.inner, |o| o.inner);
        if lba == last.end() && lba == s.end && s.size > lba - inner {
            return (if s.state == SegState::Writing { 7 } else { 6 }, Hit::Append);
        }
        let first = writes().next().map_or(-1, |j: &Job| j.lba);
        let free = s.start == s.end || s.hold_count == 0;
        let extra = self.extra_job.is_some_and(|j| self.job(j).segment == Some(n));
        if s.state == SegState::Dirty
            && first == end
            && first == s.start
            && free
            && s.size >= s.end - s.start + count
            && !extra
        {
            return (5, Hit::Prepend);
        }
        (-1, Hit::No)
    }
}
