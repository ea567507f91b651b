//! The driver's operations, command by command.

use super::bus::Bus;
use super::chip::Driver;
use super::command;
use crate::{Codeword, EraseBlock, NandError, Ppa, ReadStatus};
use alloc::vec;

impl<B: Bus> Driver<B> {
    pub(super) async fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        let g = self.geometry;
        g.check_read(ppa, at, data.len(), oob.len())?;
        let status = self.row_command(command::PAGE_READ, self.row(ppa)).await?;
        if !data.is_empty() {
            self.cache(ppa, at as usize, data).await?;
        }
        let mut spare = core::mem::take(&mut self.oob);
        // A read whose future was dropped did not give it back.
        spare.resize(g.oob_bytes as usize, 0);
        let read = if oob.is_empty() {
            Ok(())
        } else {
            self.cache(ppa, g.page_bytes as usize, &mut spare).await
        };
        for (i, byte) in oob.iter_mut().enumerate() {
            *byte = spare[self.part.place(i)];
        }
        self.oob = spare;
        read?;
        let outcome = self.outcome(status).await?;
        let white = data.iter().chain(oob.iter()).all(|&b| b == 0xff);
        if white && outcome.is_readable() && self.blank(ppa).await? {
            return Ok(ReadStatus::all(g.codewords(), Codeword::Erased));
        }
        Ok(outcome)
    }

    pub(super) async fn program(
        &mut self,
        ppa: Ppa,
        data: &[u8],
        oob: &[u8],
    ) -> Result<(), NandError> {
        let g = self.geometry;
        g.check_program(ppa, data.len(), oob.len())?;
        self.check_order(ppa)?;
        self.write(&[command::WRITE_ENABLE]).await?;
        let [a, b] = self.column(ppa, 0);
        self.bus.send(&[command::PROGRAM_LOAD, a, b], data).await?;
        self.load_oob(ppa, oob).await?;
        self.execute(ppa).await
    }

    pub(super) async fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.geometry.check_block(block)?;
        self.write(&[command::WRITE_ENABLE]).await?;
        let row = self.row(self.geometry.ppa(block, 0));
        let status = self.row_command(command::BLOCK_ERASE, row).await?;
        (self.next[block.0 as usize], self.times[block.0 as usize]) = (0, 0);
        if status & 1 << 2 == 0 { Ok(()) } else { Err(NandError::EraseFailed { block }) }
    }

    /// Reads into the chip's cache, where its code corrects the page, and programs from there.
    pub(super) async fn copy_back(
        &mut self,
        from: Ppa,
        to: Ppa,
        oob: &[u8],
    ) -> Result<ReadStatus, NandError> {
        let g = self.geometry;
        g.check_copy(from, to, oob.len())?;
        self.check_order(to)?;
        let status = self.row_command(command::PAGE_READ, self.row(from)).await?;
        let outcome = self.outcome(status).await?;
        if !outcome.is_readable() {
            return Ok(outcome);
        }
        if self.blank(from).await? {
            return Ok(ReadStatus::all(g.codewords(), Codeword::Erased));
        }
        self.write(&[command::WRITE_ENABLE]).await?;
        // The rest of the user's bytes must not be the source's.
        let mut all = vec![0xff; g.user_oob_bytes() as usize];
        all[..oob.len()].copy_from_slice(oob);
        self.load_oob(to, &all).await?;
        self.execute(to).await?;
        Ok(outcome)
    }

    pub(super) async fn is_marked_bad(&mut self, block: EraseBlock) -> Result<bool, NandError> {
        self.geometry.check_block(block)?;
        let first = self.geometry.ppa(block, 0);
        self.row_command(command::PAGE_READ, self.row(first)).await?;
        let mut marker = [0];
        self.cache(first, self.geometry.page_bytes as usize, &mut marker).await?;
        Ok(marker[0] != 0xff)
    }

    pub(super) async fn mark_bad(&mut self, block: EraseBlock) -> Result<(), NandError> {
        self.geometry.check_block(block)?;
        let first = self.geometry.ppa(block, 0);
        self.write(&[command::WRITE_ENABLE]).await?;
        let [a, b] = self.column(first, self.geometry.page_bytes as usize);
        self.bus.send(&[command::PROGRAM_LOAD, a, b], &[0, 0]).await?;
        let next = self.next[block.0 as usize];
        let done = self.execute(first).await;
        self.next[block.0 as usize] = next;
        done
    }

    /// Loads the user's out-of-band bytes to their places, run by run.
    async fn load_oob(&mut self, ppa: Ppa, oob: &[u8]) -> Result<(), NandError> {
        let mut i = 0;
        while i < oob.len() {
            let place = self.part.place(i);
            let mut n = 1;
            while i + n < oob.len() && self.part.place(i + n) == place + n {
                n += 1;
            }
            let [a, b] = self.column(ppa, self.geometry.page_bytes as usize + place);
            self.bus.send(&[command::PROGRAM_LOAD_RANDOM, a, b], &oob[i..i + n]).await?;
            i += n;
        }
        Ok(())
    }
}
