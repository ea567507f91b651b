//! Segments and the jobs on them: who owns one, how far it reads ahead, what the arm moves for it.

use super::types::{Hit, Job, JobId, SegState, Segment};
use super::{Control, Fixed};
use crate::config::ReadAhead;

impl Control {
    /// Sectors that must be there before the bus is taken (read) or may be left before more is
    /// fetched (write).
    pub(super) fn watermark(&self, fixed: &Fixed, seg: usize, count: i64, read: bool) -> i64 {
        let b = &fixed.config.buffer;
        let part = i64::from(if read { b.read_watermark } else { b.write_watermark });
        let size = self.segments[seg].size;
        if b.watermark_of_request {
            (size.min(count) * part / 1_000_000).max(1)
        } else {
            (size * part + 999_999) / 1_000_000
        }
    }

    /// Puts a job on its segment: most recently used, overlapping clean segments emptied.
    pub(super) fn set_segment(&mut self, fixed: &Fixed, id: JobId) {
        let (lba, count, read, seg) = {
            let j = self.job(id);
            (j.lba, j.count, j.read, j.segment)
        };
        let Some(n) = seg else { return };
        if self.order.last() != Some(&n) {
            self.order.retain(|&o| o != n);
            self.order.push(n);
        }
        if !read {
            for (i, s) in self.segments.iter_mut().enumerate() {
                if i != n && s.state == SegState::Clean && s.jobs.is_empty() && s.meets(lba, count)
                {
                    s.state = SegState::Empty;
                }
            }
        }
        if self.segments[n].jobs.is_empty() && !self.segments[n].used {
            let s = &mut self.segments[n];
            s.used = true;
            s.reads = read;
        }
        let at = self.segments[n]
            .jobs
            .iter()
            .position(|&j| self.job(j).asked && lba < self.job(j).lba)
            .unwrap_or(self.segments[n].jobs.len());
        self.segments[n].jobs.insert(at, id);
        let mark = self.watermark(fixed, n, count, read);
        self.job_mut(id).watermark = mark;
    }

    /// Takes a job off its segment.
    pub(super) fn leave_segment(&mut self, id: JobId) {
        if let Some(n) = self.job(id).segment {
            self.segments[n].jobs.retain(|&j| j != id);
        }
        self.job_mut(id).segment = None;
    }

    /// How far reading ahead may go after a request.
    pub(super) fn ahead_limit(&self, fixed: &Fixed, seg: usize, lba: i64, count: i64) -> i64 {
        let b = &fixed.config.buffer;
        let (s, end) = (&self.segments[seg], lba + count);
        let total = fixed.geometry.sectors() as i64;
        let limit = match b.read_ahead {
            ReadAhead::None => end,
            ReadAhead::NextTrack => self.next_track(fixed, seg, end),
            _ if b.read_ahead_max > 0 => end + i64::from(b.read_ahead_max),
            _ if b.read_ahead_over_request == 0 => {
                let min = i64::from(b.read_ahead_min);
                if count >= s.size || s.size - count < min { end + min } else { lba + s.size }
            }
            _ => end + s.size,
        };
        limit.min(total)
    }

    /// The end of the track that `end` lies on; one track further for a sequential reader.
    fn next_track(&self, fixed: &Fixed, seg: usize, end: i64) -> i64 {
        let g = &fixed.geometry;
        let Some(home) = g.home(end as u64) else { return end };
        let Some((first, last)) = g.track_lbns(home.track, end as u64) else { return end };
        let more = if self.segments[seg].start < first as i64 {
            i64::from(g.per_turn(home.track))
        } else {
            0
        };
        last as i64 + 1 + more
    }

