//! Content: what a device's sectors hold, apart from when.

use crate::{Lba, Page};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Why content could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The range is not inside the medium.
    #[error("sectors {lba}+{sectors} run past the end of a medium of {capacity} sectors")]
    PastEnd {
        /// First sector.
        lba: Lba,
        /// Sectors.
        sectors: u64,
        /// What the medium has.
        capacity: u64,
    },
    /// A buffer that is no whole number of sectors.
    #[error("a buffer of {bytes} bytes is not whole sectors of {sector_bytes}")]
    Unaligned {
        /// The buffer's length.
        bytes: usize,
        /// Bytes in a sector.
        sector_bytes: u32,
    },
    /// A sector's content is lost.
    #[error("sector {lba} can't be read")]
    Unreadable {
        /// The sector.
        lba: Lba,
    },
    /// The device over the medium refused or failed.
    #[error("the device failed a {op:?} at sector {lba}")]
    Device {
        /// What was asked.
        op: crate::Op,
        /// Where.
        lba: Lba,
    },
    /// Nothing may be written.
    #[error("the medium is read-only")]
    ReadOnly,
    /// A size that no medium can have.
    #[error("a medium of {sectors} sectors of {sector_bytes} bytes is not possible: {why}")]
    Size {
        /// Sectors asked for.
        sectors: u64,
        /// Bytes in a sector.
        sector_bytes: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// The file under it failed.
    #[cfg(feature = "std")]
    #[error("{what} at byte {offset}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where in the file.
        offset: u64,
        /// What the system says.
        source: std::io::Error,
    },
    /// A difference file that is damaged, or belongs to another medium.
    #[error("difference at byte {at}: {why}")]
    Diff {
        /// Where in the file.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// Sectors that hold bytes. Calls take effect at once; when they *would* have, a [`crate::Device`]
/// says.
pub trait Media {
    /// Bytes in a sector.
    fn sector_bytes(&self) -> u32;

    /// Number of sectors.
    fn sectors(&self) -> u64;

    /// Reads whole sectors from `lba` on into `out`; what was never written reads as zeros.
    ///
    /// # Errors
    /// When the range or the buffer does not fit, a sector is lost, or the file below fails.
    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError>;

    /// Reads whole sectors from `lba` on into buffers, one behind the other, each of whole sectors. A
    /// medium below which such a read is one call does it by one.
    ///
    /// # Errors
    /// As for [`Media::read`]; the buffers before the one that failed are filled.
    fn read_parts(&mut self, lba: Lba, parts: &mut [&mut [u8]]) -> Result<(), MediaError> {
        let mut at = lba;
        for part in parts {
            let sectors = self.check(at, part.len())?;
            self.read(at, part)?;
            at = Lba::new(at.get() + sectors);
        }
        Ok(())
    }

    /// Writes whole sectors from `lba` on.
    ///
    /// # Errors
    /// As for reading.
    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError>;

    /// Whether sectors are best read and written as [`Page`]s, which then change hands without a copy.
    fn takes_pages(&self) -> bool {
        false
    }

    /// A sector's worth of bytes to fill for [`Media::write_page`], of any content.
    fn page(&mut self) -> Page {
        Page::zeroed(self.sector_bytes() as usize)
    }

    /// Reads one sector; whoever writes to the page later gets a copy of its own.
    ///
    /// # Errors
    /// As for [`Media::read`].
    fn read_page(&mut self, lba: Lba) -> Result<Page, MediaError> {
        let mut page = self.page();
        self.read(lba, page.bytes_mut())?;
        Ok(page)
    }

    /// Writes one sector, and may keep the page.
    ///
    /// # Errors
    /// As for [`Media::write`].
    fn write_page(&mut self, lba: Lba, page: &Page) -> Result<(), MediaError> {
        self.write(lba, page)
    }

    /// Makes the range read as zeros and gives its storage back where that is possible.
    ///
    /// # Errors
    /// As for reading.
    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError>;

    /// Makes earlier writes durable.
    ///
    /// # Errors
    /// When the file below fails.
    fn flush(&mut self) -> Result<(), MediaError> {
        Ok(())
    }

    /// Checks that `bytes` are whole sectors inside the medium, and returns how many.
    ///
    /// # Errors
    /// When they are not.
    fn check(&self, lba: Lba, bytes: usize) -> Result<u64, MediaError> {
        let sector_bytes = self.sector_bytes();
        if !bytes.is_multiple_of(sector_bytes as usize) {
            return Err(MediaError::Unaligned { bytes, sector_bytes });
        }
        let sectors = (bytes / sector_bytes as usize) as u64;
        self.check_sectors(lba, sectors)?;
        Ok(sectors)
    }

    /// Checks that a range is inside the medium.
    ///
    /// # Errors
    /// When it is not.
    fn check_sectors(&self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        let capacity = self.sectors();
        match lba.checked_add(sectors) {
            Some(end) if end.get() <= capacity => Ok(()),
            _ => Err(MediaError::PastEnd { lba, sectors, capacity }),
        }
    }
}

impl<M: Media + ?Sized> Media for Box<M> {
    fn sector_bytes(&self) -> u32 {
        (**self).sector_bytes()
    }
    fn sectors(&self) -> u64 {
        (**self).sectors()
    }
    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        (**self).read(lba, out)
    }
    fn read_parts(&mut self, lba: Lba, parts: &mut [&mut [u8]]) -> Result<(), MediaError> {
        (**self).read_parts(lba, parts)
    }
    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        (**self).write(lba, data)
    }
    fn takes_pages(&self) -> bool {
        (**self).takes_pages()
    }
    fn page(&mut self) -> Page {
        (**self).page()
    }
    fn read_page(&mut self, lba: Lba) -> Result<Page, MediaError> {
        (**self).read_page(lba)
    }
    fn write_page(&mut self, lba: Lba, page: &Page) -> Result<(), MediaError> {
        (**self).write_page(lba, page)
    }
    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        (**self).discard(lba, sectors)
    }
    fn flush(&mut self) -> Result<(), MediaError> {
        (**self).flush()
    }
}

