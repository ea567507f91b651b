//! Decoded code: blocks of micro-operations, kept by host frame.

mod cache;
mod lower;
mod op;

pub(crate) use cache::fetch;
pub use cache::{CodeCache, Counters};
pub(crate) use op::MicroOp;

/// No block.
pub(crate) const NO_LINK: u32 = u32::MAX;
