//! The drive's timeline: the next event, bringing it to a time, and losing the power.

use super::{Activity, CachedDrive, Stage};
use vellum_block::{Fate, Instant, Lba, Loss, Op, Request, Sink};

impl CachedDrive {
    /// Takes a checked request at `now`.
    pub fn submit(&mut self, now: Instant, request: Request) {
        self.now = now;
        self.take(request);
    }

    pub fn next_event(&self) -> Option<Instant> {
        let arm = self.next_arm().map(Instant::from_ps);
        match (self.next_end(), arm) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Brings the drive to `now`: ends before the arm's events of the same time.
    pub fn advance(&mut self, now: Instant, sink: &mut dyn Sink) {
        while let Some(at) = self.next_event().filter(|&t| t <= now) {
            self.now = self.now.max(at);
            if self.next_end().is_some_and(|t| t <= at) {
                self.end_due(sink);
                self.admit();
            } else {
                self.arm_done(sink);
            }
            self.dispatch();
        }
        self.now = self.now.max(now);
    }

    /// The power goes: the cache, the commands and the sector under a writing head are lost.
    pub fn power_loss(&mut self, now: Instant, sink: &mut dyn Sink, loss: &mut dyn FnMut(Loss)) {
        self.advance(now, sink);
        let torn = self.torn();
        let limit = match &self.activity {
            Activity::Write(w) => w.limit,
            _ => 0,
        };
        if let Some((from, to)) = torn {
            self.tear(from, to, limit, loss);
        }
        for (&start, piece) in &self.dirty.pieces {
            let (lba, sectors) = (Lba::new(start), (piece.end - start) as u32);
            for n in &piece.owners {
                let Some(&(tag, _)) = self.behind.get(n) else { continue };
                loss(Loss { tag, lba, sectors, fate: Fate::Lost });
            }
        }
        // Writes that never got into the cache.
        for c in self.commands.values() {
            let Request { tag, lba, sectors, op, .. } = c.request;
            let waits = matches!(c.stage, Stage::Outside | Stage::Room | Stage::Flush);
            if op.changes() && op != Op::Flush && waits {
                loss(Loss { tag, lba, sectors, fate: Fate::Lost });
            }
        }
        self.forget();
        self.powered = false;
    }

    /// Reports the sector under the head: torn for the newest write that was being carried, lost for
    /// older ones. A torn physical sector takes its neighbours with it.
    fn tear(&mut self, from: u64, to: u64, limit: u64, loss: &mut dyn FnMut(Loss)) {
        let mut told: Vec<(u64, u64, u32)> = Vec::new();
        self.dirty.land(from, to, limit, |n, lba, sectors| told.push((n, lba, sectors)));
        let newest = told.iter().map(|t| t.0).max();
        for &(number, lba, sectors) in &told {
            let Some(&(tag, _)) = self.behind.get(&number) else { continue };
            let fate = if Some(number) == newest { Fate::Torn } else { Fate::Lost };
            loss(Loss { tag, lba: Lba::new(lba), sectors, fate });
        }
        // What no write of the cache covers was durable, and is torn too.
        let Some(&(tag, _)) = newest.and_then(|n| self.behind.get(&n)) else { return };
        let mut at = from;
        while at < to {
            let covered = told.iter().find(|t| t.1 <= at && at < t.1 + u64::from(t.2));
            match covered {
                Some(t) => at = t.1 + u64::from(t.2),
                None => {
                    loss(Loss { tag, lba: Lba::new(at), sectors: 1, fate: Fate::Torn });
                    at += 1;
                }
            }
        }
    }
}
