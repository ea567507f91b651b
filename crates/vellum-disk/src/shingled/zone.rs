//! Zones: conditions, write pointers, and what the rules allow.

use super::ShingledConfig;
use crate::Error;
use std::collections::VecDeque;
use vellum_block::{Lba, Op, Request, Status};

/// A zone's condition (ZBC, "zone condition state machine").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// May be written anywhere; has no pointer.
    Conventional,
    /// Nothing is written.
    Empty,
    /// Opened by a write.
    ImplicitlyOpen,
    /// Opened by the host, and closed by it alone.
    ExplicitlyOpen,
    /// Begun, and not open.
    Closed,
    /// Written to its end, or finished.
    Full,
}

/// A zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone {
    /// First sector.
    pub start: u64,
    /// Sectors.
    pub sectors: u64,
    /// Where the next write must begin; the zone's end when it is full.
    pub pointer: u64,
    /// Condition.
    pub condition: Condition,
}

impl Zone {
    /// The sector after the last.
    pub fn end(&self) -> u64 {
        self.start + self.sectors
    }

    fn is_open(&self) -> bool {
        matches!(self.condition, Condition::ImplicitlyOpen | Condition::ExplicitlyOpen)
    }
}

/// What a host may do with a zone as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneAction {
    /// Keep it open.
    Open,
    /// Close it.
    Close,
    /// Make it full; what was not written stays so.
    Finish,
    /// Make it empty.
    Reset,
}

/// Why an action on a zone was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// There is no such zone.
    #[error("zone {zone} does not exist, the drive has {zones}")]
    NoZone {
        /// The zone asked for.
        zone: u32,
        /// Zones of the drive.
        zones: u32,
    },
    /// It has no write pointer.
    #[error("zone {zone} is a conventional one")]
    Conventional {
        /// The zone.
        zone: u32,
    },
    /// A full zone can't be opened.
    #[error("zone {zone} is full")]
    Full {
        /// The zone.
        zone: u32,
    },
    /// No more zones can be open.
    #[error("zone {zone} can't be opened: {open} of {limit} zones are open")]
    Resources {
        /// The zone.
        zone: u32,
        /// Zones that the host keeps open.
        open: u32,
        /// Most that can be.
        limit: u32,
    },
}

/// All zones of a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zones {
    pub all: Vec<Zone>,
    size: u64,
    /// Sectors that a write's length must be a multiple of.
    unit: u64,
    max_open: u32,
    /// Implicitly open zones, the one opened first in front.
    pub implicit: VecDeque<u32>,
}

/// Most zones of a drive.
const LIMIT: u64 = 1 << 22;

impl Zones {
    pub fn new(config: ShingledConfig, sectors: u64, unit: u64) -> Result<Zones, Error> {
        let size = config.zone_sectors;
        let wrong = |what, found, expected| Err(Error::Geometry { what, found, expected });
        if size == 0 || !size.is_multiple_of(unit) {
            return wrong("sectors of a zone, in whole physical sectors", size, unit);
        }
        let count = sectors.div_ceil(size);
        if count > LIMIT {
            return wrong("zones of the drive", count, LIMIT);
        }
        if u64::from(config.conventional) > count {
            return wrong("conventional zones", config.conventional.into(), count);
        }
        if config.max_open == 0 {
            return wrong("zones that may be open", 0, 1);
        }
        let zone = |i: u64| {
            let start = i * size;
            let conventional = i < u64::from(config.conventional);
            let condition = if conventional { Condition::Conventional } else { Condition::Empty };
            Zone { start, sectors: size.min(sectors - start), pointer: start, condition }
        };
        let all = (0..count).map(zone).collect();
        Ok(Zones { all, size, unit, max_open: config.max_open, implicit: VecDeque::new() })
    }

    pub fn all(&self) -> &[Zone] {
        &self.all
    }

    fn index(&self, lba: u64) -> usize {
        (lba / self.size) as usize
    }

    /// The write pointer of the zone over `lba`; `lba` itself in a conventional one.
    pub fn pointer(&self, lba: u64) -> u64 {
        let z = &self.all[self.index(lba)];
        if z.condition == Condition::Conventional { lba } else { z.pointer }
    }

    pub fn open(&self) -> u32 {
        self.all.iter().filter(|z| z.is_open()).count() as u32
    }

    /// Whether the rules let a request in, which has been checked against the drive's end.
    pub fn allow(&self, r: &Request, read_beyond: bool) -> Result<(), Status> {
        match r.op {
            Op::Write => self.allow_write(r),
            Op::Read if !read_beyond => self.allow_read(r),
            _ => Ok(()),
        }
    }

