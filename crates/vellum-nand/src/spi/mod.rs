//! SPI-NAND over `embedded-hal` 1.0: a driver for real chips that knows the shape at run time.
//!
//! [`SpiNand::new`] resets the chip, reads its identity and its ONFI parameter page, turns on-die
//! error correction on and block protection off. What the page does not tell, a table of parts does
//! ([`PARTS`]). The driver keeps, for each block, the next page that may be programmed, so that the
//! order that chips ask for and do not check is kept.
//!
//! An erased page reads as all 0xff without errors, data and out-of-band bytes alike; so a page that
//! was programmed with nothing but 0xff is taken for erased.

mod bus;
mod chip;
#[cfg(feature = "model")]
pub mod double;
mod front;
mod onfi;
mod operations;
mod part;

pub use onfi::{PARAMETER_BYTES, Parameters, crc16};
pub use part::{EccReport, PARTS, Part};

#[cfg(feature = "async")]
pub use front::AsyncSpiNand;
pub use front::SpiNand;

/// Command codes (JEDEC's common set for SPI-NAND).
pub mod command {
    /// WRITE ENABLE.
    pub const WRITE_ENABLE: u8 = 0x06;
    /// GET FEATURE: register, answer.
    pub const GET_FEATURE: u8 = 0x0f;
    /// SET FEATURE: register, value.
    pub const SET_FEATURE: u8 = 0x1f;
    /// READ ID: a dummy byte, manufacturer, device.
    pub const READ_ID: u8 = 0x9f;
    /// PAGE READ: 24 bits of row.
    pub const PAGE_READ: u8 = 0x13;
    /// READ FROM CACHE: 16 bits of column, a dummy byte, data.
    pub const READ_CACHE: u8 = 0x03;
    /// PROGRAM LOAD: 16 bits of column, data; the rest of the cache becomes 0xff.
    pub const PROGRAM_LOAD: u8 = 0x02;
    /// PROGRAM LOAD RANDOM DATA: the same, the rest of the cache stays.
    pub const PROGRAM_LOAD_RANDOM: u8 = 0x84;
    /// PROGRAM EXECUTE: 24 bits of row.
    pub const PROGRAM_EXECUTE: u8 = 0x10;
    /// BLOCK ERASE: 24 bits of row.
    pub const BLOCK_ERASE: u8 = 0xd8;
    /// RESET.
    pub const RESET: u8 = 0xff;
}

/// Feature registers.
pub mod register {
    /// Block protection.
    pub const PROTECTION: u8 = 0xa0;
    /// Configuration: bit 6 for the parameter page, bit 4 for error correction.
    pub const CONFIGURATION: u8 = 0xb0;
    /// Status: bit 0 busy, 2 erase failed, 3 program failed, 4 to 6 error correction.
    pub const STATUS: u8 = 0xc0;
    /// Configuration: the parameter page instead of the array.
    pub const OTP: u8 = 1 << 6;
    /// Configuration: error correction.
    pub const ECC: u8 = 1 << 4;
}
