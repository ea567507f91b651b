//! The plainest device: every request takes the same time, some at once side by side.
//!
//! Modelled: latency, transfer rate, parallel servers, an optional volatile write cache that holds
//! writes until a flush. Not modelled: anything mechanical. It stands in where a model's detail is
//! not wanted, and is the reference for what the contract asks.

use crate::{
    Breakdown, Completion, Device, Duration, Fate, Flags, Instant, Landed, Loss, Op, Phase,
    Request, Shape, Sink, Status, SubmitError,
};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Parameters of a [`Fixed`] device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedConfig {
    /// Sectors that can be addressed.
    pub sectors: u64,
    /// Bytes in a sector.
    pub sector_bytes: u32,
    /// Time of a request before its first sector moves.
    pub latency: Duration,
    /// Time of each sector.
    pub per_sector: Duration,
    /// Requests served at once; at least 1.
    pub servers: u32,
    /// Most requests held.
    pub queue_depth: u32,
    /// Whether writes are durable only after a flush (or with FUA).
    pub volatile_cache: bool,
}

impl Default for FixedConfig {
    fn default() -> Self {
        FixedConfig {
            sectors: 1 << 21,
            sector_bytes: 512,
            latency: Duration::ZERO,
            per_sector: Duration::ZERO,
            servers: 1,
            queue_depth: 1024,
            volatile_cache: false,
        }
    }
}

/// A request that was taken and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) request: Request,
    pub(crate) submitted: Instant,
    pub(crate) starts: Instant,
    pub(crate) ends: Instant,
    pub(crate) sequence: u64,
}

/// A device on which every request takes the same time.
#[derive(Debug, Clone)]
pub struct Fixed {
    pub(crate) config: FixedConfig,
    pub(crate) now: Instant,
    pub(crate) powered: bool,
    pub(crate) sequence: u64,
    /// When each server is free.
    pub(crate) free: Vec<Instant>,
    /// By (end, sequence).
    pub(crate) held: Vec<Held>,
    /// Writes that completed and are not durable, oldest first.
    pub(crate) cached: VecDeque<Request>,
}

impl Fixed {
    /// A device that is idle at [`Instant::ZERO`].
    pub fn new(config: FixedConfig) -> Fixed {
        Fixed {
            config,
            now: Instant::ZERO,
            powered: true,
            sequence: 0,
            free: alloc::vec![Instant::ZERO; config.servers.max(1) as usize],
            held: Vec::new(),
            cached: VecDeque::new(),
        }
    }

    /// When a request submitted now starts: when a server is free, and for a flush when all are.
    fn start(&self, request: &Request) -> (usize, Instant) {
        let barrier = request.op == Op::Flush || request.flags.contains(Flags::PREFLUSH);
        let all = self.free.iter().copied().max().unwrap_or(self.now);
        let (server, free) =
            self.free.iter().copied().enumerate().min_by_key(|&(_, t)| t).unwrap_or((0, self.now));
        (server, self.now.max(if barrier { all } else { free }))
    }

    fn finish(&mut self, held: Held, sink: &mut dyn Sink) {
        let Held { request, submitted, starts, ends, .. } = held;
        if request.op == Op::Flush || request.flags.contains(Flags::PREFLUSH) {
            let (lba, end) = (request.lba.get(), request.end());
            let all = request.op != Op::Flush || request.sectors == 0;
            let mut kept = VecDeque::new();
            for w in self.cached.drain(..) {
                if all || (w.lba.get() < end && w.end() > lba) {
                    sink.landed(Landed { tag: w.tag, lba: w.lba, sectors: w.sectors, at: ends });
                } else {
                    kept.push_back(w);
                }
            }
            self.cached = kept;
        }
        if request.op.changes() {
            if self.config.volatile_cache && !request.flags.contains(Flags::FUA) {
                self.cached.push_back(request);
            } else {
                let Request { tag, lba, sectors, .. } = request;
                sink.landed(Landed { tag, lba, sectors, at: ends });
            }
        }
        let transfer = self.config.per_sector.times(request.sectors.into());
        let breakdown = Breakdown::ZERO
            .with(Phase::Queue, starts.since(submitted))
            .with(Phase::Overhead, ends.since(starts) - transfer)
            .with(Phase::Transfer, transfer);
        sink.completed(Completion::new(request, submitted, Status::Done, breakdown));
    }
}

impl Device for Fixed {
    fn shape(&self) -> Shape {
        Shape {
            sectors: self.config.sectors,
            sector_bytes: self.config.sector_bytes,
            physical_bytes: self.config.sector_bytes,
            queue_depth: self.config.queue_depth,
            volatile_cache: self.config.volatile_cache,
        }
    }

    fn submit(&mut self, now: Instant, request: Request) -> Result<(), SubmitError> {
        if !self.powered {
            return Err(SubmitError::PoweredOff);
        }
        if now < self.now {
            return Err(SubmitError::InThePast { at: now, now: self.now });
        }
        request.check(self.config.sectors)?;
        if self.held.len() >= self.config.queue_depth as usize {
            return Err(SubmitError::Full { held: self.held.len() });
        }
        self.now = now;
        let (server, starts) = self.start(&request);
        let sectors = self.config.per_sector.times(request.sectors.into());
        let ends = starts + self.config.latency + sectors;
        if request.op == Op::Flush || request.flags.contains(Flags::PREFLUSH) {
            self.free.fill(ends);
        } else {
            self.free[server] = ends;
        }
        let held = Held { request, submitted: now, starts, ends, sequence: self.sequence };
        self.sequence += 1;
        let at = self.held.partition_point(|h| (h.ends, h.sequence) < (ends, held.sequence));
        self.held.insert(at, held);
        Ok(())
    }

    fn next_event(&self) -> Option<Instant> {
        self.held.first().map(|h| h.ends)
    }

    fn advance(&mut self, now: Instant, sink: &mut dyn Sink) {
        let due = self.held.partition_point(|h| h.ends <= now);
        let due: Vec<Held> = self.held.drain(..due).collect();
        for held in due {
            self.finish(held, sink);
        }
        self.now = self.now.max(now);
    }

    fn power_loss(&mut self, now: Instant, sink: &mut dyn Sink, loss: &mut dyn FnMut(Loss)) {
        self.advance(now, sink);
        for w in self.cached.drain(..) {
            loss(Loss { tag: w.tag, lba: w.lba, sectors: w.sectors, fate: Fate::Lost });
        }
        let through = !self.config.volatile_cache;
        for h in self.held.drain(..).filter(|h| h.request.op.changes()) {
            let under_way = h.starts < now && (through || h.request.flags.contains(Flags::FUA));
            let fate = if under_way { Fate::Torn } else { Fate::Lost };
            let Request { tag, lba, sectors, .. } = h.request;
            loss(Loss { tag, lba, sectors, fate });
        }
        self.powered = false;
    }

    fn power_on(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.free.fill(self.now);
        self.powered = true;
    }

    fn in_flight(&self) -> usize {
        self.held.len()
    }

    fn supports(&self, _op: Op) -> bool {
        true
    }
}
