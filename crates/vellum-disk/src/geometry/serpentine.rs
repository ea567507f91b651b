//! Run-length layouts (DiskSim's "g4"): a tree whose rows repeat tracks or other nodes along LBN,
//! cylinder and angle, so that serpentine drives, which use a surface for some cylinders before
//! they change heads, take a few thousand rows.

use super::build::{Builder, Limits, at_most};
use super::{Divisor, Geometry, Order, Run};
use crate::Error;

/// A kind of track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Number on the track of the first sector that is mapped.
    pub low: u32,
    /// Number of the last.
    pub high: u32,
    /// Sectors in a turn.
    pub per_turn: u32,
}

/// What a row repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// Tracks of a pattern on a surface.
    Track {
        /// Number of the pattern.
        pattern: usize,
        /// The head.
        head: u32,
    },
    /// Another node.
    Index(usize),
}

/// A row of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// First sector, counted from the node's.
    pub first: u64,
    /// First cylinder, counted from the node's.
    pub cylinder: i64,
    /// Angle, on top of the node's.
    pub angle: u32,
    /// Sectors of each repetition.
    pub each: u64,
    /// Cylinders of each repetition.
    pub each_cylinders: i64,
    /// Angle from one repetition to the next.
    pub each_angle: u32,
    /// Sectors of all repetitions.
    pub sectors: u64,
    /// Cylinders of all; negative if they go outwards.
    pub cylinders: i64,
    /// What is repeated.
    pub node: Node,
}

/// A run-length layout. The last node is the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Serpentine {
    /// Data surfaces.
    pub surfaces: u32,
    /// Cylinders; 0 for as many as the rows use.
    pub cylinders: u32,
    /// Sectors that can be addressed.
    pub sectors: u64,
    /// Kinds of tracks.
    pub patterns: Vec<Pattern>,
    /// Nodes.
    pub nodes: Vec<Vec<Entry>>,
    /// Slipped sectors: number in the tree's counting, how many; ascending.
    pub slips: Vec<(u64, u64)>,
}

/// Where a node stands.
#[derive(Clone, Copy)]
struct At {
    first: u64,
    cylinder: i64,
    angle: u32,
    depth: u32,
}

const DEPTH_LIMIT: u32 = 15;

impl Serpentine {
    /// The tables of this layout.
    ///
    /// # Errors
    /// When rows do not follow each other, name what is not there, or nest without end.
    pub fn build(&self) -> Result<Geometry, Error> {
        at_most("number of surfaces", self.surfaces.into(), Limits::SURFACES.into())?;
        at_most("number of cylinders", self.limit().into(), Limits::CYLINDERS.into())?;
        at_most("number of nodes", self.nodes.len() as u64, Limits::TABLE as u64)?;
        let mut b = Builder::default();
        let root = At { first: 0, cylinder: 0, angle: 0, depth: 0 };
        let total = self.node(&mut b, self.nodes.len() - 1, root)?;
        self.extents(&mut b, total)?;
        if b.lbn < self.sectors {
            let (found, expected) = (b.lbn, self.sectors);
            return Err(Error::Geometry {
                what: "the tree holds too few sectors",
                found,
                expected,
            });
        }
        b.finish(self.surfaces, self.cylinders)
    }

    fn limit(&self) -> u32 {
        if self.cylinders == 0 { Limits::CYLINDERS } else { self.cylinders }
    }

