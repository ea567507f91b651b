//! Zoned layouts: bands of cylinders with the same number of sectors on every track.
//!
//! The sparing schemes are DiskSim's (manual, "LBN-to-PBN mapping scheme" and "Sparing scheme
//! used"), stated here as one rule: a zone is cut into groups (track, cylinder, range, zone); each
//! group keeps some sectors spare at its end or front; slipped defects are passed over, within the
//! group or to the end of the zone; LBNs take what is left in order. So the map is a bijection by
//! construction, also where DiskSim's own two directions disagree (slips with spares per cylinder).

use super::build::{Builder, Limits, at_most};
use super::{Angle, Geometry, Order, Remap, Run, Skews};
use crate::Error;

/// In which order a cylinder's heads are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mapping {
    /// Always from head 0.
    #[default]
    Normal,
    /// Backwards on every other cylinder of a zone, so that a cylinder switch keeps the head.
    OddInZone,
    /// Backwards on odd cylinders of the drive.
    OddOnDrive,
}

impl Mapping {
    /// The head for the `h`-th track of cylinder `c` of the zone, and the other way round.
    #[inline]
    pub(crate) fn head(self, c: u32, cylinder: u32, h: u32, surfaces: u32) -> u32 {
        let back = match self {
            Mapping::Normal => false,
            Mapping::OddInZone => c % 2 == 1,
            Mapping::OddOnDrive => cylinder % 2 == 1,
        };
        if back { surfaces - 1 - h } else { h }
    }
}

/// Where spare sectors lie and where slips go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sparing {
    /// No spares.
    #[default]
    None,
    /// Whole tracks at the zone's end; slips and defects are numbers of tracks.
    Tracks,
    /// Sectors at the end of each cylinder.
    PerCylinder,
    /// Sectors at the end of each track.
    PerTrack,
    /// At the end of each cylinder; slips move everything up to the zone's end.
    PerCylinderSlipToEnd,
    /// At the front of each cylinder.
    PerCylinderFront,
    /// At the front of each cylinder; slips move everything up to the zone's end.
    PerCylinderFrontSlipToEnd,
    /// No spares; slips move everything up to the zone's end.
    AtEnd,
    /// Sectors at the end of each range of cylinders.
    PerRange,
    /// Sectors at the zone's end, which slips use.
    PerZone,
    /// Sectors at the zone's end, which slips do not use.
    PerZoneSlipToEnd,
}

impl Sparing {
    /// DiskSim's number of the scheme.
    pub fn from_code(code: i64) -> Option<Sparing> {
        use Sparing::*;
        let all = [
            None,
            Tracks,
            PerCylinder,
            PerTrack,
            PerCylinderSlipToEnd,
            PerCylinderFront,
            PerCylinderFrontSlipToEnd,
            AtEnd,
            PerRange,
            PerZone,
            PerZoneSlipToEnd,
        ];
        usize::try_from(code).ok().and_then(|i| all.get(i).copied())
    }

    fn slips_to_end(self) -> bool {
        use Sparing::*;
        matches!(self, PerCylinderSlipToEnd | PerCylinderFrontSlipToEnd | AtEnd | PerZoneSlipToEnd)
    }

    fn in_front(self) -> bool {
        matches!(self, Sparing::PerCylinderFront | Sparing::PerCylinderFrontSlipToEnd)
    }

    /// Whether slipped sectors push the angles of later tracks on.
    fn skews(self) -> bool {
        use Sparing::*;
        matches!(
            self,
            PerCylinder
                | PerTrack
                | PerCylinderSlipToEnd
                | PerCylinderFront
                | PerCylinderFrontSlipToEnd
        )
    }
}

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
    /// Skew from cylinder to cylinder, on top of the tracks'.
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
            mapped: zone.per_track,
            per_turn: zone.per_track,
            low: 0,
            cylinder: zone.first_cylinder,
            angle: zone.offset.0,
            width: ((1u64 << 32) / track) as u32,
            order: Order::Cylinders { flip: self.mapping, skews: run },
        });
        let from = b.lbn;
        let mut usable = self.usable(zone, total, &slips)?;
        let count = total
            .checked_sub(zone.reserved + self.lost(zone, cylinders, track))
            .filter(|&n| n > 0)
            .ok_or(Error::Geometry {
                what: "reserved and spare sectors leave none in a zone",
                found: zone.reserved + self.lost(zone, cylinders, track),
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

    /// Sectors of a zone that hold no LBN, beside the reserved ones.
    fn lost(&self, zone: &Zone, cylinders: u64, track: u64) -> u64 {
        use Sparing::*;
        let (spares, slips) = (u64::from(zone.spares), zone.slips.len() as u64);
        match self.sparing {
            None => 0,
            Tracks => spares * track,
            PerTrack => spares * cylinders * u64::from(self.surfaces),
            AtEnd => slips,
            PerZone => spares,
            PerZoneSlipToEnd => spares + slips,
            PerCylinder | PerCylinderFront => spares * cylinders,
            PerCylinderSlipToEnd | PerCylinderFrontSlipToEnd => spares * cylinders + slips,
            PerRange => spares * (cylinders / u64::from(self.range.max(1))),
        }
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
        use Sparing::*;
        let track = u64::from(zone.per_track);
        let cylinder = track * u64::from(self.surfaces);
        let (group, spares) = match self.sparing {
            None | AtEnd => (total, 0),
            Tracks => (total, u64::from(zone.spares) * track),
            PerTrack => (track, u64::from(zone.spares)),
            PerRange => (cylinder * u64::from(self.range.max(1)), u64::from(zone.spares)),
            PerZone | PerZoneSlipToEnd => (total, u64::from(zone.spares)),
            _ => (cylinder, u64::from(zone.spares)),
        };
        if spares >= group {
            return Err(Error::Geometry {
                what: "spares fill their group",
                found: spares,
                expected: group,
            });
        }
        let (mut out, mut slip) = (Vec::new(), 0);
        for start in (0..total).step_by(group as usize) {
            let end = (start + group).min(total);
            // Slips within a group eat into its spares; slips to the end leave them alone.
            // The last range of a zone, if it is short, has no spares.
            let short = self.sparing == PerRange && end - start < group;
            let keep = (end - start).saturating_sub(if short { 0 } else { spares });
            let mut left = if self.sparing.slips_to_end() { u64::MAX } else { keep };
            let mut at = if self.sparing.in_front() { start + spares } else { start };
            let stop = match (self.sparing.slips_to_end(), self.sparing.in_front()) {
                (true, false) => start + keep,
                _ => end,
            };
            while slip < slips.len() && slips[slip] < at {
                slip += 1;
            }
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
            while slip < slips.len() && slips[slip] < end {
                slip += 1;
            }
            if out.len() > Limits::TABLE {
                let (found, expected) = (out.len() as u64, Limits::TABLE as u64);
                return Err(Error::Geometry { what: "too many groups", found, expected });
            }
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
                let at = first + bad;
                let i = b.extents.partition_point(|e| e.first <= at);
                let Some(e) = i.checked_sub(1).map(|i| b.extents[i]) else { continue };
                let end = b.extents.get(i).map_or(b.lbn, |n| n.lbn);
                let lbn = e.lbn + (at - e.first);
                if lbn < end && lbn >= from && bad != good {
                    b.remaps.push(Remap { lbn, target: first + good });
                }
            }
        }
        Ok(())
    }
}
