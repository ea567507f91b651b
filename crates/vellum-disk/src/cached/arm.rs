//! The arm's side: an access that begins, what became of it, and reading ahead meanwhile.

use super::access::Access;
use super::{Activity, CachedDrive, Command, Stage, Writing};
use vellum_block::{
    Breakdown, Duration, Instant, Landed, Lba, Op, Phase, Request, Sink, Status, Tag,
};

impl CachedDrive {
    /// The arm serves a command.
    pub(super) fn start(&mut self, number: u64) {
        let Some(c) = self.commands.get(&number).copied() else { return };
        let begin = self.now.as_ps().max(c.ready);
        let (from, to) = (c.request.lba.get(), c.request.end());
        let forced = c.request.reads_medium();
        if forced && let Some(from) = self.dirty.first_from(from).filter(|&at| at < to) {
            // What the medium has yet to get goes there first; the read waits on.
            self.stop_ahead();
            let from = self.dirty.run_start(from);
            let most = u64::from(self.config.destage_sectors);
            let end = self.dirty.run_end(from, most);
            return self.start_write(None, from, end, begin);
        }
        self.set_stage(number, Stage::Served);
        if c.request.op != Op::Read {
            self.stop_ahead();
            // Zones of shingled tracks are written in order: what is before goes first.
            let from = if self.config.in_order { self.dirty.run_start(from) } else { from };
            return self.start_write(Some(number), from, to, begin);
        }
        let access = match self.joins(from, to).filter(|_| !forced) {
            Some((at, passed)) => self.go_on(at, passed, to),
            None => {
                self.stop_ahead();
                let from = if forced { from } else { self.first_missing(from, to) };
                let begin = self.begins_at(begin, from);
                self.mechanism().plan(self.arm, begin, from, to, false)
            }
        };
        self.note(&access);
        self.activity = Activity::Read(number, access);
    }

    /// When the arm can begin an access to `lbn` that is asked for at `at`.
    fn begins_at(&self, at: u64, lbn: u64) -> u64 {
        if lbn == self.last_lbn { at } else { at + self.config.access.as_ps() }
    }

    /// The first sector of a read that the cache does not hold.
    fn first_missing(&self, from: u64, to: u64) -> u64 {
        let mut at = from;
        while let Some(end) = self.dirty.end_of(at).max(self.clean.end_of(at)) {
            at = end;
        }
        at.min(to - 1)
    }

    /// Reading ahead becomes reading: the present pass goes on to `to`, and beyond it if need be.
    fn go_on(&mut self, at: u64, passed: u32, to: u64) -> Access {
        let Activity::Ahead(pass, _) = self.activity else { return Access::default() };
        self.clean.add(pass.lbn, at);
        let mut rest = pass;
        rest.from = pass.at(passed);
        rest.lbn = at;
        rest.count = (to - at).min(u64::from(pass.count - passed)) as u32;
        rest.ps = pass.at(passed + rest.count) - rest.from;
        let mut access = Access { start: self.now.as_ps(), ..Access::default() };
        if at + u64::from(rest.count) < to {
            let arm = super::ArmPlace { cylinder: pass.cylinder, head: pass.head };
            let next = at + u64::from(rest.count);
            let more = self.mechanism().plan(arm, rest.end(), next, to, false);
            access.parts.switch = more.parts.seek + more.parts.settle + more.parts.rotation;
            access.parts.switch += more.parts.switch;
            access.parts.transfer = more.parts.transfer;
            access.passes = more.passes;
        }
        // A sector that is passing now was begun before the command came.
        access.parts.transfer += rest.end() - access.start.max(rest.from);
        access.passes.insert(0, rest);
        access
    }

    /// Counts an access, and takes the arm to where it will be.
    fn note(&mut self, access: &Access) {
        let m = &mut self.media;
        m.accesses += 1;
        m.distance += u64::from(access.parts.distance);
        m.seek += Duration::from_ps(access.parts.seek + access.parts.settle);
        m.rotation += Duration::from_ps(access.parts.rotation);
        if let Some(p) = access.passes.last() {
            self.arm = super::ArmPlace { cylinder: p.cylinder, head: p.head };
            self.last_lbn = p.lbn + u64::from(p.count);
        }
    }

