//! Tracks, places and angles; runs of like tracks.

use super::{Divisor, Limits, Mapping};

/// An angle: a fraction of a turn in units of 2⁻³².
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Angle(pub u32);

/// A physical place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Cylinder, from the outside.
    pub cylinder: u32,
    /// Head.
    pub head: u32,
    /// Sector on the track.
    pub sector: u32,
}

/// A track: a run and the number of the track in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Track {
    pub(crate) run: u32,
    pub(crate) number: u32,
}

/// Where an LBN is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spot {
    /// The track.
    pub track: Track,
    /// The sector, counted from the first of the track that the run maps.
    pub sector: u32,
    /// Whether a defect moved it away from its neighbours.
    pub remapped: bool,
}

/// The LBNs at home on a track: first and last, each with its sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OnTrack {
    pub first: (u64, u32),
    pub last: (u64, u32),
}

/// How the tracks of a run follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// All heads of a cylinder, then the next cylinder; `flip` says on which cylinders the heads
    /// are taken backwards.
    Cylinders { flip: Mapping, skews: u32 },
    /// One surface, cylinder after cylinder, by `step`.
    Surface { head: u8, step: i32, turn: u32 },
}

/// Like tracks; a cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Run {
    /// Virtual number of the first sector.
    pub first: u64,
    /// Number of sectors in all.
    pub sectors: u64,
    /// Sectors of each track that the run maps.
    pub mapped: Divisor,
    /// Sectors of a turn.
    pub per_turn: u32,
    /// Number on the track of the first sector that is mapped.
    pub low: u32,
    /// First cylinder.
    pub cylinder: u32,
    /// Angle of the first mapped sector of the first track.
    pub angle: u32,
    /// Angle of a sector.
    pub width: u32,
    /// How tracks follow.
    pub order: Order,
}

const _: () = assert!(size_of::<Run>() == 64);
const _: () = assert!(Limits::SURFACES <= u8::MAX as u32);

/// Skews of a zone, kept apart from its run to keep runs small.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Skews {
    pub per_track: u32,
    pub per_cylinder: u32,
    pub rest: u32,
    /// Physical numbers of slipped sectors that push the skew on, and whether head by head.
    pub slips: Vec<u64>,
    pub by_track: bool,
}
