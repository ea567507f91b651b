//! What the arm does next: a command that waits for it, or a run of the cache that goes to the medium.

use super::{Activity, CachedDrive, Stage};
use crate::schedule::{Estimate, Waiting};
use vellum_block::{Lba, Op, Order, Request, Tag};

/// Runs of dirty data on each side of the arm among which destaging chooses.
const WINDOW: usize = 6;

/// Number of a request that stands for a run of the cache.
const FROM_CACHE: u64 = u64::MAX;

/// What a policy may ask of this drive.
struct Costs<'a>(&'a CachedDrive);

impl Estimate for Costs<'_> {
    fn sectors(&self) -> u64 {
        self.0.geometry.sectors()
    }

    fn now(&self) -> u64 {
        self.0.now.as_ps()
    }

    fn positioning(&self, w: &Waiting, _: bool) -> i128 {
        let d = self.0;
        let lba = w.request.lba.get();
        if !w.request.reads_medium() && d.joins(lba, w.request.end()).is_some() {
            return 0;
        }
        let write = w.request.op != Op::Read;
        // From now, and not from when the access will begin (`begins_at`): so the rotation that is
        // weighed is not quite the one that comes. A drive that weighed the right one would serve 131.8
        // random reads a second with 32 in flight (`tests/modern.rs`); the real one, whose firmware
        // nobody knows, serves 94, and this estimate meets that within a tenth.
        let (moved, settle, wait) = d.mechanism().position(d.arm, d.now.as_ps(), lba, write);
        i128::from(moved) + i128::from(settle) + i128::from(wait)
    }

    fn transfer(&self, w: &Waiting) -> i128 {
        let d = self.0;
        let Some(spot) = d.geometry.locate(w.request.lba.get()) else { return 0 };
        let sector = d.spindle.sweep(d.geometry.width(spot.track));
        i128::from(sector) * i128::from(w.request.sectors)
    }
}

impl CachedDrive {
    /// Whether a read from `lba` on can go on where reading ahead is: what has passed, and where.
    pub(super) fn joins(&self, lba: u64, to: u64) -> Option<(u64, u32)> {
        let Activity::Ahead(pass, _) = &self.activity else { return None };
        let passed = pass.passed(self.now.as_ps());
        let at = pass.lbn + u64::from(passed);
        // The range before the pass was read on the way here.
        let held = lba >= pass.lbn || self.covered(lba, pass.lbn);
        (held && lba <= at && at < to && passed < pass.count).then_some((at, passed))
    }

    /// Gives the arm something to do, if it is free or only reads ahead.
    pub(super) fn dispatch(&mut self) {
        if !matches!(self.activity, Activity::Idle | Activity::Ahead(..)) {
            return;
        }
        let mut all = self.wanted();
        let host = !all.is_empty();
        let idle = matches!(self.activity, Activity::Idle);
        let quiet = self.now.as_ps() >= self.quiet + self.config.destage_idle.as_ps();
        let room = self.commands.values().any(|c| c.stage == Stage::Room);
        if self.dirty.sectors > 0
            && (self.urgent || room || self.flushing() || (!host && idle && quiet))
        {
            all.extend(self.destageable());
        }
        if all.is_empty() {
            return;
        }
        let mut scheduler = self.scheduler.clone();
        all.into_iter().for_each(|w| scheduler.put(w));
        let Some(chosen) = scheduler.take(&Costs(self), |_| false) else { return };
        scheduler.drain();
        self.scheduler = scheduler;
        if chosen.number == FROM_CACHE {
            let (from, to) = (chosen.request.lba.get(), chosen.request.end());
            self.stop_ahead();
            self.start_write(None, from, to, self.now.as_ps());
        } else {
            self.start(chosen.number);
        }
    }

    fn flushing(&self) -> bool {
        let stage = self.barrier.and_then(|n| self.commands.get(&n)).map(|c| c.stage);
        stage == Some(Stage::Flush)
    }

    /// Commands that wait for the arm, oldest first.
    fn wanted(&self) -> Vec<Waiting> {
        let inside = self.commands.iter().filter(|c| c.1.stage == Stage::Arm);
        inside
            .map(|(&number, c)| Waiting { request: c.request, submitted: c.submitted, number })
            .collect()
    }

    /// Runs of the cache near the arm, as requests.
    fn destageable(&self) -> Vec<Waiting> {
        let limit = u64::from(self.config.destage_sectors);
        let at = self.last_lbn;
        let of = |(from, to): (u64, u64)| Waiting {
            request: Request {
                order: Order::Simple,
                ..Request::write(Tag(0), Lba::new(from), (to - from) as u32)
            },
            submitted: self.now,
            number: FROM_CACHE,
        };
        self.dirty.runs_near(at, WINDOW, limit).into_iter().map(of).collect()
    }
}
