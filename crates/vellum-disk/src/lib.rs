//! The magnetic disk: geometry, mechanics, caches, scheduling and faults in virtual time.

#![forbid(unsafe_code)]

mod cached;
pub mod config;
mod controller;
pub mod crash;
pub mod describe;
pub mod disksim;
mod drive;
mod error;
pub mod faults;
pub mod fit;
pub mod geometry;
pub mod profile;
pub mod profiles;
pub mod replay;
mod schedule;
pub mod seek;
pub mod shingled;
pub mod spindle;
mod state;

pub use drive::{Disk, MediaCounters};
pub use error::Error;
pub use schedule::Policy;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