/// Checks a medium's size: a sector is a power of two of 64 to 65,536 bytes, and the bytes of all
/// fit in 63 bits.
pub(crate) fn check_size(sectors: u64, sector_bytes: u32) -> Result<(), MediaError> {
    let why = if !sector_bytes.is_power_of_two() || !(64..=65_536).contains(&sector_bytes) {
        "a sector is a power of two from 64 to 65536 bytes"
    } else if sectors == 0 {
        "there are no sectors"
    } else if sectors > i64::MAX as u64 / u64::from(sector_bytes) {
        "more than 2^63 bytes"
    } else {
        return Ok(());
    };
    Err(MediaError::Size { sectors, sector_bytes, why })
}

/// Content in memory. Chunks of 64 sectors come into being when first written, so a large empty
/// medium costs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ram {
    sectors: u64,
    sector_bytes: u32,
    chunks: BTreeMap<u64, Box<[u8]>>,
}

/// Sectors in a chunk of a [`Ram`].
const CHUNK: u64 = 64;

impl Ram {
    /// An empty medium: all zeros.
    ///
    /// # Errors
    /// When the size is not possible.
    pub fn new(sectors: u64, sector_bytes: u32) -> Result<Ram, MediaError> {
        check_size(sectors, sector_bytes)?;
        Ok(Ram { sectors, sector_bytes, chunks: BTreeMap::new() })
    }

    /// Bytes of memory that hold content.
    pub fn resident_bytes(&self) -> u64 {
        self.chunks.len() as u64 * CHUNK * u64::from(self.sector_bytes)
    }

    /// The chunks that hold content: number of the first sector, bytes.
    pub fn chunks(&self) -> impl Iterator<Item = (Lba, &[u8])> {
        self.chunks.iter().map(|(&n, bytes)| (Lba::new(n * CHUNK), &bytes[..]))
    }

    /// Calls `f(chunk, range in the chunk, range in the buffer)` for the pieces of a range.
    fn pieces(&self, lba: Lba, sectors: u64, mut f: impl FnMut(u64, usize, usize, usize)) {
        let size = self.sector_bytes as usize;
        let (mut at, end, mut done) = (lba.get(), lba.get() + sectors, 0);
        while at < end {
            let n = (CHUNK - at % CHUNK).min(end - at);
            let bytes = n as usize * size;
            f(at / CHUNK, (at % CHUNK) as usize * size, done, bytes);
            at += n;
            done += bytes;
        }
    }
}

impl Media for Ram {
    fn sector_bytes(&self) -> u32 {
        self.sector_bytes
    }

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        let sectors = self.check(lba, out.len())?;
        self.pieces(lba, sectors, |chunk, from, to, n| match self.chunks.get(&chunk) {
            Some(bytes) => out[to..to + n].copy_from_slice(&bytes[from..from + n]),
            None => out[to..to + n].fill(0),
        });
        Ok(())
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        let sectors = self.check(lba, data.len())?;
        let mut chunks = core::mem::take(&mut self.chunks);
        let whole = CHUNK as usize * self.sector_bytes as usize;
        self.pieces(lba, sectors, |chunk, to, from, n| {
            let bytes =
                chunks.entry(chunk).or_insert_with(|| alloc::vec![0; whole].into_boxed_slice());
            bytes[to..to + n].copy_from_slice(&data[from..from + n]);
        });
        self.chunks = chunks;
        Ok(())
    }

    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.check_sectors(lba, sectors)?;
        let end = lba.get() + sectors;
        let mut chunks = core::mem::take(&mut self.chunks);
        let size = self.sector_bytes as usize;
        // Only chunks that exist are visited: discarding a huge empty range is quick.
        let last = end.div_ceil(CHUNK).max(lba.get() / CHUNK);
        let touched: Vec<u64> = chunks.range(lba.get() / CHUNK..last).map(|(&n, _)| n).collect();
        for n in touched {
            let (first, after) = ((n * CHUNK).max(lba.get()), ((n + 1) * CHUNK).min(end));
            if after - first == CHUNK {
                chunks.remove(&n);
            } else if let Some(bytes) = chunks.get_mut(&n) {
                let from = (first - n * CHUNK) as usize * size;
                bytes[from..from + (after - first) as usize * size].fill(0);
            }
        }
        self.chunks = chunks;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
