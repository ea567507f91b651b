//! Putting tables together, with limits on what a file may ask for.

use super::{Divisor, Extents, Filter, Geometry, Order, Remap, Run, Skews};
use crate::Error;

/// What a description may ask for; far above any real drive.
#[derive(Debug, Clone, Copy)]
pub struct Limits;

impl Limits {
    /// Cylinders.
    pub const CYLINDERS: u32 = 1 << 22;
    /// Surfaces.
    pub const SURFACES: u32 = 64;
    /// Sectors on a track.
    pub const TRACK: u32 = 1 << 16;
    /// Runs and extents.
    pub const TABLE: usize = 1 << 22;
}

/// Tables while they grow.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub runs: Vec<Run>,
    pub skews: Vec<Skews>,
    pub extents: Extents,
    pub remaps: Vec<Remap>,
    pub lbn: u64,
}

impl Builder {
    /// Maps the next LBNs to the `count` virtual numbers from `first` on, all in `run`.
    pub fn extend(&mut self, run: u32, first: u64, count: u64) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let next = self.extents.next_number();
        if first < next {
            let what = "sectors that do not follow those before them";
            return Err(Error::Geometry { what, found: first, expected: next });
        }
        self.extents.push(run, first, count);
        if self.extents.len() > Limits::TABLE || self.runs.len() > Limits::TABLE {
            let what = "more runs or extents than a drive can have";
            let found = self.extents.len().max(self.runs.len()) as u64;
            return Err(Error::Geometry { what, found, expected: Limits::TABLE as u64 });
        }
        self.lbn += count;
        Ok(())
    }

    pub fn finish(mut self, surfaces: u32, cylinders: u32) -> Result<Geometry, Error> {
        if self.extents.len() == 0 {
            return Err(Error::Geometry { what: "no sectors", found: 0, expected: 1 });
        }
        self.remaps.sort_by_key(|r| r.lbn);
        self.extents.index();
        let mut by_place: Vec<_> =
            (0..self.runs.len()).map(|i| span(&self.runs, i, surfaces)).collect();
        by_place.sort_unstable();
        let used = by_place.iter().map(|s| s.2 + 1).max().unwrap_or(1);
        let cylinders = if cylinders == 0 { used } else { cylinders };
        if let Some(s) = by_place.iter().find(|s| s.2 >= cylinders) {
            let (found, expected) = (s.2.into(), cylinders.into());
            return Err(Error::Geometry {
                what: "a track beyond the last cylinder",
                found,
                expected,
            });
        }
        let geometry = Geometry {
            sectors: self.lbn,
            surfaces: Divisor::new(surfaces),
            cylinders,
            longest: self.runs.iter().map(|r| r.mapped.get()).max().unwrap_or(0),
            runs: self.runs,
            skews: self.skews,
            extents: self.extents,
            moved: Filter::new(&self.remaps),
            remaps: self.remaps,
            by_place,
        };
        geometry.check()?;
        Ok(geometry)
    }
}

/// Head (or all), first and last cylinder, and number of a run.
fn span(runs: &[Run], i: usize, surfaces: u32) -> (u32, u32, u32, u32) {
    let r = &runs[i];
    let tracks = r.sectors.div_ceil(u64::from(r.mapped.get())) as u32;
    match r.order {
        Order::Cylinders { .. } => {
            (u32::MAX, r.cylinder, r.cylinder + tracks.div_ceil(surfaces).max(1) - 1, i as u32)
        }
        Order::Surface { head, step, .. } => {
            let other = r.cylinder.wrapping_add_signed(step.wrapping_mul(tracks as i32 - 1));
            (head.into(), r.cylinder.min(other), r.cylinder.max(other), i as u32)
        }
    }
}

/// Checks a number against a limit.
pub(super) fn at_most(what: &'static str, found: u64, limit: u64) -> Result<(), Error> {
    if found == 0 || found > limit {
        return Err(Error::Limit { what, found, limit });
    }
    Ok(())
}
