//! SPI-NAND over `embedded-hal` 1.0: a driver for real chips that knows the shape at run time.
//!
//! [`SpiNand::new`] resets the chip, reads its identity and its ONFI parameter page, turns on-die
//! error correction on and block protection off. What the page does not tell, a table of parts does
//! ([`PARTS`]). The driver keeps, for each block, the next page that may be programmed, so that the
//! order that chips ask for and do not check is kept.
//!
//! An erased page reads as all 0xff without errors, data and out-of-band bytes alike; so a page that
//! was programmed with nothing but 0xff is taken for erased.

mod chip;
#[cfg(feature = "model")]
pub mod double;
mod onfi;
mod part;

pub use onfi::{PARAMETER_BYTES, Parameters, crc16};
pub use part::{EccReport, PARTS, Part};

use crate::{Codeword, EccSpec, Geometry, NandError, Ppa, ReadStatus};
use alloc::vec;
use alloc::vec::Vec;
use embedded_hal::delay::DelayNs;
use embedded_hal::spi::{Operation, SpiDevice};

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

/// Row of the parameter page.
const PARAMETER_ROW: u32 = 1;
/// Microseconds between two looks at the status.
const POLL_US: u32 = 10;
/// Looks before the chip is given up: a second, a hundred times what an erase takes.
const POLLS: u32 = 100_000;
/// A block whose next page is not known.
const UNKNOWN: u16 = u16::MAX;

/// A SPI-NAND chip.
#[derive(Debug)]
pub struct SpiNand<S, D> {
    spi: S,
    delay: D,
    geometry: Geometry,
    part: Part,
    parameters: Parameters,
    /// The next page of each block, or [`UNKNOWN`].
    next: Vec<u16>,
    /// Programs of each block's last page.
    times: Vec<u8>,
    oob: Vec<u8>,
}

impl<S: SpiDevice, D: DelayNs> SpiNand<S, D> {
    /// Finds the chip on `spi`.
    ///
    /// # Errors
    /// When the bus fails, no chip answers, or its parameter page can't be read.
    pub fn new(spi: S, delay: D) -> Result<Self, NandError> {
        Self::with_part(spi, delay, None)
    }

    /// The same for a chip whose `part` is not in the table.
    ///
    /// # Errors
    /// As for [`SpiNand::new`].
    pub fn with_part(spi: S, delay: D, part: Option<Part>) -> Result<Self, NandError> {
        let ecc = EccSpec { codeword_bytes: 512, correctable: 1, parity_bytes: 0 };
        let mut chip = SpiNand {
            spi,
            delay,
            geometry: Geometry { ecc, ..Geometry::slc_1gbit() },
            part: Part::GENERIC,
            parameters: Parameters::from_copies(&[]).unwrap_or(NOTHING),
            next: Vec::new(),
            times: Vec::new(),
            oob: Vec::new(),
        };
        chip.write(&[command::RESET])?;
        chip.wait()?;
        let mut id = [0; 3];
        chip.ask(&[command::READ_ID, 0], &mut id)?;
        if id[..2] == [0, 0] || id[..2] == [0xff, 0xff] {
            let found = u32::from(u16::from_be_bytes([id[0], id[1]]));
            return Err(NandError::Chip { what: "the identity", found });
        }
        let part = part.unwrap_or_else(|| Part::find(&id));
        chip.part = part;
        chip.parameters = chip.read_parameters()?;
        let ecc = EccSpec {
            codeword_bytes: part.codeword_bytes.into(),
            correctable: part.correctable,
            parity_bytes: part.parity_bytes,
        };
        chip.geometry = chip.parameters.geometry(ecc)?;
        let g = &chip.geometry;
        let last = part.place((g.user_oob_bytes() as usize).saturating_sub(1));
        if last >= g.oob_bytes as usize {
            return Err(NandError::Geometry { field: "out-of-band bytes", value: last as u64 });
        }
        chip.next = vec![UNKNOWN; chip.geometry.blocks as usize];
        chip.times = vec![0; chip.geometry.blocks as usize];
        chip.oob = vec![0; chip.geometry.oob_bytes as usize];
        chip.set(register::PROTECTION, 0)?;
        Ok(chip)
    }

    /// What the chip is taken for.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// What its parameter page says.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Gives the bus back.
    pub fn release(self) -> (S, D) {
        (self.spi, self.delay)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), NandError> {
        self.spi.write(bytes).map_err(|_| NandError::Bus { what: "a write" })
    }

    fn ask(&mut self, ask: &[u8], answer: &mut [u8]) -> Result<(), NandError> {
        let mut both = [Operation::Write(ask), Operation::Read(answer)];
        self.spi.transaction(&mut both).map_err(|_| NandError::Bus { what: "a read" })
    }

    fn send(&mut self, head: &[u8], data: &[u8]) -> Result<(), NandError> {
        let mut both = [Operation::Write(head), Operation::Write(data)];
        self.spi.transaction(&mut both).map_err(|_| NandError::Bus { what: "a write" })
    }

    fn get(&mut self, register: u8) -> Result<u8, NandError> {
        let mut value = [0];
        self.ask(&[command::GET_FEATURE, register], &mut value)?;
        Ok(value[0])
    }

