//! What the host asks of the small layer: reads, writes, discards, flushes.

use super::Small;
use super::log::{Append, From};
use crate::oob::{Kind, Oob};
use crate::{FtlError, Lpn};
use vellum_nand::Nand;

impl<N: Nand> Small<N> {
    fn check(&self, lpn: Lpn, bytes: Option<usize>) -> Result<(), FtlError> {
        if lpn.0 >= self.pages() {
            return Err(FtlError::PastEnd { lpn: lpn.0.into(), pages: self.pages().into() });
        }
        let expected = self.page_bytes();
        match bytes.filter(|&found| found != expected) {
            Some(found) => Err(FtlError::Length { found, expected }),
            None => Ok(()),
        }
    }

    /// Reads a logical page; what was never written, or was discarded, reads as zeros.
    ///
    /// # Errors
    /// [`FtlError::Unreadable`] when the content is lost; a wrong address or buffer.
    pub fn read(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError> {
        self.check(lpn, Some(out.len()))?;
        let before = self.stats.chip_reads;
        self.stats.host_reads += 1;
        let slot = self.trace(lpn.0)?.slot;
        if slot == 0 {
            out.fill(0);
        } else {
            let mut oob = [0; 64];
            let oob = &mut oob[..self.shape.oob];
            let ppa = self.shape.place(slot);
            let effort = self.read_page(ppa, out, oob)?;
            let record = Oob::decode_own(oob).filter(|r| {
                r.kind == Kind::Data
                    && r.lpn == lpn.0
                    && !r.lost
                    && r.data_crc == crc32fast::hash(out)
            });
            let (Some(effort), Some(_)) = (effort, record) else {
                return Err(FtlError::Unreadable { lpn, ppa });
            };
            self.note_effort(slot, effort);
        }
        self.stats.read_reads += self.stats.chip_reads - before;
        Ok(())
    }

    /// Everything is durable already.
    ///
    /// # Errors
    /// None yet.
    pub fn flush(&mut self) -> Result<(), FtlError> {
        self.stats.flushes += 1;
        Ok(())
    }

    fn ready_to_change(&mut self) -> Result<(), FtlError> {
        if self.read_only {
            return Err(self.worn_out());
        }
        self.make_room()
    }

    /// Writes a logical page. Durable when the call returns. Moves at most as many pages for collection as
    /// [`Small::most_moves`] says.
    ///
    /// # Errors
    /// [`FtlError::ReadOnly`] when the device is worn out; the chip's failures.
    pub fn write(&mut self, lpn: Lpn, data: &[u8]) -> Result<(), FtlError> {
        self.check(lpn, Some(data.len()))?;
        self.ready_to_change()?;
        let what = Append { lpn: lpn.0, without: None };
        self.append(what, From::Data(data), crc32fast::hash(data), false)?;
        self.stats.programs_host += 1;
        self.stats.host_writes += 1;
        Ok(())
    }

    /// Discards logical pages: they read as zeros. Each that held something costs a program. Durable when
    /// the call returns.
    ///
    /// # Errors
    /// As for writing.
    pub fn trim(&mut self, first: Lpn, count: u32) -> Result<(), FtlError> {
        if count == 0 {
            return Ok(());
        }
        let last = u64::from(first.0) + u64::from(count) - 1;
        if last >= self.pages().into() {
            return Err(FtlError::PastEnd { lpn: last, pages: self.pages().into() });
        }
        for lpn in first.0..first.0 + count {
            self.ready_to_change()?;
            let path = self.trace(lpn)?;
            if path.slot == 0 {
                continue;
            }
            // What differs from it last is alone beside it: that is written anew, without it.
            match (0..self.shape.depth).rev().find(|&d| path.alt[d] != 0) {
                Some(d) => {
                    let beside = path.alt[d];
                    let ppa = self.shape.place(beside);
                    let record = self.record_of(beside)?;
                    let record = record.ok_or(FtlError::Unreadable { lpn: Lpn(lpn), ppa })?;
                    let what = Append { lpn: record.lpn, without: Some(d as u8) };
                    self.append(what, From::Slot(beside), record.data_crc, record.lost)?;
                }
                None => self.empty()?,
            }
            self.stats.programs_meta += 1;
            self.stats.host_trims += 1;
        }
        self.heal()
    }
}
