//! One virtual machine's memory subsystem.
#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod ahead;
mod audit;
mod beside;
mod builder;
mod bytes;
mod counters;
mod device;
mod error;
mod explain;
mod follow;
mod guest_pages;
mod hart_memory;
mod holders;
mod image_store;
mod invalidate;
mod leaf;
mod logs;
mod miss;
mod owner;
mod pager;
mod paging;
mod resolve;
mod scavenge;
mod scavenged_pages;
mod scavenged_store;
mod show;
mod state;
mod tables;
mod transfer;
mod translations;
mod vm;
mod walks;

pub use audit::TlbMismatch;
pub use beside::BesideCounters;
pub use builder::Builder;
pub use counters::Counters;
pub use device::{DeviceMemory, NoMemory, NoRegion, write_held};
pub use error::Error;
pub use explain::{Event, Trace};
pub use guest_pages::GuestPages;
pub use image_store::ImageStore;
pub use owner::{GuardOwner, HostFault, PageSource, Resolution};
pub use paging::Paging;
pub use scavenged_store::ScavengedStore;
pub use vm::VmMemory;

/// The crates underneath, for whoever needs their types.
pub use {
    vellum_frames as frames, vellum_pager, vellum_remap as remap, vellum_scavenger as scavenger,
    vellum_translate as translate,
};
