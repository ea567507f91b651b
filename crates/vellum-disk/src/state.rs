//! Saved state of a drive: the queue, the request that is served, and the controller.

use crate::drive::{Active, Disk, MediaCounters};
use crate::schedule::Waiting;
use vellum_block::{Duration, Instant, Request, Tag};
use vellum_state::{Error, Reader, State, Writer};

/// Most requests that saved state may hold.
const LIMIT: u64 = 1 << 20;

fn count(r: &mut Reader<'_>) -> Result<u64, Error> {
    match r.u64()? {
        n if n <= LIMIT => Ok(n),
        value => Err(Error::Value { field: "requests", value, why: "over the limit" }),
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
            self.control.restore(r, &self.fixed.geometry)
        })
    }
}
