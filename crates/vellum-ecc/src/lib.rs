//! Error-correcting codes for flash.
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "std"), forbid(unsafe_code))]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
mod bch;
mod blank;
#[cfg(feature = "alloc")]
mod checked;
mod codec;
mod error;
#[cfg(feature = "alloc")]
mod field;
mod fixed;
mod hamming;
mod kernels;
#[cfg(feature = "alloc")]
mod ldpc;
mod params;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod simd;
#[cfg(feature = "alloc")]
pub mod stripe;

#[cfg(feature = "alloc")]
pub use bch::Bch;
#[cfg(feature = "alloc")]
pub use checked::Checked;
pub use codec::{Codec, EccError, Outcome};
pub use fixed::{FixedBch, remainder_words};
pub use hamming::{ByteOrder as HammingOrder, Hamming, Step as HammingStep};
pub use kernels::Kernels;
#[cfg(feature = "alloc")]
pub use ldpc::{Ldpc, LdpcParams, LdpcWorkspace, beliefs_from_reads};
pub use params::{BchParams, Blank};
