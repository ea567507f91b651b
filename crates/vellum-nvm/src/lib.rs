//! Byte-addressable non-volatile memory: phase-change memory and memristors.
//!
//! [`Nvm`] is a device of lines of 64 bytes with banks, row buffers, asymmetric cells, read before
//! write, Flip-N-Write, endurance line by line and Start-Gap wear levelling. [`Domain`] is what a
//! program sees of it: loads and stores through a cache, `flush` and `fence`, and what a loss of
//! power may leave (8 bytes are atomic). [`BlockMode`] makes sectors that are written whole or not
//! at all. [`tier`] places pages in DRAM or here and prices a page trace.
//!
//! ```
//! use vellum_nvm::{Nvm, profiles};
//! use vellum_block::Instant;
//!
//! let mut nvm = Nvm::new(profiles::find("pcm").unwrap(), 1024, 1)?;
//! let write = nvm.write(Instant::ZERO, 3, &[0xff; 64])?;
//! let mut line = [0; 64];
//! let read = nvm.read(write.end, 3, &mut line)?;
//! assert_eq!(line, [0xff; 64]);
//! assert!(read.end > write.end);
//! # Ok::<(), vellum_nvm::NvmError>(())
//! ```

#![forbid(unsafe_code)]

mod block_mode;
mod cells;
mod device;
mod domain;
mod gap;
mod lifetime;
pub mod profiles;
mod state;
pub mod tier;
mod wear;

pub use block_mode::BlockMode;
pub use device::{Access, Counters, LINE, Nvm, NvmError, random_lines};
pub use domain::Domain;
pub use gap::StartGap;
pub use lifetime::Lifetime;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
