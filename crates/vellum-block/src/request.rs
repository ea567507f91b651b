//! What is asked of a block device.

use crate::Instant;
use core::fmt;

/// A logical block address: the number of a sector of the device, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lba(u64);

impl Lba {
    /// The sector numbered `n`.
    pub const fn new(n: u64) -> Self {
        Lba(n)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The address `n` sectors further on; `None` past 2⁶⁴.
    pub const fn checked_add(self, n: u64) -> Option<Lba> {
        match self.0.checked_add(n) {
            Some(v) => Some(Lba(v)),
            None => None,
        }
    }
}

impl fmt::Display for Lba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The submitter's name for a request; the device hands it back and attaches no meaning to it.
/// Two requests in flight may share a tag; telling them apart is then the submitter's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tag(pub u64);

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Read sectors.
    Read,
    /// Write sectors.
    Write,
    /// Make every write that completed before this request was submitted durable. A range of no
    /// sectors means the whole device (the only form that SATA has); a range limits it to the
    /// sectors named (SCSI's SYNCHRONIZE CACHE).
    Flush,
    /// The content of the range is no longer wanted; reading it afterwards gives zeros.
    Discard,
    /// Make the range read as zeros, durably once flushed.
    WriteZeroes,
}

impl Op {
    /// The number that state files and logs carry.
    pub const fn code(self) -> u8 {
        match self {
            Op::Read => 0,
            Op::Write => 1,
            Op::Flush => 2,
            Op::Discard => 3,
            Op::WriteZeroes => 4,
        }
    }

    /// The operation with the number `code`.
    pub const fn from_code(code: u8) -> Option<Op> {
        Some(match code {
            0 => Op::Read,
            1 => Op::Write,
            2 => Op::Flush,
            3 => Op::Discard,
            4 => Op::WriteZeroes,
            _ => return None,
        })
    }

    /// Whether it changes what the range holds.
    pub const fn changes(self) -> bool {
        matches!(self, Op::Write | Op::Discard | Op::WriteZeroes)
    }
}

/// Where a request stands among the others that the device holds (SCSI's task attributes; SATA
/// knows only [`Order::Simple`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Order {
    /// The device may serve it in any order with other simple requests.
    #[default]
    Simple,
    /// Starts after all that arrived earlier ended, and before anything that arrives later.
    Ordered,
    /// Served next, before everything that waits.
    HeadOfQueue,
}

impl Order {
    /// The number that state files carry.
    pub const fn code(self) -> u8 {
        match self {
            Order::Simple => 0,
            Order::Ordered => 1,
            Order::HeadOfQueue => 2,
        }
    }

    /// The order with the number `code`.
    pub const fn from_code(code: u8) -> Option<Order> {
        Some(match code {
            0 => Order::Simple,
            1 => Order::Ordered,
            2 => Order::HeadOfQueue,
            _ => return None,
        })
    }
}

bitflags::bitflags! {
    /// Wishes that go with a request.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub struct Flags: u8 {
        /// Force unit access: a write completes only when it is durable; a read comes from the
        /// medium.
        const FUA = 1;
        /// Flush everything before serving this request.
        const PREFLUSH = 2;
    }
}

/// A request. Its range is in the device's sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// Handed back with the completion.
    pub tag: Tag,
    /// What to do.
    pub op: Op,
    /// First sector.
    pub lba: Lba,
    /// Number of sectors; 0 only for a flush of everything.
    pub sectors: u32,
    /// Wishes.
    pub flags: Flags,
    /// Its place among the others.
    pub order: Order,
}

impl Request {
    /// Whether it is a read that must come from the medium, whatever a cache holds
    /// ([`Flags::FUA`]).
    pub const fn reads_medium(&self) -> bool {
        matches!(self.op, Op::Read) && self.flags.contains(Flags::FUA)
    }

    /// A request with no flags and simple order.
    pub const fn new(tag: Tag, op: Op, lba: Lba, sectors: u32) -> Self {
        Request { tag, op, lba, sectors, flags: Flags::empty(), order: Order::Simple }
    }

    /// A read.
    pub const fn read(tag: Tag, lba: Lba, sectors: u32) -> Self {
        Request::new(tag, Op::Read, lba, sectors)
    }

    /// A write.
    pub const fn write(tag: Tag, lba: Lba, sectors: u32) -> Self {
        Request::new(tag, Op::Write, lba, sectors)
    }

    /// A flush of the whole device.
    pub const fn flush(tag: Tag) -> Self {
        Request::new(tag, Op::Flush, Lba::new(0), 0)
    }

    /// The same request with `flags`.
    #[must_use]
    pub const fn with_flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// The same request with `order`.
    #[must_use]
    pub const fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The first sector after the range; saturates at the end of the address space.
    pub const fn end(&self) -> u64 {
        self.lba.get().saturating_add(self.sectors as u64)
    }

    /// Checks the range against a device of `capacity` sectors.
    ///
    /// # Errors
    /// When the range runs past the end, or is empty although the operation needs sectors.
    pub fn check(&self, capacity: u64) -> Result<(), SubmitError> {
        if self.sectors == 0 && self.op != Op::Flush {
            return Err(SubmitError::Empty { op: self.op, lba: self.lba });
        }
        match self.lba.checked_add(self.sectors.into()) {
            Some(end) if end.get() <= capacity => Ok(()),
            _ => Err(SubmitError::PastEnd { lba: self.lba, sectors: self.sectors, capacity }),
        }
    }
}

/// Why a device did not take a request. Nothing has changed in the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The range is not inside the device.
    #[error("sectors {lba}+{sectors} run past the end of a device of {capacity} sectors")]
    PastEnd {
        /// First sector asked for.
        lba: Lba,
        /// Sectors asked for.
        sectors: u32,
        /// What the device has.
        capacity: u64,
    },
    /// A range of no sectors.
    #[error("a {op:?} of no sectors at {lba}")]
    Empty {
        /// The operation.
        op: Op,
        /// Where.
        lba: Lba,
    },
    /// The device holds as many requests as it can; try again after a completion.
    #[error("the device already holds {held} requests")]
    Full {
        /// How many it holds.
        held: usize,
    },
    /// The request's time lies before one that the device has already simulated.
    #[error("submitted at {at}, but the device is already at {now}")]
    InThePast {
        /// The submission's time.
        at: Instant,
        /// The device's.
        now: Instant,
    },
    /// The device does not do this.
    #[error("this device does not support {op:?}")]
    Unsupported {
        /// The operation.
        op: Op,
    },
    /// The device has no power.
    #[error("the device has no power")]
    PoweredOff,
}
