#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod bch;
mod blank;
mod codec;
mod field;
mod hamming;

pub use bch::{Bch, BchParams, Blank};
pub use codec::{Codec, EccError, Outcome};
pub use hamming::{ByteOrder as HammingOrder, Hamming, Step as HammingStep};
