//! What a scheduler may ask: how long until a request's first sector, and would the buffer do.

use super::types::{Hit, SegOut, SegState};
use super::{Control, Fixed};
use crate::spindle::Rotation;

impl Control {
    /// Picoseconds of seek and rotation before the first sector of a request that starts at `now`.
    pub fn estimate(&self, fixed: &Fixed, now: u64, lba: u64, sectors: u32, read: bool) -> u64 {
        let g = &fixed.geometry;
        let Some(spot) = g.locate(lba) else { return 0 };
        let (cylinder, head) = g.track_place(spot.track);
        let distance = cylinder.abs_diff(self.cylinder);
        let (moved, settle) = fixed.seek.time(distance, head != self.head, !read);
        let seek = moved + settle;
        // DiskSim estimates from the angle at which the arm last did something.
        let angle = match self.spindle.rotation() {
            // The command is processed before the arm moves.
            Rotation::Exact => {
                let o = &fixed.config.overheads;
                let miss = if read { o.read_miss } else { o.write_miss };
                self.spindle.angle(now + miss.get(self.last_read).as_ps() + seek)
            }
            Rotation::Stepped => self.spindle.carried_after(seek),
        };
        let base = g.track_angle(spot.track);
        let start = g.sector_angle(spot.track, base, spot.sector);
        let mut wait = self.spindle.between(angle, start);
        let b = &fixed.config.buffer;
        if if read { b.read_on_arrival } else { b.write_on_arrival } {
            wait += self.late(fixed, spot, angle.0, start.0, sectors, lba);
        }
        let least = if read { 0 } else { fixed.config.write_seek_min.as_ps() };
        (seek + wait).max(least)
    }

    /// Extra latency of an access on arrival whose span the head lands in.
    fn late(
        &self,
        fixed: &Fixed,
        spot: crate::geometry::Spot,
        now: u32,
        start: u32,
        sectors: u32,
        lba: u64,
    ) -> u64 {
        let g = &fixed.geometry;
        let per_turn = g.per_turn(spot.track);
        let last = g.track_lbns(spot.track, lba).map_or(lba, |l| l.1);
        let count = sectors.min((last.saturating_sub(lba) + 1) as u32);
        let end_sector = (spot.sector + count - 1).min(per_turn - 1);
        let end = g.sector_angle(spot.track, g.track_angle(spot.track), end_sector).0;
        let outside = end_sector == spot.sector
            || if start < end { now <= start || now >= end } else { end < now && now <= start };
        if outside || count >= per_turn {
            return 0;
        }
        self.spindle.sweep(g.width(spot.track).wrapping_mul(per_turn - count))
    }

    /// Whether the buffer holds the beginning of a request; if so, whether it holds all of it.
    pub fn would_hit(&self, fixed: &Fixed, lba: u64, sectors: u32, read: bool) -> Option<bool> {
        let (lba, count) = (lba as i64, i64::from(sectors));
        let b = &fixed.config.buffer;
        let mut found = None;
        for &n in &self.order {
            let s = &self.segments[n];
            if s.state == SegState::Empty {
                continue;
            }
            if read {
                let own = b.own_write_segment && n == 0;
                let almost = b.almost_hits && s.state == SegState::Reading && s.end == lba;
                if b.cache && !own && lba >= s.start && (lba < s.end || almost) {
                    found = Some(found == Some(true) || s.end >= lba + count);
                }
            } else if s.state == SegState::Reading || !b.combine_writes {
                return None;
            } else if s.state == SegState::Writing && s.out != SegOut::Transferring {
                let (_, how) = self.joins(n, lba, count, lba + count);
                if how == Hit::Append {
                    found = Some(true);
                }
            }
        }
        found
    }
}
