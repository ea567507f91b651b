//! Geometry: which sector stands where, and at which angle; an exact bijection both ways.
//!
//! A drive's physical sectors are numbered along its tracks in the order of their use: the *virtual
//! sector number*. `Extents` turn an LBN into such a number: they skip spares, slipped defects and
//! reserved areas. `Run`s of like tracks turn the number into a place. A lookup takes an index of the
//! LBN's upper bits, an extent, its run, and three divisions, whatever the layout.

mod build;
mod divisor;
mod extents;
mod remaps;
mod serpentine;
mod track;
mod visit;
mod zones;

pub use build::Limits;
pub use serpentine::{Entry, Node, Pattern, Serpentine};
pub use track::{Angle, Place, Spot, Track};
pub use zones::{Mapping, Sparing, Zone, Zoned};

use crate::Error;
use divisor::Divisor;
use extents::Extents;
use remaps::{Filter, Remap};
pub(crate) use track::OnTrack;
use track::{Order, Run, Skews};
pub(crate) use visit::Visit;

/// The layout of a drive.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    pub(crate) sectors: u64,
    pub(crate) surfaces: Divisor,
    pub(crate) cylinders: u32,
    pub(crate) runs: Vec<Run>,
    pub(crate) skews: Vec<Skews>,
    pub(crate) extents: Extents,
    pub(crate) remaps: Vec<Remap>,
    pub(crate) moved: Filter,
    pub(crate) by_place: Vec<(u32, u32, u32, u32)>,
    pub(crate) longest: u32,
}

impl Geometry {
    /// Sectors that can be addressed.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Data surfaces, one head each.
    pub fn surfaces(&self) -> u32 {
        self.surfaces.get()
    }

    /// Whether the layout is one of zones.
    pub fn is_zoned(&self) -> bool {
        matches!(self.runs[0].order, Order::Cylinders { .. })
    }

    /// Cylinders.
    pub fn cylinders(&self) -> u32 {
        self.cylinders
    }

    /// The most sectors that a track of this drive maps.
    pub fn longest_track(&self) -> u32 {
        self.longest
    }

    /// Where `lbn` is; `None` past the end.
    #[inline]
    pub fn locate(&self, lbn: u64) -> Option<Spot> {
        if lbn >= self.sectors {
            return None;
        }
        if self.moved.may_hold(lbn)
            && let Ok(i) = self.remaps.binary_search_by_key(&lbn, |r| r.lbn)
        {
            let mut spot = self.spot_of(self.remaps[i].target);
            spot.remapped = true;
            return Some(spot);
        }
        let (run, number) = self.extents.number_of(lbn);
        Some(self.spot_in(run, number))
    }

    #[inline]
    fn spot_in(&self, run: u32, number: u64) -> Spot {
        let r = &self.runs[run as usize];
        let within = number - r.first;
        // Almost every drive's runs are below 2^32 sectors, where a multiplication divides.
        let (number, sector) = match u32::try_from(within) {
            Ok(w) => r.mapped.divide(w),
            Err(_) => {
                let mapped = u64::from(r.mapped.get());
                ((within / mapped) as u32, (within % mapped) as u32)
            }
        };
        Spot { track: Track { run, number }, sector, remapped: false }
    }

    fn spot_of(&self, number: u64) -> Spot {
        let run = self.runs.partition_point(|r| r.first <= number) - 1;
        self.spot_in(run as u32, number)
    }

    /// Cylinder and head of a track.
    #[inline]
    pub fn track_place(&self, track: Track) -> (u32, u32) {
        let r = &self.runs[track.run as usize];
        match r.order {
            Order::Cylinders { flip, .. } => {
                let (c, h) = self.surfaces.divide(track.number);
                let cylinder = r.cylinder + c;
                (cylinder, flip.head(c, cylinder, h, self.surfaces.get()))
            }
            Order::Surface { head, step, .. } => (
                r.cylinder.wrapping_add_signed(step.wrapping_mul(track.number as i32)),
                head.into(),
            ),
        }
    }

    /// The place of a spot.
    pub fn place(&self, spot: Spot) -> Place {
        let (cylinder, head) = self.track_place(spot.track);
        let low = self.runs[spot.track.run as usize].low;
        Place { cylinder, head, sector: low + spot.sector }
    }

    /// Whether the drive has such a track.
    pub(crate) fn has_track(&self, track: Track) -> bool {
        self.runs.get(track.run as usize).is_some_and(|r| {
            u64::from(track.number) < r.sectors.div_ceil(u64::from(r.mapped.get()))
        })
    }

    /// Sectors in a turn of the track.
    #[inline]
    pub fn per_turn(&self, track: Track) -> u32 {
        self.runs[track.run as usize].per_turn
    }

    /// Angle that a sector of the track takes.
    #[inline]
    pub fn width(&self, track: Track) -> u32 {
        self.runs[track.run as usize].width
    }

    /// Angle of the first sector that the track maps.
    #[inline]
    pub fn track_angle(&self, track: Track) -> Angle {
        let r = &self.runs[track.run as usize];
        match r.order {
            Order::Surface { turn, .. } => {
                Angle(r.angle.wrapping_add(turn.wrapping_mul(track.number)))
            }
            Order::Cylinders { skews, .. } => {
                let (c, h) = self.surfaces.divide(track.number);
                let s = &self.skews[skews as usize];
                let mut a = turned(r.angle, h + (self.surfaces.get() - 1) * c, s.per_track, s.rest);
                a = turned(a, c, s.per_cylinder, s.rest);
                if !s.slips.is_empty() {
                    let (_, head) = self.track_place(track);
                    let tracks =
                        u64::from(c * self.surfaces.get() + if s.by_track { head } else { 0 });
                    let before = tracks * u64::from(r.mapped.get());
                    let slips = s.slips.partition_point(|&p| p < before) as u32;
                    a = turned(a, slips, r.width, s.rest);
                }
                Angle(a)
            }
        }
    }