    /// Starts to write `from..to`, widened to physical sectors, at `begin`.
    pub(super) fn start_write(&mut self, command: Option<u64>, from: u64, to: u64, begin: u64) {
        let (a, head_end) = self.physical(from);
        let (tail, b) = self.physical(to - 1);
        // Edges whose other sectors the cache holds need no reading.
        let head = a < from && !self.covered(a, from);
        let end = b > to && !self.covered(to, b);
        let read = match (head, end) {
            (true, true) => Some((a, b)),
            (true, false) => Some((a, head_end)),
            (false, true) => Some((tail, b)),
            (false, false) => None,
        };
        let begin = self.begins_at(begin, from);
        let access = self.mechanism().plan_write(self.arm, begin, a, b, read);
        self.media.modified += u64::from(read.is_some());
        self.note(&access);
        let limit = self.next;
        let writing = Writing { command, access, pass: 0, done: 0, limit };
        self.activity = Activity::Write(writing);
    }

    /// Puts what reading ahead has passed so far into the cache.
    pub(super) fn keep_ahead(&mut self) {
        if let Activity::Ahead(pass, _) = self.activity {
            let passed = pass.passed(self.now.as_ps());
            self.clean.add(pass.lbn, pass.lbn + u64::from(passed));
        }
    }

    /// Ends reading ahead.
    pub(super) fn stop_ahead(&mut self) {
        self.keep_ahead();
        if let Activity::Ahead(..) = self.activity {
            self.activity = Activity::Idle;
        }
    }

    /// When the arm's next event is.
    pub(super) fn next_arm(&self) -> Option<u64> {
        match &self.activity {
            Activity::Idle if self.dirty.sectors > 0 => {
                Some((self.quiet + self.config.destage_idle.as_ps()).max(self.now.as_ps()))
            }
            Activity::Idle => None,
            Activity::Busy(until) => Some(*until),
            Activity::Read(_, access) => Some(access.end()),
            Activity::Ahead(pass, _) => Some(pass.end()),
            Activity::Write(w) => {
                let pass = w.access.passes.get(w.pass)?;
                Some(
                    pass.at(
                        w.done + self.step_of(pass.lbn + u64::from(w.done), pass.count - w.done)
                    ),
                )
            }
        }
    }

    /// Sectors of the physical sector over `lbn` that lie on the rest of its pass.
    fn step_of(&self, lbn: u64, rest: u32) -> u32 {
        ((self.physical(lbn).1 - lbn) as u32).min(rest)
    }

