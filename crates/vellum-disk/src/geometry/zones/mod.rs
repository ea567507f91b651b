//! Zoned layouts: bands of cylinders with the same number of sectors on every track.
//!
//! The sparing schemes are DiskSim's (manual, "LBN-to-PBN mapping scheme" and "Sparing scheme
//! used"), stated here as one rule: a zone is cut into groups (track, cylinder, range, zone); each
//! group keeps some sectors spare at its end or front; slipped defects are passed over, within the
//! group or to the end of the zone; LBNs take what is left in order. So the map is a bijection by
//! construction, also where DiskSim's own two directions disagree (slips with spares per cylinder).

mod rules;

pub use rules::{Mapping, Sparing};

use super::build::{Builder, Limits, at_most};
use super::{Angle, Divisor, Geometry, Order, Remap, Run, Skews};
use crate::Error;
use rules::Group;

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zone {
    /// First cylinder.
    pub first_cylinder: u32,
    /// Last cylinder.
    pub last_cylinder: u32,
    /// Sectors on each track.
    pub per_track: u32,
    /// Angle of the first sector of the zone.
    pub offset: Angle,
    /// Usable sectors at the front that hold no LBN.
    pub reserved: u64,
    /// Skew from track to track of a cylinder.
    pub track_skew: Angle,
    /// Skew from the last track of a cylinder to the first of the next.
    pub cylinder_skew: Angle,
    /// Spares of each group; tracks for [`Sparing::Tracks`].
    pub spares: u32,
    /// Physical sectors (tracks) of the zone that are passed over, ascending.
    pub slips: Vec<u64>,
    /// Physical sectors (tracks) of the zone that are defective, and what replaces them.
    pub defects: Vec<(u64, u64)>,
}

/// A zoned layout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zoned {
    /// Data surfaces.
    pub surfaces: u32,
    /// Cylinders.
    pub cylinders: u32,
    /// Order of heads.
    pub mapping: Mapping,
    /// Spares.
    pub sparing: Sparing,
    /// Cylinders in a range.
    pub range: u32,
    /// Zones from the outside in.
    pub zones: Vec<Zone>,
}

impl Zoned {
    /// The tables of this layout.
    ///
    /// # Errors
    /// When zones overlap, lie beyond the last cylinder or have no sectors left.
    pub fn build(&self) -> Result<Geometry, Error> {
        at_most("number of surfaces", self.surfaces.into(), Limits::SURFACES.into())?;
        at_most("number of cylinders", self.cylinders.into(), Limits::CYLINDERS.into())?;
        at_most("cylinders in a range", self.range.max(1).into(), self.cylinders.into())?;
        let mut b = Builder::default();
        let (mut next, mut first) = (0u64, 0u64);
        for zone in &self.zones {
            if u64::from(zone.first_cylinder) < next || zone.last_cylinder < zone.first_cylinder {
                let found = zone.first_cylinder.into();
                return Err(Error::Geometry {
                    what: "a zone's first cylinder",
                    found,
                    expected: next,
                });
            }
            next = u64::from(zone.last_cylinder) + 1;
            at_most("last cylinder of a zone", next, self.cylinders.into())?;
            first = self.zone(&mut b, zone, first)?;
        }
        b.finish(self.surfaces, self.cylinders)
    }

    /// Adds a zone whose virtual numbers start at `first`; returns where the next zone's start.
    fn zone(&self, b: &mut Builder, zone: &Zone, first: u64) -> Result<u64, Error> {
        at_most("sectors on a track", zone.per_track.into(), Limits::TRACK.into())?;
        let cylinders = u64::from(zone.last_cylinder - zone.first_cylinder + 1);
        let track = u64::from(zone.per_track);
        let total = cylinders * u64::from(self.surfaces) * track;
        let run = b.runs.len() as u32;
        let slips = self.slipped_sectors(zone, total)?;
        b.skews.push(Skews {
            per_track: zone.track_skew.0,
            per_cylinder: zone.cylinder_skew.0,
            rest: ((1u64 << 32) % track) as u32,
            slips: if self.sparing.skews() { slips.clone() } else { Vec::new() },
            by_track: self.sparing == Sparing::PerTrack,
        });
        b.runs.push(Run {
            first,
            sectors: total,
            mapped: Divisor::new(zone.per_track),
            per_turn: zone.per_track,
            low: 0,
            cylinder: zone.first_cylinder,
            angle: zone.offset.0,
            width: ((1u64 << 32) / track) as u32,
            order: Order::Cylinders { flip: self.mapping, skews: run },
        });
        let from = b.lbn;
        let mut usable = self.usable(zone, total, &slips)?;
        let lost = zone.reserved.saturating_add(self.lost(zone, total));
        let count = total.checked_sub(lost).filter(|&n| n > 0).ok_or(Error::Geometry {
            what: "reserved and spare sectors leave none in a zone",
            found: lost,
            expected: total,
        })?;
        let (mut skip, mut left) = (zone.reserved, count);
        for (at, n) in usable.drain(..) {
            let passed = skip.min(n);
            skip -= passed;
            let n = (n - passed).min(left);
            b.extend(run, first + at + passed, n)?;
            left -= n;
        }
        if left > 0 {
            let what = "slips and spares take more sectors than the zone declares";
            return Err(Error::Geometry { what, found: count - left, expected: count });
        }
        self.remap(b, zone, first, from, total)?;
        Ok(first + total)
    }

