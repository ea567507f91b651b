//! IEEE 754-2008 arithmetic in integers, exact in value and in flags, as the F and D extensions
//! want it.
//!
//! Five rounding modes, five accrued exceptions, tininess detected after rounding, one canonical NaN
//! ([`Float::NAN`]) in place of every NaN result. The host's floating-point unit is never asked: it
//! has no RMM, its flags are dear to read, and its NaNs differ from one processor to the next.
//!
//! [`execute`] is the processor's entry: raw registers in, raw register out, NaN-boxing included.
//! The functions beside it are the same arithmetic on typed values, for use as a library:
//!
//! ```
//! use vellum_isa::float::{F64, Flags, Float, Rounding, div, sqrt};
//! let mut flags = Flags::NONE;
//! let third = div(F64::from(1.0), F64::from(3.0), Rounding::Rup, &mut flags);
//! assert_eq!(f64::from(third), 0.333_333_333_333_333_37);
//! assert_eq!(flags, Flags::NX);
//! assert_eq!(sqrt(F64::from(-1.0), Rounding::Rne, &mut flags), F64::NAN_VALUE);
//! assert_eq!(flags, Flags::NX | Flags::NV);
//! ```
//!
//! How it works: a value is unpacked to a 64-bit significand whose top bit is set and an unbounded
//! exponent, the operation is done in 64 or 128 bits with every lost bit kept as a sticky lowest bit
//! ("jamming"), and one function rounds and packs. 64 bits leave 11 below a double's 53, so a sticky
//! bit can never be mistaken for a half. The method is that of J. Hauser's notes on Berkeley
//! SoftFloat and of Muller et al., *Handbook of Floating-Point Arithmetic*, chapter 8; the code is
//! our own. `cargo xtask bench-compare isa` says what a call costs.

mod arith;
mod compare;
mod convert;
mod execute;
mod flags;
mod format;
mod fused;
mod round;
#[cfg(test)]
mod tests;

pub use arith::{add, div, mul, sqrt, sub};
pub use compare::{Class, classify, eq, le, lt, max, min};
pub use convert::{
    convert, from_i32, from_i64, from_u32, from_u64, to_i32, to_i64, to_u32, to_u64,
};
pub use execute::execute;
pub use flags::{Flags, Rounding};
pub use format::{F32, F64, Float, boxed, unboxed};
pub use fused::{mul_add, mul_sub, neg_mul_add, neg_mul_sub};
