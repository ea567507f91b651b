//! The block-device contract: virtual time, requests, completions whose breakdown adds up, power
//! loss.
//!
//! The idea: *when* and *what* are apart. A [`Device`] is a timeline: it takes requests at virtual
//! instants and tells when each ended, where its time went, and from when on its sectors are
//! durable. A [`Media`] is content. A [`Volume`] joins one of each, keeps what completed apart from
//! what is durable, and so can be cut off from power at any instant. Models of disks, flash and
//! non-volatile memory are devices; a virtual machine's disk, an NBD server or a trace are users.
//!
//! ```
//! use vellum_block::{drain, Completion, Device, Duration, Fixed, FixedConfig, Instant, Lba, Request, Tag};
//!
//! let mut device = Fixed::new(FixedConfig { latency: Duration::from_us(100), ..FixedConfig::default() });
//! device.submit(Instant::ZERO, Request::read(Tag(7), Lba::new(0), 8))?;
//! let mut seen = Vec::new();
//! drain(&mut device, &mut |c: Completion| seen.push(c));
//! assert_eq!(seen[0].tag(), Tag(7));
//! assert_eq!(seen[0].breakdown.total(), seen[0].response());
//! # Ok::<(), vellum_block::SubmitError>(())
//! ```
//!
//! Without the `std` feature the crate is `no_std` + `alloc`: contract, [`Ram`], [`Fixed`],
//! [`Volume`] and statistics. `std` adds [`SparseFile`] and saved state.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod breakdown;
mod device;
mod fixed;
mod media;
#[cfg(feature = "std")]
pub mod nbd;
#[cfg(feature = "std")]
mod overlay;
mod page;
mod request;
mod rng;
mod serial;
#[cfg(feature = "std")]
mod sparse;
#[cfg(feature = "state")]
mod state;
mod stats;
mod time;
#[cfg(feature = "std")]
pub mod trace;
mod volume;

pub use breakdown::{Breakdown, Phase};
pub use device::{Completion, Device, Fate, Landed, Loss, Shape, Sink, Status, drain};
pub use fixed::{Fixed, FixedConfig};
pub use media::{Media, MediaError, Ram};
#[cfg(feature = "std")]
pub use overlay::Overlay;
pub use page::Page;
pub use request::{Flags, Lba, Op, Order, Request, SubmitError, Tag};
pub use rng::Rng;
pub use serial::Serial;
#[cfg(feature = "std")]
pub use sparse::SparseFile;
#[cfg(feature = "state")]
pub use state::SavedDevice;
pub use stats::{Cdf, Histogram, Statistics, Values};
pub use time::{Duration, Instant, PS_PER_MS, PS_PER_NS, PS_PER_S, PS_PER_US};
pub use volume::{TornPolicy, Volume, VolumeError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
