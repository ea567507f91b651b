//! A controller with a large cache and commands queued inside the drive, as drives have had since
//! about 2005.
//!
//! Modelled: up to `depth` commands inside, of which the arm serves the best by the policy, with an
//! age limit; a read cache and reading ahead, which any command cuts short; a write cache that
//! destages when the drive is idle, when it fills, and on FLUSH, choosing the best of the runs near
//! the arm; FUA and write-through; FLUSH as SATA has it (nothing passes it); physical sectors of
//! several logical ones, with the turn that a partial write costs. Not modelled: a media cache on
//! the platters, adaptive read-ahead, reading on arrival.
//!
//! Every write goes through the cache, so that a newer write to the same sectors supersedes an older
//! one: a write through is one whose sectors are destaged at once and whose end waits for that.

mod access;
mod arm;
mod choose;
mod clean;
mod dirty;
mod host;
mod state;
mod timeline;

use crate::Error;
use crate::config::Cached;
use crate::drive::MediaCounters;
use crate::faults::Faults;
use crate::geometry::Geometry;
use crate::profile::Profile;
use crate::schedule::{Policy, Scheduler};
use crate::seek::SeekTable;
use crate::spindle::Spindle;
use access::{Access, ArmPlace, Mechanism, Pass};
use clean::Clean;
use dirty::Dirty;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use vellum_block::{Breakdown, Instant, Request, Status, Tag};

/// What a command inside the drive is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A tag: the drive holds as many commands as it can.
    Outside,
    /// The arm: a read that missed, a write through.
    Arm,
    /// Room in the write cache.
    Room,
    /// The dirty data before it.
    Flush,
    /// Its end at this time.
    End(u64, Status, Breakdown),
    /// Nothing: the arm is serving it.
    Served,
}

/// A command that was taken and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Command {
    request: Request,
    submitted: Instant,
    /// When the drive took it in; its processing begins.
    taken: u64,
    /// When its processing is over.
    ready: u64,
    stage: Stage,
    /// Time it waited for room or a flush.
    waited: u64,
}

/// What the arm does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Activity {
    Idle,
    /// Nothing, until then: a fault takes its time.
    Busy(u64),
    /// Reads for a command.
    Read(u64, Access),
    /// Writes `from..to`, for a command or from the cache; writes below `limit` are carried.
    Write(Writing),
    /// Reads ahead, at most so many sectors more after this pass.
    Ahead(Pass, u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Writing {
    command: Option<u64>,
    access: Access,
    /// The pass, and the sectors of it that are on the medium.
    pass: usize,
    done: u32,
    limit: u64,
}

/// A drive with a large cache.
#[derive(Debug, Clone)]
pub(crate) struct CachedDrive {
    pub name: String,
    pub sector_bytes: u32,
    pub geometry: Box<Geometry>,
    pub seek: SeekTable,
    pub config: Cached,
    pub spindle: Spindle,
    pub scheduler: Scheduler,
    pub now: Instant,
    pub powered: bool,
    pub media: MediaCounters,
    pub faults: Faults,
    arm: ArmPlace,
    activity: Activity,
    next: u64,
    commands: BTreeMap<u64, Command>,
    /// Commands that the host holds back for want of a tag, in order.
    outside: VecDeque<u64>,
    /// Ends that are fixed: time, command.
    endings: BTreeSet<(u64, u64)>,
    /// The command that nothing may pass.
    barrier: Option<u64>,
    dirty: Dirty,
    clean: Clean,
    /// Writes that are not wholly on the medium: tag, sectors missing.
    behind: BTreeMap<u64, (Tag, u64)>,
    /// When the interface is free.
    link_free: u64,
    /// Since when the host has asked for nothing.
    quiet: u64,
    /// The cache is filling up: destage beside the reads.
    urgent: bool,
    /// Where the last access ended.
    last_lbn: u64,
}

impl CachedDrive {
    pub fn new(profile: &Profile, config: Cached, policy: Policy) -> Result<CachedDrive, Error> {
        config.check(profile.sector_bytes)?;
        let geometry = Box::new(profile.layout.build()?);
        let m = &profile.mechanics;
        let mut scheduler = Scheduler::new(policy);
        scheduler.age_limit = config.age_limit.as_ps();
        Ok(CachedDrive {
            name: profile.name.clone(),
            sector_bytes: profile.sector_bytes,
            seek: m.table(geometry.cylinders())?,
            geometry,
            spindle: Spindle::new(m.turn.as_ps(), m.rotation, m.phase),
            scheduler,
            now: Instant::ZERO,
            powered: true,
            media: MediaCounters::default(),
            faults: Faults::default(),
            arm: ArmPlace::default(),
            activity: Activity::Idle,
            next: 0,
            commands: BTreeMap::new(),
            outside: VecDeque::new(),
            endings: BTreeSet::new(),
            barrier: None,
            dirty: Dirty::default(),
            clean: Clean::new(config.read_segments as usize, config.cache_sectors.into()),
            behind: BTreeMap::new(),
            link_free: 0,
            quiet: 0,
            urgent: false,
            last_lbn: 0,
            config,
        })
    }

    /// Makes the drive new again with other figures; the layout stays.
    pub fn retune(&mut self, profile: &Profile, config: Cached) -> Result<(), Error> {
        config.check(profile.sector_bytes)?;
        let m = &profile.mechanics;
        self.seek = m.table(self.geometry.cylinders())?;
        self.spindle = Spindle::new(m.turn.as_ps(), m.rotation, m.phase);
        let policy = self.scheduler.policy;
        self.config = config;
        self.media = MediaCounters::default();
        self.now = Instant::ZERO;
        self.forget();
        self.scheduler = Scheduler::new(policy);
        self.scheduler.age_limit = config.age_limit.as_ps();
        (self.link_free, self.quiet, self.last_lbn, self.next) = (0, 0, 0, 0);
        self.arm = ArmPlace::default();
        self.powered = true;
        Ok(())
    }

    /// Drops everything volatile.
    fn forget(&mut self) {
        self.activity = Activity::Idle;
        self.commands.clear();
        self.outside.clear();
        self.endings.clear();
        self.behind.clear();
        self.barrier = None;
        self.dirty = Dirty::default();
        self.clean =
            Clean::new(self.config.read_segments as usize, self.config.cache_sectors.into());
        self.urgent = false;
    }

    fn mechanism(&self) -> Mechanism<'_> {
        Mechanism { geometry: &self.geometry, seek: &self.seek, spindle: &self.spindle }
    }

    /// The physical sector over `lbn`, within the drive.
    fn physical(&self, lbn: u64) -> (u64, u64) {
        let n = u64::from(self.config.physical_sectors);
        let start = lbn / n * n;
        (start, (start + n).min(self.geometry.sectors()))
    }

    /// The physical sector that a writing head is over.
    pub fn torn(&self) -> Option<(u64, u64)> {
        let Activity::Write(w) = &self.activity else { return None };
        let pass = w.access.passes.get(w.pass)?;
        (self.now.as_ps() > pass.from).then(|| self.physical(pass.lbn + u64::from(w.done)))
    }
}
