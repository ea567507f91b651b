//! Content in a file that is written where it stands. Pages of the guest go to the file as they are, and
//! what is read comes in fresh frames: the only copy is the system's own.

use std::io::Write;
use std::sync::Arc;

use vellum::frames::FramePool;
use vellum::remap::Part;
use vellum_block::{Lba, Media, MediaError, SparseFile};
use vellum_state::{Error, Reader, State, Writer};
use vm_memory::VolatileMemoryError;

use super::content::{read_pages, same_size};
use super::{Content, Payload};

/// Content in a file that is written where it stands.
#[derive(Debug)]
pub struct InPlace {
    file: SparseFile,
    read_only: bool,
}

impl InPlace {
    /// The content of `file`.
    pub fn new(file: SparseFile, read_only: bool) -> Self {
        InPlace { file, read_only }
    }
}

impl Media for InPlace {
    fn sector_bytes(&self) -> u32 {
        self.file.sector_bytes()
    }

    fn sectors(&self) -> u64 {
        self.file.sectors()
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        self.file.read(lba, out)
    }

    fn read_parts(&mut self, lba: Lba, parts: &mut [&mut [u8]]) -> Result<(), MediaError> {
        self.file.read_parts(lba, parts)
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        self.file.write(lba, data)
    }

    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.file.discard(lba, sectors)
    }

    fn flush(&mut self) -> Result<(), MediaError> {
        self.file.flush()
    }
}

impl Content for InPlace {
    fn read_only(&self) -> bool {
        self.read_only
    }

    fn fetch(
        &mut self,
        lba: Lba,
        sectors: u64,
        frames: Option<&Arc<FramePool>>,
    ) -> Result<Payload, MediaError> {
        self.check_sectors(lba, sectors)?;
        let bytes = sectors as usize * self.sector_bytes() as usize;
        let mut out = Payload::default();
        read_pages(&mut self.file, lba, bytes, frames, &mut out)?;
        Ok(out)
    }

    fn store(&mut self, lba: Lba, data: &Payload) -> Result<u64, MediaError> {
        let offset = lba.get() * u64::from(self.sector_bytes());
        let file = self.file.writer(lba, data.len())?;
        for part in data.data().parts() {
            let written = match part {
                Part::Pages(run) => vellum::write_held(run, file).map_err(|error| match error {
                    VolatileMemoryError::IOError(error) => error,
                    other => std::io::Error::other(other),
                }),
                Part::Bytes(bytes) => file.write_all(bytes),
            };
            written.map_err(|source| MediaError::Io { what: "write", offset, source })?;
        }
        Ok(0)
    }
}

/// The file stays where it is; the state says only how long it must be.
impl State for InPlace {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"DFIL", 1, |w| w.u64(self.file.sectors()));
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"DFIL", 1, |r| same_size(r.u64()?, self.file.sectors()))
    }
}
