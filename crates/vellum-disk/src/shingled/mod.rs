//! A host-managed drive with shingled tracks (SMR): zones that are written from their start on, by
//! the rules of ZBC (INCITS 536), over the same mechanics.
//!
//! Modelled: conventional and sequential-write-required zones; write pointers; the conditions empty,
//! implicitly and explicitly open, closed and full; the limit on open zones, with the oldest
//! implicitly open zone closed when another must open; open, close, finish and reset; zone append;
//! the pointer that a loss of power leaves, at the first sector that is not durable. A request that
//! the rules forbid ends after its command time with [`Status::ZoneViolation`] or
//! [`Status::ZoneResources`]; it moves nothing. Not modelled: read-only and offline zones, zone
//! activation, sequential-write-preferred zones.

mod state;
mod zone;

use crate::profile::{Controller, Profile};
use crate::{Disk, Error, Policy};
use std::collections::BTreeMap;
use vellum_block::{
    Breakdown, Completion, Device, Duration, Instant, Lba, Loss, Op, Phase, Request, Shape, Sink,
    Status, SubmitError,
};
use zone::Zones;
pub use zone::{Condition, Zone, ZoneAction, ZoneError};

/// How a drive is cut into zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShingledConfig {
    /// Sectors of a zone; drives that are sold have 256 MiB.
    pub zone_sectors: u64,
    /// Zones at the drive's beginning that may be written anywhere.
    pub conventional: u32,
    /// Most zones that are open at once.
    pub max_open: u32,
    /// Whether reading beyond a write pointer is allowed (URSWRZ).
    pub read_beyond: bool,
    /// What a command takes that moves nothing.
    pub command: Duration,
}

impl Default for ShingledConfig {
    fn default() -> Self {
        ShingledConfig {
            zone_sectors: (256 << 20) / 512,
            conventional: 4,
            max_open: 128,
            read_beyond: true,
            command: Duration::from_us(200),
        }
    }
}

/// A host-managed shingled drive.
#[derive(Debug, Clone)]
pub struct Shingled {
    disk: Disk,
    config: ShingledConfig,
    zones: Zones,
    /// Requests that were refused and have not been answered: time and number.
    refused: BTreeMap<(Instant, u64), Completion>,
    next: u64,
    now: Instant,
}

impl Shingled {
    /// The drive of a profile, cut into zones. Its tracks overlap, so that its cache writes each zone
    /// in order.
    ///
    /// # Errors
    /// When the profile does not add up, or the zones don't fit the drive.
    pub fn new(profile: &Profile, policy: Policy, config: ShingledConfig) -> Result<Self, Error> {
        let mut profile = profile.clone();
        if let Controller::Cached(c) = &mut profile.controller {
            c.in_order = true;
        }
        let disk = Disk::new(&profile, policy)?;
        let shape = disk.shape();
        let unit = u64::from(shape.physical_bytes / shape.sector_bytes);
        let zones = Zones::new(config, shape.sectors, unit)?;
        let (refused, next, now) = (BTreeMap::new(), 0, Instant::ZERO);
        Ok(Shingled { disk, config, zones, refused, next, now })
    }

    /// The drive below.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The drive below, to plant faults.
    pub fn disk_mut(&mut self) -> &mut Disk {
        &mut self.disk
    }

    /// All zones, in order (REPORT ZONES).
    pub fn zones(&self) -> &[Zone] {
        self.zones.all()
    }

    /// Zones that are open now.
    pub fn open_zones(&self) -> u32 {
        self.zones.open()
    }

    /// Opens, closes, finishes or resets a zone, at once.
    ///
    /// # Errors
    /// When there is no such zone, it is a conventional one, or no more zones can be open.
    pub fn manage(&mut self, zone: u32, action: ZoneAction) -> Result<(), ZoneError> {
        self.zones.manage(zone, action)
    }

    /// Takes a write at `now` wherever the zone that `request` names stands (ZONE APPEND); returns
    /// where that is.
    ///
    /// # Errors
    /// As for [`Device::submit`], and when the request is no write.
    pub fn append(&mut self, now: Instant, request: Request) -> Result<Lba, SubmitError> {
        if request.op != Op::Write {
            return Err(SubmitError::Unsupported { op: request.op });
        }
        request.check(self.disk.shape().sectors)?;
        let lba = Lba::new(self.zones.pointer(request.lba.get()));
        self.submit(now, Request { lba, ..request })?;
        Ok(lba)
    }

    fn refuse(&mut self, request: Request, status: Status) {
        let parts = Breakdown::ZERO.with(Phase::Overhead, self.config.command);
        let end = Completion::new(request, self.now, status, parts);
        self.refused.insert((end.at, self.next), end);
        self.next += 1;
    }
}

impl Device for Shingled {
    fn shape(&self) -> Shape {
        self.disk.shape()
    }

    fn submit(&mut self, now: Instant, request: Request) -> Result<(), SubmitError> {
        if now < self.now {
            return Err(SubmitError::InThePast { at: now, now: self.now });
        }
        if !self.supports(request.op) {
            return Err(SubmitError::Unsupported { op: request.op });
        }
        request.check(self.disk.shape().sectors)?;
        match self.zones.allow(&request, self.config.read_beyond) {
            Ok(()) => {
                self.disk.submit(now, request)?;
                self.zones.took(&request);
                self.now = now;
            }
            Err(status) => {
                // The drive has no power: that comes first.
                if !self.disk.has_power() {
                    return Err(SubmitError::PoweredOff);
                }
                self.now = now;
                self.refuse(request, status);
            }
        }
        Ok(())
    }

    fn next_event(&self) -> Option<Instant> {
        let refused = self.refused.keys().next().map(|k| k.0);
        match (self.disk.next_event(), refused) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn advance(&mut self, now: Instant, sink: &mut dyn Sink) {
        while let Some((&key, _)) = self.refused.first_key_value().filter(|(k, _)| k.0 <= now) {
            self.disk.advance(key.0, sink);
            if let Some(end) = self.refused.remove(&key) {
                sink.completed(end);
            }
        }
        self.disk.advance(now, sink);
        self.now = self.now.max(now);
    }

    fn power_loss(&mut self, now: Instant, sink: &mut dyn Sink, loss: &mut dyn FnMut(Loss)) {
        self.advance(now, sink);
        let zones = &mut self.zones;
        self.disk.power_loss(now, sink, &mut |l| {
            zones.lost(l.lba.get(), l.sectors);
            loss(l);
        });
        self.zones.power_off();
        self.refused.clear();
    }

    fn power_on(&mut self, now: Instant) {
        self.disk.power_on(now);
        self.now = self.now.max(now);
    }

    fn in_flight(&self) -> usize {
        self.disk.in_flight() + self.refused.len()
    }

    fn supports(&self, op: Op) -> bool {
        self.disk.supports(op)
    }
}
