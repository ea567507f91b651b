//! A SPI-NAND chip on the bus, in software: what answers the driver's commands is the chip model.
//!
//! For tests of drivers and of firmware above them, power cuts and worn blocks included. It answers
//! as the part that it is made for would; a command that no chip knows, or that comes while the chip is
//! busy, is a bus error, so that a driver's mistake is seen.

use super::{EccReport, Parameters, Part, command, register};
use crate::{Codeword, EraseBlock, Geometry, Model, Nand, NandError, Ppa, ReadStatus};
use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};

/// A chip on the bus.
#[derive(Debug)]
pub struct Chip {
    model: Model,
    part: Part,
    /// Page and out-of-band bytes.
    cache: Vec<u8>,
    configuration: u8,
    protection: u8,
    /// Error-correction bits and failures.
    status: u8,
    enabled: bool,
    counts: [u8; 16],
    /// Looks at the status for which the chip is still busy.
    busy: u8,
    /// A page that was only loaded in part is a marker.
    marker: bool,
    copies: [u8; 768],
}

impl Chip {
    /// A chip of kind `part` whose cells are `model`.
    pub fn new(model: Model, part: Part) -> Chip {
        let g = *model.geometry();
        let parameters = Parameters {
            page_bytes: g.page_bytes,
            oob_bytes: g.oob_bytes as u16,
            pages_per_block: g.pages_per_block,
            blocks_per_unit: g.blocks / u32::from(g.units),
            units: g.units,
            bits_per_cell: g.cell.bits() as u8,
            max_bad_blocks: (g.blocks / 50) as u16,
            programs_per_page: g.programs_per_page,
            host_ecc_bits: 0,
            plane_bits: g.planes.trailing_zeros() as u8,
        };
        let mut copies = [0; 768];
        copies.chunks_mut(256).for_each(|c| c.copy_from_slice(&parameters.to_copy()));
        Chip {
            cache: vec![0xff; (g.page_bytes + g.oob_bytes) as usize],
            model,
            part,
            // It wakes up in the mode that the driver must leave.
            configuration: register::ECC | part.configuration.1,
            protection: 0x7c,
            status: 0,
            enabled: false,
            counts: [0; 16],
            busy: 0,
            marker: false,
            copies,
        }
    }

    /// The cells.
    pub fn model(&mut self) -> &mut Model {
        &mut self.model
    }

    /// The parameter page's copies, to spoil.
    pub fn copies(&mut self) -> &mut [u8; 768] {
        &mut self.copies
    }

    fn geometry(&self) -> Geometry {
        *self.model.geometry()
    }

    /// Serves one command: `sent` by the host, then `answer` to it.
    fn serve(&mut self, sent: &[u8], answer: &mut [u8]) -> Result<(), ErrorKind> {
        let row = |b: &[u8]| u64::from(b[1]) << 16 | u64::from(b[2]) << 8 | u64::from(b[3]);
        // A busy chip answers nothing but what its status is.
        if self.busy > 0 && !matches!(sent[0], command::GET_FEATURE | command::RESET) {
            return Err(ErrorKind::Other);
        }
        match (sent[0], sent.len()) {
            (command::RESET, 1) => (self.status, self.busy, self.enabled) = (0, 1, false),
            (command::WRITE_ENABLE, 1) => self.enabled = true,
            (command::READ_ID, 2) => {
                answer.fill(0);
                answer.iter_mut().zip(self.part.id).for_each(|(a, b)| *a = *b);
            }
            (command::GET_FEATURE, 2) => {
                let value = self.feature(sent[1]);
                answer.fill(value);
            }
            (command::SET_FEATURE, 3) => match sent[1] {
                register::PROTECTION => self.protection = sent[2],
                register::CONFIGURATION => self.configuration = sent[2],
                _ => return Err(ErrorKind::Other),
            },
            (command::PAGE_READ, 4) => self.page_read(Ppa(row(sent))),
            (command::READ_CACHE, 4) => {
                let (set, clear) = self.part.configuration;
                if self.configuration & (set | clear) != set {
                    return Err(ErrorKind::Other);
                }
                let from = self.column(&sent[1..3]);
                for (i, byte) in answer.iter_mut().enumerate() {
                    *byte = self.cache.get(from + i).copied().unwrap_or(0xff);
                }
            }
            (command::PROGRAM_LOAD, 4..) => {
                self.cache.fill(0xff);
                self.load(sent)?;
                self.marker = self.column(&sent[1..3]) > 0;
            }
            (command::PROGRAM_LOAD_RANDOM, 4..) => self.load(sent)?,
            (command::PROGRAM_EXECUTE, 4) => self.execute(Ppa(row(sent))),
            (command::BLOCK_ERASE, 4) => {
                let block = self.geometry().block_of(Ppa(row(sent)));
                let done = self.allowed() && self.model.erase(block).is_ok();
                self.finish(1 << 2, done);
            }
            _ => return Err(ErrorKind::Other),
        }
        Ok(())
    }