    fn node(&self, b: &mut Builder, node: usize, at: At) -> Result<u64, Error> {
        let what = "a node that does not exist, or nodes nested too deep";
        let missing =
            Error::Geometry { what, found: node as u64, expected: self.nodes.len() as u64 };
        let rows = self.nodes.get(node).filter(|_| at.depth < DEPTH_LIMIT).ok_or(missing)?;
        let mut end = at.first;
        for e in rows {
            let first = at.first + e.first;
            if first < end || e.each == 0 || e.sectors == 0 || e.sectors > 1 << 48 {
                let what = "a row that does not follow the one before it";
                return Err(Error::Geometry { what, found: first, expected: end });
            }
            let here = At {
                first,
                cylinder: at.cylinder + e.cylinder,
                angle: at.angle.wrapping_add(e.angle),
                depth: at.depth + 1,
            };
            match e.node {
                Node::Track { pattern, head } => self.tracks(b, e, here, pattern, head)?,
                Node::Index(child) => self.repeat(b, e, here, child)?,
            }
            end = first + e.sectors;
        }
        Ok(end)
    }

    fn repeat(&self, b: &mut Builder, e: &Entry, at: At, child: usize) -> Result<(), Error> {
        let step = if e.cylinders < 0 { -e.each_cylinders } else { e.each_cylinders };
        for i in 0..e.sectors.div_ceil(e.each) {
            let here = At {
                first: at.first + i * e.each,
                cylinder: at.cylinder + step * i as i64,
                angle: at.angle.wrapping_add(e.each_angle.wrapping_mul(i as u32)),
                depth: at.depth,
            };
            self.node(b, child, here)?;
            if b.runs.len() > Limits::TABLE {
                let (found, expected) = (b.runs.len() as u64, Limits::TABLE as u64);
                return Err(Error::Geometry { what: "too many runs", found, expected });
            }
        }
        Ok(())
    }

    fn tracks(
        &self,
        b: &mut Builder,
        e: &Entry,
        at: At,
        pattern: usize,
        head: u32,
    ) -> Result<(), Error> {
        let what = "a pattern or head that does not exist";
        let wrong =
            Error::Geometry { what, found: pattern as u64, expected: self.patterns.len() as u64 };
        let p = self.patterns.get(pattern).filter(|_| head < self.surfaces).ok_or(wrong)?;
        at_most("sectors on a track", p.per_turn.into(), Limits::TRACK.into())?;
        at_most(
            "sectors of a row's track",
            e.each,
            u64::from(p.high) + 1 - u64::from(p.low.min(p.high)),
        )?;
        let step = if e.cylinders < 0 { -e.each_cylinders } else { e.each_cylinders };
        let last = at.cylinder + step * (e.sectors.div_ceil(e.each) as i64 - 1);
        let inside = 0..i64::from(self.limit());
        if !inside.contains(&at.cylinder) || !inside.contains(&last) {
            let (found, expected) = (last.unsigned_abs(), self.limit().into());
            return Err(Error::Geometry {
                what: "a track beyond the last cylinder",
                found,
                expected,
            });
        }
        b.runs.push(Run {
            first: at.first,
            sectors: e.sectors,
            mapped: Divisor::new(e.each as u32),
            per_turn: p.per_turn,
            low: p.low,
            cylinder: at.cylinder as u32,
            angle: at.angle,
            width: ((1u64 << 32) / u64::from(p.per_turn)) as u32,
            order: Order::Surface { head: head as u8, step: step as i32, turn: e.each_angle },
        });
        Ok(())
    }

    /// Cuts the tree's sectors at runs and slips, up to the drive's capacity.
    fn extents(&self, b: &mut Builder, total: u64) -> Result<(), Error> {
        let mut slips = self.slips.iter().copied().peekable();
        for run in 0..b.runs.len() {
            let (mut at, end) =
                (b.runs[run].first, (b.runs[run].first + b.runs[run].sectors).min(total));
            while at < end && b.lbn < self.sectors {
                while slips.peek().is_some_and(|&(s, n)| s + n <= at) {
                    slips.next();
                }
                let (hole, size) = slips.peek().copied().unwrap_or((u64::MAX, 0));
                if hole <= at {
                    at = hole.saturating_add(size);
                    continue;
                }
                let n = (hole.min(end) - at).min(self.sectors - b.lbn);
                b.extend(run as u32, at, n)?;
                at += n;
            }
        }
        Ok(())
    }
}
