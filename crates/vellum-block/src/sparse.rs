//! Content in a file with holes.

use crate::media::check_size;
use crate::{Lba, Media, MediaError};
use std::fs::File;
use std::io::{self, IoSliceMut, Seek, SeekFrom, Write};
use std::path::Path;

/// Content in a file; what was never written is a hole and reads as zeros.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    sectors: u64,
    sector_bytes: u32,
    writable: bool,
}

fn io_error(what: &'static str, offset: u64) -> impl FnOnce(io::Error) -> MediaError {
    move |source| MediaError::Io { what, offset, source }
}

impl SparseFile {
    /// A new file at `path`, all holes; an existing file is an error.
    ///
    /// # Errors
    /// When the size is not possible or the file can't be made.
    pub fn create(path: &Path, sectors: u64, sector_bytes: u32) -> Result<Self, MediaError> {
        check_size(sectors, sector_bytes)?;
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(io_error("create", 0))?;
        let bytes = sectors * u64::from(sector_bytes);
        file.set_len(bytes).map_err(io_error("set length", bytes))?;
        Ok(SparseFile { file, sectors, sector_bytes, writable: true })
    }

    /// The file at `path`, whose length must be whole sectors.
    ///
    /// # Errors
    /// When it can't be opened or its length is no whole number of sectors.
    pub fn open(path: &Path, sector_bytes: u32, writable: bool) -> Result<Self, MediaError> {
        let file =
            File::options().read(true).write(writable).open(path).map_err(io_error("open", 0))?;
        let bytes = file.metadata().map_err(io_error("stat", 0))?.len();
        check_size(bytes / u64::from(sector_bytes.max(1)), sector_bytes)?;
        if bytes % u64::from(sector_bytes) != 0 {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            return Err(MediaError::Unaligned { bytes, sector_bytes });
        }
        let sectors = bytes / u64::from(sector_bytes);
        Ok(SparseFile { file, sectors, sector_bytes, writable })
    }

    fn at(&self, lba: Lba) -> u64 {
        lba.get() * u64::from(self.sector_bytes)
    }

    fn may_write(&self) -> Result<(), MediaError> {
        if self.writable { Ok(()) } else { Err(MediaError::ReadOnly) }
    }

    /// The file, placed where `bytes` bytes from `lba` on are to be written, for whoever has them in another
    /// form than a slice and writes just those.
    ///
    /// # Errors
    /// As for [`Media::write`].
    pub fn writer(&mut self, lba: Lba, bytes: usize) -> Result<&mut File, MediaError> {
        self.may_write()?;
        self.check(lba, bytes)?;
        self.seek(self.at(lba))?;
        Ok(&mut self.file)
    }

    fn seek(&mut self, offset: u64) -> Result<(), MediaError> {
        self.file.seek(SeekFrom::Start(offset)).map_err(io_error("seek", offset))?;
        Ok(())
    }

    /// Writes zeros in bounded pieces.
    fn zero(&mut self, offset: u64, mut bytes: u64) -> Result<(), MediaError> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        self.seek(offset)?;
        while bytes > 0 {
            let n = bytes.min(ZEROS.len() as u64);
            self.file.write_all(&ZEROS[..n as usize]).map_err(io_error("write zeros", offset))?;
            bytes -= n;
        }
        Ok(())
    }
}

impl Media for SparseFile {
    fn sector_bytes(&self) -> u32 {
        self.sector_bytes
    }

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        self.check(lba, out.len())?;
        let offset = self.at(lba);
        self.seek(offset)?;
        io::Read::read_exact(&mut self.file, out).map_err(io_error("read", offset))
    }

    fn read_parts(&mut self, lba: Lba, parts: &mut [&mut [u8]]) -> Result<(), MediaError> {
        let mut bytes = 0;
        for part in parts.iter() {
            self.check(lba, part.len())?;
            bytes += part.len();
        }
        self.check(lba, bytes)?;
        let offset = self.at(lba);
        self.seek(offset)?;
        let mut slices: Vec<IoSliceMut<'_>> =
            parts.iter_mut().map(|part| IoSliceMut::new(part)).collect();
        let mut left = &mut slices[..];
        while bytes > 0 {
            match io::Read::read_vectored(&mut self.file, left) {
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Err(io_error("read", offset)(error));
                }
                Ok(n) => {
                    bytes -= n;
                    IoSliceMut::advance_slices(&mut left, n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error("read", offset)(error)),
            }
        }
        Ok(())
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        let written = self.writer(lba, data.len())?.write_all(data);
        written.map_err(io_error("write", self.at(lba)))
    }

    /// At the end of the file the storage is given back by cutting the file and growing it again;
    /// elsewhere zeros are written.
    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.may_write()?;
        self.check_sectors(lba, sectors)?;
        let offset = self.at(lba);
        if lba.get() + sectors == self.sectors {
            self.file.set_len(offset).map_err(io_error("cut", offset))?;
            let end = self.sectors * u64::from(self.sector_bytes);
            return self.file.set_len(end).map_err(io_error("set length", end));
        }
        self.zero(offset, sectors * u64::from(self.sector_bytes))
    }

    fn flush(&mut self) -> Result<(), MediaError> {
        self.file.sync_data().map_err(io_error("sync", 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_what_was_written_and_reads_holes_as_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        let mut file = SparseFile::create(&path, 1 << 22, 512).unwrap();
        file.write(Lba::new(1_000_000), &[7; 1024]).unwrap();
        file.discard(Lba::new(1_000_001), 1).unwrap();
        file.discard(Lba::new(2_000_000), (1 << 22) - 2_000_000).unwrap();
        file.flush().unwrap();
        drop(file);
        let mut file = SparseFile::open(&path, 512, false).unwrap();
        let mut out = [1; 1536];
        file.read(Lba::new(999_999), &mut out).unwrap();
        assert_eq!((out[0], out[512], out[1024]), (0, 7, 0));
        let (mut one, mut two) = ([1; 1024], [1; 512]);
        file.read_parts(Lba::new(999_999), &mut [&mut one, &mut two]).unwrap();
        assert_eq!((&one[..], &two[..]), (&out[..1024], &out[1024..]));
        let odd = file.read_parts(Lba::new(0), &mut [&mut one[..512], &mut two[..100]]);
        assert!(matches!(odd, Err(MediaError::Unaligned { bytes: 100, .. })));
        let past = file.read_parts(Lba::new((1 << 22) - 2), &mut [&mut one, &mut two]);
        assert!(past.is_err(), "three sectors where two are left");
        // So far out that its offset is no number.
        let far = Lba::new(u64::MAX / 256);
        let beyond = |result| assert!(matches!(result, Err(MediaError::PastEnd { .. })));
        beyond(file.read(far, &mut one));
        beyond(file.read_parts(far, &mut [&mut one, &mut two]));
        assert!(matches!(file.writer(Lba::new(0), 512), Err(MediaError::ReadOnly)));
        assert!(matches!(file.write(Lba::new(0), &[0; 512]), Err(MediaError::ReadOnly)));
        assert!(SparseFile::create(&path, 8, 512).is_err(), "never overwrites a file");
    }

    #[test]
    fn a_file_of_odd_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("odd.img");
        std::fs::write(&path, [0; 700]).unwrap();
        assert!(matches!(SparseFile::open(&path, 512, true), Err(MediaError::Unaligned { .. })));
    }
}
