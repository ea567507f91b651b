//! Memory that survives a crash: recoverable regions, checkpoints, migration.
//!
//! A [`Store`] holds named [`Region`]s of memory. A [`Transaction`] declares ranges, gets them as
//! `&mut [u8]`, and commits: after that the change survives the death of the process and, with
//! [`Durability::Flush`], of the machine. It is the *recoverable virtual memory* of Satyanarayanan
//! et al. (SOSP 1993), with a log for today: group commit, segments under keys of their own, and
//! slices that make an undeclared write impossible in safe code.
//!
//! ```
//! use vellum_recover::{Durability, Options, Restore, Store};
//!
//! # let home = tempfile::tempdir()?; let path = home.path().join("counter");
//! let store = Store::open(&path, Options::default())?;
//! let region = store.region("counter", 8)?;
//!
//! let mut transaction = store.begin(Restore::Yes);
//! let bytes = transaction.set_range(&region, 0..8)?;
//! bytes[0] += 1;
//! transaction.commit(Durability::Flush)?;
//! drop(store); // or kill -9
//!
//! let store = Store::open(&path, Options::default())?;
//! assert_eq!(store.region("counter", 8)?.read(0..8)?[0], 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Memory.** A store uses no more than its regions' touched pages, the old values of declared
//! ranges while their transactions run, one batch ([`Options::pending_max`] plus one transaction),
//! one log buffer, while it truncates one segment or a copy of 256 pages, 16 bytes for each frame of a
//! crashed log and for each 64 KiB chunk that one touches, and 3 bytes for each chunk of a region.

#![deny(unsafe_code)]

mod batch;
mod catalog;
pub mod checkpoint;
mod dax;
mod error;
mod group;
mod hands;
mod lazy;
mod live;
mod locks;
mod memory;
pub mod migrate;
pub mod ondemand;
mod options;
mod paged;
mod region;
mod safepoint;
mod stats;
mod store;
mod sync;
mod track;
mod transaction;
mod uffd;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use catalog::{NAME_MAX, REGION_MAX, REGIONS_MAX};
pub use dax::MappedFile;
pub use error::Error;
pub use live::{LiveMemory, LiveSnapshots, SnapshotReport};
pub use memory::PAGE;
pub use options::{Background, Durability, Load, Options, Restore};
pub use paged::PagedRegion;
pub use region::{ReadGuard, Region};
pub use safepoint::{Participant, SafePoints, Stopped};
pub use stats::{Histogram, Stats};
pub use store::{Commit, Opened, Store};
pub use track::{Capture, Tracked};
pub use transaction::Transaction;
pub use vellum_log as log;
