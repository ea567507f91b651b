//! The host's side: taking commands in, answering from the cache, flushing, ending.

use super::{CachedDrive, Command, Stage};
use vellum_block::{
    Breakdown, Completion, Duration, Flags, Instant, Op, Order, Phase, Request, Sink, Status,
};

impl CachedDrive {
    /// Takes a checked request.
    pub fn take(&mut self, request: Request) {
        let number = self.next;
        self.next += 1;
        let submitted = self.now;
        let (taken, ready, waited) = (0, 0, 0);
        let stage = Stage::Outside;
        self.commands.insert(number, Command { request, submitted, taken, ready, stage, waited });
        self.outside.push_back(number);
        self.admit();
        self.dispatch();
    }

    pub fn in_flight(&self) -> usize {
        self.commands.len()
    }

    /// Lets commands in while there are tags and nothing forbids it.
    pub(super) fn admit(&mut self) {
        while self.barrier.is_none() && !self.outside.is_empty() {
            let inside = self.commands.len() - self.outside.len();
            if inside >= self.config.depth as usize {
                return;
            }
            let head = |&n: &u64| self.commands[&n].request.order == Order::HeadOfQueue;
            let i = self.outside.iter().position(head).unwrap_or(0);
            let Some(&number) = self.outside.get(i) else { return };
            if alone(&self.commands[&number].request) {
                if inside > 0 {
                    return;
                }
                self.barrier = Some(number);
            }
            self.outside.remove(i);
            self.accept(number);
        }
    }

    /// A command comes in.
    fn accept(&mut self, number: u64) {
        let now = self.now.as_ps();
        self.quiet = now;
        let Some(c) = self.commands.get_mut(&number) else { return };
        c.taken = now;
        c.ready = now + self.config.command.as_ps();
        let r = c.request;
        if r.op == Op::Flush || r.flags.contains(Flags::PREFLUSH) {
            c.stage = Stage::Flush;
            return self.check_flush();
        }
        self.begin(number);
    }

    /// A command whose flush, if any, is over.
    fn begin(&mut self, number: u64) {
        let Some(c) = self.commands.get(&number).copied() else { return };
        let (from, to) = (c.request.lba.get(), c.request.end());
        if c.request.op == Op::Read {
            self.keep_ahead();
            if !c.request.reads_medium() && self.covered(from, to) {
                self.media.hits += 1;
                return self.answer(number);
            }
            return self.set_stage(number, Stage::Arm);
        }
        let sectors = u64::from(c.request.sectors);
        let through = self.goes_through(&c.request);
        if !through && self.dirty.sectors + sectors > self.config.dirty_sectors.into() {
            return self.set_stage(number, Stage::Room);
        }
        self.dirty.write(from, to, number);
        self.behind.insert(number, (c.request.tag, sectors));
        self.urgent |= self.dirty.sectors > u64::from(self.config.dirty_sectors) * 3 / 4;
        if through {
            return self.set_stage(number, Stage::Arm);
        }
        self.media.hits += 1;
        self.answer(number);
    }

    /// Whether a write ends only when it is on the medium.
    pub(super) fn goes_through(&self, r: &Request) -> bool {
        !self.config.write_back
            || r.flags.contains(Flags::FUA)
            || u64::from(r.sectors) > u64::from(self.config.dirty_sectors)
    }

    pub(super) fn set_stage(&mut self, number: u64, stage: Stage) {
        if let Some(c) = self.commands.get_mut(&number) {
            c.stage = stage;
        }
    }

    /// Whether the cache holds all of `from..to`.
    pub(super) fn covered(&self, from: u64, to: u64) -> bool {
        let mut at = from;
        while at < to {
            match self.dirty.end_of(at).max(self.clean.end_of(at)) {
                Some(end) => at = end,
                None => return false,
            }
        }
        true
    }

