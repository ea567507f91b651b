//! Saved state of a drive: the queue, the request that is served, and the controller.

use crate::drive::{Active, Disk, Engine, MediaCounters, SegmentedDrive};
use crate::faults::{FaultCounters, Faults};
use crate::schedule::{Scheduler, Waiting};
use vellum_block::{Breakdown, Completion, Duration, Instant, Lba, Request, Status, Tag};
use vellum_state::{Error, Reader, State, Writer};

/// Most requests that saved state may hold.
const LIMIT: u64 = 1 << 20;

pub(crate) fn count(r: &mut Reader<'_>) -> Result<u64, Error> {
    match r.u64()? {
        n if n <= LIMIT => Ok(n),
        value => Err(Error::Value { field: "requests", value, why: "over the limit" }),
    }
}

/// Writes a status: its code and sector.
pub(crate) fn put_status(w: &mut Writer<'_>, status: Status) {
    let (code, lba) = match status {
        Status::Recovered { lba } => (1, lba),
        Status::Unreadable { lba } => (2, lba),
        Status::Unwritable { lba } => (3, lba),
        _ => (0, Lba::default()),
    };
    w.u8(code);
    w.u64(lba.get());
}

/// Reads what [`put_status`] wrote.
pub(crate) fn status(r: &mut Reader<'_>) -> Result<Status, Error> {
    let (code, lba) = (r.u8()?, Lba::new(r.u64()?));
    Ok(match code {
        0 => Status::Done,
        1 => Status::Recovered { lba },
        2 => Status::Unreadable { lba },
        3 => Status::Unwritable { lba },
        n => {
            let value = n.into();
            return Err(Error::Value { field: "status", value, why: "no such status" });
        }
    })
}

impl Faults {
    fn save(&self, w: &mut Writer<'_>) {
        w.u64(self.latent.len() as u64);
        for (&lba, &turns) in &self.latent {
            w.u64(lba);
            w.u32(turns);
        }
        w.u64(self.grown.len() as u64);
        self.grown.iter().for_each(|&lba| w.u64(lba));
        w.u64(self.dead_heads);
        self.recalibrate_every.save(w);
        self.recalibrate_for.save(w);
        self.next_recalibration.save(w);
        let c = &self.counters;
        let counters = [c.recovered, c.unreadable, c.reallocated, c.recalibrations];
        counters.into_iter().for_each(|n| w.u64(n));
    }

    fn restore(r: &mut Reader<'_>) -> Result<Faults, Error> {
        let mut f = Faults::default();
        for _ in 0..count(r)? {
            f.latent.insert(r.u64()?, r.u32()?);
        }
        for _ in 0..count(r)? {
            f.grown.insert(r.u64()?);
        }
        f.dead_heads = r.u64()?;
        f.recalibrate_every = Duration::restore(r)?;
        f.recalibrate_for = Duration::restore(r)?;
        f.next_recalibration = Instant::restore(r)?;
        f.counters = FaultCounters {
            recovered: r.u64()?,
            unreadable: r.u64()?,
            reallocated: r.u64()?,
            recalibrations: r.u64()?,
        };
        Ok(f)
    }
}

impl MediaCounters {
    fn save(&self, w: &mut Writer<'_>) {
        [self.accesses, self.hits, self.distance, self.modified].into_iter().for_each(|v| w.u64(v));
        self.seek.save(w);
        self.rotation.save(w);
    }

    fn restore(r: &mut Reader<'_>) -> Result<MediaCounters, Error> {
        let (accesses, hits, distance, modified) = (r.u64()?, r.u64()?, r.u64()?, r.u64()?);
        let (seek, rotation) = (Duration::restore(r)?, Duration::restore(r)?);
        Ok(MediaCounters { accesses, hits, distance, seek, rotation, modified })
    }
}

