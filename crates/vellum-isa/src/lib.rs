//! RV64GC decoded, encoded and disassembled, with bit-exact soft floating point.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod decode;
pub mod float;
pub mod insn;

pub use decode::decode;
pub use insn::{Insn, Op};
