//! Sectors over byte-addressable memory that are written whole or not at all.
//!
//! As in Linux's block translation table: a write goes to a free block, is flushed and fenced, and
//! then one 8-byte word of the map is turned to it, which is atomic. The word is flushed and fenced
//! before the write ends, so a completed write is durable.

use crate::device::{LINE, Nvm, NvmError};
use crate::domain::Domain;
use vellum_block::Instant;

/// Bytes of a sector.
const SECTOR: usize = 512;
const SECTOR_LINES: u64 = (SECTOR / LINE) as u64;

/// A block device over a persistence domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockMode {
    domain: Domain,
    sectors: u64,
    /// Block of each sector.
    map: Vec<u64>,
    free: u64,
}

impl BlockMode {
    /// The sectors of a device, as its map says: a new device (all zeros) reads as zeros.
    ///
    /// # Errors
    /// When the device is too small for one sector, or its map names a block twice.
    pub fn open(nvm: Nvm) -> Result<BlockMode, NvmError> {
        let lines = nvm.lines();
        let wrong = |why| NvmError::Size { lines, why };
        // n sectors take n + 1 blocks of 8 lines and n words of map.
        let sectors = (lines.saturating_sub(SECTOR_LINES + 1) * 8) / (SECTOR_LINES * 8 + 1);
        if sectors == 0 {
            return Err(wrong("too small for a sector"));
        }
        let mut mode =
            BlockMode { domain: Domain::new(nvm), sectors, map: Vec::new(), free: sectors };
        let mut used = vec![false; sectors as usize + 1];
        for sector in 0..sectors {
            let block = match mode.domain.load(sector * 8)? {
                0 => sector,
                n => n - 1,
            };
            match used.get_mut(block as usize) {
                Some(u) if !*u => *u = true,
                _ => return Err(wrong("the map names a block twice, or one that is not there")),
            }
            mode.map.push(block);
        }
        mode.free = used.iter().position(|u| !u).unwrap_or(0) as u64;
        Ok(mode)
    }

    /// Sectors.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// The device's time.
    pub fn now(&self) -> Instant {
        self.domain.now()
    }

    /// The persistence domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    fn address(&self, block: u64) -> u64 {
        (self.sectors.div_ceil(8) + block * SECTOR_LINES) * LINE as u64
    }

    fn check(&self, sector: u64) -> Result<u64, NvmError> {
        let lines = self.sectors;
        self.map.get(sector as usize).copied().ok_or(NvmError::PastEnd { line: sector, lines })
    }

    /// Reads a sector.
    ///
    /// # Errors
    /// When there is no such sector.
    pub fn read(&mut self, sector: u64, out: &mut [u8; SECTOR]) -> Result<(), NvmError> {
        let base = self.address(self.check(sector)?);
        for (i, word) in out.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&self.domain.load(base + 8 * i as u64)?.to_le_bytes());
        }
        Ok(())
    }

    /// Writes a sector; durable when the call returns.
    ///
    /// # Errors
    /// When there is no such sector, or cells are worn out.
    pub fn write(&mut self, sector: u64, data: &[u8; SECTOR]) -> Result<(), NvmError> {
        self.write_data(sector, data)?;
        self.domain.fence()?;
        self.turn(sector)?;
        self.domain.fence()
    }

    fn write_data(&mut self, sector: u64, data: &[u8; SECTOR]) -> Result<(), NvmError> {
        self.check(sector)?;
        let base = self.address(self.free);
        for (i, word) in data.chunks_exact(8).enumerate() {
            let word = u64::from_le_bytes(word.try_into().expect("8 bytes"));
            self.domain.store(base + 8 * i as u64, word)?;
        }
        (0..SECTOR_LINES).for_each(|i| self.domain.flush(base + i * LINE as u64));
        Ok(())
    }

    /// Points the map at the block that was just written.
    fn turn(&mut self, sector: u64) -> Result<(), NvmError> {
        let block = self.free;
        self.domain.store(sector * 8, block + 1)?;
        self.domain.flush(sector * 8);
        self.free = std::mem::replace(&mut self.map[sector as usize], block);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles;

    fn mode() -> BlockMode {
        BlockMode::open(Nvm::new(profiles::find("rram").unwrap(), 200, 1).unwrap()).unwrap()
    }

    #[test]
    fn sectors_hold_what_was_written_and_open_again() {
        let mut m = mode();
        for i in 0..60u64 {
            let sector = i * 7 % m.sectors();
            m.write(sector, &[i as u8; SECTOR]).unwrap();
            let mut out = [0; SECTOR];
            m.read(sector, &mut out).unwrap();
            assert_eq!(out, [i as u8; SECTOR]);
        }
        let mut again = BlockMode::open(m.domain().nvm().clone()).unwrap();
        let mut out = [0; SECTOR];
        again.read(59 * 7 % again.sectors(), &mut out).unwrap();
        assert_eq!(out, [59; SECTOR]);
        assert!(m.write(m.sectors(), &[0; SECTOR]).is_err());
    }

    #[test]
    fn a_crash_at_any_point_leaves_a_sector_old_or_new() {
        let mut m = mode();
        m.write(2, &[1; SECTOR]).unwrap();
        let check = |m: &BlockMode| {
            for state in m.domain().crash_states(16, 4).unwrap() {
                let mut out = [0; SECTOR];
                BlockMode::open(state).unwrap().read(2, &mut out).unwrap();
                assert!(out == [1; SECTOR] || out == [2; SECTOR], "torn");
            }
        };
        m.write_data(2, &[2; SECTOR]).unwrap();
        check(&m);
        m.domain.fence().unwrap();
        check(&m);
        m.turn(2).unwrap();
        check(&m);
        m.domain.fence().unwrap();
        check(&m);
    }
}
