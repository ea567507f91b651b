//! A framed, checksummed append-only log, its storage trait, and the crash double that power-cuts it.
//!
//! A [`Log`] is a row of segment files in a [`Storage`]. What is appended comes in *frames* (an
//! index and a body); one or more frames are a *record*, which is delivered whole or not at all.
//! A frame is durable after [`Log::flush`]: one write with one sync into a file that was filled
//! with zeros beforehand, so that no metadata changes.
//!
//! ```
//! use std::sync::Arc;
//! use vellum_log::{CrashDisk, Found, Log, Options};
//!
//! let disk = CrashDisk::new(); // or DirStorage::new("some/directory")?
//! let (mut log, _) = Log::open(Arc::new(disk.clone()), Options::default(), &mut |_| {})?;
//! log.append(b"greeting", &[b"hello, ", b"world"], false)?;
//! log.flush()?;
//! drop(log);
//!
//! let mut seen = Vec::new();
//! let (_, report) = Log::open(Arc::new(disk), Options::default(), &mut |found| {
//!     if let Found::Frame { segment, offset, .. } = found {
//!         seen.push(segment.read_frame(offset, |index, body| (index.to_vec(), body.to_vec())));
//!     }
//! })?;
//! assert_eq!(report.frames, 1);
//! let (index, body) = seen.remove(0)?;
//! assert_eq!((&index[..], &body[..]), (&b"greeting"[..], &b"hello, world"[..]));
//! # Ok::<(), vellum_log::Error>(())
//! ```
//!
//! What makes it different from an ordinary log:
//! - a torn tail is told from lost frames by a decision table ([`verdict`]), because every frame
//!   says what had been durable when it was written;
//! - each segment is encrypted under its own key, and truncation destroys the key ([`cipher`]);
//! - an I/O error poisons the log for good: a failed sync is never tried again (Rebello et al.,
//!   *Can Applications Recover from fsync Failures?*, USENIX ATC 2020);
//! - [`CrashDisk`] tries every state that a power cut may leave.
//!
//! The bytes are in `docs/src/formats/log.md`.

#![forbid(unsafe_code)]

mod bytes;
pub mod cipher;
mod crash;
mod dir;
mod error;
mod frame;
mod head;
mod log;
mod options;
mod planted;
mod scan;
mod segment;
mod storage;
pub mod verdict;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use bytes::{ByteMemory, ByteStorage};
pub use cipher::Cipher;
pub use crash::{CrashDisk, Cut, Cuts, Fault, Images};
pub use dir::DirStorage;
pub use error::Error;
pub use frame::{BODY_MAX, FRAME_HEADER, INDEX_MAX};
pub use log::{Counters, Log, Retired, Spare, SpareJob};
pub use options::{Entropy, Options};
pub use planted::{Bug, is_planted};
pub use scan::{Found, Report, Tail};
pub use segment::{SEGMENT_HEADER, SEGMENT_LIMIT, Segment};
pub use storage::{File, LockGuard, SECTOR, Storage};
