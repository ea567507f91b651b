//! What goes wrong with a drive, all from a seed: sectors that can't be read at once or at all,
//! reallocation, recalibration of a warming arm, a crashed head.
//!
//! A latent error shows when its sector is next read: the drive reads again for some turns, and
//! either recovers the data or reports the sector. Writing to a sector that could not be read moves
//! it to a spare (a grown defect); from then on an access to it pays an excursion to the end of the
//! drive and back. Errors come in clusters, as in the field (Bairavasundaram et al., SIGMETRICS
//! 2007: errors are not independent and lie close together). Not modelled: rates over a drive's
//! years; the number of errors is given, not derived.

use crate::geometry::Geometry;
use crate::seek::SeekTable;
use std::collections::{BTreeMap, BTreeSet};
use vellum_block::{Breakdown, Duration, Instant, Lba, Op, Phase, Request, Rng, Status};

/// Turns that a drive reads again before it gives a sector up.
const RETRY_LIMIT: u32 = 20;

/// Counters as a drive's self-monitoring (SMART) keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounters {
    /// Reads that needed more turns.
    pub recovered: u64,
    /// Reads that failed.
    pub unreadable: u64,
    /// Sectors moved to spares.
    pub reallocated: u64,
    /// Times the arm was recalibrated.
    pub recalibrations: u64,
}

/// A drive's faults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// Latent errors: turns that reading takes, more than the limit for never.
    pub(crate) latent: BTreeMap<u64, u32>,
    /// Sectors that stand in a spare.
    pub(crate) grown: BTreeSet<u64>,
    /// Surfaces that are lost.
    pub(crate) dead_heads: u64,
    /// Time between recalibrations; zero for none.
    pub(crate) recalibrate_every: Duration,
    /// Time that one takes.
    pub(crate) recalibrate_for: Duration,
    pub(crate) next_recalibration: Instant,
    pub(crate) counters: FaultCounters,
}

impl Faults {
    /// Plants `clusters` clusters of latent errors, each of one to `size` sectors close together;
    /// one in four sectors is beyond recovery.
    pub fn plant(&mut self, sectors: u64, clusters: u32, size: u32, seed: u64) {
        let mut rng = Rng::new(seed);
        for _ in 0..clusters {
            let mut at = rng.below(sectors);
            for _ in 0..=rng.below(size.max(1).into()) {
                let lost = rng.one_in(4);
                let turns = if lost {
                    RETRY_LIMIT + 1
                } else {
                    1 + rng.below(u64::from(RETRY_LIMIT)) as u32
                };
                self.latent.insert(at, turns);
                at = (at + 1 + rng.below(8)).min(sectors - 1);
            }
        }
    }

    /// Plants one latent error that takes `turns` turns to read; beyond 20 it never succeeds.
    pub fn plant_at(&mut self, lba: u64, turns: u32) {
        self.latent.insert(lba, turns);
    }

    /// A sector that stands in a spare at the drive's end: each access to it pays the way there and back.
    pub fn grow_at(&mut self, lba: u64) {
        self.grown.insert(lba);
    }

    /// The head of a surface has crashed: nothing of it can be read or written any more.
    pub fn crash_head(&mut self, head: u32) {
        self.dead_heads |= 1u64.checked_shl(head).unwrap_or(0);
    }

    /// Recalibrates the arm every so often, for so long.
    pub fn recalibrate(&mut self, every: Duration, takes: Duration) {
        (self.recalibrate_every, self.recalibrate_for) = (every, takes);
        self.next_recalibration = Instant::ZERO + every;
    }

    /// What happened so far.
    pub fn counters(&self) -> FaultCounters {
        self.counters
    }

    /// Whether nothing can go wrong.
    pub(crate) fn none(&self) -> bool {
        self.latent.is_empty()
            && self.grown.is_empty()
            && self.dead_heads == 0
            && self.recalibrate_every.is_zero()
    }

    /// How a request that ended at `at` really ends: its status, and the time that faults add.
    pub(crate) fn judge(
        &mut self,
        request: &Request,
        at: Instant,
        geometry: &Geometry,
        seek: &SeekTable,
        turn: Duration,
    ) -> (Status, Breakdown) {
        let mut extra = Breakdown::ZERO;
        if !self.recalibrate_every.is_zero() && at >= self.next_recalibration {
            extra.charge(Phase::Internal, self.recalibrate_for);
            self.next_recalibration = at + self.recalibrate_every;
            self.counters.recalibrations += 1;
        }
        if request.op == Op::Flush {
            return (Status::Done, extra);
        }
        if let Some(lba) = self.lost_surface(request, geometry) {
            extra.charge(Phase::Retry, turn.times(RETRY_LIMIT.into()));
            let write = request.op != Op::Read;
            return (
                if write { Status::Unwritable { lba } } else { Status::Unreadable { lba } },
                extra,
            );
        }
        let range = request.lba.get()..request.end();
        let excursions = self.grown.range(range.clone()).count() as u64;
        let far = seek.time(geometry.cylinders() - 1, true, request.op != Op::Read).0;
        extra.charge(Phase::Retry, Duration::from_ps(far * 2).times(excursions));
        let bad: Vec<(u64, u32)> = self.latent.range(range).map(|(&l, &t)| (l, t)).collect();
        (self.settle(request, &bad, turn, &mut extra), extra)
    }

    fn settle(
        &mut self,
        request: &Request,
        bad: &[(u64, u32)],
        turn: Duration,
        extra: &mut Breakdown,
    ) -> Status {
        let Some(&(first, _)) = bad.first() else { return Status::Done };
        if request.op != Op::Read {
            // Writing over a bad sector moves it to a spare.
            for &(lba, _) in bad {
                self.latent.remove(&lba);
                self.grown.insert(lba);
                self.counters.reallocated += 1;
            }
            return Status::Done;
        }
        for &(lba, turns) in bad {
            extra.charge(Phase::Retry, turn.times(turns.min(RETRY_LIMIT).into()));
            if turns > RETRY_LIMIT {
                self.counters.unreadable += 1;
                return Status::Unreadable { lba: Lba::new(lba) };
            }
        }
        self.counters.recovered += 1;
        Status::Recovered { lba: Lba::new(first) }
    }

    /// The first sector of a request that lies on a lost surface.
    fn lost_surface(&self, request: &Request, geometry: &Geometry) -> Option<Lba> {
        if self.dead_heads == 0 {
            return None;
        }
        let mut lba = request.lba.get();
        while lba < request.end() {
            let spot = geometry.locate(lba)?;
            let (_, head) = geometry.track_place(spot.track);
            if self.dead_heads >> head & 1 == 1 {
                return Some(Lba::new(lba));
            }
            lba = geometry.track_lbns(spot.track, lba).map_or(lba, |(_, last)| last) + 1;
        }
        None
    }
}
