//! A read that misses, from its last track to the answer, in one go.
//!
//! Once the head is over the last track of a read, what follows is mostly settled: its sectors pass, the
//! bus is taken when the last of them has, all data crosses it, and the host has its answer. The plain
//! way takes five events for it, which [`super::pass`], [`super::release`] and the bus serve one by one;
//! here the same times are added up. Whatever could make a difference sends the read the plain way, and
//! a test holds the two against each other.

use crate::config::ReadAhead;
use crate::controller::types::{Arm, Bus, BusEvent, JobId, SegOut, SegState};
use crate::controller::{Control, Fixed};

impl Control {
    /// Whether nobody but this read is in the controller, and all that it waits for is on this track.
    fn alone_on_track(&self, fixed: &Fixed, id: JobId, n: usize) -> bool {
        let (j, s) = (self.job(id), &self.segments[n]);
        let b = &fixed.config.buffer;
        let idle_bus = self.bus == Bus::Idle
            && self.bus_event.is_none()
            && self.extra_event.is_none()
            && self.extra_job.is_none()
            && self.current_bus.is_none()
            && self.off_bus[..] == [id];
        let waits = j.read && j.asked && !s.background && s.state == SegState::Reading;
        let one_piece = j.watermark >= j.end() - j.outer || fixed.instant_bus;
        // Neither the read nor reading ahead comes to where there is no room.
        let room = j.end().max(s.ahead_max) - j.outer <= s.size;
        fixed.whole_reads
            && idle_bus
            && waits
            && one_piece
            && room
            && self.whole
            && !self.held
            && s.out == SegOut::Idle
            && s.arm_lbn == s.end
            && s.start <= j.outer
            && j.outer <= s.end
            && s.end < j.end()
            && j.end() <= self.track_high + 1
            && s.jobs.len() == 1
            && self.queue.is_empty()
            && !b.keep_free_sectors
            && b.read_ahead_over_request != -1
    }

    /// Takes a read whose next sector begins at `start` to its answer, if it can. Reading ahead goes on
    /// from there by itself.
    pub(super) fn read_whole(&mut self, fixed: &Fixed, id: JobId, n: usize, start: u64) -> bool {
        if !self.alone_on_track(fixed, id, n) {
            return false;
        }
        let o = &fixed.config.overheads;
        let each = self.sector_on_bus(fixed, id);
        let width = self.sector_time(fixed);
        let (j, s) = (self.job(id), &self.segments[n]);
        let (sectors, end) = (j.end() - s.end, j.end());
        let passed = start + width * sectors as u64;
        let connected = passed + o.reselect.as_ps() + o.data_preparation.as_ps();
        let moved = connected + each * (end - j.outer) as u64;
        self.wait_for_sector(start);
        self.spindle.steps(start, passed, sectors as u32);
        let j = self.jobs[id].as_mut().expect("a live job");
        let s = &mut self.segments[n];
        // What the medium does.
        j.parts.transfer += passed - start;
        (j.parts.medium_end, j.parts.bus) = (Some(passed), moved - connected);
        s.end = end;
        s.arm_sector += sectors as u32;
        s.arm_lbn = end;
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

    /// Lets reading ahead go on from the end of a read, at `start`.
    fn read_ahead_from(&mut self, fixed: &Fixed, id: JobId, n: usize, start: u64) {
        let s = &mut self.segments[n];
        if s.arm_lbn > self.track_high {
            // Where reading ahead ends with the track, the arm stays.
            self.start_seek(fixed, id, n, false, start - self.now, 0);
            return;
        }
        let quiet = self.quiet_until(fixed);
        let width = self.sector_time(fixed);
        let room = quiet.saturating_sub(start);
        let more = room.checked_div(width).unwrap_or(0);
        let s = &mut self.segments[n];
        let left = (self.track_high.min(s.ahead_max - 1) - s.arm_lbn).max(0) as u64;
        if !self.outside.waits || more == 0 || more >= left {
            return self.next_sector(fixed, id, n, start, quiet);
        }
        // The request that waits finds so many sectors read, and the next one on its way.
        let at = start + width * more;
        self.spindle.steps(start, at, more as u32);
        s.arm_lbn += more as i64;
        s.arm_sector += more as u32;
        s.end = s.arm_lbn;
        s.wrap(s.end);
        self.next_sector(fixed, id, n, at, quiet);
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