impl Scheduler {
    fn save(&self, w: &mut Writer<'_>) {
        w.u64(self.waiting.len() as u64);
        for x in &self.waiting {
            x.request.save(w);
            x.submitted.save(w);
            w.u64(x.number);
        }
        [self.last, self.age_limit, self.next].into_iter().for_each(|v| w.u64(v));
        w.bool(self.up);
        w.bool(self.tie_down);
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        self.drain();
        for _ in 0..count(r)? {
            self.put(Waiting {
                request: Request::restore(r)?,
                submitted: Instant::restore(r)?,
                number: r.u64()?,
            });
        }
        (self.last, self.age_limit, self.next) = (r.u64()?, r.u64()?, r.u64()?);
        (self.up, self.tie_down) = (r.bool()?, r.bool()?);
        Ok(())
    }
}

impl SegmentedDrive {
    fn save(&self, w: &mut Writer<'_>) {
        w.u64(self.next);
        w.bool(self.active.is_some());
        if let Some(a) = &self.active {
            a.request.save(w);
            a.submitted.save(w);
            a.started.save(w);
            w.u64(a.number);
        }
        w.u64(self.behind.len() as u64);
        for (number, tag) in &self.behind {
            w.u64(*number);
            w.u64(tag.0);
        }
        w.bool(self.late.is_some());
        if let Some(c) = &self.late {
            c.request.save(w);
            c.submitted.save(w);
            c.breakdown.save(w);
            put_status(w, c.status);
        }
        self.control.save(w);
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        self.next = r.u64()?;
        self.active = if r.bool()? {
            Some(Active {
                request: Request::restore(r)?,
                submitted: Instant::restore(r)?,
                started: Instant::restore(r)?,
                number: r.u64()?,
            })
        } else {
            None
        };
        self.behind.clear();
        for _ in 0..count(r)? {
            self.behind.push((r.u64()?, Tag(r.u64()?)));
        }
        self.late = None;
        if r.bool()? {
            let (request, submitted) = (Request::restore(r)?, Instant::restore(r)?);
            let breakdown = Breakdown::restore(r)?;
            self.late = Some(Completion::new(request, submitted, status(r)?, breakdown));
        }
        self.control.restore(r, &self.fixed.geometry)
    }
}

/// What both kinds of drive save alike.
macro_rules! common {
    ($d:ident, $media:expr) => {
        (&mut $d.now, &mut $d.powered, &mut $d.scheduler, &mut $media, &mut $d.faults)
    };
}

impl State for Disk {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"DISK", 3, |w| {
            w.u64(self.geometry().sectors());
            w.bool(matches!(self.engine, Engine::Cached(_)));
            let (now, powered, scheduler) = match &self.engine {
                Engine::Segmented(d) => (d.now, d.powered, &d.scheduler),
                Engine::Cached(d) => (d.now, d.powered, &d.scheduler),
            };
            now.save(w);
            w.bool(powered);
            scheduler.save(w);
            self.media().save(w);
            self.faults().save(w);
            match &self.engine {
                Engine::Segmented(d) => d.save(w),
                Engine::Cached(d) => d.save_cached(w),
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"DISK", 3, |r| {
            let value = r.u64()?;
            if value != self.geometry().sectors() {
                return Err(Error::Value { field: "sectors", value, why: "another drive's state" });
            }
            let cached = r.bool()?;
            if cached != matches!(self.engine, Engine::Cached(_)) {
                let (field, value) = ("controller", cached.into());
                return Err(Error::Value { field, value, why: "another drive's state" });
            }
            let (now, powered, scheduler, media, faults) = match &mut self.engine {
                Engine::Segmented(d) => common!(d, d.control.media),
                Engine::Cached(d) => common!(d, d.media),
            };
            *now = Instant::restore(r)?;
            *powered = r.bool()?;
            scheduler.restore(r)?;
            *media = MediaCounters::restore(r)?;
            *faults = Faults::restore(r)?;
            match &mut self.engine {
                Engine::Segmented(d) => d.restore(r),
                Engine::Cached(d) => d.restore_cached(r),
            }
        })
    }
}