    /// Sectors of a group that keeps its spares together.
    fn group_sectors(&self, zone: &Zone, total: u64) -> u64 {
        let track = u64::from(zone.per_track);
        match self.sparing.rule().group {
            Group::Track => track,
            Group::Cylinder => track * u64::from(self.surfaces),
            Group::Range => track * u64::from(self.surfaces) * u64::from(self.range.max(1)),
            Group::Zone => total,
        }
    }

    /// Sectors of a zone that hold no LBN, beside the reserved ones. A last group that is short has
    /// no spares.
    fn lost(&self, zone: &Zone, total: u64) -> u64 {
        let spares = self.sparing.spares(zone.spares, zone.per_track.into());
        let slips = if self.sparing.rule().to_end { zone.slips.len() as u64 } else { 0 };
        spares.saturating_mul(total / self.group_sectors(zone, total)) + slips
    }

    /// Physical numbers of slipped sectors, ascending.
    fn slipped_sectors(&self, zone: &Zone, total: u64) -> Result<Vec<u64>, Error> {
        let track = u64::from(zone.per_track);
        let mut slips: Vec<u64> = zone.slips.clone();
        slips.sort_unstable();
        slips.dedup();
        if self.sparing == Sparing::Tracks {
            slips = slips
                .iter()
                .flat_map(|&t| (0..track).map(move |s| t.saturating_mul(track) + s))
                .collect();
        }
        match slips.last() {
            Some(&last) if last >= total => Err(Error::Geometry {
                what: "a slip outside its zone",
                found: last,
                expected: total,
            }),
            _ => Ok(slips),
        }
    }

    /// Ranges (start, length) of physical numbers that LBNs may take, in order.
    fn usable(&self, zone: &Zone, total: u64, slips: &[u64]) -> Result<Vec<(u64, u64)>, Error> {
        let rule = self.sparing.rule();
        let group = self.group_sectors(zone, total);
        let spares = self.sparing.spares(zone.spares, zone.per_track.into());
        if spares >= group {
            let what = "spares fill their group";
            return Err(Error::Geometry { what, found: spares, expected: group });
        }
        let (mut out, mut slip) = (Vec::new(), 0);
        for start in (0..total).step_by(group as usize) {
            let end = (start + group).min(total);
            let keep = if end - start < group { end - start } else { group - spares };
            // Slips within a group eat into its spares; slips to the end leave them alone.
            let mut left = if rule.to_end { u64::MAX } else { keep };
            let mut at = if rule.front { start + spares } else { start };
            let stop = if rule.to_end && !rule.front { start + keep } else { end };
            slip += slips[slip..].partition_point(|&s| s < at);
            while at < stop && left > 0 {
                let hole = slips.get(slip).copied().filter(|&s| s < stop).unwrap_or(stop);
                let n = (hole - at).min(left);
                if n > 0 {
                    out.push((at, n));
                }
                left -= n;
                at = hole + 1;
                slip += usize::from(hole < stop);
            }
            slip += slips[slip..].partition_point(|&s| s < end);
            at_most("groups of sectors", out.len().max(1) as u64, Limits::TABLE as u64)?;
        }
        Ok(out)
    }

    /// Notes where the LBNs of defective sectors went.
    fn remap(
        &self,
        b: &mut Builder,
        zone: &Zone,
        first: u64,
        from: u64,
        total: u64,
    ) -> Result<(), Error> {
        let track = u64::from(zone.per_track);
        let size = if self.sparing == Sparing::Tracks { track } else { 1 };
        for &(defect, target) in &zone.defects {
            for s in 0..size {
                let (bad, good) =
                    (defect.saturating_mul(size) + s, target.saturating_mul(size) + s);
                if bad >= total || good >= total {
                    let what = "a defect or its replacement outside the zone";
                    return Err(Error::Geometry { what, found: bad.max(good), expected: total });
                }
                let Some(lbn) = b.extents.lbn_of(first + bad) else { continue };
                if lbn >= from && bad != good {
                    b.remaps.push(Remap { lbn, target: first + good });
                }
            }
        }
        Ok(())
    }
}
