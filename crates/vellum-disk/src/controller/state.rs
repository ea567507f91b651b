//! The controller's saved state: every field, in order of declaration.

use super::Control;
use super::codes::{
    ARMS, BUSES, HITS, OUTS, STATES, code, get, get_event, get_list, get_some, one_of, put,
    put_event, put_list, put_some, wrong,
};
use super::types::{BusEvent, Job, Parts, Segment};
use crate::geometry::{Angle, Geometry, Track};
use vellum_state::{Error, Reader, Writer};

/// Most jobs that saved state may hold; a controller has one a segment and one more.
const JOBS: u64 = 1 << 13;

impl Job {
    fn save(&self, w: &mut Writer<'_>) {
        w.u64(self.ask);
        [self.lba, self.count, self.outer, self.inner, self.durable, self.watermark]
            .into_iter()
            .for_each(|v| put(w, v));
        code(w, &self.hit, &HITS);
        put_some(w, self.segment);
        let flags = [
            self.read,
            self.asked,
            self.through,
            self.has_arm,
            self.owns_segment,
            self.sent,
            self.received,
            self.extra,
        ];
        flags.into_iter().for_each(|f| w.bool(f));
        [self.ready, self.arrived].into_iter().for_each(|t| w.u64(t));
        let p = &self.parts;
        let ended = p.medium_end.unwrap_or(u64::MAX);
        w.u32(p.distance);
        [p.seek, p.settle, p.rotation, p.switch, p.transfer, p.bus, ended]
            .into_iter()
            .for_each(|t| w.u64(t));
        w.bool(p.moved);
        w.bool(p.began);
    }

    fn restore(r: &mut Reader<'_>, segments: usize) -> Result<Job, Error> {
        let ask = r.u64()?;
        let [lba, count, outer] = [get(r)?, get(r)?, get(r)?];
        let [inner, durable, watermark] = [get(r)?, get(r)?, get(r)?];
        let hit = one_of(r, &HITS)?;
        let segment = get_some(r, segments)?;
        let mut f = [false; 8];
        for f in &mut f {
            *f = r.bool()?;
        }
        let [read, asked, through, has_arm, owns_segment, sent, received, extra] = f;
        let (ready, arrived) = (r.u64()?, r.u64()?);
        let parts = Parts {
            distance: r.u32()?,
            seek: r.u64()?,
            settle: r.u64()?,
            rotation: r.u64()?,
            switch: r.u64()?,
            transfer: r.u64()?,
            bus: r.u64()?,
            medium_end: Some(r.u64()?).filter(|&end| end != u64::MAX),
            moved: r.bool()?,
            began: r.bool()?,
        };
        Ok(Job {
            live: true,
            ask,
            lba,
            count,
            read,
            asked,
            through,
            outer,
            inner,
            durable,
            hit,
            segment,
            has_arm,
            owns_segment,
            sent,
            received,
            extra,
            watermark,
            ready,
            arrived,
            parts,
        })
    }
}

impl Segment {
    fn save(&self, w: &mut Writer<'_>) {
        let numbers = [
            self.start,
            self.end,
            self.size,
            self.out_count,
            self.ahead_min,
            self.ahead_max,
            self.hold,
            self.hold_count,
            self.arm_lbn,
        ];
        numbers.into_iter().for_each(|v| put(w, v));
        code(w, &self.state, &STATES);
        code(w, &self.out, &OUTS);
        code(w, &self.arm, &ARMS);
        put_list(w, &self.jobs);
        [self.used, self.reads, self.background].into_iter().for_each(|f| w.bool(f));
        [self.arm_time, self.time].into_iter().for_each(|t| w.u64(t));
        w.u32(self.arm_sector);
        w.u32(self.arm_jump);
        w.u8(self.arm_count);
    }

    fn restore(r: &mut Reader<'_>, jobs: usize) -> Result<Segment, Error> {
        let mut n = [0; 9];
        for n in &mut n {
            *n = get(r)?;
        }
        let [start, end, size, out_count, ahead_min, ahead_max, hold, hold_count, arm_lbn] = n;
        Ok(Segment {
            start,
            end,
            size,
            out_count,
            ahead_min,
            ahead_max,
            hold,
            hold_count,
            arm_lbn,
            state: one_of(r, &STATES)?,
            out: one_of(r, &OUTS)?,
            arm: one_of(r, &ARMS)?,
            jobs: get_list(r, jobs)?,
            used: r.bool()?,
            reads: r.bool()?,
            background: r.bool()?,
            arm_time: r.u64()?,
            time: r.u64()?,
            arm_sector: r.u32()?,
            arm_jump: r.u32()?.max(1),
            arm_count: r.u8()?,
        })
    }
}

