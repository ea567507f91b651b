//! The drive: one of the controllers as a block device in virtual time.

mod account;
mod segmented;

use crate::Error;
use crate::cached::CachedDrive;
use crate::config::FastWrite;
use crate::faults::Faults;
use crate::geometry::Geometry;
use crate::profile::{Controller, Profile};
use crate::schedule::Policy;
use crate::seek::SeekTable;
use crate::spindle::Spindle;
pub(crate) use segmented::{Active, SegmentedDrive};
use vellum_block::{Device, Duration, Instant, Loss, Op, Request, Shape, Sink, SubmitError};

/// A magnetic disk.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(crate) engine: Engine,
}

/// Which controller the drive has.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Segmented(Box<SegmentedDrive>),
    Cached(Box<CachedDrive>),
}

/// What the arm did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MediaCounters {
    /// Requests for which the arm moved or the platter was waited for, before or after they ended.
    pub accesses: u64,
    /// Requests that ended without waiting for the medium. A write that ends in the buffer is one,
    /// and is an access too when the arm gets to it.
    pub hits: u64,
    /// Sum of seek distances.
    pub distance: u64,
    /// Sum of first seeks, settling included.
    pub seek: Duration,
    /// Sum of first rotational latencies.
    pub rotation: Duration,
    /// Writes that had to read the rest of a physical sector first.
    pub modified: u64,
}

/// Most requests that wait in front of a drive whose host queues.
const HOST_QUEUE: u32 = 1 << 20;

/// What both kinds of drive have, by name.
macro_rules! either {
    ($disk:expr, $drive:ident => $value:expr) => {
        match &$disk.engine {
            Engine::Segmented($drive) => $value,
            Engine::Cached($drive) => $value,
        }
    };
    (mut $disk:expr, $drive:ident => $value:expr) => {
        match &mut $disk.engine {
            Engine::Segmented($drive) => $value,
            Engine::Cached($drive) => $value,
        }
    };
}

impl Disk {
    /// The drive that a profile describes. `policy` chooses among the requests that wait: in front of
    /// a drive with a segmented buffer, inside one with a command queue.
    ///
    /// # Errors
    /// When the profile does not add up.
    pub fn new(profile: &Profile, policy: Policy) -> Result<Disk, Error> {
        let engine = match profile.controller {
            Controller::Segmented(c) => {
                Engine::Segmented(Box::new(SegmentedDrive::new(profile, c, policy)?))
            }
            Controller::Cached(c) => {
                Engine::Cached(Box::new(CachedDrive::new(profile, c, policy)?))
            }
        };
        Ok(Disk { engine })
    }

    /// Makes the drive new again with other mechanics and controller figures; the layout stays.
    ///
    /// # Errors
    /// When the figures do not add up, or belong to another kind of controller.
    pub fn retune(&mut self, profile: &Profile) -> Result<(), Error> {
        match (&mut self.engine, profile.controller) {
            (Engine::Segmented(d), Controller::Segmented(c)) => d.retune(profile, c),
            (Engine::Cached(d), Controller::Cached(c)) => d.retune(profile, c),
            _ => Err(Error::Missing { block: profile.name.clone(), field: "controller" }),
        }
    }

    /// How far the drive has been simulated.
    pub fn time(&self) -> Instant {
        either!(self, d => d.now)
    }

    /// The drive's name.
    pub fn name(&self) -> &str {
        either!(self, d => &d.name)
    }

    /// Its layout.
    pub fn geometry(&self) -> &Geometry {
        match &self.engine {
            Engine::Segmented(d) => &d.fixed.geometry,
            Engine::Cached(d) => &d.geometry,
        }
    }

    /// Its seek times.
    pub fn seek_table(&self) -> &SeekTable {
        match &self.engine {
            Engine::Segmented(d) => &d.fixed.seek,
            Engine::Cached(d) => &d.seek,
        }
    }

    /// The spindle, whose phase a replay may set.
    pub fn spindle_mut(&mut self) -> &mut Spindle {
        match &mut self.engine {
            Engine::Segmented(d) => &mut d.control.spindle,
            Engine::Cached(d) => &mut d.spindle,
        }
    }

    /// What the arm did so far.
    pub fn media(&self) -> MediaCounters {
        match &self.engine {
            Engine::Segmented(d) => d.control.media,
            Engine::Cached(d) => d.media,
        }
    }

    /// The drive's faults.
    pub fn faults(&self) -> &Faults {
        either!(self, d => &d.faults)
    }

    /// The drive's faults, to plant some.
    pub fn faults_mut(&mut self) -> &mut Faults {
        either!(mut self, d => &mut d.faults)
    }

    /// Whether the drive has power.
    pub fn has_power(&self) -> bool {
        either!(self, d => d.powered)
    }

    /// Requests that waited longer than `limit` go first, whatever the policy; zero for never.
    pub fn set_age_limit(&mut self, limit: Duration) {
        either!(mut self, d => d.scheduler.age_limit = limit.as_ps());
    }

    /// The sectors that a loss of power at this instant would tear: first and end.
    pub fn torn_if_cut(&self) -> Option<(u64, u64)> {
        match &self.engine {
            Engine::Segmented(d) => d.torn_if_cut().map(|lba| (lba, lba + 1)),
            Engine::Cached(d) => d.torn(),
        }
    }
}

impl Device for Disk {
    fn shape(&self) -> Shape {
        let (volatile_cache, physical, queue_depth) = match &self.engine {
            Engine::Segmented(d) => {
                (d.fixed.config.buffer.fast_write != FastWrite::Off, 1, HOST_QUEUE)
            }
            Engine::Cached(d) => (d.config.write_back, d.config.physical_sectors, HOST_QUEUE),
        };
        let sector_bytes = either!(self, d => d.sector_bytes);
        Shape {
            sectors: self.geometry().sectors(),
            sector_bytes,
            physical_bytes: sector_bytes * physical,
            queue_depth,
            volatile_cache,
        }
    }

    fn submit(&mut self, now: Instant, request: Request) -> Result<(), SubmitError> {
        if !self.has_power() {
            return Err(SubmitError::PoweredOff);
        }
        if now < self.time() {
            return Err(SubmitError::InThePast { at: now, now: self.time() });
        }
        if !self.supports(request.op) {
            return Err(SubmitError::Unsupported { op: request.op });
        }
        request.check(self.geometry().sectors())?;
        let held = self.in_flight();
        if held >= HOST_QUEUE as usize {
            return Err(SubmitError::Full { held });
        }
        match &mut self.engine {
            Engine::Segmented(d) => d.take(now, request),
            Engine::Cached(d) => d.submit(now, request),
        }
        Ok(())
    }

    fn next_event(&self) -> Option<Instant> {
        either!(self, d => d.next_event())
    }

    fn advance(&mut self, now: Instant, sink: &mut dyn Sink) {
        either!(mut self, d => d.advance(now, sink));
    }

    fn power_loss(&mut self, now: Instant, sink: &mut dyn Sink, loss: &mut dyn FnMut(Loss)) {
        either!(mut self, d => d.power_loss(now, sink, loss));
    }

    fn power_on(&mut self, now: Instant) {
        either!(mut self, d => {
            d.now = d.now.max(now);
            d.powered = true;
        });
    }

    fn in_flight(&self) -> usize {
        either!(self, d => d.in_flight())
    }

    fn supports(&self, op: Op) -> bool {
        matches!(op, Op::Read | Op::Write | Op::Flush)
    }
}
