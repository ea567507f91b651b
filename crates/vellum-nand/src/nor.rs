//! Between this crate's chips and the NOR flash of `embedded-storage` 0.3.
//!
//! [`NandAsNor`] lets what was written for NOR flash (a key-value store, a logger) use a NAND chip;
//! [`NorAsNand`] lets what was written for NAND (a translation layer) use NOR flash.

mod as_nand;
mod as_nor;

pub use as_nand::{NorAsNand, NorShape};
pub use as_nor::{NandAsNor, NorError};
