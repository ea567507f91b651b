//! Saved state of a drive: the queue, the request that is served, and the controller.

use crate::drive::{Active, Disk, MediaCounters};
use crate::faults::{FaultCounters, Faults};
use crate::schedule::Waiting;
use vellum_block::{Breakdown, Completion, Duration, Instant, Lba, Request, Status, Tag};
use vellum_state::{Error, Reader, State, Writer};

/// Most requests that saved state may hold.
const LIMIT: u64 = 1 << 20;

fn count(r: &mut Reader<'_>) -> Result<u64, Error> {
    match r.u64()? {
        n if n <= LIMIT => Ok(n),
        value => Err(Error::Value { field: "requests", value, why: "over the limit" }),
    }
}

impl Disk {
    fn save_faults(&self, w: &mut Writer<'_>) {
        let f = &self.faults;
        w.u64(f.latent.len() as u64);
        for (&lba, &turns) in &f.latent {
            w.u64(lba);
            w.u32(turns);
        }
        w.u64(f.grown.len() as u64);
        f.grown.iter().for_each(|&lba| w.u64(lba));
        w.u64(f.dead_heads);
        f.recalibrate_every.save(w);
        f.recalibrate_for.save(w);
        f.next_recalibration.save(w);
        let c = &f.counters;
        let counters = [c.recovered, c.unreadable, c.reallocated, c.recalibrations];
        counters.into_iter().for_each(|n| w.u64(n));
        w.bool(self.late.is_some());
        if let Some(c) = &self.late {
            c.request.save(w);
            c.submitted.save(w);
            c.breakdown.save(w);
            let (code, lba) = match c.status {
                Status::Recovered { lba } => (1, lba),
                Status::Unreadable { lba } => (2, lba),
                Status::Unwritable { lba } => (3, lba),
                _ => (0, Lba::default()),
            };
            w.u8(code);
            w.u64(lba.get());
        }
    }

    fn restore_faults(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
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
        self.faults = f;
        self.late = None;
        if r.bool()? {
            let (request, submitted) = (Request::restore(r)?, Instant::restore(r)?);
            let breakdown = Breakdown::restore(r)?;
            let (code, lba) = (r.u8()?, Lba::new(r.u64()?));
            let status = match code {
                0 => Status::Done,
                1 => Status::Recovered { lba },
                2 => Status::Unreadable { lba },
                3 => Status::Unwritable { lba },
                n => {
                    let value = n.into();
                    return Err(Error::Value { field: "status", value, why: "no such status" });
                }
            };
            self.late = Some(Completion::new(request, submitted, status, breakdown));
        }
        Ok(())
    }
}

impl State for Disk {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"DISK", 1, |w| {
            w.u64(self.fixed.geometry.sectors());
            self.now.save(w);
            w.bool(self.powered);
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
            let s = &self.scheduler;
            w.u64(s.waiting.len() as u64);
            for x in &s.waiting {
                x.request.save(w);
                x.submitted.save(w);
                w.u64(x.number);
            }
            [s.last, s.age_limit, s.next].into_iter().for_each(|v| w.u64(v));
            w.bool(s.up);
            w.bool(s.tie_down);
            let m = &self.media;
            [m.accesses, m.hits, m.distance].into_iter().for_each(|v| w.u64(v));
            m.seek.save(w);
            m.rotation.save(w);
            self.save_faults(w);
            self.control.save(w);
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"DISK", 1, |r| {
            let value = r.u64()?;
            if value != self.fixed.geometry.sectors() {
                return Err(Error::Value { field: "sectors", value, why: "another drive's state" });
            }
            self.now = Instant::restore(r)?;
            self.powered = r.bool()?;
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
            let s = &mut self.scheduler;
            s.waiting.clear();
            for _ in 0..count(r)? {
                s.waiting.push(Waiting {
                    request: Request::restore(r)?,
                    submitted: Instant::restore(r)?,
                    number: r.u64()?,
                });
            }
            (s.last, s.age_limit, s.next) = (r.u64()?, r.u64()?, r.u64()?);
            (s.up, s.tie_down) = (r.bool()?, r.bool()?);
            self.media = MediaCounters {
                accesses: r.u64()?,
                hits: r.u64()?,
                distance: r.u64()?,
                seek: Duration::restore(r)?,
                rotation: Duration::restore(r)?,
            };
            self.restore_faults(r)?;
            self.control.restore(r, &self.fixed.geometry)
        })
    }
}
