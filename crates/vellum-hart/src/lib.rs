//! An RV64GC processor that runs a guest unprivileged.
#![doc = include_str!("../README.md")]

mod atomic;
mod code;
mod exit;
mod fast;
mod flat;
mod float;
mod hart;
mod memory;
mod run;
mod slow;

pub use code::{CodeCache, Counters as CodeCounters};
pub use exit::{Exit, MmioAccess};
pub use flat::{FlatError, FlatMemory};
pub use hart::{Float, Hart, SINK};
pub use memory::{Memory, Stop, Stored};
