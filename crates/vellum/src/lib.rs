//! One virtual machine's memory subsystem.
#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod counters;
mod device;
mod error;
mod explain;
mod fault;
mod hart_memory;
mod owner;
mod state;
mod vm;

pub use counters::Counters;
pub use device::{DeviceMemory, NoMemory, NoRegion};
pub use error::Error;
pub use explain::{Event, Trace};
pub use owner::{GuardOwner, HostFault, PageSource, Resolution};
pub use vm::{Builder, Paging, VmMemory};

/// The crates underneath, for whoever needs their types.
pub use {vellum_frames as frames, vellum_translate as translate};
