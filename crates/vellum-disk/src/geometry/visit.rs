//! All that the arm must know of an LBN's track, in one look-up: the pieces that [`Geometry::locate`],
//! [`Geometry::track_place`], [`Geometry::track_angle`] and the track's LBNs would give one by one.

use super::track::{OnTrack, Order};
use super::{Angle, Geometry, Spot, turned};

/// An LBN's place, and its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Visit {
    pub lbn: u64,
    pub spot: Spot,
    pub cylinder: u32,
    pub head: u32,
    /// Angle of the first sector that the track maps.
    pub angle: Angle,
    /// First and last LBN at home on the track.
    pub on: OnTrack,
}

impl Geometry {
    /// Looks an LBN up; false, and nothing told, past the end. Told in place, because copies of what has
    /// just been written field by field are slow.
    #[inline(always)]
    pub(crate) fn visit(&self, lbn: u64, told: &mut Visit) -> bool {
        if lbn >= self.sectors {
            return false;
        }
        if self.moved.may_hold(lbn) {
            return self.visit_plainly(lbn, told);
        }
        let (extent, number) = self.extents.extent_of(lbn);
        let r = &self.runs[extent.run() as usize];
        let (Ok(within), true) = (u32::try_from(number - r.first), extent.is_single()) else {
            return self.visit_plainly(lbn, told);
        };
        let (track, sector) = r.mapped.divide(within);
        let from = number - u64::from(sector);
        let to = (from + u64::from(r.mapped.get())).min(r.first + r.sectors);
        let Some((first, last)) = extent.unbroken(from, to) else {
            return self.visit_plainly(lbn, told);
        };
        match r.order {
            Order::Surface { head, step, turn } => {
                told.cylinder = r.cylinder.wrapping_add_signed(step.wrapping_mul(track as i32));
                told.head = head.into();
                told.angle = Angle(r.angle.wrapping_add(turn.wrapping_mul(track)));
            }
            Order::Cylinders { flip, skews } => {
                let s = &self.skews[skews as usize];
                if !s.slips.is_empty() {
                    return self.visit_plainly(lbn, told);
                }
                let surfaces = self.surfaces.get();
                let (c, h) = self.surfaces.divide(track);
                let angle = turned(r.angle, h + (surfaces - 1) * c, s.per_track, s.rest);
                told.cylinder = r.cylinder + c;
                told.head = flip.head(c, told.cylinder, h, surfaces);
                told.angle = Angle(turned(angle, c, s.per_cylinder, s.rest));
            }
        }
        told.lbn = lbn;
        (told.spot.track.run, told.spot.track.number) = (extent.run(), track);
        (told.spot.sector, told.spot.remapped) = (sector, false);
        (told.on.first.0, told.on.first.1) = (first, 0);
        (told.on.last.0, told.on.last.1) = (last, (last - first) as u32);
        true
    }

    /// The same, piece by piece.
    #[cold]
    pub(super) fn visit_plainly(&self, lbn: u64, told: &mut Visit) -> bool {
        let Some(spot) = self.locate(lbn) else { return false };
        let (cylinder, head) = self.track_place(spot.track);
        let angle = self.track_angle(spot.track);
        let on = self.lbns_on(spot.track, lbn).unwrap_or_default();
        *told = Visit { lbn, spot, cylinder, head, angle, on };
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::geometry::{Sparing, Visit};
    use crate::{config::Layout, profiles};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn one_look_tells_what_the_pieces_tell(
            name in 0usize..profiles::NAMES.len(), scheme in 0usize..11,
            places in prop::collection::vec(any::<u64>(), 1..200)
        ) {
            let mut layout = profiles::find(profiles::NAMES[name]).unwrap().layout;
            if let Layout::Zoned(z) = &mut layout {
                z.sparing = Sparing::ALL[scheme];
                for (i, zone) in z.zones.iter_mut().enumerate() {
                    zone.spares = 1;
                    let track = u64::from(zone.per_track);
                    zone.slips = if i == 0 { vec![3] } else { vec![] };
                    zone.defects = if scheme == 3 { vec![(track + 2, 2 * track - 1)] } else { vec![] };
                }
            }
            let built = layout.build();
            // Some schemes have no room for what slips and spares take.
            prop_assume!(built.is_ok());
            let g = built.unwrap();
            let (mut quick, mut plain) = (Visit::default(), Visit::default());
            for p in places {
                for lbn in [p % (g.sectors() + 2), p % g.sectors().min(2000)] {
                    prop_assert_eq!(g.visit(lbn, &mut quick), g.visit_plainly(lbn, &mut plain));
                    prop_assert_eq!(quick, plain, "{}", lbn);
                }
            }
        }
    }
}
