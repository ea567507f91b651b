//! A read that misses, from its seek to the answer, in one go.
//!
//! Once a read has the arm and nobody else is in the controller, what follows is settled: the arm seeks
//! from track to track, the sectors pass, the bus is taken when the last of them has, all data crosses it,
//! and the host has its answer, while the arm reads ahead. The plain way takes half a dozen events for it,
//! which [`super::seek`], [`super::pass`], [`super::release`] and the bus serve one by one; here the same
//! times are added up when the seek begins. Whatever could make a difference sends the read the plain way,
//! and a test holds the two against each other.

use crate::config::ReadAhead;
use crate::controller::types::{Arm, Bus, BusEvent, JobId, Out, SegOut, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    /// Whether the arm is on its way for a read that waits for it.
    #[inline]
    pub(in crate::controller) fn seeks_to_read(&self) -> bool {
        let Some(id) = self.effective_arm else { return false };
        let j = self.job(id);
        let Some(n) = j.segment else { return false };
        let s = &self.segments[n];
        s.arm == Arm::Seek && !s.background && j.read && j.asked
    }

    /// Takes a read that seeks as far as nothing else can happen.
    pub(in crate::controller) fn hurry(&mut self, fixed: &Fixed, out: &mut Out) {
        let Some(id) = self.effective_arm else { return };
        let Some(n) = self.job(id).segment else { return };
        if !self.waits_alone(fixed, id, n) {
            return;
        }
        let now = self.now;
        // Until the host has its answer, that is; then others may come.
        let mut end = u64::MAX;
        while self.segments[n].arm == Arm::Seek && self.segments[n].arm_time < end {
            self.now = self.segments[n].arm_time;
            if let Some((at, BusEvent::Left(_))) = self.bus_event
                && at <= self.now
            {
                self.bus_event = None;
                self.leave_bus(id);
            }
            self.on_track(fixed, id, n, true, out);
            end = match self.bus_event {
                Some((at, BusEvent::Completed(_))) => at,
                _ if self.segments[n].background => break,
                _ => end,
            };
        }
        self.now = now;
    }

    /// Whether nobody but this read is in the controller, and it waits for the medium alone.
    fn waits_alone(&self, fixed: &Fixed, id: JobId, n: usize) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        let b = &fixed.config.buffer;
        let off_bus = match self.bus_event {
            None => self.bus == Bus::Idle && self.off_bus[..] == [id],
            Some((_, BusEvent::Left(whose))) => whose == id && self.off_bus.is_empty(),
            _ => false,
        };
        // What the buffer has of it already must not be enough to take the bus for.
        let too_little = s.end - j.outer < j.watermark.max(1);
        // Neither the read nor reading ahead comes to where there is no room.
        let room = j.end().max(s.ahead_max) - j.outer <= s.size;
        fixed.whole_reads
            && s.state == SegState::Reading
            && off_bus
            && self.current_bus.is_none()
            && self.extra_event.is_none()
            && self.extra_job.is_none()
            && too_little
            && room
            && !self.held
            && s.out == SegOut::Idle
            && s.start <= j.outer
            && j.outer <= s.end
            && s.end < j.end()
            && s.jobs.len() == 1
            && self.queue.is_empty()
            && !b.keep_free_sectors
            && b.read_ahead_over_request != -1
    }

    /// Takes a read that waits alone, and whose next sector begins at `start`, to its answer, or to the
    /// next track if there is more of it, if it can. Reading ahead goes on from there by itself.
    pub(super) fn read_whole(&mut self, fixed: &Fixed, id: JobId, n: usize, start: u64) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        if !self.whole || s.arm_lbn != s.end || s.end >= j.end() {
            return false;
        }
        let in_one_piece = j.watermark >= j.end() - j.outer;
        let end = j.end().min(self.track_high + 1);
        let sectors = end - s.end;
        let passed = start + self.sector_time(fixed) * sectors as u64;
        if end < j.end() {
            if in_one_piece {
                self.read_track(fixed, id, n, (start, passed), sectors as u32);
            }
            return in_one_piece;
        }
        // The bus is free by then.
        let free = self.bus_event.is_none_or(|(at, _)| at <= passed);
        if !free || !(in_one_piece || fixed.instant_bus) {
            return false;
        }
        let o = &fixed.config.overheads;
        let each = self.sector_on_bus(fixed, id);
        let connected = passed + o.reselect.as_ps() + o.data_preparation.as_ps();
        let moved = connected + each * (end - j.outer) as u64;
        self.pass(id, n, (start, passed), sectors as u32);
        let j = self.jobs[id].as_mut().expect("a live job");
        let s = &mut self.segments[n];
        // What the medium does.
        (j.parts.medium_end, j.parts.bus) = (Some(passed), moved - connected);
        s.background = fixed.config.buffer.read_ahead != ReadAhead::None && end < s.ahead_max;
        s.arm = if s.background { Arm::Sector } else { Arm::Still };
        // What the bus does.
        (j.outer, j.sent) = (end, true);
        self.off_bus.clear();
        (self.current_bus, self.effective_bus) = (Some(id), Some(id));
        self.last_read = true;
        self.bus = Bus::Waiting;
        self.bus_event = Some((moved + o.read_complete.as_ps(), BusEvent::Completed(id)));
        if s.background {
            self.read_ahead_from(fixed, id, n, passed);
        }
        true
    }

    /// Lets so many sectors of a read pass, the first of a track.
    #[inline]
    fn pass(&mut self, id: JobId, n: usize, (start, passed): (u64, u64), sectors: u32) {
        self.wait_for_sector(start);
        self.spindle.steps(start, passed, sectors);
        self.job_mut(id).parts.transfer += passed - start;
        self.come_to(n, sectors);
    }

    /// The segment has so many sectors more, and the arm is about the one behind them.
    fn come_to(&mut self, n: usize, sectors: u32) {
        let s = &mut self.segments[n];
        s.end += i64::from(sectors);
        s.arm_sector += sectors;
        s.arm_lbn = s.end;
        s.wrap(s.end);
    }

    /// Reads what is left of a track and sets out for the next one.
    fn read_track(&mut self, fixed: &Fixed, id: JobId, n: usize, time: (u64, u64), sectors: u32) {
        self.pass(id, n, time, sectors);
        self.start_seek(fixed, id, n, false, time.1 - self.now, 0);
    }

    /// Whether all that is left of a read is to tell the host, and the coming sector is the next to be
    /// read ahead.
    pub(super) fn only_answers(&self, id: JobId, n: usize) -> bool {
        let s = &self.segments[n];
        let answers =
            matches!(self.bus_event, Some((_, BusEvent::Completed(whose))) if whose == id);
        answers && self.whole && s.background && s.state == SegState::Reading && s.arm_lbn == s.end
    }

    /// Lets reading ahead go on from `start`, while the host waits for its answer.
    pub(super) fn read_ahead_from(&mut self, fixed: &Fixed, id: JobId, n: usize, start: u64) {
        let s = &self.segments[n];
        if s.arm_lbn > self.track_high {
            // Where reading ahead ends with the track, the arm stays.
            self.start_seek(fixed, id, n, false, start - self.now, 0);
            return;
        }
        let quiet = self.quiet_until(fixed);
        let width = self.sector_time(fixed);
        let room = quiet.saturating_sub(start);
        let more = room.checked_div(width).unwrap_or(0);
        let left = (self.track_high + 1).min(s.ahead_max) - s.arm_lbn;
        let to_end = more >= left as u64;
        if more == 0 || left <= 0 || to_end && s.ahead_max <= self.track_high + 1 {
            return self.next_sector(fixed, id, n, start, quiet);
        }
        let passing = if to_end { left as u32 } else { more as u32 };
        let at = start + width * u64::from(passing);
        self.spindle.steps(start, at, passing);
        self.come_to(n, passing);
        if to_end {
            self.start_seek(fixed, id, n, false, at - self.now, 0);
        } else {
            // Whoever comes then finds so many sectors read, and the next one on its way.
            self.next_sector(fixed, id, n, at, quiet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FastWrite, Segmented};
    use crate::drive::Engine;
    use crate::profile::Controller;
    use crate::{Disk, Policy, profiles};
    use proptest::prelude::*;
    use vellum_block::{Completion, Device, Duration, Instant, Lba, Op, Request, Tag, drain};

    /// A controller of a profile with some of its figures changed, one bit each.
    fn controller(c: &mut Segmented, bits: u32) {
        let bit = |n: u32| bits >> n & 1 == 1;
        let kinds = [ReadAhead::None, ReadAhead::Track, ReadAhead::Cylinder, ReadAhead::Segment];
        c.buffer.cache = bit(0) || bit(1);
        c.buffer.read_ahead = kinds[(bits >> 1 & 3) as usize];
        c.buffer.read_watermark = if bit(3) { 1_000_000 } else { 200_000 };
        c.buffer.watermark_of_request = true;
        c.buffer.read_on_arrival = bit(4);
        c.buffer.stop_in_sector = bit(5);
        c.buffer.read_ahead_max = if bit(6) { 40 } else { 0 };
        c.hold_bus_read = bit(7);
        if bit(8) {
            (c.read_sector, c.overheads.read_complete) = (Duration::ZERO, Duration::ZERO);
            c.overheads.read_disconnect = Default::default();
            (c.overheads.reselect, c.overheads.data_preparation) = Default::default();
        }
        c.buffer.fast_write = if bit(9) { FastWrite::On } else { FastWrite::Off };
        c.buffer.read_ahead_on_hit = bit(10);
    }

    fn play(
        name: &str,
        bits: u32,
        whole: bool,
        steps: &[(u64, bool, u64, u32)],
    ) -> (Vec<Completion>, crate::MediaCounters) {
        let mut profile = profiles::find(name).unwrap();
        if let Controller::Segmented(c) = &mut profile.controller {
            controller(c, bits);
        }
        let mut disk = Disk::new(&profile, Policy::Fcfs).unwrap();
        if let Engine::Segmented(d) = &mut disk.engine {
            d.fixed.whole_reads = whole;
        }
        let (mut done, mut at, mut lba) = (Vec::new(), Instant::ZERO, 4000);
        let mut note = |c: Completion| done.push(c);
        for (i, &(gap, write, place, sectors)) in steps.iter().enumerate() {
            at += Duration::from_us(gap);
            disk.advance(at, &mut note);
            // Near the request before, or right behind it.
            lba += place * 3;
            let op = if write { Op::Write } else { Op::Read };
            disk.submit(at, Request::new(Tag(i as u64), op, Lba::new(lba), sectors)).unwrap();
            lba += u64::from(sectors);
        }
        drain(&mut disk, &mut note);
        (done, disk.media())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(192))]

        #[test]
        fn the_short_way_of_a_read_ends_where_the_plain_one_does(
            bits in 0u32..1 << 11,
            first in any::<bool>(),
            steps in prop::collection::vec(
                (0u64..25_000, prop::bool::weighted(0.2), 0u64..900, 1u32..120), 1..24),
        ) {
            let name = profiles::NAMES[usize::from(first)];
            prop_assert_eq!(play(name, bits, true, &steps), play(name, bits, false, &steps));
        }
    }
}
