//! Saved state of a drive with a large cache: every field that a run changes.

use super::access::{Access, ArmPlace, Pass};
use super::dirty::Piece;
use super::{Activity, CachedDrive, Command, Stage, Writing};
use crate::controller::Parts;
use crate::state::{count, put_status, status};
use vellum_block::{Breakdown, Instant, Request, Tag};
use vellum_state::{Error, Reader, Writer};

fn wrong<T>(field: &'static str, value: u64) -> Result<T, Error> {
    Err(Error::Value { field, value, why: "not possible for this drive" })
}

fn numbers(w: &mut Writer<'_>, all: &[u64]) {
    all.iter().for_each(|&n| w.u64(n));
}

impl Pass {
    fn save(&self, w: &mut Writer<'_>) {
        numbers(w, &[self.lbn, self.from, self.ps]);
        [self.count, self.cylinder, self.head].into_iter().for_each(|n| w.u32(n));
    }

    fn restore(r: &mut Reader<'_>) -> Result<Pass, Error> {
        let (lbn, from, ps) = (r.u64()?, r.u64()?, r.u64()?);
        let pass = Pass { lbn, from, ps, count: r.u32()?, cylinder: r.u32()?, head: r.u32()? };
        if pass.count == 0 || lbn.checked_add(pass.count.into()).is_none() {
            return wrong("sectors of a pass", pass.count.into());
        }
        if from.checked_add(ps).is_none() {
            return wrong("end of a pass", from);
        }
        Ok(pass)
    }
}

impl Access {
    fn save(&self, w: &mut Writer<'_>) {
        w.u64(self.start);
        w.u64(self.passes.len() as u64);
        self.passes.iter().for_each(|p| p.save(w));
        let p = &self.parts;
        w.u32(p.distance);
        numbers(w, &[p.seek, p.settle, p.rotation, p.switch, p.transfer, self.modify]);
        w.bool(p.moved);
    }

    fn restore(r: &mut Reader<'_>) -> Result<Access, Error> {
        let start = r.u64()?;
        let passes = (0..count(r)?).map(|_| Pass::restore(r)).collect::<Result<Vec<_>, _>>()?;
        if passes.is_empty() {
            return wrong("passes", 0);
        }
        let distance = r.u32()?;
        let [seek, settle, rotation] = [r.u64()?, r.u64()?, r.u64()?];
        let [switch, transfer, modify] = [r.u64()?, r.u64()?, r.u64()?];
        let moved = r.bool()?;
        let parts =
            Parts { distance, seek, settle, rotation, switch, transfer, moved, ..Parts::default() };
        Ok(Access { start, passes, parts, modify })
    }
}

impl Command {
    fn save(&self, w: &mut Writer<'_>) {
        self.request.save(w);
        self.submitted.save(w);
        numbers(w, &[self.taken, self.ready, self.waited]);
        let code = match self.stage {
            Stage::Outside => 0,
            Stage::Arm => 1,
            Stage::Room => 2,
            Stage::Flush => 3,
            Stage::Served => 4,
            Stage::End(..) => 5,
        };
        w.u8(code);
        if let Stage::End(at, s, parts) = self.stage {
            w.u64(at);
            put_status(w, s);
            parts.save(w);
        }
    }

    fn restore(r: &mut Reader<'_>) -> Result<Command, Error> {
        let (request, submitted) = (Request::restore(r)?, Instant::restore(r)?);
        let (taken, ready, waited) = (r.u64()?, r.u64()?, r.u64()?);
        let stage = match r.u8()? {
            0 => Stage::Outside,
            1 => Stage::Arm,
            2 => Stage::Room,
            3 => Stage::Flush,
            4 => Stage::Served,
            5 => Stage::End(r.u64()?, status(r)?, Breakdown::restore(r)?),
            n => return wrong("stage", n.into()),
        };
        Ok(Command { request, submitted, taken, ready, stage, waited })
    }
}

impl Activity {
    fn save(&self, w: &mut Writer<'_>) {
        match self {
            Activity::Idle => w.u8(0),
            Activity::Busy(until) => {
                w.u8(1);
                w.u64(*until);
            }
            Activity::Read(number, access) => {
                w.u8(2);
                w.u64(*number);
                access.save(w);
            }
            Activity::Write(x) => {
                w.u8(3);
                w.u64(x.command.map_or(0, |n| n + 1));
                x.access.save(w);
                numbers(w, &[x.pass as u64, x.limit]);
                w.u32(x.done);
            }
            Activity::Ahead(pass, left) => {
                w.u8(4);
                pass.save(w);
                w.u32(*left);
            }
        }
    }

