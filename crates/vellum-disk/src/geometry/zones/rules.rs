//! The rules of a zone: in which order heads are used, where spares lie, where slips go.
//!
//! Each of DiskSim's sparing schemes is one row of a table: which group of sectors keeps spares, at
//! its end or front, and whether a slip moves everything up to the zone's end.

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
            Mapping::Normal => 0,
            Mapping::OddInZone => c % 2,
            Mapping::OddOnDrive => cylinder % 2,
        };
        // Which way a random access finds its cylinder is a guess that a branch would lose half of
        // the time: the mirrored head is added, or nothing.
        let mirror = (surfaces - 1).wrapping_sub(2 * h);
        h.wrapping_add(mirror & back.wrapping_neg())
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

/// Sectors that keep their spares together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Track,
    Cylinder,
    Range,
    Zone,
}

/// A scheme, spelled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// Who keeps spares.
    pub group: Group,
    /// Whether they lie at its front.
    pub front: bool,
    /// Whether slips leave the spares alone and move everything up to the zone's end.
    pub to_end: bool,
}

impl Sparing {
    /// All schemes, in the order of DiskSim's numbers.
    pub const ALL: [Sparing; 11] = [
        Sparing::None,
        Sparing::Tracks,
        Sparing::PerCylinder,
        Sparing::PerTrack,
        Sparing::PerCylinderSlipToEnd,
        Sparing::PerCylinderFront,
        Sparing::PerCylinderFrontSlipToEnd,
        Sparing::AtEnd,
        Sparing::PerRange,
        Sparing::PerZone,
        Sparing::PerZoneSlipToEnd,
    ];

    /// DiskSim's number of the scheme.
    pub fn from_code(code: i64) -> Option<Sparing> {
        usize::try_from(code).ok().and_then(|i| Self::ALL.get(i).copied())
    }

    pub(super) fn rule(self) -> Rule {
        let (group, front, to_end) = match self {
            Sparing::None | Sparing::Tracks | Sparing::PerZone => (Group::Zone, false, false),
            Sparing::AtEnd | Sparing::PerZoneSlipToEnd => (Group::Zone, false, true),
            Sparing::PerRange => (Group::Range, false, false),
            Sparing::PerTrack => (Group::Track, false, false),
            Sparing::PerCylinder => (Group::Cylinder, false, false),
            Sparing::PerCylinderSlipToEnd => (Group::Cylinder, false, true),
            Sparing::PerCylinderFront => (Group::Cylinder, true, false),
            Sparing::PerCylinderFrontSlipToEnd => (Group::Cylinder, true, true),
        };
        Rule { group, front, to_end }
    }

    /// Spares of each group, in sectors, where the zone asks for `spares` on tracks of `track`.
    pub(super) fn spares(self, spares: u32, track: u64) -> u64 {
        match self {
            Sparing::None | Sparing::AtEnd => 0,
            Sparing::Tracks => u64::from(spares) * track,
            _ => spares.into(),
        }
    }

    /// Whether slipped sectors push the angles of later tracks on.
    pub(super) fn skews(self) -> bool {
        matches!(self.rule().group, Group::Track | Group::Cylinder)
    }
}
