//! The figures of a controller that has a large cache and queues commands.

use super::bad;
use crate::Error;
use vellum_block::Duration;

/// A controller with a large cache and commands queued inside, as drives have had since about 2005.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cached {
    /// Commands that the drive holds at once (NCQ: 32).
    pub depth: u32,
    /// A command that waited longer goes first; zero for never.
    pub age_limit: Duration,
    /// Processing of a command.
    pub command: Duration,
    /// The drive's own work before an access that does not continue the one before.
    pub access: Duration,
    /// A sector on the interface.
    pub sector: Duration,
    /// Sectors of the cache that hold what was read.
    pub cache_sectors: u32,
    /// Ranges that the read cache holds apart.
    pub read_segments: u32,
    /// Sectors read ahead.
    pub read_ahead: u32,
    /// Whether a write ends in the cache (WCE).
    pub write_back: bool,
    /// Sectors of the cache that may be dirty.
    pub dirty_sectors: u32,
    /// Quiet time after which dirty data is written.
    pub destage_idle: Duration,
    /// What a FLUSH takes beside the writing: the drive's own tables go to the medium too.
    pub flush: Duration,
    /// Most sectors written in one go from the cache.
    pub destage_sectors: u32,
    /// Addressable sectors of one on the medium: 8 on a drive with 4 KiB sectors that emulates 512
    /// bytes (512e).
    pub physical_sectors: u32,
    /// Whether what is before a write goes first: the tracks overlap (SMR).
    pub in_order: bool,
}

impl Cached {
    /// Checks the figures against the sector's size.
    ///
    /// # Errors
    /// When a figure is out of its range; the error names it.
    pub fn check(&self, sector_bytes: u32) -> Result<(), Error> {
        let bad = |field, value, why| bad("controller cached", field, value, why);
        let bytes = u64::from(self.physical_sectors) * u64::from(sector_bytes);
        if self.depth == 0 || self.depth > 1 << 16 {
            return bad("depth", self.depth.into(), "1 to 65536 is expected");
        }
        if self.read_segments == 0 || self.read_segments > 4096 {
            return bad("read-segments", self.read_segments.into(), "1 to 4096 is expected");
        }
        if self.destage_sectors == 0 {
            return bad("destage-sectors", 0, "at least one sector is expected");
        }
        if !self.physical_sectors.is_power_of_two() || bytes > 65_536 {
            let why = "a power of two, 64 KiB at most, is expected";
            return bad("physical-sectors", self.physical_sectors.into(), why);
        }
        Ok(())
    }
}
