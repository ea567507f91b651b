//! The driver over any bus: how the chip is found, and what its operations are made of.

use super::bus::Bus;
use super::{EccReport, PARAMETER_BYTES, Parameters, Part, command, register};
use crate::{Codeword, EccSpec, Geometry, NandError, Ppa, ReadStatus};
use alloc::vec;
use alloc::vec::Vec;

/// Row of the parameter page.
const PARAMETER_ROW: u32 = 1;
/// Microseconds between two looks at the status.
const POLL_US: u32 = 10;
/// Looks before the chip is given up: a second, a hundred times what an erase takes.
const POLLS: u32 = 100_000;
/// A block whose next page is not known.
const UNKNOWN: u16 = u16::MAX;

/// A chip behind any bus.
#[derive(Debug)]
pub(super) struct Driver<B> {
    pub(super) bus: B,
    pub(super) geometry: Geometry,
    pub(super) part: Part,
    pub(super) parameters: Parameters,
    /// The next page of each block, or [`UNKNOWN`].
    pub(super) next: Vec<u16>,
    /// Programs of each block's last page.
    pub(super) times: Vec<u8>,
    pub(super) oob: Vec<u8>,
    /// A command was given, and nobody saw the end of it yet.
    busy: bool,
}

impl<B: Bus> Driver<B> {
    /// Finds the chip on `bus`; `part` if it is not in the table.
    pub(super) async fn new(bus: B, part: Option<Part>) -> Result<Self, NandError> {
        let ecc = EccSpec { codeword_bytes: 512, correctable: 1, parity_bytes: 0 };
        let mut chip = Driver {
            bus,
            geometry: Geometry { ecc, ..Geometry::slc_1gbit() },
            part: Part::GENERIC,
            parameters: Parameters::from_copies(&[]).unwrap_or(NOTHING),
            next: Vec::new(),
            times: Vec::new(),
            oob: Vec::new(),
            busy: false,
        };
        chip.busy = true;
        chip.bus.send(&[command::RESET], &[]).await?;
        chip.wait().await?;
        let mut id = [0; 3];
        chip.bus.ask(&[command::READ_ID, 0], &mut id).await?;
        if id[..2] == [0, 0] || id[..2] == [0xff, 0xff] {
            let found = u32::from(u16::from_be_bytes([id[0], id[1]]));
            return Err(NandError::Chip { what: "the identity", found });
        }
        let part = part.unwrap_or_else(|| Part::find(&id));
        chip.part = part;
        chip.parameters = chip.read_parameters().await?;
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
        chip.set(register::PROTECTION, 0).await?;
        Ok(chip)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), NandError> {
        self.settle().await?;
        self.bus.send(bytes, &[]).await
    }

    /// Waits for what a future that was dropped has left behind.
    async fn settle(&mut self) -> Result<(), NandError> {
        if self.busy { self.wait().await.map(|_| ()) } else { Ok(()) }
    }

    async fn get(&mut self, register: u8) -> Result<u8, NandError> {
        let mut value = [0];
        self.bus.ask(&[command::GET_FEATURE, register], &mut value).await?;
        Ok(value[0])
    }

    async fn set(&mut self, register: u8, value: u8) -> Result<(), NandError> {
        self.write(&[command::SET_FEATURE, register, value]).await
    }

    /// Waits until the chip is no longer busy; its status then.
    async fn wait(&mut self) -> Result<u8, NandError> {
        let mut status = 0;
        for _ in 0..POLLS {
            status = self.get(register::STATUS).await?;
            if status & 1 == 0 {
                self.busy = false;
                return Ok(status);
            }
            self.bus.delay_us(POLL_US).await;
        }
        Err(NandError::Chip { what: "the status, still busy after a second", found: status.into() })
    }

    pub(super) async fn row_command(&mut self, code: u8, row: u32) -> Result<u8, NandError> {
        let [_, a, b, c] = row.to_be_bytes();
        self.settle().await?;
        self.busy = true;
        self.bus.send(&[code, a, b, c], &[]).await?;
        self.wait().await
    }

    async fn read_parameters(&mut self) -> Result<Parameters, NandError> {
        let configuration = self.get(register::CONFIGURATION).await?;
        let (set, clear) = self.part.configuration;
        self.set(register::CONFIGURATION, configuration & !clear | set | register::OTP).await?;
        self.row_command(command::PAGE_READ, PARAMETER_ROW).await?;
        let mut copies = vec![0; 3 * PARAMETER_BYTES];
        self.bus.ask(&[command::READ_CACHE, 0, 0, 0], &mut copies).await?;
        let on = (configuration & !(register::OTP | clear)) | register::ECC | set;
        self.set(register::CONFIGURATION, on).await?;
        Parameters::from_copies(&copies)
    }

    /// Row address of a page: its number; the unit is part of it.
    pub(super) fn row(&self, ppa: Ppa) -> u32 {
        ppa.0 as u32
    }

    /// Column address with the plane in bit 12, where chips with two planes have it.
    pub(super) fn column(&self, ppa: Ppa, column: usize) -> [u8; 2] {
        let plane = self.geometry.plane_of(self.geometry.block_of(ppa)) as u16;
        (column as u16 | plane << 12).to_be_bytes()
    }

    pub(super) async fn cache(
        &mut self,
        ppa: Ppa,
        column: usize,
        out: &mut [u8],
    ) -> Result<(), NandError> {
        let [a, b] = self.column(ppa, column);
        self.bus.ask(&[command::READ_CACHE, a, b, 0], out).await
    }

    /// What the chip's code made of the page that is in the cache.
    pub(super) async fn outcome(&mut self, status: u8) -> Result<ReadStatus, NandError> {
        let words = self.geometry.codewords();
        let page = self.part.report.page(status, self.part.correctable);
        let mut out = ReadStatus::all(words, page);
        match (self.part.report, page) {
            (EccReport::Nibbles { first }, Codeword::Corrected(_)) => {
                for i in 0..words as u8 {
                    let both = self.get(first.wrapping_add(i / 2 * 16)).await?;
                    out.set(i.into(), Codeword::Corrected(both >> (i % 2 * 4) & 0xf));
                }
            }
            (EccReport::Worst { register }, Codeword::Corrected(1..)) => {
                let worst = self.get(register).await? >> 4;
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
    pub(super) async fn blank(&mut self, ppa: Ppa) -> Result<bool, NandError> {
        let all = (self.geometry.page_bytes + self.geometry.oob_bytes) as usize;
        let mut piece = [0; 128];
        for at in (0..all).step_by(piece.len()) {
            let n = piece.len().min(all - at);
            self.cache(ppa, at, &mut piece[..n]).await?;
            if piece[..n].iter().any(|&b| b != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn check_order(&self, ppa: Ppa) -> Result<(), NandError> {
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
    pub(super) async fn execute(&mut self, ppa: Ppa) -> Result<(), NandError> {
        // Before the chip is told to: if the future is dropped, the page counts as programmed.
        let (block, page) =
            (self.geometry.block_of(ppa).0 as usize, self.geometry.page_of(ppa) as u16);
        let again = self.next[block] == page + 1;
        self.times[block] = if again { self.times[block].saturating_add(1) } else { 1 };
        self.next[block] = page + 1;
        let status = self.row_command(command::PROGRAM_EXECUTE, self.row(ppa)).await?;
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
