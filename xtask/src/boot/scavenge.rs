//! The scavenger in a boot: made as the options say, and what it came to.

use super::options::{Args, ScavengeKind};
use super::report::Counts;
use anyhow::{Context, Result, bail, ensure};
use std::sync::Arc;
use vellum::frames::{FramePool, Options as PoolOptions};
use vellum::scavenger::{
    Class, Domain, FileSpill, Mode, Options, Policy, Scavenger, Share, SharedScavenger, Spill,
};
use vellum_machine::{Config, Machine, Pace};

/// A scavenger to come, with the pool that it and the machine take frames of.
pub struct Planned {
    scavenger: SharedScavenger,
    mode: Mode,
    /// How much it works.
    when: When,
}

enum When {
    /// In the guest's time.
    Guest(Pace),
    /// On a thread of its own.
    Beside(Share),
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
    ensure!(
        args.refaults.is_none() || kind != ScavengeKind::Share,
        "--refaults is about when pages are packed, and --scavenge share packs none"
    );
    options.policy.refaults = args.refaults;
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
    // As much again for the frames that pages lose until the hart has passed a safe point.
    let pool = FramePool::new(PoolOptions { frames: 2 * pages.max(quota) + spares + 1, quota })?;
    config.frames = Some(Arc::clone(&pool));
    let per_mille = args.scavenge_budget * 10;
    let when = if args.scavenge_thread {
        ensure!(
            per_mille <= 1000,
            "a thread has one CPU: --scavenge-budget is at most 100 with it"
        );
        When::Beside(Share { per_mille, ..Share::default() })
    } else {
        When::Guest(Pace { per_mille, ..Pace::default() })
    };
    Ok(Some(Planned { scavenger: Scavenger::new(pool, options).shared(), mode, when }))
}

impl Planned {
    pub fn attach(&self, machine: &mut Machine) -> Result<()> {
        let scavenger = Arc::clone(&self.scavenger);
        match self.when {
            When::Guest(pace) => machine.attach_scavenger(scavenger, Domain(0), self.mode, pace)?,
            When::Beside(share) => {
                machine.attach_scavenger_beside(scavenger, Domain(0), self.mode, share)?
            }
        };
        Ok(())
    }

    /// What it did, as rows of the report, after every packed page was held against its checksum.
    pub fn counts(&self, machine: &mut Machine) -> Result<Counts> {
        let check = machine.memory_mut().check_packed(&mut |_| None)?;
        if let Some(first) = check.broken.first() {
            bail!("{} packed records are damaged, the first {first:?}", check.broken.len());
        }
        let (report, refaults) = {
            let scavenger = self.scavenger.lock();
            let set = machine.memory().scavenger().map(|(_, set)| set);
            (scavenger.report(), set.and_then(|set| scavenger.refaults(set).ok()).flatten())
        };
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
        if let Some(refaults) = refaults {
            let of = "millionths of the working set a minute";
            add(&format!("refaults: target, {of}"), refaults.target.into());
            add(&format!("refaults: reached, {of}"), refaults.reached);
            add(&format!("refaults: in the last minute at one age, {of}"), refaults.lately);
            add("refaults: age at which pages are packed now, s", refaults.age.as_secs());
        }
        for class in Class::ALL {
            if report.tally[class] > 0 {
                add(&format!("last pass: {}", class.name()), report.tally[class]);
            }
        }
        add("packed records, all of them whole", check.records);
        add("packed bytes", report.store.live);
        add("packed store, bytes", report.store.allocated);
        add("bookkeeping, bytes", report.metadata.total());
        add("work, model us", c.work / 1000);
        if let Some(beside) = machine.memory().beside_counters() {
            add("thread: batches of pages handed over", beside.batches);
            add("thread: of them hurried by a write", beside.hurried);
            add("thread: pages changed", beside.changed);
            add("thread: pages not as they were any more", beside.dropped);
            add("thread: CPU time, us", beside.cpu.as_micros() as u64);
        }
        Ok(rows)
    }
}