    /// Ends a command from the cache: its processing, then its data over the interface.
    fn answer(&mut self, number: u64) {
        let Some(c) = self.commands.get(&number).copied() else { return };
        let bytes = self.config.sector.times(c.request.sectors.into()).as_ps();
        let now = self.now.as_ps();
        let start = c.ready.max(self.link_free).max(now);
        self.link_free = start + bytes;
        let queue = c.taken - c.submitted.as_ps();
        let parts = Breakdown::ZERO
            .with(Phase::Queue, Duration::from_ps(queue))
            .with(Phase::Internal, Duration::from_ps(c.waited))
            .with(Phase::Overhead, Duration::from_ps(start - c.taken - c.waited))
            .with(Phase::Bus, Duration::from_ps(bytes));
        self.end_at(number, start + bytes, Status::Done, parts);
    }

    /// Fixes a command's end; `parts` must sum to the time since it was submitted.
    pub(super) fn end_at(&mut self, number: u64, at: u64, status: Status, parts: Breakdown) {
        self.set_stage(number, Stage::End(at, status, parts));
        self.endings.insert((at, number));
    }

    /// Ends what is due at `now`.
    pub(super) fn end_due(&mut self, sink: &mut dyn Sink) {
        let now = self.now.as_ps();
        while let Some(&(at, number)) = self.endings.first().filter(|e| e.0 <= now) {
            self.endings.remove(&(at, number));
            let Some(c) = self.commands.remove(&number) else { continue };
            let Stage::End(_, status, parts) = c.stage else { continue };
            if self.barrier == Some(number) {
                self.barrier = None;
            }
            self.quiet = now;
            sink.completed(Completion::new(c.request, c.submitted, status, parts));
        }
    }

    /// A flush whose dirty data is gone goes on.
    pub(super) fn check_flush(&mut self) {
        let Some(number) = self.barrier else { return };
        let Some(c) = self.commands.get(&number).copied() else { return };
        if c.stage != Stage::Flush || self.must_flush(&c.request) {
            return;
        }
        let now = self.now.as_ps();
        let waited = now - c.taken;
        if let Some(c) = self.commands.get_mut(&number) {
            c.waited = waited;
            c.ready = c.ready.max(now);
        }
        if c.request.op != Op::Flush {
            return self.begin(number);
        }
        let own = if waited > 0 { self.config.flush } else { Duration::ZERO };
        let at = c.ready.max(now + self.config.command.as_ps()) + own.as_ps();
        let parts = Breakdown::ZERO
            .with(Phase::Queue, Duration::from_ps(c.taken - c.submitted.as_ps()))
            .with(Phase::Internal, Duration::from_ps(waited))
            .with(Phase::Overhead, Duration::from_ps(at - now));
        self.end_at(number, at, Status::Done, parts);
    }

    /// Whether a flush still has something to wait for.
    fn must_flush(&self, r: &Request) -> bool {
        if r.op == Op::Flush && r.sectors > 0 {
            return self.dirty.meets(r.lba.get(), r.end());
        }
        self.dirty.sectors > 0
    }

    /// Room has come: lets waiting writes into the cache, in order.
    pub(super) fn check_room(&mut self) {
        let waiting: Vec<u64> =
            self.commands.iter().filter(|c| c.1.stage == Stage::Room).map(|c| *c.0).collect();
        for number in waiting {
            let Some(c) = self.commands.get_mut(&number) else { continue };
            c.waited = self.now.as_ps() - c.taken;
            c.ready = c.ready.max(self.now.as_ps());
            let sectors = u64::from(c.request.sectors);
            if self.dirty.sectors + sectors > self.config.dirty_sectors.into() {
                return;
            }
            self.begin(number);
        }
    }

    /// When the drive next ends a command.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.endings.first().map(|e| Instant::from_ps(e.0))
    }
}

/// Whether a command starts after all before it ended, and nothing passes it.
fn alone(r: &Request) -> bool {
    r.op == Op::Flush || r.order == Order::Ordered || r.flags.contains(Flags::PREFLUSH)
}
