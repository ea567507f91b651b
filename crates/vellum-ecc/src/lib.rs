//! Error-correcting codes for flash.
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]
#![cfg_attr(not(feature = "std"), forbid(unsafe_code))]

extern crate alloc;

mod bch;
mod blank;
mod checked;
mod codec;
mod field;
mod hamming;
mod kernels;
mod ldpc;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod simd;
pub mod stripe;

pub use bch::{Bch, BchParams, Blank};
pub use checked::Checked;
pub use codec::{Codec, EccError, Outcome};
pub use hamming::{ByteOrder as HammingOrder, Hamming, Step as HammingStep};
pub use kernels::Kernels;
pub use ldpc::{Ldpc, LdpcParams, LdpcWorkspace, beliefs_from_reads};