    fn allow_write(&self, r: &Request) -> Result<(), Status> {
        let (lba, first, last) = (r.lba, self.index(r.lba.get()), self.index(r.end() - 1));
        let z = &self.all[first];
        let sequential = |z: &Zone| z.condition != Condition::Conventional;
        if let Some(other) =
            self.all[first..=last].iter().skip(1).find(|&o| sequential(o) || sequential(z))
        {
            // A write that runs over a zone's border.
            return Err(Status::ZoneViolation { lba, expected: Lba::new(other.start) });
        }
        if !sequential(z) {
            return Ok(());
        }
        let aligned = u64::from(r.sectors).is_multiple_of(self.unit);
        if z.condition == Condition::Full || z.pointer != lba.get() || !aligned {
            return Err(Status::ZoneViolation { lba, expected: Lba::new(z.pointer) });
        }
        let open = self.open();
        if !z.is_open() && open >= self.max_open && self.implicit.is_empty() {
            return Err(Status::ZoneResources { open, limit: self.max_open });
        }
        Ok(())
    }

    fn allow_read(&self, r: &Request) -> Result<(), Status> {
        let zones = &self.all[self.index(r.lba.get())..=self.index(r.end() - 1)];
        let beyond =
            |z: &&Zone| z.condition != Condition::Conventional && r.end().min(z.end()) > z.pointer;
        match zones.iter().find(beyond) {
            Some(z) => Err(Status::ZoneViolation { lba: r.lba, expected: Lba::new(z.pointer) }),
            None => Ok(()),
        }
    }

    /// Notes that the drive took a write that was allowed.
    pub fn took(&mut self, r: &Request) {
        let i = self.index(r.lba.get());
        if r.op != Op::Write || self.all[i].condition == Condition::Conventional {
            return;
        }
        if !self.all[i].is_open() {
            self.make_room();
            self.all[i].condition = Condition::ImplicitlyOpen;
            self.implicit.push_back(i as u32);
        }
        self.all[i].pointer = r.end();
        if self.all[i].pointer == self.all[i].end() {
            self.leave(i, Condition::Full);
        }
    }

    /// Closes the zone that a write opened longest ago, if all are in use.
    fn make_room(&mut self) {
        if self.open() >= self.max_open
            && let Some(oldest) = self.implicit.pop_front()
        {
            self.all[oldest as usize].condition = Condition::Closed;
        }
    }

    fn leave(&mut self, i: usize, condition: Condition) {
        self.all[i].condition = condition;
        self.implicit.retain(|&z| z as usize != i);
    }

    pub fn manage(&mut self, zone: u32, action: ZoneAction) -> Result<(), ZoneError> {
        let (i, zones) = (zone as usize, self.all.len() as u32);
        let z = *self.all.get(i).ok_or(ZoneError::NoZone { zone, zones })?;
        if z.condition == Condition::Conventional {
            return Err(ZoneError::Conventional { zone });
        }
        let resting = if z.pointer == z.start { Condition::Empty } else { Condition::Closed };
        match action {
            ZoneAction::Open => {
                if z.condition == Condition::Full {
                    return Err(ZoneError::Full { zone });
                }
                let (open, limit) = (self.open(), self.max_open);
                if !z.is_open() {
                    if open >= limit && self.implicit.is_empty() {
                        return Err(ZoneError::Resources { zone, open, limit });
                    }
                    self.make_room();
                }
                self.leave(i, Condition::ExplicitlyOpen);
            }
            ZoneAction::Close if z.is_open() => self.leave(i, resting),
            ZoneAction::Close => {}
            ZoneAction::Finish => {
                self.all[i].pointer = z.end();
                self.leave(i, Condition::Full);
            }
            ZoneAction::Reset => {
                self.all[i].pointer = z.start;
                self.leave(i, Condition::Empty);
            }
        }
        Ok(())
    }

    /// Sectors whose write is not durable: no pointer stays beyond the first.
    pub fn lost(&mut self, lba: u64, sectors: u32) {
        let (first, last) = (self.index(lba), self.index(lba + u64::from(sectors) - 1));
        for z in &mut self.all[first..=last] {
            // A torn sector at the pointer's place is lost whole.
            z.pointer = z.pointer.min(lba.max(z.start) / self.unit * self.unit);
        }
    }

    /// After a loss of power no zone is open, and one that lost its end is no longer full.
    pub fn power_off(&mut self) {
        self.implicit.clear();
        for z in self.all.iter_mut().filter(|z| z.condition != Condition::Conventional) {
            z.condition = if z.pointer == z.start {
                Condition::Empty
            } else if z.pointer == z.end() {
                Condition::Full
            } else {
                Condition::Closed
            };
        }
    }
}
