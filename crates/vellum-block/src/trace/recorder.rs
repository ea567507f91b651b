//! What is asked of a medium, written down as a trace that can be run again.

use crate::{Lba, Media, MediaError, Page};
use std::io::{self, Write};

/// A medium that notes each request in a log, in the format of fio's iolog (version 2): [`super::Reader`] reads it,
/// and `fio --read_iolog` does. The log has no times and no data.
///
/// ```
/// use vellum_block::trace::{Reader, Recorder};
/// use vellum_block::{Lba, Media, Op, Ram};
///
/// let mut disk = Recorder::new(Ram::new(100, 512)?, Vec::new());
/// disk.write(Lba::new(7), &[1; 1024])?;
/// disk.flush()?;
/// let (_, log) = disk.finish()?;
/// let records: Result<Vec<_>, _> = Reader::new(&log[..], "log", None)?.with_flushes().collect();
/// let records: Vec<_> = records?.iter().map(|r| (r.op, r.lba.get(), r.sectors)).collect();
/// assert_eq!(records, [(Op::Write, 7, 2), (Op::Flush, 0, 0)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recorder<M, W> {
    media: M,
    log: W,
    /// Why nothing more is written down.
    failed: Option<io::Error>,
}

impl<M: Media, W: Write> Recorder<M, W> {
    /// Notes what is asked of `media` from now on.
    pub fn new(media: M, log: W) -> Recorder<M, W> {
        let mut recorder = Recorder { media, log, failed: None };
        recorder.line("fio version 2 iolog\nvellum add\nvellum open\n");
        recorder
    }

    /// The medium.
    pub fn media(&mut self) -> &mut M {
        &mut self.media
    }

    /// Has what was noted so far reach the file.
    ///
    /// # Errors
    /// When any of the log could not be written.
    pub fn flush_log(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.log.flush(),
        }
    }

    /// Ends the log and gives both back.
    ///
    /// # Errors
    /// When any of the log could not be written; requests were served all the same.
    pub fn finish(mut self) -> io::Result<(M, W)> {
        self.line("vellum close\n");
        match self.failed {
            Some(error) => Err(error),
            None => {
                self.log.flush()?;
                Ok((self.media, self.log))
            }
        }
    }

    fn line(&mut self, line: &str) {
        if self.failed.is_none() {
            self.failed = self.log.write_all(line.as_bytes()).err();
        }
    }

    fn note(&mut self, action: &str, lba: Lba, bytes: u64) {
        let offset = u128::from(lba.get()) * u128::from(self.media.sector_bytes());
        self.line(&format!("vellum {action} {offset} {bytes}\n"));
    }
}

/// A request is noted before it is served, whatever comes of it.
impl<M: Media, W: Write> Media for Recorder<M, W> {
    fn sector_bytes(&self) -> u32 {
        self.media.sector_bytes()
    }

    fn sectors(&self) -> u64 {
        self.media.sectors()
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        self.note("read", lba, out.len() as u64);
        self.media.read(lba, out)
    }

    /// One request, whose answer goes to several places.
    fn read_parts(&mut self, lba: Lba, parts: &mut [&mut [u8]]) -> Result<(), MediaError> {
        self.note("read", lba, parts.iter().map(|part| part.len() as u64).sum());
        self.media.read_parts(lba, parts)
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        self.note("write", lba, data.len() as u64);
        self.media.write(lba, data)
    }

    fn takes_pages(&self) -> bool {
        self.media.takes_pages()
    }

    fn page(&mut self) -> Page {
        self.media.page()
    }

    fn read_page(&mut self, lba: Lba) -> Result<Page, MediaError> {
        self.note("read", lba, self.media.sector_bytes().into());
        self.media.read_page(lba)
    }

    fn write_page(&mut self, lba: Lba, page: &Page) -> Result<(), MediaError> {
        self.note("write", lba, page.len() as u64);
        self.media.write_page(lba, page)
    }

    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.note("trim", lba, sectors.saturating_mul(self.media.sector_bytes().into()));
        self.media.discard(lba, sectors)
    }

    fn flush(&mut self) -> Result<(), MediaError> {
        self.line("vellum sync\n");
        self.media.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SparseFile;

    /// Where what is below reads into several places by one call, so does the recorder, and notes one request.
    #[test]
    fn a_read_into_several_places_is_one_request() {
        let folder = tempfile::tempdir().unwrap();
        let file = SparseFile::create(&folder.path().join("disk"), 64, 512).unwrap();
        let mut disk = Recorder::new(file, Vec::new());
        disk.write(Lba::new(4), &[7; 512]).unwrap();
        let (mut one, mut two) = ([1; 1024], [1; 512]);
        disk.read_parts(Lba::new(2), &mut [&mut one, &mut two]).unwrap();
        assert_eq!((one, two), ([0; 1024], [7; 512]));
        let (_, log) = disk.finish().unwrap();
        let log = String::from_utf8(log).unwrap();
        assert!(
            log.ends_with("vellum write 2048 512\nvellum read 1024 1536\nvellum close\n"),
            "{log}"
        );
    }
}