    fn restore(r: &mut Reader<'_>) -> Result<Activity, Error> {
        Ok(match r.u8()? {
            0 => Activity::Idle,
            1 => Activity::Busy(r.u64()?),
            2 => Activity::Read(r.u64()?, Access::restore(r)?),
            3 => {
                let command = r.u64()?.checked_sub(1);
                let access = Access::restore(r)?;
                let (pass, limit, done) = (r.u64()? as usize, r.u64()?, r.u32()?);
                if access.passes.get(pass).is_none_or(|p| done >= p.count) {
                    return wrong("pass", pass as u64);
                }
                Activity::Write(Writing { command, access, pass, done, limit })
            }
            4 => Activity::Ahead(Pass::restore(r)?, r.u32()?),
            n => return wrong("activity", n.into()),
        })
    }
}

impl CachedDrive {
    pub(crate) fn save_cached(&self, w: &mut Writer<'_>) {
        w.section(*b"DCCH", 1, |w| {
            w.u64(self.next);
            let (angle, at) = self.spindle.carried();
            w.u32(angle);
            w.u64(at);
            w.u32(self.arm.cylinder);
            w.u32(self.arm.head);
            self.activity.save(w);
            w.u64(self.commands.len() as u64);
            for (&n, c) in &self.commands {
                w.u64(n);
                c.save(w);
            }
            w.u64(self.outside.len() as u64);
            self.outside.iter().for_each(|&n| w.u64(n));
            w.u64(self.barrier.map_or(0, |n| n + 1));
            w.u64(self.dirty.pieces.len() as u64);
            for (&start, piece) in &self.dirty.pieces {
                numbers(w, &[start, piece.end, piece.owners.len() as u64]);
                numbers(w, &piece.owners);
            }
            w.u64(self.clean.ranges.len() as u64);
            self.clean.ranges.iter().for_each(|&(a, b)| numbers(w, &[a, b]));
            w.u64(self.behind.len() as u64);
            self.behind.iter().for_each(|(&n, &(tag, left))| numbers(w, &[n, tag.0, left]));
            numbers(w, &[self.link_free, self.quiet, self.last_lbn]);
            w.bool(self.urgent);
        });
    }

    pub(crate) fn restore_cached(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"DCCH", 1, |r| {
            self.forget();
            self.next = r.u64()?;
            let (angle, at) = (r.u32()?, r.u64()?);
            self.spindle.carry(angle, at);
            self.arm = ArmPlace { cylinder: r.u32()?, head: r.u32()? };
            self.activity = Activity::restore(r)?;
            for _ in 0..count(r)? {
                let n = r.u64()?;
                let c = Command::restore(r)?;
                if let Stage::End(at, ..) = c.stage {
                    self.endings.insert((at, n));
                }
                self.commands.insert(n, c);
            }
            self.outside = (0..count(r)?).map(|_| r.u64()).collect::<Result<_, _>>()?;
            self.barrier = r.u64()?.checked_sub(1);
            self.restore_cache(r)?;
            (self.link_free, self.quiet, self.last_lbn) = (r.u64()?, r.u64()?, r.u64()?);
            self.urgent = r.bool()?;
            self.check_restored()
        })
    }

    fn restore_cache(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        let mut last = 0;
        for _ in 0..count(r)? {
            let (start, end) = (r.u64()?, r.u64()?);
            let owners = (0..count(r)?).map(|_| r.u64()).collect::<Result<Vec<_>, _>>()?;
            if start < last || end <= start || owners.is_empty() {
                return wrong("piece of the cache", start);
            }
            last = end;
            self.dirty.sectors += end - start;
            self.dirty.pieces.insert(start, Piece { end, owners });
        }
        if last > self.geometry.sectors() {
            return wrong("piece of the cache", last);
        }
        for _ in 0..count(r)? {
            let (a, b) = (r.u64()?, r.u64()?);
            if a >= b {
                return wrong("range of the cache", a);
            }
            self.clean.ranges.push_back((a, b));
        }
        for _ in 0..count(r)? {
            let (n, tag, left) = (r.u64()?, Tag(r.u64()?), r.u64()?);
            self.behind.insert(n, (tag, left));
        }
        Ok(())
    }

    /// Every write that pieces name must be known, with as many sectors as they hold of it.
    fn check_restored(&self) -> Result<(), Error> {
        let mut left = std::collections::BTreeMap::new();
        for (start, piece) in &self.dirty.pieces {
            for &n in &piece.owners {
                *left.entry(n).or_insert(0) += piece.end - start;
            }
        }
        let known = self.behind.iter().map(|(&n, b)| (n, b.1));
        if !left.into_iter().eq(known) {
            return wrong("writes in the cache", self.behind.len() as u64);
        }
        let inside = |n: &u64| self.commands.contains_key(n);
        let newest = self.commands.keys().next_back().max(self.behind.keys().next_back());
        if newest.is_some_and(|&n| n >= self.next) {
            return wrong("command", self.next);
        }
        match self.outside.iter().chain(&self.barrier).find(|n| !inside(n)) {
            Some(&n) => wrong("command", n),
            None => Ok(()),
        }
    }
}
