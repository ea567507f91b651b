//! RV64GC decoded, encoded and disassembled, with bit-exact soft floating point.
#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod asm;
mod compress;
pub mod csr;
mod decode;
mod display;
mod encode;
pub mod float;
pub mod insn;
mod op;
mod table;
#[cfg(test)]
mod testing;

pub use compress::compress;
pub use decode::decode;
pub use display::At;
pub use encode::{Error, encode};
pub use insn::{Insn, Op};
pub use op::{Bank, Banks};
