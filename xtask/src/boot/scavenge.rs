//! The scavenger in a boot: made as the options say, and what it came to.

use super::options::{Args, ScavengeKind};
use super::report::Counts;
use anyhow::{Context, Result};
use std::sync::Arc;
use vellum::frames::{FramePool, Options as PoolOptions};
use vellum::scavenger::{
    Class, Domain, FileSpill, Mode, Options, Policy, Scavenger, SharedScavenger, Spill,
};
use vellum_machine::{Config, Machine, Pace};

/// A scavenger to come, with the pool that it and the machine take frames of.
pub struct Planned {
    scavenger: SharedScavenger,
    mode: Mode,
    pace: Pace,
}

/// Makes the pool and the scavenger. Where the quota is below the guest's memory, what does not fit
/// may go to a file without a name in the folder for temporary files, whose room is reserved now.
pub fn plan(args: &Args, config: &mut Config) -> Result<Option<Planned>> {
    let Some(kind) = args.scavenge else { return Ok(None) };
    let pages = args.memory >> 12;
    let mut options = Options::default();
    if kind == ScavengeKind::Share {
        options.policy = Policy::sharing_only();
    }
    let mode = if kind == ScavengeKind::Conceal { Mode::Conceal } else { Mode::Share };
    let spares = if mode == Mode::Conceal { options.lottery as u64 } else { 0 };
    let quota = args.quota.map_or(pages + spares, |bytes| bytes >> 12);
    if quota < pages + spares {
        let room = pages + spares - quota;
        let file = tempfile::tempfile().context("no file to spill pages to")?;
        let spill = FileSpill::new(file, room)
            .with_context(|| format!("no room to spill {room} pages to"))?;
        options.spill = Some(Box::new(spill) as Box<dyn Spill>);
    }
    let pool = FramePool::new(PoolOptions { frames: pages.max(quota) + spares + 1, quota })?;
    config.frames = Some(Arc::clone(&pool));
    let pace = Pace { per_mille: args.scavenge_budget * 10, ..Pace::default() };
    Ok(Some(Planned { scavenger: Scavenger::new(pool, options).shared(), mode, pace }))
}

impl Planned {
    pub fn attach(&self, machine: &mut Machine) -> Result<()> {
        let scavenger = Arc::clone(&self.scavenger);
        machine.attach_scavenger(scavenger, Domain(0), self.mode, self.pace)?;
        Ok(())
    }

    /// What it did, as rows of the report.
    pub fn counts(&self) -> Counts {
        let report = self.scavenger.lock().report();
        let c = &report.counters;
        let mut rows = Counts::new();
        let mut add = |name: &str, count| rows.push(("scavenger", name.to_owned(), count));
        add("passes", c.passes);
        add("pages looked at", c.looked);
        add("pages hashed", c.hashed);
        add("looks that devices hinted at", c.hints);
        add("pages put on the zero frame", c.zeroed);
        add("pages put on another's frame", c.merged);
        add("pages told as deltas", c.deltas);
        add("pages compressed", c.compressed);
        add("pages spilled", c.spilled);
        add("pages brought back", c.restored);
        add("probed pages that were used", c.touched);
        add("writes to shared pages", c.broken);
        add("pages packed for want of a frame", c.reclaimed);
        for class in Class::ALL {
            if report.tally[class] > 0 {
                add(&format!("last pass: {}", class.name()), report.tally[class]);
            }
        }
        add("packed bytes", report.store.live);
        add("packed store, bytes", report.store.allocated);
        add("bookkeeping, bytes", report.metadata.total());
        add("work, model us", c.work / 1000);
        rows
    }
}