    fn set(&mut self, register: u8, value: u8) -> Result<(), NandError> {
        self.write(&[command::SET_FEATURE, register, value])
    }

    /// Waits until the chip is no longer busy; its status then.
    fn wait(&mut self) -> Result<u8, NandError> {
        let mut status = 0;
        for _ in 0..POLLS {
            status = self.get(register::STATUS)?;
            if status & 1 == 0 {
                return Ok(status);
            }
            self.delay.delay_us(POLL_US);
        }
        Err(NandError::Chip { what: "the status, still busy after a second", found: status.into() })
    }

    fn row_command(&mut self, code: u8, row: u32) -> Result<u8, NandError> {
        let [_, a, b, c] = row.to_be_bytes();
        self.write(&[code, a, b, c])?;
        self.wait()
    }

    fn read_parameters(&mut self) -> Result<Parameters, NandError> {
        let configuration = self.get(register::CONFIGURATION)?;
        let (set, clear) = self.part.configuration;
        self.set(register::CONFIGURATION, configuration & !clear | set | register::OTP)?;
        self.row_command(command::PAGE_READ, PARAMETER_ROW)?;
        let mut copies = vec![0; 3 * PARAMETER_BYTES];
        self.ask(&[command::READ_CACHE, 0, 0, 0], &mut copies)?;
        let on = (configuration & !(register::OTP | clear)) | register::ECC | set;
        self.set(register::CONFIGURATION, on)?;
        Parameters::from_copies(&copies)
    }

    /// Row address of a page: its number; the unit is part of it.
    fn row(&self, ppa: Ppa) -> u32 {
        ppa.0 as u32
    }

    /// Column address with the plane in bit 12, where chips with two planes have it.
    fn column(&self, ppa: Ppa, column: usize) -> [u8; 2] {
        let plane = self.geometry.plane_of(self.geometry.block_of(ppa)) as u16;
        (column as u16 | plane << 12).to_be_bytes()
    }

    fn cache(&mut self, ppa: Ppa, column: usize, out: &mut [u8]) -> Result<(), NandError> {
        let [a, b] = self.column(ppa, column);
        self.ask(&[command::READ_CACHE, a, b, 0], out)
    }

    /// What the chip's code made of the page that is in the cache.
    fn outcome(&mut self, status: u8) -> Result<ReadStatus, NandError> {
        let words = self.geometry.codewords();
        let page = self.part.report.page(status, self.part.correctable);
        let mut out = ReadStatus::all(words, page);
        match (self.part.report, page) {
            (EccReport::Nibbles { first }, Codeword::Corrected(_)) => {
                for i in 0..words as u8 {
                    let both = self.get(first.wrapping_add(i / 2 * 16))?;
                    out.set(i.into(), Codeword::Corrected(both >> (i % 2 * 4) & 0xf));
                }
            }
            (EccReport::Worst { register }, Codeword::Corrected(1..)) => {
                let worst = self.get(register)? >> 4;
                // A count that can't be is no reason to hide that there were errors.
                if (1..=self.part.correctable).contains(&worst) {
                    out = ReadStatus::all(words, Codeword::Corrected(worst));
                }
            }
            _ => {}
        }
        Ok(out)
    }

    /// Whether the page in the cache holds nothing but 0xff, a piece at a time.
    fn blank(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        let all = (self.geometry.page_bytes + self.geometry.oob_bytes) as usize;
        let mut piece = [0; 128];
        for at in (0..all).step_by(piece.len()) {
            let n = piece.len().min(all - at);
            self.cache(ppa, at, &mut piece[..n])?;
            if piece[..n].iter().any(|&b| b != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn check_order(&self, ppa: Ppa) -> Result<(), NandError> {
        let g = &self.geometry;
        let (block, page) = (g.block_of(ppa).0 as usize, g.page_of(ppa));
        let next = self.next[block];
        if next == UNKNOWN || page >= next.into() {
            return Ok(());
        }
        let (times, limit) = (self.times[block], g.programs_per_page);
        if page + 1 < next.into() {
            return Err(NandError::Order { ppa, next: next.into() });
        }
        if times < limit { Ok(()) } else { Err(NandError::Reprogrammed { ppa, times, limit }) }
    }

    /// Programs what was loaded.
    fn execute(&mut self, ppa: Ppa) -> Result<(), NandError> {
        let status = self.row_command(command::PROGRAM_EXECUTE, self.row(ppa))?;
        let (block, page) =
            (self.geometry.block_of(ppa).0 as usize, self.geometry.page_of(ppa) as u16);
        let again = self.next[block] == page + 1;
        self.times[block] = if again { self.times[block].saturating_add(1) } else { 1 };
        self.next[block] = page + 1;
        if status & 1 << 3 == 0 { Ok(()) } else { Err(NandError::ProgramFailed { ppa }) }
    }
}

/// What is known before the parameter page is.
const NOTHING: Parameters = Parameters {
    page_bytes: 0,
    oob_bytes: 0,
    pages_per_block: 0,
    blocks_per_unit: 0,
    units: 0,
    bits_per_cell: 0,
    max_bad_blocks: 0,
    programs_per_page: 0,
    host_ecc_bits: 0,
    plane_bits: 0,
};