    /// The arm's event at `now`.
    pub(super) fn arm_done(&mut self, sink: &mut dyn Sink) {
        match std::mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Idle | Activity::Busy(_) => {}
            Activity::Read(number, access) => self.read_done(number, &access),
            Activity::Ahead(pass, left) => {
                self.clean.add(pass.lbn, pass.lbn + u64::from(pass.count));
                self.ahead(pass.lbn + u64::from(pass.count), left);
            }
            Activity::Write(w) => self.written(w, sink),
        }
    }

    fn read_done(&mut self, number: u64, access: &Access) {
        let Some(c) = self.commands.get(&number).copied() else { return };
        let to = c.request.end();
        let from = access.passes.first().map_or(to, |p| p.lbn);
        self.clean.add(from.min(c.request.lba.get()), to);
        let (status, extra) = self.judge(&c.request);
        let bus = self.config.sector.as_ps();
        self.finish(number, &c, access, bus, status, extra);
        if self.hold(extra.total()) {
            return;
        }
        self.ahead(to, self.config.read_ahead);
    }

    /// Reads ahead from `lbn` on, a track at a time.
    fn ahead(&mut self, lbn: u64, left: u32) {
        let end = lbn.saturating_add(left.into()).min(self.geometry.sectors());
        if lbn >= end || self.covered(lbn, end) {
            return;
        }
        let access = self.mechanism().plan(self.arm, self.now.as_ps(), lbn, end, false);
        if let Some(&pass) = access.passes.first() {
            self.arm = super::ArmPlace { cylinder: pass.cylinder, head: pass.head };
            self.last_lbn = pass.lbn + u64::from(pass.count);
            self.activity = Activity::Ahead(pass, left.saturating_sub(pass.count));
        }
    }

    /// A physical sector is on the medium.
    fn written(&mut self, mut w: Writing, sink: &mut dyn Sink) {
        let Some(&pass) = w.access.passes.get(w.pass) else { return };
        let at = pass.lbn + u64::from(w.done);
        let step = self.step_of(at, pass.count - w.done);
        // A physical sector that runs over a track's end is whole only with its last part.
        let (start, end) = self.physical(at);
        if at + u64::from(step) == end {
            self.land(start, end, w.limit, sink);
        }
        w.done += step;
        if w.done < pass.count {
            self.activity = Activity::Write(w);
            return;
        }
        (w.pass, w.done) = (w.pass + 1, 0);
        if w.pass < w.access.passes.len() {
            self.activity = Activity::Write(w);
            return;
        }
        self.write_done(&w);
    }

    fn land(&mut self, from: u64, to: u64, limit: u64, sink: &mut dyn Sink) {
        let at = self.now;
        let behind = &mut self.behind;
        self.dirty.land(from, to, limit, |number, lba, sectors| {
            let Some((tag, left)) = behind.get_mut(&number) else { return };
            let tag = *tag;
            *left -= u64::from(sectors);
            if *left == 0 {
                behind.remove(&number);
            }
            sink.landed(Landed { tag, lba: Lba::new(lba), sectors, at });
        });
    }

    fn write_done(&mut self, w: &Writing) {
        let first = w.access.passes.first().map_or(0, |p| p.lbn);
        let last = w.access.passes.last().map_or(first + 1, |p| p.lbn + u64::from(p.count));
        let range = Request::write(Tag(0), Lba::new(first), (last - first) as u32);
        let command = w.command.and_then(|n| Some((n, *self.commands.get(&n)?)));
        let (status, extra) = self.judge(&command.map_or(range, |c| c.1.request));
        if let Some((number, c)) = command {
            self.finish(number, &c, &w.access, 0, status, extra);
        }
        self.urgent &= self.dirty.sectors > u64::from(self.config.dirty_sectors) / 2;
        self.check_room();
        self.check_flush();
        self.hold(extra.total());
    }

    /// Keeps the arm busy for `extra`; false if that is no time.
    fn hold(&mut self, extra: Duration) -> bool {
        if !extra.is_zero() {
            self.activity = Activity::Busy(self.now.as_ps() + extra.as_ps());
        }
        !extra.is_zero()
    }

    fn judge(&mut self, r: &Request) -> (Status, Breakdown) {
        if self.faults.none() {
            return (Status::Done, Breakdown::ZERO);
        }
        let turn = Duration::from_ps(self.spindle.period());
        self.faults.judge(r, self.now, &self.geometry, &self.seek, turn)
    }

    /// Ends a command that the arm served, `bus` after the medium's part.
    fn finish(
        &mut self,
        number: u64,
        c: &Command,
        access: &Access,
        bus: u64,
        status: Status,
        extra: Breakdown,
    ) {
        let at = self.now.as_ps() + bus;
        let mut left = at - c.submitted.as_ps();
        let mut parts = Breakdown::ZERO;
        let mut take = |phase, ps: u64| {
            let ps = ps.min(left);
            parts.charge(phase, Duration::from_ps(ps));
            left -= ps;
        };
        let command = self.config.command.as_ps();
        take(Phase::Internal, c.waited);
        let own = access.start.saturating_sub(c.ready.max(c.taken + command));
        take(Phase::Overhead, command + own.min(self.config.access.as_ps()));
        let p = &access.parts;
        take(Phase::Seek, p.seek);
        take(Phase::Settle, p.settle);
        take(Phase::Rotation, p.rotation);
        take(Phase::Modify, access.modify);
        take(Phase::HeadSwitch, p.switch);
        take(Phase::Transfer, p.transfer);
        take(Phase::Bus, bus);
        take(Phase::Queue, u64::MAX);
        let end = Instant::from_ps(at + extra.total().as_ps());
        self.end_at(number, end.as_ps(), status, parts + extra);
    }
}
