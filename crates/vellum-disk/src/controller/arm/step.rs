//! How far the arm goes in one event: a sector, or as many as nothing else can happen in.

use crate::controller::types::{BusEvent, SegOut, SegState};
use crate::controller::{Control, Fixed};
use crate::spindle::Rotation;

impl Control {
    /// Lets the next sector of the track come.
    pub(super) fn next_sector(&mut self, fixed: &Fixed, n: usize, first: i64, last: i64) {
        let coming = self.segments[n].arm_lbn;
        let wanted = self.wanted(fixed, n, coming);
        let width = self.spindle.sweep(fixed.geometry.width(self.track));
        let idle = if self.whole { self.idle_sectors(fixed, n, coming) } else { 0 };
        let jump = if idle > 1 { idle.min(self.fits(width)) } else { 1 };
        let lbn = if coming + jump > last { first } else { coming + jump };
        let sector = self.segments[n].arm_sector + jump as u32;
        let (gap, spot) = self.gap(fixed, sector, lbn);
        let now = self.now;
        let s = &mut self.segments[n];
        s.arm_lbn = lbn;
        s.time = now;
        s.arm_time = now + width * (jump as u64 + u64::from(gap));
        s.arm_sector = spot;
        s.arm_count = if wanted && jump == 1 { 1 } else { 2 };
        s.arm_jump = jump as u32;
        if wanted && gap == 0 && jump == 1 && self.whole {
            self.stretch(fixed, n, coming, width);
        }
    }

    /// Sectors between the one that was expected and the one that holds `lbn`, and its number.
    /// Slipped and spare sectors pass too; DiskSim's arithmetic leaves them out.
    fn gap(&self, fixed: &Fixed, sector: u32, lbn: i64) -> (u32, u32) {
        let g = &fixed.geometry;
        let next = lbn == self.lbn_by_sector(sector);
        if next && self.whole {
            return (0, sector);
        }
        let spot = match g.home(lbn as u64) {
            Some(h) if h.track == self.track => h.sector,
            _ => sector,
        };
        let gap = match self.spindle.rotation() {
            Rotation::Stepped => 0,
            Rotation::Exact if spot >= sector => spot - sector,
            Rotation::Exact => g.per_turn(self.track) - sector + spot,
        };
        (gap, spot)
    }

    /// The LBN on a sector of the present track, if its LBNs are without holes.
    fn lbn_by_sector(&self, sector: u32) -> i64 {
        self.track_low + i64::from(sector) - i64::from(self.low_sector)
    }

    /// Steps of `width` that fit before anything else can happen.
    fn fits(&self, width: u64) -> i64 {
        let bus = match self.bus_event {
            Some((at, event)) if !self.spares_arm(event) => at,
            _ => u64::MAX,
        };
        let extra = self.extra_event.map_or(u64::MAX, |e| e.0);
        // While a read is under way no other request reaches the arm, whenever it comes.
        let reading = self.effective_arm.is_some_and(|id| {
            let j = self.job(id);
            j.read && j.asked && j.segment.is_some_and(|n| !self.segments[n].background)
        });
        let limit = if reading { u64::MAX } else { self.limit };
        let room = limit.min(bus.saturating_sub(1)).min(extra.saturating_sub(1));
        let fits = room.saturating_sub(self.now).checked_div(width).unwrap_or(1);
        fits.clamp(1, 1 << 20) as i64
    }

    /// Whether a bus event, and all that may follow it, leaves the arm and its segment's limits alone:
    /// the request that is read ahead for has all of its data in the buffer, and neither in the
    /// controller nor in front of it does anyone wait. A quarter to a third of all steps would end at
    /// such events.
    fn spares_arm(&self, event: BusEvent) -> bool {
        let (BusEvent::Connected(whose) | BusEvent::Moved(whose) | BusEvent::Completed(whose)) =
            event
        else {
            return false;
        };
        if self.crowded || self.effective_arm != Some(whose) || self.extra_event.is_some() {
            return false;
        }
        let j = self.job(whose);
        let Some(s) = j.segment.map(|n| &self.segments[n]) else { return false };
        let ahead = j.read && s.state == SegState::Reading && s.background && s.end >= j.end();
        ahead && s.jobs.len() == 1 && self.queue.is_empty() && self.off_bus.is_empty()
    }

    /// How many sectors from `coming` on can't matter to the arm's job.
    fn idle_sectors(&self, fixed: &Fixed, n: usize, coming: i64) -> i64 {
        let Some(j) = self.effective_arm.map(|id| self.job(id)) else { return 0 };
        let s = &self.segments[n];
        let reading = s.state == SegState::Reading;
        if reading && fixed.config.buffer.keep_free_sectors || s.out == SegOut::Preempt {
            return 0;
        }
        let (at, stop) = match (reading, s.background) {
            (true, true) => (s.end, s.ahead_max),
            (true, false) => (s.end, j.end()),
            (false, _) => (j.inner, s.end.max(j.end())),
        };
        let any_order = self.on_arrival || self.late_start <= self.track_high;
        let stop = if any_order { stop } else { at + 1 };
        if coming < at {
            at.min(self.track_high + 1) - coming
        } else if coming >= stop {
            self.track_high + 1 - coming
        } else {
            0
        }
    }

    /// Lengthens a step over one sector to one over as many as nothing else can happen in.
    fn stretch(&mut self, fixed: &Fixed, n: usize, coming: i64, width: u64) {
        let Some(id) = self.effective_arm else { return };
        let (j, s) = (self.job(id), &self.segments[n]);
        let at = if s.state == SegState::Reading { s.end } else { j.inner };
        if self.held || s.out == SegOut::Preempt || coming != at || s.arm_lbn != coming + 1 {
            return;
        }
        let idle = s.out == SegOut::Idle;
        let mut to = self.track_high + 1;
        let mut stop = |limit: i64| {
            if limit > at {
                to = to.min(limit);
            }
        };
        stop(self.late_start);
        if s.state == SegState::Reading {
            if s.background {
                stop(s.ahead_min);
                stop(s.ahead_max);
            } else {
                stop(j.end());
                if idle {
                    stop(j.outer + j.watermark);
                }
            }
            if let Some(o) = self.reader(n).filter(|o| !o.sent) {
                to = to.min((o.outer + s.size).max(at + 1));
            }
        } else {
            let extra = fixed.config.extra_disconnect.is_some();
            if extra && (j.asked && s.end < j.end() || s.end - s.start > s.size) {
                return;
            }
            to = to.min(s.end.max(at + 1)).min(j.end().max(at + 1));
            if idle && !s.background && s.end < j.end() {
                to = to.min((s.end - j.watermark).max(at + 1));
            }
        }
        let jump = (to - at).clamp(1, 1 << 20).min(self.fits(width));
        let now = self.now;
        let s = &mut self.segments[n];
        s.arm_jump = jump as u32;
        s.arm_time = now + width * jump as u64;
        s.arm_sector += jump as u32 - 1;
        s.arm_lbn += jump - 1;
        if s.arm_lbn > self.track_high {
            (s.arm_lbn, s.arm_sector) = (self.track_low, self.low_sector);
        }
    }
}