impl Control {
    pub(crate) fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"DCTL", 2, |w| {
            w.u64(self.now);
            let (angle, at) = self.spindle.carried();
            w.u32(angle);
            w.u64(at);
            w.u32(self.cylinder);
            w.u32(self.head);
            w.u64(self.jobs.len() as u64);
            for job in &self.jobs {
                w.bool(job.live);
                if job.live {
                    job.save(w);
                }
            }
            self.segments.iter().for_each(|s| s.save(w));
            [&self.order, &self.queue, &self.off_bus].into_iter().for_each(|l| put_list(w, l));
            let jobs = [
                self.effective_arm,
                self.current_arm,
                self.effective_bus,
                self.current_bus,
                self.extra_job,
            ];
            jobs.into_iter().for_each(|j| put_some(w, j));
            code(w, &self.bus, &BUSES);
            put_event(w, self.bus_event);
            put_event(w, self.extra_event.map(|(t, j)| (t, BusEvent::Left(j))));
            [self.held, self.last_read, self.on_arrival, self.whole]
                .into_iter()
                .for_each(|f| w.bool(f));
            w.u32(self.dirty);
            let numbers =
                [self.late_start, self.late_end, self.track_low, self.track_high, self.transferred];
            numbers.into_iter().for_each(|v| put(w, v));
            [self.arm_free, self.transfer_start].into_iter().for_each(|t| w.u64(t));
            [self.track.run, self.track.number, self.track_angle.0, self.low_sector]
                .into_iter()
                .for_each(|v| w.u32(v));
        });
    }

    pub(crate) fn restore(&mut self, r: &mut Reader<'_>, geometry: &Geometry) -> Result<(), Error> {
        r.section(*b"DCTL", 2, |r| {
            self.now = r.u64()?;
            let (angle, at) = (r.u32()?, r.u64()?);
            self.spindle.carry(angle, at);
            (self.cylinder, self.head) = (r.u32()?, r.u32()?);
            let n = r.u64()?;
            if n > JOBS {
                return wrong("jobs", n);
            }
            let (jobs, segments) = (n as usize, self.segments.len());
            self.jobs.clear();
            for _ in 0..jobs {
                let job = if r.bool()? { Job::restore(r, segments)? } else { Job::default() };
                self.jobs.push(job);
            }
            for s in &mut self.segments {
                *s = Segment::restore(r, jobs)?;
            }
            self.order = get_list(r, segments)?;
            (self.queue, self.off_bus) = (get_list(r, jobs)?, get_list(r, jobs)?);
            self.effective_arm = get_some(r, jobs)?;
            self.current_arm = get_some(r, jobs)?;
            self.effective_bus = get_some(r, jobs)?;
            self.current_bus = get_some(r, jobs)?;
            self.extra_job = get_some(r, jobs)?;
            self.bus = one_of(r, &BUSES)?;
            self.bus_event = get_event(r, jobs)?;
            self.extra_event = get_event(r, jobs)?.map(|(t, e)| match e {
                BusEvent::Left(j)
                | BusEvent::Connected(j)
                | BusEvent::Moved(j)
                | BusEvent::Completed(j) => (t, j),
            });
            self.held = r.bool()?;
            self.last_read = r.bool()?;
            self.on_arrival = r.bool()?;
            self.whole = r.bool()?;
            self.dirty = r.u32()?;
            (self.late_start, self.late_end) = (get(r)?, get(r)?);
            (self.track_low, self.track_high, self.transferred) = (get(r)?, get(r)?, get(r)?);
            (self.arm_free, self.transfer_start) = (r.u64()?, r.u64()?);
            self.track = Track { run: r.u32()?, number: r.u32()? };
            self.track_angle = Angle(r.u32()?);
            self.low_sector = r.u32()?;
            self.check_names(geometry)?;
            self.sector_ps = self.spindle.sweep(geometry.width(self.track));
            Ok(())
        })
    }

    /// Every job that is named must exist, and every number must be one of this drive.
    fn check_names(&self, geometry: &Geometry) -> Result<(), Error> {
        let named = self
            .queue
            .iter()
            .chain(&self.off_bus)
            .chain(self.segments.iter().flat_map(|s| &s.jobs))
            .copied()
            .chain([self.effective_arm, self.effective_bus, self.current_arm].into_iter().flatten())
            .chain([self.current_bus, self.extra_job].into_iter().flatten());
        for j in named {
            if !self.jobs[j].live {
                return wrong("job", j as u64);
            }
        }
        let mut order = self.order.clone();
        order.sort_unstable();
        if order != (0..self.segments.len()).collect::<Vec<_>>() {
            return wrong("segments in order", order.len() as u64);
        }
        if !geometry.has_track(self.track) {
            return wrong("track", self.track.number.into());
        }
        Ok(())
    }
}
