//! The model as a chip: what each operation does to cells, time and counters.

use super::frames::Frame;
use super::{CutMode, Model, READ_OFFSETS, RETRY_LEVELS, Reliability};
use crate::Page;
use crate::{EraseBlock, Geometry, Nand, NandError, Ppa, ReadStatus};

impl Model {
    /// A read's share of time and counters, what the error correction says, and where the bytes are.
    #[inline]
    fn read_cells(
        &mut self,
        ppa: Ppa,
        bytes: usize,
        oob: &mut [u8],
    ) -> Result<(ReadStatus, Option<Frame>), NandError> {
        self.ready()?;
        let g = &self.config.geometry;
        let (block, page) = g.place_of(ppa);
        let length = bytes + oob.len();
        self.counters.reads += 1;
        self.counters.bus_bytes += length as u64;
        let bus = self.config.timing.transfer(length);
        self.spend_read(block, bus, self.config.timing.read);
        let sensed = self.sense(block, page);
        oob.copy_from_slice(&self.block(block).oob_of(page)[..oob.len()]);
        Ok(sensed)
    }

    /// Whether the chip's reads give what the cells hold, wrong bits included.
    #[inline]
    fn errs_bare(&self) -> bool {
        self.is_bare() && self.config.reliability != Reliability::Perfect
    }

    /// Fills the buffers of a read with what the cells give.
    #[inline]
    fn finish_read(
        &mut self,
        ppa: Ppa,
        at: u32,
        cells: Option<Frame>,
        data: &mut [u8],
        oob: &mut [u8],
        status: &ReadStatus,
    ) {
        match cells {
            // Out-of-band bytes alone: where the others lie is not looked up.
            _ if data.is_empty() => {}
            Some(frame) => {
                data.copy_from_slice(&self.frames.get(frame)[at as usize..][..data.len()]);
            }
            None => data.fill(0xff),
        }
        if self.errs(status) {
            self.err(ppa, at, data, oob, status);
        }
    }

    /// Whether a read gives other bytes than were programmed.
    #[inline]
    fn errs(&self, status: &ReadStatus) -> bool {
        self.errs_bare() || !(status.is_readable() || status.is_erased())
    }

    /// Makes what was programmed what the cells give.
    fn err(&mut self, ppa: Ppa, at: u32, data: &mut [u8], oob: &mut [u8], status: &ReadStatus) {
        if !status.is_readable() && !status.is_erased() {
            self.spoil_buffers(ppa, at, data, oob, status);
        }
        if self.errs_bare() {
            self.flip(ppa, at, data, oob);
        }
    }

    /// Out-of-band bytes of a block were read, without data. Whoever reads more of them goes through the block, as
    /// collection does: the memory behind the rest is asked for.
    #[inline]
    fn look_ahead(&mut self, block: EraseBlock) {
        match self.walked {
            (walked, false) if walked == block.0 => {
                self.walked.1 = true;
                self.block(block).ask_for(&self.frames);
            }
            (walked, _) if walked != block.0 => self.walked = (block.0, false),
            _ => {}
        }
    }

    /// A program's checks, time and counters, up to the cells, and where those are.
    #[inline]
    fn begin_program(
        &mut self,
        ppa: Ppa,
        bytes: usize,
        oob: usize,
    ) -> Result<(EraseBlock, u32), NandError> {
        self.ready()?;
        let g = &self.config.geometry;
        g.check_program(ppa, bytes, oob)?;
        let (block, page) = g.place_of(ppa);
        self.check_program(block, page)?;
        let array = self.config.timing.program_of(g, page);
        let bus = self.config.timing.transfer(bytes + oob);
        self.counters.bus_bytes += (bytes + oob) as u64;
        self.spend_program(block, bus, array);
        Ok((block, page))
    }
}

impl Nand for Model {
    #[inline]
    fn geometry(&self) -> &Geometry {
        &self.config.geometry
    }

