//! The guest's disk: content, and a model that says when a request is done.
//!
//! [`Disk`] is what the virtio device needs. [`ModelDisk`] makes one of any device model of
//! `vellum-block`'s contract and any content; [`in_memory`], [`in_file`] and [`over_file`] make the
//! usual ones, on a model where every request takes the same short time.

mod content;
mod in_place;
mod model;
mod overlay;
mod payload;

pub use content::{Content, Zeros};
pub use in_place::InPlace;
pub use model::ModelDisk;
pub use overlay::{CopyOnWrite, HELD_LIMIT};
pub use payload::Payload;

use std::path::Path;
use std::sync::Arc;

use thiserror::Error as ThisError;
use vellum::frames::FramePool;
use vellum_block::{Fixed, FixedConfig, MediaError, SparseFile, SubmitError};
use vellum_state::State;

use crate::clock::{Duration, Instant};

/// Bytes of the sectors in which the guest counts, whatever the disk's own are.
pub const SECTOR: u64 = 512;
/// Time of a request before its first sector moves, on the usual disks: about a solid-state disk's.
pub const LATENCY: Duration = Duration::from_us(20);
/// Time of each sector: 2 GB a second.
pub const PER_SECTOR: Duration = Duration::from_ns(256);
/// Requests that the usual disks hold.
pub const DEPTH: u32 = 128;

/// Bytes of one request at most, of whatever kind.
pub const REQUEST_LIMIT: u64 = 64 << 20;

/// The submitter's name for a request; not used again while the disk has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What is asked of a disk. Sectors are of [`SECTOR`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Read.
    Read {
        /// First sector.
        sector: u64,
        /// How many.
        sectors: u32,
    },
    /// Write.
    Write {
        /// First sector.
        sector: u64,
        /// Whole sectors.
        data: Payload,
        /// Done only when it is durable.
        durable: bool,
    },
    /// Make what was written durable.
    Flush,
    /// The content is not wanted any more.
    Discard {
        /// First sector.
        sector: u64,
        /// How many.
        sectors: u32,
    },
    /// Make the content zero.
    WriteZeroes {
        /// First sector.
        sector: u64,
        /// How many.
        sectors: u32,
    },
}

/// A request that ended.
#[derive(Debug)]
pub struct Done {
    /// Which.
    pub ticket: Ticket,
    /// What was read, empty for what reads nothing; or why it failed.
    pub result: Result<Payload, DiskError>,
}

/// Why a disk can't be had, or did not do what was asked.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum DiskError {
    /// The device model refused it.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The content could not be reached.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The model let it fail.
    #[error("the disk failed: {0:?}")]
    Failed(vellum_block::Status),
    /// A range that does not fall on the disk's own sectors.
    #[error("sectors {sector}+{sectors} of 512 bytes do not fall on this disk's of {sector_bytes}")]
    Unaligned {
        /// First sector.
        sector: u64,
        /// How many.
        sectors: u64,
        /// Bytes of the disk's.
        sector_bytes: u32,
    },
    /// A request that is too large to be held.
    #[error("a request of {bytes} bytes; one has {REQUEST_LIMIT} at most")]
    TooLarge {
        /// Its bytes.
        bytes: u64,
    },
    /// The content does not fit the device.
    #[error(
        "a disk model of {model} bytes in sectors of {model_sector} can't hold {content} bytes in \
         sectors of {content_sector}"
    )]
    Mismatch {
        /// Bytes of the model.
        model: u64,
        /// Bytes of its sectors.
        model_sector: u32,
        /// Bytes of the content.
        content: u64,
        /// Bytes of its sectors.
        content_sector: u32,
    },
}

/// What the guest may know of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Sectors of [`SECTOR`] bytes.
    pub sectors: u64,
    /// Bytes of the smallest piece that can be addressed.
    pub logical: u32,
    /// Bytes of the smallest piece that is written as one.
    pub physical: u32,
    /// Whether it refuses writes.
    pub read_only: bool,
}

/// A disk in virtual time. `submit` and `advance` are called with times that never decrease.
pub trait Disk: State + core::fmt::Debug {
    /// What it is like; never changes.
    fn shape(&self) -> Shape;

    /// Whether it takes another request now.
    fn has_room(&self) -> bool;

    /// Takes a request, which ends by a [`Done`] at some later `advance`.
    ///
    /// # Errors
    /// When it does not; then nothing has changed and no `Done` follows.
    fn submit(&mut self, now: Instant, ticket: Ticket, request: Request) -> Result<(), DiskError>;

    /// Bytes of held pages, of all that was written, that the disk copied all the same.
    fn copied(&self) -> u64 {
        0
    }

    /// When something will happen next.
    fn next_event(&self) -> Option<Instant>;

    /// Brings the disk to `now`, and tells what ended up to then, in order. What was read may come in
    /// `frames`, if there are any: the memory of whoever asks can take them in place of its own.
    fn advance(
        &mut self,
        now: Instant,
        frames: Option<&Arc<FramePool>>,
        done: &mut dyn FnMut(Done),
    );
}

/// The disk of the usual model over `content`.
fn usual<C: Content>(content: C) -> Result<ModelDisk<Fixed, C>, DiskError> {
    let device = Fixed::new(FixedConfig {
        sectors: content.sectors(),
        sector_bytes: content.sector_bytes(),
        latency: LATENCY,
        per_sector: PER_SECTOR,
        queue_depth: DEPTH,
        ..FixedConfig::default()
    });
    ModelDisk::new(device, content)
}

/// An empty disk in memory. Its content is part of the machine's state.
///
/// # Errors
/// When `bytes` is not a whole number of sectors, or none.
pub fn in_memory(bytes: u64) -> Result<ModelDisk<Fixed, CopyOnWrite<Zeros>>, DiskError> {
    usual(CopyOnWrite::new(Zeros::new(bytes)?))
}

/// A disk in a file, which is written. The content is *not* part of the machine's state.
///
/// # Errors
/// When the file can't be opened or is not a whole number of sectors.
pub fn in_file(path: &Path, writable: bool) -> Result<ModelDisk<Fixed, InPlace>, DiskError> {
    let file = SparseFile::open(path, SECTOR as u32, writable)?;
    usual(InPlace::new(file, !writable))
}

/// A disk whose content begins as a file's; what is written stays in memory and is part of the
/// machine's state. The file is never changed.
///
/// # Errors
/// When the file can't be opened or is not a whole number of sectors.
pub fn over_file(path: &Path) -> Result<ModelDisk<Fixed, CopyOnWrite<SparseFile>>, DiskError> {
    usual(CopyOnWrite::new(SparseFile::open(path, SECTOR as u32, false)?))
}

#[cfg(test)]
mod tests;
