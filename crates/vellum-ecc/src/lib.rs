#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "std"), forbid(unsafe_code))]

extern crate alloc;

mod bch;
mod blank;
mod codec;
mod field;
mod hamming;
mod kernels;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod simd;

pub use bch::{Bch, BchParams, Blank};
pub use codec::{Codec, EccError, Outcome};
pub use hamming::{ByteOrder as HammingOrder, Hamming, Step as HammingStep};
pub use kernels::Kernels;
