//! Host physical memory as a pool of 4 KiB frames.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]

mod addr;
#[cfg(feature = "std")]
mod epoch;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod held;
mod host;
#[cfg(feature = "std")]
mod map;
#[cfg(feature = "std")]
mod pool;
#[cfg(feature = "std")]
mod sync;

pub use addr::{FrameId, Hpa, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE};
#[cfg(feature = "std")]
pub use epoch::Reader;
#[cfg(feature = "std")]
pub use error::Error;
#[cfg(feature = "std")]
pub use held::Held;
pub use host::HostFrames;
#[cfg(feature = "std")]
pub use map::{prefetch_to_read, prefetch_to_write};
#[cfg(feature = "std")]
pub use pool::{CODE_LINE, Counters, FramePool, Options, Withdrawn};
