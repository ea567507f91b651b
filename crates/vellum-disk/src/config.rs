//! What a drive is made of: layout, mechanics, controller. One struct a concept; units in the names
//! or types.

mod cached;

pub use cached::Cached;

use crate::Error;
use crate::geometry::{Angle, Geometry, Serpentine, Zoned};
use crate::seek::{SeekCurve, SeekTable};
use crate::spindle::Rotation;
use vellum_block::Duration;

/// A layout, before its tables are built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// Zones of cylinders.
    Zoned(Zoned),
    /// A run-length tree.
    Serpentine(Serpentine),
}

impl Layout {
    /// The tables.
    ///
    /// # Errors
    /// When the description does not add up.
    pub fn build(&self) -> Result<Geometry, Error> {
        match self {
            Layout::Zoned(z) => z.build(),
            Layout::Serpentine(s) => s.build(),
        }
    }
}

/// Arm and spindle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mechanics {
    /// Seek times.
    pub seek: SeekCurve,
    /// Seek times before a write, if they differ by more than the settling.
    pub write_seek: Option<SeekCurve>,
    /// Changing heads.
    pub head_switch: Duration,
    /// Extra settling before a write, in picoseconds; negative if writes seek faster.
    pub write_settle_ps: i64,
    /// A turn.
    pub turn: Duration,
    /// How angles are computed.
    pub rotation: Rotation,
    /// Angle under the heads at time zero.
    pub phase: Angle,
}

impl Mechanics {
    /// The seek table for a drive of `cylinders`.
    ///
    /// # Errors
    /// When a curve is not one.
    pub fn table(&self, cylinders: u32) -> Result<SeekTable, Error> {
        let write = self.write_seek.as_ref();
        SeekTable::new(&self.seek, write, self.head_switch, self.write_settle_ps, cylinders)
    }
}

/// Picoseconds of a turn at `rpm` turns a minute.
pub const fn turn_of_rpm(rpm: u64) -> Duration {
    Duration::from_ps(60_000_000_000_000 / if rpm == 0 { 1 } else { rpm })
}

/// A pair of figures that depends on whether the request before was a read or a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct After {
    /// After a read.
    pub read: Duration,
    /// After a write.
    pub write: Duration,
}

impl After {
    /// The one that applies.
    pub fn get(&self, last_was_read: bool) -> Duration {
        if last_was_read { self.read } else { self.write }
    }
}

/// Times that the controller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overheads {
    /// A read that the buffer can begin to answer.
    pub read_hit: After,
    /// A read that needs the medium.
    pub read_miss: After,
    /// A write that ends in the buffer.
    pub write_hit: After,
    /// A write that needs the medium.
    pub write_miss: After,
    /// Ending a read.
    pub read_complete: Duration,
    /// Ending a write.
    pub write_complete: Duration,
    /// Before data moves.
    pub data_preparation: Duration,
    /// Taking the bus again.
    pub reselect: Duration,
    /// Taking the bus again after an extra disconnect.
    pub reselect_other: Duration,
    /// Leaving the bus during a read.
    pub read_disconnect: After,
    /// Leaving the bus during a write.
    pub write_disconnect: Duration,
}

/// Leaving the bus once more before a write's data (some SCSI drives of 1992).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtraDisconnect {
    /// Command processing.
    pub command: Duration,
    /// Leaving the bus the first time.
    pub first: Duration,
    /// Until the bus is taken again.
    pub between: Duration,
    /// Leaving the bus the second time.
    pub second: Duration,
    /// From the command to the start of the seek.
    pub seek_delta: Duration,
}

/// How far a drive reads ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadAhead {
    /// Not at all.
    #[default]
    None,
    /// To the end of the track.
    Track,
    /// To the end of the cylinder.
    Cylinder,
    /// Until the segment is full.
    Segment,
    /// One track ahead of a sequential reader.
    NextTrack,
}

/// When a write has ended for the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FastWrite {
    /// When it is on the medium.
    #[default]
    Off,
    /// When it is in the buffer, for writes that continue the one before.
    Sequential,
    /// When it is in the buffer.
    On,
}

