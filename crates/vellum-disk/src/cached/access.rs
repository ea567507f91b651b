//! One way of the arm over the medium, in closed form: seek, wait, pass over the sectors of each
//! track; and, for a write that covers physical sectors in part, the turn that reads them before.

use crate::controller::Parts;
use crate::geometry::Geometry;
use crate::seek::SeekTable;
use crate::spindle::Spindle;

/// Sectors of one track that pass under the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    pub lbn: u64,
    pub count: u32,
    pub from: u64,
    /// Time of the whole pass.
    pub ps: u64,
    pub cylinder: u32,
    pub head: u32,
}

impl Pass {
    /// When its `n`-th sector has passed.
    pub fn at(&self, n: u32) -> u64 {
        self.from + (u128::from(self.ps) * u128::from(n)).div_ceil(self.count.max(1).into()) as u64
    }

    pub fn end(&self) -> u64 {
        self.from + self.ps
    }

    /// Whole sectors that have passed at `now`.
    pub fn passed(&self, now: u64) -> u32 {
        let gone = now.saturating_sub(self.from).min(self.ps);
        let mut n = (u128::from(gone) * u128::from(self.count) / u128::from(self.ps.max(1))) as u32;
        while n < self.count && self.at(n + 1) <= now {
            n += 1;
        }
        n
    }
}

/// What the arm does for a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Access {
    pub start: u64,
    pub passes: Vec<Pass>,
    pub parts: Parts,
    /// Reading what a partial write does not cover, and coming round again.
    pub modify: u64,
}

impl Access {
    pub fn end(&self) -> u64 {
        self.passes.last().map_or(self.start, Pass::end)
    }
}

/// Where the arm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ArmPlace {
    pub cylinder: u32,
    pub head: u32,
}

/// The mechanics that a plan needs.
#[derive(Clone, Copy)]
pub(super) struct Mechanism<'a> {
    pub geometry: &'a Geometry,
    pub seek: &'a SeekTable,
    pub spindle: &'a Spindle,
}

/// Units of 2⁻³² turns by which a head may be past a sector's start and still catch it: a fraction
/// of the gap between sectors, and more than rounding to picoseconds can be off.
const GAP: u32 = 64;

impl Mechanism<'_> {
    /// Picoseconds of arm movement and settling from `arm` to the track of `lbn`, then of waiting.
    pub fn position(&self, arm: ArmPlace, at: u64, lbn: u64, write: bool) -> (u64, u64, u64) {
        let g = self.geometry;
        let Some(spot) = g.locate(lbn) else { return (0, 0, 0) };
        let (cylinder, head) = g.track_place(spot.track);
        let (moved, settle) =
            self.seek.time(cylinder.abs_diff(arm.cylinder), head != arm.head, write);
        let start = g.sector_angle(spot.track, g.track_angle(spot.track), spot.sector);
        let now = self.spindle.angle(at + moved + settle);
        let early = crate::geometry::Angle(now.0.wrapping_sub(GAP));
        let wait = self.spindle.between(early, start).saturating_sub(self.spindle.sweep(GAP));
        (moved, settle, wait)
    }

    /// The way over `from..to`, starting at `at`.
    pub fn plan(&self, arm: ArmPlace, at: u64, from: u64, to: u64, write: bool) -> Access {
        let g = self.geometry;
        let (mut arm, mut now, mut lbn) = (arm, at, from);
        let mut access = Access { start: at, ..Access::default() };
        while lbn < to {
            let Some(spot) = g.locate(lbn) else { break };
            let (cylinder, head) = g.track_place(spot.track);
            let (moved, settle, wait) = self.position(arm, now, lbn, write);
            let last = if spot.remapped {
                lbn
            } else {
                g.track_lbns(spot.track, lbn).map_or(lbn, |(_, last)| last.max(lbn)).min(to - 1)
            };
            let over = match g.home(last) {
                Some(h) if !spot.remapped && h.track == spot.track => h.sector - spot.sector + 1,
                _ => 1,
            };
            let p = &mut access.parts;
            if !p.moved {
                p.moved = true;
                p.distance = cylinder.abs_diff(arm.cylinder);
                (p.seek, p.settle, p.rotation) = (moved, settle, wait);
                if p.distance == 0 {
                    (p.seek, p.switch) = (0, moved);
                }
            } else {
                p.switch += moved + settle + wait;
            }
            let width = u64::from(g.width(spot.track)) * u64::from(over);
            let ps = self.turn_by(width);
            p.transfer += ps;
            let count = (last - lbn + 1) as u32;
            let start = now + moved + settle + wait;
            access.passes.push(Pass { lbn, count, from: start, ps, cylinder, head });
            now = start + ps;
            arm = ArmPlace { cylinder, head };
            lbn = last + 1;
        }
        access
    }

    /// Picoseconds of an angle that may be more than a turn.
    fn turn_by(&self, width: u64) -> u64 {
        (u128::from(width) * u128::from(self.spindle.period())).div_ceil(1 << 32) as u64
    }

    /// The way of a write whose physical sectors in `read` (if any) must be read first: a pass over
    /// them, then the write when it comes round again.
    pub fn plan_write(
        &self,
        arm: ArmPlace,
        at: u64,
        from: u64,
        to: u64,
        read: Option<(u64, u64)>,
    ) -> Access {
        let Some((a, b)) = read else { return self.plan(arm, at, from, to, true) };
        let first = self.plan(arm, at, a, b, false);
        let Some(&begin) = first.passes.first() else { return first };
        let there = first.passes.last().unwrap_or(&begin);
        let arm = ArmPlace { cylinder: there.cylinder, head: there.head };
        let mut access = self.plan(arm, first.end(), from, to, true);
        access.start = at;
        let written = access.passes.first().map_or(first.end(), |p| p.from);
        access.modify = written - begin.from;
        // Switches within the reading are part of `modify`; one before it is not.
        let before = first.parts.seek + first.parts.settle + first.parts.rotation;
        let switch = access.end() - written - access.parts.transfer;
        access.parts = Parts {
            transfer: access.parts.transfer,
            switch: switch + (begin.from - at).saturating_sub(before),
            ..first.parts
        };
        access
    }
}
