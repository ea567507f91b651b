//! Content that can be saved with a machine.

use std::sync::Arc;

use vellum::frames::{FramePool, Held, PAGE_SIZE};
use vellum::remap::Part;
use vellum_block::{Lba, Media, MediaError};
use vellum_state::{Error, State};

use super::{Payload, SECTOR};

/// Content, and as much of it as belongs to a machine's state.
pub trait Content: Media + State + core::fmt::Debug {
    /// Whether nothing may be written.
    fn read_only(&self) -> bool;

    /// Reads sectors: as held pages where the content has them, or where `frames` are given to read into.
    ///
    /// # Errors
    /// As for [`Media::read`].
    fn fetch(
        &mut self,
        lba: Lba,
        sectors: u64,
        frames: Option<&Arc<FramePool>>,
    ) -> Result<Payload, MediaError> {
        let _ = frames;
        let mut out = vec![0; sectors as usize * self.sector_bytes() as usize];
        self.read(lba, &mut out)?;
        Ok(out.into())
    }

    /// Writes sectors; held pages may stay what they are. Returns how many bytes of them were copied all
    /// the same.
    ///
    /// # Errors
    /// As for [`Media::write`].
    fn store(&mut self, lba: Lba, data: &Payload) -> Result<u64, MediaError> {
        self.write(lba, &data.to_vec())?;
        Ok(data.data().paged() as u64)
    }
}

/// Reads whole pages into fresh frames, and into bytes what is no whole page or finds no frame to spare.
pub(super) fn read_pages<M: Media>(
    media: &mut M,
    lba: Lba,
    bytes: usize,
    frames: Option<&Arc<FramePool>>,
    out: &mut Payload,
) -> Result<(), MediaError> {
    let size = media.sector_bytes() as usize;
    let pages = if PAGE_SIZE.is_multiple_of(size) { bytes / PAGE_SIZE } else { 0 };
    let mut done = 0;
    if let (1.., Some(pool)) = (pages, frames)
        && let Ok(read) = pool.allocate_run_filled(pages, |parts| media.read_parts(lba, parts))
    {
        out.push(Part::Pages(Held::adopt(pool, read?)));
        done = pages * PAGE_SIZE;
    }
    if done < bytes {
        let mut rest = vec![0; bytes - done];
        media.read(Lba::new(lba.get() + (done / size) as u64), &mut rest)?;
        out.push(Part::Bytes(rest));
    }
    Ok(())
}

/// Nothing but zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zeros {
    sectors: u64,
}

impl Zeros {
    /// `bytes` zeros.
    ///
    /// # Errors
    /// When they are not whole sectors, or none.
    pub fn new(bytes: u64) -> Result<Self, MediaError> {
        let sectors = bytes / SECTOR;
        if sectors == 0 || !bytes.is_multiple_of(SECTOR) {
            let why = "not a whole number of sectors of 512 bytes, or none";
            return Err(MediaError::Size { sectors, sector_bytes: SECTOR as u32, why });
        }
        Ok(Zeros { sectors })
    }
}

impl Media for Zeros {
    fn sector_bytes(&self) -> u32 {
        SECTOR as u32
    }

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        self.check(lba, out.len())?;
        out.fill(0);
        Ok(())
    }

    fn write(&mut self, _lba: Lba, _data: &[u8]) -> Result<(), MediaError> {
        Err(MediaError::ReadOnly)
    }

    fn discard(&mut self, _lba: Lba, _sectors: u64) -> Result<(), MediaError> {
        Err(MediaError::ReadOnly)
    }
}

pub(super) fn same_size(saved: u64, here: u64) -> Result<(), Error> {
    if saved == here {
        return Ok(());
    }
    Err(Error::Value { field: "disk sectors", value: saved, why: "the disk here has another size" })
}