/// The track buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Buffer {
    /// Segments.
    pub segments: u32,
    /// Segments that may hold dirty data.
    pub write_segments: u32,
    /// Sectors of a segment.
    pub segment_sectors: u32,
    /// Whether one segment is for writes only.
    pub own_write_segment: bool,
    /// Whether anything stays in the buffer after a request.
    pub cache: bool,
    /// Reading ahead.
    pub read_ahead: ReadAhead,
    /// Sectors that are read ahead before other requests are served.
    pub read_ahead_min: u32,
    /// Most sectors read ahead; 0 for no other limit.
    pub read_ahead_max: u32,
    /// Whether reading ahead may overwrite what the host was given last.
    pub read_ahead_over_request: i8,
    /// Whether a full hit starts reading ahead.
    pub read_ahead_on_hit: bool,
    /// Reading on arrival: a track is read from where the head lands.
    pub read_on_arrival: bool,
    /// Writing on arrival.
    pub write_on_arrival: bool,
    /// Whether sectors before the request are kept too.
    pub keep_free_sectors: bool,
    /// Whether a request hits when its first sector is just being read.
    pub almost_hits: bool,
    /// Whether reads may hit written data.
    pub hits_on_writes: bool,
    /// Whether a partial hit starts to transfer at once.
    pub partial_hits_start: bool,
    /// Whether writes to data that is being read ahead stop that.
    pub write_stops_read_ahead: bool,
    /// Whether reading ahead may be stopped within a sector.
    pub stop_in_sector: bool,
    /// Whether a seek for reading ahead may be given up.
    pub stop_in_seek: bool,
    /// When writes end.
    pub fast_write: FastWrite,
    /// Whether a write may continue another's segment.
    pub combine_writes: bool,
    /// Part of a request, in 10⁻⁶, that must be buffered before the bus is taken for a read.
    pub read_watermark: u32,
    /// Part of a request, in 10⁻⁶, left in the buffer when more is fetched for a write.
    pub write_watermark: u32,
    /// Whether watermarks are parts of the request rather than of the segment.
    pub watermark_of_request: bool,
}

/// A controller with a segmented buffer, as drives had from 1990 to about 2005.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segmented {
    /// The buffer.
    pub buffer: Buffer,
    /// Times.
    pub overheads: Overheads,
    /// Extra disconnects, if the drive suffers from them.
    pub extra_disconnect: Option<ExtraDisconnect>,
    /// A sector on the bus when reading.
    pub read_sector: Duration,
    /// A sector on the bus when writing.
    pub write_sector: Duration,
    /// Whether the bus is kept for all of a read.
    pub hold_bus_read: bool,
    /// Whether the bus is kept for all of a write.
    pub hold_bus_write: bool,
    /// Whether the bus is never left.
    pub never_disconnect: bool,
    /// The shortest time for an arm movement before a write that is not sequential.
    pub write_seek_min: Duration,
}

/// A figure of a block of a description that is out of its range.
fn bad(block: &str, field: &str, value: u64, why: &'static str) -> Result<(), Error> {
    let (block, field) = (block.to_string(), field.to_string());
    Err(Error::Field { block, field, value: value.to_string(), why })
}

impl Segmented {
    /// Checks that reads and writes find a segment: without one, a request waits for ever.
    ///
    /// # Errors
    /// When a figure is out of its range; the error names it.
    pub fn check(&self) -> Result<(), Error> {
        let bad = |field, value: u32, why| bad("buffer", field, value.into(), why);
        let b = &self.buffer;
        if b.segments == 0 || b.segments > 4096 {
            return bad("segments", b.segments, "1 to 4096 is expected");
        }
        if b.own_write_segment && b.segments < 2 {
            return bad("segments", b.segments, "one beside that for writes is expected");
        }
        if b.write_segments == 0 || b.write_segments > 4096 {
            return bad("write-segments", b.write_segments, "1 to 4096 is expected");
        }
        if b.segment_sectors == 0 {
            return bad("segment-sectors", 0, "at least one sector is expected");
        }
        Ok(())
    }
}
