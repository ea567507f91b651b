//! A drive with a segmented buffer: a queue in front of a controller.

use super::account::breakdown;
use crate::Error;
use crate::config::Segmented;
use crate::controller::{Ask, Control, Ended, Fixed, Out, Outside};
use crate::faults::Faults;
use crate::profile::Profile;
use crate::schedule::{Policy, Position, Scheduler, Waiting};
use crate::spindle::Spindle;
use vellum_block::{
    Breakdown, Completion, Duration, Fate, Flags, Instant, Landed, Lba, Loss, Op, Phase, Request,
    Sink, Status, Tag,
};

/// A drive that serves one request at a time; what waits, waits in front of it.
#[derive(Debug, Clone)]
pub(crate) struct SegmentedDrive {
    pub(crate) fixed: Box<Fixed>,
    pub(crate) name: String,
    pub(crate) sector_bytes: u32,
    pub(crate) control: Control,
    pub(crate) scheduler: Scheduler,
    pub(crate) now: Instant,
    pub(crate) powered: bool,
    pub(crate) active: Option<Active>,
    /// Writes that ended for the host and may not be durable: number, tag.
    pub(crate) behind: Vec<(u64, Tag)>,
    pub(crate) next: u64,
    pub(crate) faults: Faults,
    /// A request whose end a fault delays.
    pub(crate) late: Option<Completion>,
    /// What the controller tells of an event; kept for its memory.
    out: Out,
}

/// The request that the controller serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Active {
    pub request: Request,
    pub submitted: Instant,
    pub started: Instant,
    pub number: u64,
}

impl SegmentedDrive {
    pub fn new(profile: &Profile, config: Segmented, policy: Policy) -> Result<Self, Error> {
        config.check()?;
        let geometry = profile.layout.build()?;
        let m = &profile.mechanics;
        let seek = m.table(geometry.cylinders())?;
        let spindle = Spindle::new(m.turn.as_ps(), m.rotation, m.phase);
        let fixed = Box::new(Fixed::new(geometry, seek, config));
        Ok(SegmentedDrive {
            control: Control::new(&fixed, spindle),
            fixed,
            name: profile.name.clone(),
            sector_bytes: profile.sector_bytes,
            scheduler: Scheduler::new(policy),
            now: Instant::ZERO,
            powered: true,
            active: None,
            behind: Vec::new(),
            next: 0,
            faults: Faults::default(),
            late: None,
            out: Out::default(),
        })
    }

    /// Makes the drive new again with other figures; the layout stays.
    pub fn retune(&mut self, profile: &Profile, config: Segmented) -> Result<(), Error> {
        config.check()?;
        let m = &profile.mechanics;
        self.fixed.seek = m.table(self.fixed.geometry.cylinders())?;
        self.fixed.set_config(config);
        let spindle = Spindle::new(m.turn.as_ps(), m.rotation, m.phase);
        self.control = Control::new(&self.fixed, spindle);
        self.scheduler = Scheduler::new(self.scheduler.policy);
        self.now = Instant::ZERO;
        self.powered = true;
        self.active = None;
        self.behind.clear();
        self.next = 0;
        self.late = None;
        Ok(())
    }

    /// Gives the controller its next request, if it is free and one may start.
    fn dispatch(&mut self) {
        while self.active.is_none() {
            let at = Position { now: self.now.as_ps(), control: &self.control, fixed: &self.fixed };
            // A flush, a request that asks for one, and a read from the medium wait for everything
            // behind.
            let held = |r: &Request| flushes(r) && self.control.behind();
            let Some(w) = self.scheduler.take(&at, held) else { break };
            self.start(w);
        }
    }

    fn start(&mut self, w: Waiting) {
        let number = self.next;
        self.next += 1;
        let active =
            Active { request: w.request, submitted: w.submitted, started: self.now, number };
        self.active = Some(active);
        let r = &w.request;
        if r.op == Op::Flush {
            return;
        }
        let ask = Ask {
            id: number,
            lba: r.lba.get(),
            sectors: r.sectors,
            read: r.op == Op::Read,
            through: r.flags.contains(Flags::FUA),
        };
        self.control.arrive(&self.fixed, self.now.as_ps(), ask, &mut self.out);
        self.out.clear();
    }

    fn flushing(&self) -> Option<&Active> {
        self.active.as_ref().filter(|a| a.request.op == Op::Flush)
    }

