//! The arm: whose turn it is, and what its events are about.
//!
//! One job has the arm at a time. [`claim`] gives it to a job, [`seek`] brings it to a track, [`pass`]
//! follows the sectors under the head, several in a [`step`] where nothing else can happen, and
//! [`release`] lets it go; [`preempt`] takes it away from reading ahead. What nothing disturbs goes a
//! short way: a read ([`whole`]), a write ([`write`]), reading ahead ([`ahead`]).

mod ahead;
mod claim;
mod pass;
mod preempt;
mod release;
mod seek;
mod step;
#[cfg(test)]
mod tests;
mod whole;
mod write;

use crate::controller::types::{Arm, Hit, JobId, Out, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    pub(in crate::controller) fn arm_segment(&self) -> Option<usize> {
        self.effective_arm.and_then(|e| self.jobs[e].segment)
    }

    /// The job that the arm would serve next: the oldest that has, or can get, a segment.
    pub(super) fn next_job(&mut self, fixed: &Fixed) -> Option<JobId> {
        (0..self.queue.len()).find_map(|i| {
            let id = self.queue[i];
            self.enabled(fixed, id).then_some(id)
        })
    }

    /// Whether a waiting job could be given the arm.
    pub(super) fn enabled(&mut self, fixed: &Fixed, id: JobId) -> bool {
        let busy = |c: &Control, n: usize| {
            matches!(c.segments[n].state, SegState::Writing | SegState::Dirty)
        };
        if let Some(n) = self.job(id).segment {
            let job = self.job(id);
            if job.read {
                return !busy(self, n);
            }
            if job.owns_segment {
                return true;
            }
            let owner = self.segments[n].jobs.iter().copied();
            let owner = owner
                .clone()
                .find(|&j| self.job(j).owns_segment)
                .or_else(|| owner.clone().find(|&j| !self.job(j).read));
            return match owner.filter(|&o| o != id) {
                Some(o) => {
                    let o = self.job(o);
                    job.end() - o.inner <= self.segments[n].size || o.inner == job.lba
                }
                None => true,
            };
        }
        self.select(fixed, id, false);
        let (hit, segment) = (self.job(id).hit, self.job(id).segment);
        let fits = match segment {
            None => false,
            Some(n) if self.job(id).read => !busy(self, n),
            Some(n) if hit == Hit::Append => {
                let owner = self.segments[n].jobs.iter().map(|&j| self.job(j));
                let inner = owner.clone().find(|j| j.owns_segment).map(|j| j.inner);
                let job = self.job(id);
                inner.is_none_or(|i| job.end() - i <= self.segments[n].size || i == job.lba)
            }
            Some(_) => true,
        };
        if segment.is_some() {
            let j = self.job_mut(id);
            (j.segment, j.hit) = (None, Hit::No);
        }
        fits
    }

    /// The arm's event.
    pub(in crate::controller) fn arm_done(&mut self, fixed: &Fixed, out: &mut Out) {
        let Some(id) = self.effective_arm else { return };
        let Some(n) = self.job(id).segment else { return };
        match self.segments[n].arm {
            Arm::Seek => self.on_track(fixed, id, n, false, out),
            Arm::Sector => self.sector(fixed, id, n, out),
            Arm::Still => {}
        }
    }
}
