//! Rows of a superblock: their parity while it grows, on the chip, and what is rebuilt from it.

use super::{OWN, Superblocks};
use crate::{Nand, NandError, Ppa, ReadStatus};
use alloc::vec;
use alloc::vec::Vec;

/// Rows whose parity is kept in RAM; one more is read again when it is gone on with.
const ROWS: usize = 8;

/// The XOR of a row so far.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub block: u32,
    pub row: u32,
    /// The page of the superblock that was programmed last.
    pub last: u32,
    /// A bit a column that is in it.
    pub columns: u32,
    /// Its parity is on the chip.
    pub done: bool,
    /// Data, then out-of-band bytes.
    pub xor: Vec<u8>,
}

/// XORs bytes into others, as far as both go.
pub(super) fn add_bytes<'a>(xor: &mut [u8], bytes: impl IntoIterator<Item = &'a u8>) {
    xor.iter_mut().zip(bytes).for_each(|(x, b)| *x ^= b);
}

impl<N: Nand> Superblocks<N> {
    /// XORs a page of the chip below into `xor`; how it read.
    fn add(&mut self, from: Ppa, xor: &mut [u8]) -> Result<ReadStatus, NandError> {
        let mut page = vec![0; self.bytes()];
        let (data, oob) = page.split_at_mut(self.geometry.page_bytes as usize);
        let status = self.chip.read(from, 0, data, oob)?;
        if status.is_readable() {
            add_bytes(xor, &page);
        }
        Ok(status)
    }

    /// Has the row that a program goes to at the end of `rows`, with what was programmed in it before;
    /// an earlier row of its block gets its parity first.
    pub(super) fn open_row(&mut self, block: u32, row: u32, column: u32) -> Result<(), NandError> {
        if let Some(i) = self.rows.iter().position(|r| r.block == block) {
            let open = self.rows.remove(i);
            if open.row == row {
                self.rows.push(open);
                return Ok(());
            }
            if !open.done {
                self.write_parity(&open)?;
            }
        }
        if self.rows.len() == ROWS {
            self.rows.remove(0);
        }
        let first = row * self.columns();
        let mut open =
            Row { block, row, last: first, columns: 0, done: false, xor: vec![0; self.bytes()] };
        for before in 0..column {
            let from = self.at(block, row, before);
            if self.add(from, &mut open.xor)?.is_readable() {
                open.columns |= 1 << before;
            }
        }
        self.rows.push(open);
        Ok(())
    }

    pub(super) fn write_parity(&mut self, row: &Row) -> Result<(), NandError> {
        if row.columns == 0 {
            return Ok(());
        }
        let mut page: Vec<u8> = row.xor.iter().map(|b| !b).collect();
        page.extend_from_slice(&row.columns.to_le_bytes());
        let crc = crc32fast::hash(&page);
        page.extend_from_slice(&crc.to_le_bytes());
        let (data, oob) = page.split_at(self.geometry.page_bytes as usize);
        self.chip.program(self.at(row.block, row.row, self.columns()), data, oob)
    }

    /// The parity of a row, from RAM or from the chip; with the columns in it.
    fn parity(&mut self, block: u32, row: u32) -> Result<Option<(Vec<u8>, u32)>, NandError> {
        if let Some(open) = self.rows.iter().find(|r| r.block == block && r.row == row) {
            return Ok(Some((open.xor.clone(), open.columns)));
        }
        let mut page = vec![0; self.bytes() + OWN];
        let (data, oob) = page.split_at_mut(self.geometry.page_bytes as usize);
        let from = self.at(block, row, self.columns());
        let readable = self.chip.read(from, 0, data, oob)?.is_readable();
        let Some((body, crc)) = page.split_last_chunk() else { return Ok(None) };
        if !readable || crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Ok(None);
        }
        let Some((body, columns)) = body.split_last_chunk() else { return Ok(None) };
        Ok(Some((body.iter().map(|b| !b).collect(), u32::from_le_bytes(*columns))))
    }

    /// A page from its row's parity and the row's other pages, if all of these can be read.
    pub(super) fn rebuild(
        &mut self,
        block: u32,
        row: u32,
        column: u32,
    ) -> Result<Option<Vec<u8>>, NandError> {
        let Some((mut page, columns)) = self.parity(block, row)? else { return Ok(None) };
        if columns >> column & 1 == 0 {
            return Ok(None);
        }
        for other in (0..self.columns()).filter(|&c| c != column && columns >> c & 1 != 0) {
            let from = self.at(block, row, other);
            if !self.add(from, &mut page)?.is_readable() {
                return Ok(None);
            }
        }
        self.rebuilt += 1;
        Ok(Some(page))
    }
}