    /// Angle of the start of a sector, given its track's.
    #[inline]
    pub fn sector_angle(&self, track: Track, start: Angle, sector: u32) -> Angle {
        let r = &self.runs[track.run as usize];
        match r.order {
            Order::Surface { .. } => Angle(start.0.wrapping_add(sector.wrapping_mul(r.width))),
            Order::Cylinders { skews, .. } => {
                Angle(turned(start.0, sector, r.width, self.skews[skews as usize].rest))
            }
        }
    }

    /// Sectors that the track maps.
    #[inline]
    pub fn mapped(&self, track: Track) -> u32 {
        self.runs[track.run as usize].mapped.get()
    }

    /// First and last LBN whose home is on the track; `None` if it has none.
    pub fn track_lbns(&self, track: Track, near: u64) -> Option<(u64, u64)> {
        let r = &self.runs[track.run as usize];
        let from = r.first + u64::from(track.number) * u64::from(r.mapped.get());
        let to = (from + u64::from(r.mapped.get())).min(r.first + r.sectors);
        // `near` is an LBN on the track or close to it, so that the search is a step or two.
        self.extents.between(from, to, near)
    }

    /// First and last LBN whose home is on the track, each with its sector; `None` if it has none.
    /// `near` is an LBN of the drive.
    pub(crate) fn lbns_on(&self, track: Track, near: u64) -> Option<OnTrack> {
        let r = &self.runs[track.run as usize];
        let from = r.first + u64::from(track.number) * u64::from(r.mapped.get());
        let to = (from + u64::from(r.mapped.get())).min(r.first + r.sectors);
        if let Some((first, last)) = self.extents.unbroken(from, to, near) {
            return Some(OnTrack { first: (first, 0), last: (last, (last - first) as u32) });
        }
        let (first, last) = self.extents.between(from, to, near)?;
        let sector = |lbn| (self.extents.number_of(lbn).1 - from) as u32;
        Some(OnTrack { first: (first, sector(first)), last: (last, sector(last)) })
    }

    /// The sector on its own track where an LBN has its home, whether or not it was moved away.
    pub fn home(&self, lbn: u64) -> Option<Spot> {
        if lbn >= self.sectors {
            return None;
        }
        let (run, number) = self.extents.number_of(lbn);
        Some(self.spot_in(run, number))
    }

    /// The LBN that a sector of a track holds; `None` for spares, slipped and defective sectors.
    pub fn lbn_at(&self, track: Track, sector: u32) -> Option<u64> {
        let r = &self.runs[track.run as usize];
        let number =
            r.first + u64::from(track.number) * u64::from(r.mapped.get()) + u64::from(sector);
        if sector >= r.mapped.get() || number >= r.first + r.sectors {
            return None;
        }
        if let Some(remap) = self.remaps.iter().find(|m| m.target == number) {
            return Some(remap.lbn);
        }
        let lbn = self.extents.lbn_of(number)?;
        self.remaps.binary_search_by_key(&lbn, |m| m.lbn).is_err().then_some(lbn)
    }

    /// The LBN at a physical place; `None` for places that hold none or do not exist.
    pub fn lbn_of(&self, place: Place) -> Option<u64> {
        let (track, sector) = self.find(place)?;
        self.lbn_at(track, sector)
    }

    /// The track and mapped sector at a place.
    pub fn find(&self, place: Place) -> Option<(Track, u32)> {
        // (head or all, first cylinder, last cylinder, run), sorted; few runs overlap a cylinder.
        for &(head, low, high, run) in &self.by_place {
            let any = head == u32::MAX;
            if (!any && head != place.head) || place.cylinder < low || place.cylinder > high {
                continue;
            }
            let r = &self.runs[run as usize];
            let number = match r.order {
                Order::Cylinders { flip, .. } => {
                    if place.head >= self.surfaces.get() {
                        return None;
                    }
                    let c = place.cylinder - r.cylinder;
                    c * self.surfaces.get()
                        + flip.head(c, place.cylinder, place.head, self.surfaces.get())
                }
                Order::Surface { .. } => place.cylinder.abs_diff(r.cylinder),
            };
            if place.sector >= r.low && place.sector - r.low < r.mapped.get() {
                return Some((Track { run, number }, place.sector - r.low));
            }
        }
        None
    }

    /// Checks that every extent lies in its run.
    ///
    /// # Errors
    /// When the tables do not add up.
    pub fn check(&self) -> Result<(), Error> {
        for (run, first, last) in self.extents.spans() {
            let r = &self.runs[run as usize];
            if first < r.first || last >= r.first + r.sectors {
                let (what, found) = ("an extent does not fit its run", last);
                return Err(Error::Geometry { what, found, expected: r.first + r.sectors });
            }
        }
        Ok(())
    }
}

/// `start` turned `times` by `step`, where every full turn on the way adds `rest`: sector widths
/// are rounded down, and what a turn of them lacks is made good at the index mark.
#[inline]
fn turned(start: u32, times: u32, step: u32, rest: u32) -> u32 {
    let whole = u64::from(start) + u64::from(times) * u64::from(step);
    (whole as u32).wrapping_add(((whole >> 32) as u32).wrapping_mul(rest))
}