    fn feature(&mut self, register: u8) -> u8 {
        match register {
            register::PROTECTION => self.protection,
            register::CONFIGURATION => self.configuration,
            register::STATUS => {
                let busy = u8::from(self.busy > 0);
                self.busy = self.busy.saturating_sub(1);
                self.status | busy
            }
            _ => match self.part.report {
                EccReport::Nibbles { first } => {
                    let i = usize::from(register.wrapping_sub(first)) / 16 * 2;
                    let count = |i: usize| self.counts.get(i).copied().unwrap_or(0).min(15);
                    count(i) | count(i + 1) << 4
                }
                EccReport::Worst { register: r } if r == register => {
                    self.counts.iter().copied().max().unwrap_or(0).min(15) << 4
                }
                _ => 0,
            },
        }
    }

    /// The column, without the plane's bit.
    fn column(&self, bytes: &[u8]) -> usize {
        let mask = if self.geometry().planes > 1 { 0x0fff } else { 0x1fff };
        usize::from(u16::from_be_bytes([bytes[0], bytes[1]]) & mask)
    }

    fn load(&mut self, sent: &[u8]) -> Result<(), ErrorKind> {
        let at = self.column(&sent[1..3]);
        let end = at + sent.len() - 3;
        let place = self.cache.get_mut(at..end).ok_or(ErrorKind::Other)?;
        place.copy_from_slice(&sent[3..]);
        Ok(())
    }

    fn allowed(&mut self) -> bool {
        let may = self.enabled && self.protection & 0x7c == 0;
        self.enabled = false;
        may
    }

    fn finish(&mut self, failure: u8, done: bool) {
        self.status = if done { 0 } else { failure };
        self.busy = 2;
    }

    fn page_read(&mut self, ppa: Ppa) {
        self.marker = false;
        self.busy = 1;
        self.counts = [0; 16];
        if self.configuration & register::OTP != 0 {
            self.cache.fill(0xff);
            let n = self.copies.len().min(self.cache.len());
            self.cache[..n].copy_from_slice(&self.copies[..n]);
            return;
        }
        let g = self.geometry();
        let mut user = vec![0xff; g.user_oob_bytes() as usize];
        self.cache.fill(0xff);
        let (data, spare) = self.cache.split_at_mut(g.page_bytes as usize);
        let read = self.model.read(ppa, 0, data, &mut user);
        for (i, byte) in user.iter().enumerate() {
            spare[self.part.place(i)] = *byte;
        }
        let block = g.block_of(ppa);
        if g.page_of(ppa) == 0 && self.model.is_marked_bad(block).unwrap_or(true) {
            spare[..2].fill(0);
        }
        self.status = match read {
            Ok(status) => self.report(&status),
            Err(_) => 2 << 4,
        };
    }

    /// The status bits for what the model's code did.
    fn report(&mut self, status: &ReadStatus) -> u8 {
        for (i, word) in status.codewords().enumerate().take(16) {
            self.counts[i] = if let Codeword::Corrected(n) = word { n } else { 0 };
        }
        if !status.is_readable() && !status.is_erased() {
            return 2 << 4;
        }
        let beyond = self.part.correctable / 2;
        match (self.part.report, status.worst()) {
            (_, 0) => 0,
            (EccReport::Nibbles { .. } | EccReport::Worst { .. }, n) if n > beyond => 3 << 4,
            (EccReport::ThreeBits, 1..=3) => 1 << 4,
            (EccReport::ThreeBits, 4..=6) => 3 << 4,
            (EccReport::ThreeBits, _) => 5 << 4,
            _ => 1 << 4,
        }
    }

    fn execute(&mut self, ppa: Ppa) {
        let g = self.geometry();
        if !self.allowed() {
            return self.finish(1 << 3, false);
        }
        let done = if self.marker {
            self.mark(g.block_of(ppa))
        } else {
            let (data, spare) = self.cache.split_at(g.page_bytes as usize);
            let places = (0..g.user_oob_bytes() as usize).map(|i| spare[self.part.place(i)]);
            let user: Vec<u8> = places.collect();
            self.model.program(ppa, data, &user)
        };
        self.finish(1 << 3, done.is_ok());
    }

    fn mark(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.marker = false;
        let first = self.geometry().page_bytes as usize;
        if self.cache[first] == 0 { self.model.mark_bad(block) } else { Ok(()) }
    }
}

impl ErrorType for Chip {
    type Error = ErrorKind;
}

impl SpiDevice for Chip {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        let mut sent = Vec::new();
        let mut answered = false;
        for operation in operations {
            match operation {
                Operation::Write(bytes) if !answered => sent.extend_from_slice(bytes),
                Operation::Read(answer) if !answered && !sent.is_empty() => {
                    answered = true;
                    self.serve(&sent, answer)?;
                }
                Operation::DelayNs(_) => {}
                _ => return Err(ErrorKind::Other),
            }
        }
        if answered || sent.is_empty() { Ok(()) } else { self.serve(&sent, &mut []) }
    }
}

#[cfg(feature = "async")]
impl embedded_hal_async::spi::SpiDevice for Chip {
    async fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        SpiDevice::transaction(self, operations)
    }
}