    #[inline]
    fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        self.config.geometry.check_read(ppa, at, data.len(), oob.len())?;
        let (status, cells) = self.read_cells(ppa, data.len(), oob)?;
        self.finish_read(ppa, at, cells, data, oob, &status);
        if data.is_empty() {
            self.look_ahead(self.config.geometry.block_of(ppa));
        }
        Ok(status)
    }

    fn read_page(&mut self, ppa: Ppa, oob: &mut [u8]) -> Result<(ReadStatus, Page), NandError> {
        let bytes = self.config.geometry.page_bytes as usize;
        self.config.geometry.check_read(ppa, 0, bytes, oob.len())?;
        let (status, cells) = self.read_cells(ppa, bytes, oob)?;
        let held = cells.map(|frame| self.frames.get(frame));
        let mut page = held.cloned().unwrap_or_else(|| Page::from(&vec![0xff; bytes][..]));
        if self.errs(&status) {
            self.err(ppa, 0, page.bytes_mut(), oob, &status);
        }
        Ok((status, page))
    }

    fn view<'a>(
        &'a mut self,
        ppa: Ppa,
        oob: &mut [u8],
        buffer: &'a mut [u8],
    ) -> Result<(ReadStatus, &'a [u8]), NandError> {
        self.config.geometry.check_read(ppa, 0, buffer.len(), oob.len())?;
        let (status, cells) = self.read_cells(ppa, buffer.len(), oob)?;
        match cells {
            Some(frame) if status.is_readable() && !self.errs_bare() => {
                Ok((status, &self.frames.get(frame)[..buffer.len()]))
            }
            _ => {
                self.finish_read(ppa, 0, cells, buffer, oob, &status);
                Ok((status, buffer))
            }
        }
    }

    fn page(&mut self) -> Page {
        let bytes = self.config.geometry.page_bytes as usize;
        self.frames.spare().unwrap_or_else(|| Page::zeroed(bytes))
    }

    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        let (block, page) = self.begin_program(ppa, data.len(), oob.len())?;
        let frame = self.frames.put(data);
        self.store(block, page, frame, oob)
    }

    #[inline]
    fn program_page(&mut self, ppa: Ppa, page: &Page, oob: &[u8]) -> Result<(), NandError> {
        let (block, number) = self.begin_program(ppa, page.len(), oob.len())?;
        let frame = self.frames.keep(page);
        self.store(block, number, frame, oob)
    }

    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.ready()?;
        self.config.geometry.check_block(block)?;
        if self.block(block).marked {
            return Err(NandError::BadBlock { block });
        }
        let (command, array) = (self.config.timing.command, self.config.timing.erase);
        self.spend_change(block, command, array);
        let was_open = self.block(block).is_open();
        self.open -= u32::from(was_open && self.open > 0);
        self.disturb[block.0 as usize] = 0;
        if let Some((mode, rng)) = self.strikes() {
            let mode = if mode.of_program() { CutMode::HalfErase } else { mode };
            self.cut_erase(block, mode, rng);
            return Err(NandError::PowerLost);
        }
        self.counters.erases += 1;
        let state = self.cells.get_mut(block.0);
        if state.is_worn() {
            state.erases += 1;
            state.next = state.pages.len() as u32;
            self.counters.erase_fails += 1;
            return Err(NandError::EraseFailed { block });
        }
        state.erases += 1;
        state.weak = false;
        state.wipe(&mut self.frames);
        Ok(())
    }

    #[inline]
    fn copy_back(&mut self, from: Ppa, to: Ppa, oob: &[u8]) -> Result<ReadStatus, NandError> {
        self.ready()?;
        let g = &self.config.geometry;
        g.check_copy(from, to, oob.len())?;
        let ((source, from), (target, to)) = (g.place_of(from), g.place_of(to));
        self.check_program(target, to)?;
        self.counters.reads += 1;
        self.spend_read(source, self.config.timing.command, self.config.timing.read);
        let (status, cells) = self.sense(source, from);
        let frame = match cells {
            Some(frame) if status.is_readable() => self.frames.share(frame),
            _ => return Ok(status),
        };
        self.counters.copies += 1;
        let array = self.config.timing.program_of(&self.config.geometry, to);
        let bus = self.config.timing.transfer(oob.len());
        self.spend_program(target, bus, array);
        self.store(target, to, frame, oob)?;
        Ok(status)
    }

    fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        self.ready()?;
        self.config.geometry.check_block(block)?;
        self.counters.reads += 1;
        self.spend_read(block, self.config.timing.transfer(2), self.config.timing.read);
        Ok(self.block(block).marked)
    }

    fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.ready()?;
        self.config.geometry.check_block(block)?;
        if self.strikes().is_some() {
            return Err(NandError::PowerLost);
        }
        self.block_mut(block).marked = true;
        Ok(())
    }

    fn retry_levels(&self) -> u8 {
        if self.config.reliability == Reliability::Perfect { 0 } else { RETRY_LEVELS }
    }

    fn set_retry(&mut self, level: u8) -> Result<(), NandError> {
        if level > self.retry_levels() {
            return Err(NandError::Unsupported { what: "this read-retry level" });
        }
        self.retry = level;
        Ok(())
    }

    fn read_offsets(&self) -> u8 {
        if self.config.reliability == Reliability::Perfect { 0 } else { READ_OFFSETS }
    }

    fn set_read_offset(&mut self, offset: i8) -> Result<(), NandError> {
        if offset.unsigned_abs() > self.read_offsets() {
            return Err(NandError::Unsupported { what: "this offset of the read references" });
        }
        self.offset = offset;
        Ok(())
    }
}
