//! A look at an initial file system before the guest unpacks it: a file that was cut off is told at
//! once, and not by a guest that finds no init.
//!
//! What Linux takes (*initramfs buffer format*): cpio archives of the "newc" kind, each maybe
//! packed, one behind the other with zeros between. gzip is unpacked to its end; the archives in it
//! are walked. Other packings, and anything that is no archive at all, are left to the guest.

use std::io::Read;

use flate2::bufread::GzDecoder;

use super::LoadError;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const NEWC: [&[u8]; 2] = [b"070701", b"070702"];
const HEADER: usize = 110;
const FILE_SIZE: usize = 54;
const NAME_SIZE: usize = 94;
const TRAILER: &[u8] = b"TRAILER!!!\0";
/// A name longer than this is damage (Linux' `PATH_MAX`).
const NAME_LIMIT: usize = 4096;

/// Checks that no archive in `file` is cut off or damaged.
///
/// # Errors
/// When one is, or the file is empty.
pub fn check_initrd(file: &[u8]) -> Result<(), LoadError> {
    if file.is_empty() {
        return Err(LoadError::Initrd { at: 0, why: "the file is empty".into() });
    }
    let mut left = file;
    loop {
        let zeros = left.iter().take_while(|&&b| b == 0).count();
        left = &left[zeros..];
        let at = (file.len() - left.len()) as u64;
        if left.starts_with(&GZIP) {
            let mut inside = Walker::new(GzDecoder::new(left), at);
            // What is inside may be an archive or anything else; its check value covers both.
            inside.archives()?;
            left = inside.finish()?.into_inner();
        } else if NEWC.iter().any(|magic| left.starts_with(magic)) {
            let mut archive = Walker::new(left, at);
            archive.archive()?;
            left = archive.from;
        } else {
            return Ok(());
        }
    }
}

/// How archives begin that Linux unpacks as an initial file system: plain, or packed with gzip,
/// bzip2, LZMA, xz, LZO, LZ4 or Zstandard (`lib/decompress.c`).
const ARCHIVES: [&[u8]; 9] = [
    NEWC[0],
    NEWC[1],
    &GZIP,
    b"BZh",
    &[0x5d, 0, 0],
    &[0xfd, b'7', b'z', b'X', b'Z', 0],
    &[0x89, b'L', b'Z', b'O'],
    &[0x02, 0x21, 0x4c, 0x18],
    &[0x28, 0xb5, 0x2f, 0xfd],
];

/// Whether `file` begins as an archive does that Linux unpacks. What does not may still be what some
/// guest takes: the image of a file system, say.
pub fn is_archive(file: &[u8]) -> bool {
    let zeros = file.iter().take_while(|&&b| b == 0).count();
    ARCHIVES.iter().any(|magic| file[zeros..].starts_with(magic))
}

/// Reads archives and counts where it is.
struct Walker<R> {
    from: R,
    start: u64,
    at: u64,
}

impl<R: Read> Walker<R> {
    fn new(from: R, start: u64) -> Self {
        Walker { from, start, at: 0 }
    }

    fn damaged(&self, why: impl Into<String>) -> LoadError {
        LoadError::Initrd { at: self.start + self.at, why: why.into() }
    }

    /// Fills as much of `out` as there is; how much.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, LoadError> {
        let mut got = 0;
        while got < out.len() {
            match self.from.read(&mut out[got..]) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.damaged(format!("{e}: cut off, or not what was sent"))),
            }
        }
        self.at += got as u64;
        Ok(got)
    }

    fn exactly(&mut self, out: &mut [u8]) -> Result<(), LoadError> {
        match self.read(out)? {
            n if n == out.len() => Ok(()),
            n => Err(self.damaged(format!("cut off, {} bytes are missing", out.len() - n))),
        }
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), LoadError> {
        let mut sink = [0; 8192];
        while bytes > 0 {
            let n = bytes.min(sink.len() as u64) as usize;
            self.exactly(&mut sink[..n])?;
            bytes -= n as u64;
        }
        Ok(())
    }

    /// An archive from its first header to its trailer.
    fn archive(&mut self) -> Result<(), LoadError> {
        let mut header = [0; HEADER];
        loop {
            self.exactly(&mut header)?;
            if !self.entry(&header)? {
                return Ok(());
            }
        }
    }

    /// What follows an entry's header; whether more entries follow.
    fn entry(&mut self, header: &[u8; HEADER]) -> Result<bool, LoadError> {
        if !NEWC.contains(&&header[..6]) {
            return Err(self.damaged("no archive entry where one should start"));
        }
        let number = |at: usize| {
            let digits = core::str::from_utf8(&header[at..at + 8]).ok()?;
            u32::from_str_radix(digits, 16).ok().map(u64::from)
        };
        let (size, name) = match (number(FILE_SIZE), number(NAME_SIZE)) {
            (Some(size), Some(name)) if (1..=NAME_LIMIT as u64).contains(&name) => (size, name),
            _ => return Err(self.damaged("an archive entry's sizes are not readable")),
        };
        let mut text = vec![0; name as usize];
        self.exactly(&mut text)?;
        // Header and name together, and then the file, fill up to a multiple of four.
        self.skip((HEADER as u64 + name).next_multiple_of(4) - HEADER as u64 - name)?;
        if text == TRAILER {
            return Ok(false);
        }
        self.skip(size.next_multiple_of(4))?;
        Ok(true)
    }

    /// Archives with zeros between, to the end; stops looking at what is none.
    fn archives(&mut self) -> Result<(), LoadError> {
        let mut header = [0; HEADER];
        loop {
            // Archives begin on a multiple of four, and zeros may fill the space.
            if self.read(&mut header[..4])? < 4 {
                return Ok(());
            }
            if header[..4] == [0; 4] {
                continue;
            }
            if &header[..4] != b"0707" {
                return Ok(());
            }
            self.exactly(&mut header[4..])?;
            if self.entry(&header)? {
                self.archive()?;
            }
        }
    }

    /// Reads to the end, so that whoever unpacks checks its sums.
    fn finish(mut self) -> Result<R, LoadError> {
        let mut sink = [0; 8192];
        while self.read(&mut sink)? == sink.len() {}
        Ok(self.from)
    }
}
