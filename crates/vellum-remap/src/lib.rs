//! Zero-copy I/O by exchanging page-table entries.
#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod calibrate;
mod data;
mod error;
mod heap;
mod list;
mod policy;
#[cfg(all(feature = "process", target_os = "linux"))]
pub mod process;
mod space;
mod transfers;

pub use calibrate::{Calibration, Sample, calibrate};
pub use data::{Data, Part};
pub use error::{Error, SpaceError};
pub use heap::{Heap, HeapRun};
pub use list::{Buffer, Piece, pieces};
pub use policy::{OverQuota, Policy};
pub use space::{PAGE, Run, Space};
pub use transfers::{Completed, Completion, Counters, Token, Transfers};
