//! Flash translation layer: mapping, garbage collection, wear, bad blocks, recovery after power loss.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod anchor;
mod append;
mod batch;
mod bits;
mod blocks;
mod board;
mod cached;
#[cfg(feature = "campaign")]
pub mod campaign;
mod changed;
mod collect;
mod config;
mod copies;
#[cfg(feature = "model")]
mod device;
mod error;
mod format;
mod ftl;
mod health;
mod host;
mod layer;
mod layout;
mod log;
mod map;
mod media;
mod meta;
mod mount;
mod oob;
mod opening;
mod place;
mod places;
mod read;
mod record;
mod repair;
mod replay;
mod reserve;
mod ring;
mod role;
mod settle;
mod small;
mod snapshot;
mod stats;
mod stream;
mod tail;
pub mod theory;
mod victim;

pub use crate::ftl::Ftl;
pub use cached::Cached;
pub use config::{BadBlockTable, Config, MapMode, Placement, ScrubPolicy, WearPolicy};
#[cfg(feature = "model")]
pub use device::FlashDevice;
pub use error::{FtlError, Lpn};
pub use layer::Layer;
pub use reserve::Reserve;
pub use small::Small;
pub use stats::{Health, Stats};
pub use stream::Stream;
pub use vellum_nand::Page;