    /// Makes a job the owner of its segment, unless another one is.
    pub(super) fn own_segment(&mut self, fixed: &Fixed, id: JobId) {
        let Some(n) = self.job(id).segment else { return };
        let owner = self.segments[n].jobs.iter().copied().find(|&j| self.job(j).owns_segment);
        if let Some(other) = owner {
            if self.job(id).hit != Hit::Prepend {
                return;
            }
            let o = self.job_mut(other);
            o.owns_segment = false;
            o.hit = Hit::Append;
            let s = &mut self.segments[n];
            if s.end != s.start {
                s.hold = s.start;
                s.hold_count = s.end - s.start;
            }
        }
        let free = self.effective_arm.is_none_or(|e| e == id || self.arm_segment() != Some(n));
        let j = self.job_mut(id);
        j.owns_segment = true;
        let (asked, read) = (j.asked, j.read);
        if asked && free {
            let s = &mut self.segments[n];
            (s.reads, s.background) = (read, false);
        }
        if !asked || read {
            self.own_for_read(fixed, id, n);
        } else {
            self.own_for_write(id, n, free);
        }
    }

    fn own_for_read(&mut self, fixed: &Fixed, id: JobId, n: usize) {
        let j = self.job(id);
        let (asked, lba, count, outer) = (j.asked, j.lba, j.count, j.outer);
        if j.hit == Hit::No {
            let s = &mut self.segments[n];
            s.state = SegState::Clean;
            s.arm_lbn = outer;
            (s.start, s.end) = (outer, outer);
            (s.ahead_min, s.ahead_max) = (-1, -1);
            s.hold_count = 0;
        }
        if asked {
            self.raise_ahead(fixed, n, lba, count);
            if self.segments[n].end >= lba + count && self.effective_arm == Some(id) {
                self.segments[n].background = true;
            }
        }
    }

    /// Raises the limits of reading ahead for a request; how far it alone lets it go.
    pub(super) fn raise_ahead(&mut self, fixed: &Fixed, n: usize, lba: i64, count: i64) -> i64 {
        let total = fixed.geometry.sectors() as i64;
        let min = (lba + count + i64::from(fixed.config.buffer.read_ahead_min)).min(total);
        let max = self.ahead_limit(fixed, n, lba, count);
        let s = &mut self.segments[n];
        s.ahead_min = s.ahead_min.max(min);
        s.ahead_max = s.ahead_max.max(max);
        max
    }

    fn own_for_write(&mut self, id: JobId, n: usize, free: bool) {
        let j = &self.jobs[id];
        let s = &mut self.segments[n];
        if free {
            if s.arm == super::Arm::Still {
                s.arm_lbn = j.inner;
            }
            if j.received {
                s.background = true;
            }
        }
        if j.hit == Hit::No {
            (s.ahead_min, s.ahead_max) = (-1, -1);
            s.hold_count = 0;
            (s.start, s.end) = (j.inner, j.inner);
            s.state = SegState::Dirty;
            self.dirty += 1;
        } else if j.hit == Hit::Prepend {
            (s.start, s.end) = (j.inner, j.inner);
        }
    }

    /// The first LBN that reading must leave alone, lest it drives out what the host still waits for.
    #[inline]
    pub(super) fn beyond(&self, s: &Segment) -> i64 {
        if s.state != SegState::Reading {
            return i64::MAX;
        }
        match self.reader(s) {
            Some(o) if !o.sent => o.outer + s.size,
            _ => i64::MAX,
        }
    }

    /// The owner of a segment, or the reader that is furthest behind.
    #[inline]
    fn reader(&self, s: &Segment) -> Option<&Job> {
        let reads = |j: &Job| s.reads && (!j.asked || j.read);
        if let [only] = s.jobs[..] {
            return Some(self.job(only)).filter(|j| j.owns_segment || reads(j));
        }
        let mut owner = s.jobs.iter().map(|&j| self.job(j)).find(|j| j.owns_segment);
        for j in s.jobs.iter().map(|&j| self.job(j)).filter(|j| reads(j)) {
            if owner.is_none_or(|o| j.outer < o.outer) {
                owner = Some(j);
            }
        }
        owner
    }
}
