//! RV64GC decoded, encoded and disassembled, with bit-exact soft floating point.

pub mod insn;

pub use insn::{Insn, Op};