    /// The earliest time at which something happens inside.
    fn due(&self) -> Option<Instant> {
        if let Some(a) = self.flushing() {
            return Some(a.started);
        }
        let inside = self.control.next().map(Instant::from_ps);
        match (self.late.as_ref().map(|c| c.at), inside) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Lets the next thing happen, if it is not later than `limit`.
    fn step(&mut self, limit: Instant, sink: &mut dyn Sink) -> bool {
        if let Some(&a) = self.flushing() {
            if a.started > limit {
                return false;
            }
            let parts = Breakdown::ZERO.with(Phase::Internal, a.started.since(a.submitted));
            self.active = None;
            sink.completed(Completion::new(a.request, a.submitted, Status::Done, parts));
            self.dispatch();
            return true;
        }
        let first = self.control.next();
        let late = self.late.as_ref().map(|c| c.at);
        if let Some(at) = late.filter(|at| first.is_none_or(|f| at.as_ps() <= f)) {
            if at > limit {
                return false;
            }
            self.now = self.now.max(at);
            self.active = None;
            if let Some(end) = self.late.take() {
                sink.completed(end);
            }
            self.dispatch();
            return true;
        }
        let Some(at) = first.filter(|&at| at <= limit.as_ps()) else { return false };
        let until = late.map_or(limit, |at| at.min(limit)).as_ps();
        let waits = self.scheduler.len() > 0;
        let outside = Outside { until, waits, knocks: waits && self.active.is_none() };
        let at = self.control.step(&self.fixed, at, outside, &mut self.out);
        self.now = self.now.max(Instant::from_ps(at));
        for w in &self.out.written {
            let tag = self.tag_of(w.ask);
            let at = Instant::from_ps(w.at);
            sink.landed(Landed { tag, lba: Lba::new(w.lba), sectors: w.sectors, at });
        }
        let ended = self.out.ended.take();
        self.out.clear();
        if let Some(ended) = ended {
            self.finish(&ended, sink);
        }
        if self.active.is_none() && self.scheduler.len() > 0 {
            self.dispatch();
        }
        true
    }

    fn tag_of(&self, number: u64) -> Tag {
        match self.active {
            Some(a) if a.number == number => a.request.tag,
            _ => self.behind.iter().find(|b| b.0 == number).map_or(Tag::default(), |b| b.1),
        }
    }

    fn finish(&mut self, ended: &Ended, sink: &mut dyn Sink) {
        let Some(a) = self.active.take() else { return };
        if a.request.op != Op::Read {
            self.behind.retain(|b| self.control.misses(b.0));
            if self.control.misses(a.number) {
                self.behind.push((a.number, a.request.tag));
            }
        }
        if ended.parts.waited_until(ended.at).is_none() {
            self.control.media.hits += 1;
        }
        let parts = breakdown(&a, ended);
        if self.faults.none() {
            sink.completed(Completion::new(a.request, a.submitted, Status::Done, parts));
            return;
        }
        let turn = Duration::from_ps(self.control.spindle.period());
        let at = Instant::from_ps(ended.at);
        let (geometry, seek) = (&self.fixed.geometry, &self.fixed.seek);
        let (status, extra) = self.faults.judge(&a.request, at, geometry, seek, turn);
        let end = Completion::new(a.request, a.submitted, status, parts + extra);
        if extra.total().is_zero() {
            sink.completed(end);
        } else {
            (self.active, self.late) = (Some(a), Some(end));
        }
    }

    /// The sector that a loss of power at this instant would tear.
    pub fn torn_if_cut(&self) -> Option<u64> {
        let under = self.control.under_head()?;
        self.control.missing().iter().any(|m| m.1 == under).then_some(under)
    }
}

fn flushes(r: &Request) -> bool {
    r.op == Op::Flush || r.flags.contains(Flags::PREFLUSH) || r.reads_medium()
}

impl SegmentedDrive {
    /// Takes a checked request at `now`.
    pub fn take(&mut self, now: Instant, request: Request) {
        self.now = now;
        self.scheduler.push(request, now);
        if self.active.is_none() && self.due().is_none_or(|d| d >= now) {
            self.dispatch();
        }
    }

    pub fn next_event(&self) -> Option<Instant> {
        self.due()
    }

    pub fn advance(&mut self, now: Instant, sink: &mut dyn Sink) {
        if self.scheduler.len() > 0 {
            self.dispatch();
        }
        while self.step(now, sink) {}
        self.now = self.now.max(now);
    }

    pub fn power_loss(&mut self, now: Instant, sink: &mut dyn Sink, loss: &mut dyn FnMut(Loss)) {
        self.advance(now, sink);
        let torn = self.control.under_head();
        for (number, lba, count) in self.control.missing() {
            let tag = self.tag_of(number);
            let mut tell = |lba, sectors, fate| {
                if sectors > 0 {
                    loss(Loss { tag, lba: Lba::new(lba), sectors, fate });
                }
            };
            let cut = torn == Some(lba);
            tell(lba, u32::from(cut), Fate::Torn);
            tell(lba + u64::from(cut), count - u32::from(cut), Fate::Lost);
        }
        for w in self.scheduler.drain() {
            let Request { tag, lba, sectors, op, .. } = w.request;
            if op.changes() {
                loss(Loss { tag, lba, sectors, fate: Fate::Lost });
            }
        }
        self.control.power_off(&self.fixed);
        (self.active, self.late) = (None, None);
        self.behind.clear();
        self.powered = false;
    }

    pub fn in_flight(&self) -> usize {
        self.scheduler.len() + usize::from(self.active.is_some())
    }
}
