//! Decoded code: blocks of micro-operations, kept by host frame.

mod cache;
mod fuse;
mod lower;
mod op;
mod opcode;

pub use cache::{CodeCache, Counters};
pub(crate) use cache::{First, fetch};
pub(crate) use fuse::{first, second};
pub(crate) use op::MicroOp;
pub(crate) use opcode::Code;

/// No block.
pub(crate) const NO_LINK: u32 = u32::MAX;
