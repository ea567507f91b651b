//! NAND flash: the driver trait that real chips and the model share, and the chip model.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
//!
//! Modules: the driver trait [`Nand`] with its [`Geometry`] and per-codeword [`ReadStatus`] needs no
//! `std`; [`AsyncNand`] is the same for firmware that waits in tasks; [`conformance`] is the suite that every
//! driver passes; `model` (feature `model`) is the chip in software.

extern crate alloc;

mod async_driver;
mod calls;
pub mod conformance;
#[cfg(feature = "ecc")]
mod corrected;
mod driver;
mod error;
mod geometry;
#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "embedded-storage")]
pub mod nor;
#[cfg(feature = "spi")]
pub mod spi;
mod status;
mod superblock;

pub use async_driver::{AsyncNand, Blocking, Ready, block_on};
pub use conformance::Violation;
#[cfg(feature = "ecc")]
pub use corrected::Corrected;
pub use driver::Nand;
pub use error::NandError;
pub use geometry::{
    CellKind, EccSpec, EraseBlock, Geometry, MARKER_BYTES, MAX_CODEWORDS, MAX_PAGE_BYTES, Ppa,
};
#[cfg(feature = "model")]
pub use model::{Cut, CutMode, Model, ModelConfig};
pub use status::{Codeword, ReadStatus};
pub use superblock::Superblocks;
pub use vellum_block::Page;
