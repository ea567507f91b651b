//! Decoded code: blocks of micro-operations, kept by host frame.

mod cache;
mod lower;
mod op;

pub(crate) use cache::{Block, NO_LINK, fetch};
pub use cache::{CodeCache, Counters};
pub(crate) use lower::{ends, is_access, lower};
pub(crate) use op::{MicroOp, Side};
