//! Traces of block requests, in the formats that are about.
//!
//! [`Reader`] turns text or bytes into [`Record`]s one by one; a malformed line is an error that
//! names the file and the line (for binary formats, the record). Times become picoseconds, sizes
//! sectors of 512 bytes.

mod binary;
mod recorder;
mod text;

pub use recorder::Recorder;

use crate::{Duration, Instant, Lba, Op};
use std::io::{self, BufRead};

/// A request of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When it was issued; for [`Format::Validate`], zero.
    pub at: Instant,
    /// The device, as the trace numbers them.
    pub device: u32,
    /// What was asked.
    pub op: Op,
    /// First sector of 512 bytes.
    pub lba: Lba,
    /// Sectors.
    pub sectors: u32,
    /// How long the real device took, if the trace says.
    pub service: Option<Duration>,
    /// For [`Format::Validate`]: time from this request's end to the next one's start.
    pub gap: Option<Duration>,
}

/// A trace's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// DiskSim's ASCII: `ms device lbn sectors flags`, bit 0 of the flags for a read.
    DiskSim,
    /// DiskSim's validation: `R|W word lbn sectors service_us gap_us`.
    Validate,
    /// HP Labs' SRT 1.x: big-endian words after a form feed.
    Srt,
    /// MSR Cambridge: `100ns,host,disk,Read|Write,byte offset,bytes,100ns`.
    Msr,
    /// Storage Performance Council: `asu,lba,bytes,r|w,seconds`.
    Spc,
    /// VMware's vscsiStats, version 1 or 2: little-endian records.
    Vscsi,
    /// blkparse's text; queue events (`Q`) are taken.
    Blkparse,
    /// fio's iolog, version 2 or 3.
    Fio,
    /// MQSim and SSDsim: `ns device lba sectors kind`, kind 1 for a read.
    Mqsim,
}

impl Format {
    /// All formats and their names.
    pub const ALL: [(&'static str, Format); 9] = [
        ("disksim", Format::DiskSim),
        ("validate", Format::Validate),
        ("srt", Format::Srt),
        ("msr", Format::Msr),
        ("spc", Format::Spc),
        ("vscsi", Format::Vscsi),
        ("blkparse", Format::Blkparse),
        ("fio", Format::Fio),
        ("mqsim", Format::Mqsim),
    ];

    /// The format called `name`.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.iter().find(|f| f.0 == name).map(|f| f.1)
    }

    /// A guess from the first bytes of a trace; `None` if nothing fits.
    pub fn detect(start: &[u8]) -> Option<Format> {
        if start.starts_with(b"fio version") {
            return Some(Format::Fio);
        }
        let text = core::str::from_utf8(&start[..start.len().min(4096)])
            .or_else(|e| core::str::from_utf8(&start[..e.valid_up_to()]))
            .unwrap_or("");
        if start.contains(&0x0c) && text.contains("tracedate") {
            return Some(Format::Srt);
        }
        let line = text.lines().find(|l| !l.trim().is_empty() && !l.starts_with('#'));
        match line {
            Some(line) if !line.contains('\0') => text::detect(line),
            _ => binary::vscsi_version(start).map(|_| Format::Vscsi),
        }
    }
}

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// A line that is none of the format's.
    #[error("{file}:{line}: {what}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A record of a binary format that is none.
    #[error("{file}: record {record} (after byte {offset}): {what}")]
    Record {
        /// The file.
        file: String,
        /// The record, from 1.
        record: u64,
        /// Where reading had come to.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// What stands before the first record is not what the format has there.
    #[error("{file}: header: {what}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The file could not be read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing tells what the format is.
    #[error(
        "{file}: the format is not known; name it, one of disksim, validate, srt, msr, spc, vscsi, \
             blkparse, fio and mqsim"
    )]
    Unknown {
        /// The file.
        file: String,
    },
}

/// Longest line that is read.
const LINE_LIMIT: u64 = 64 << 10;

/// Reads a trace record by record.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    file: String,
    format: Format,
    line: u64,
    /// Bytes of a binary format that were read.
    offset: u64,
    /// Time that relative formats have reached, or that absolute ones began at, in picoseconds.
    clock: Option<u64>,
    /// The format's version, where it has several; 0 before it is known.
    version: u8,
    /// Whether flushes are records too.
    flushes: bool,
    failed: bool,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `input`, which errors call `file`; without a format, the start is looked at.
    ///
    /// # Errors
    /// When the input can't be read or its format not be told.
    pub fn new(mut input: R, file: &str, format: Option<Format>) -> Result<Self, TraceError> {
        let io = |source| TraceError::Io { file: file.to_string(), source };
        let start = input.fill_buf().map_err(io)?;
        let vscsi = binary::vscsi_version(start).unwrap_or(1);
        let format = match format.or_else(|| Format::detect(start)) {
            Some(format) => format,
            None => return Err(TraceError::Unknown { file: file.to_string() }),
        };
        let mut reader = Reader {
            input,
            file: file.to_string(),
            format,
            line: 0,
            offset: 0,
            clock: None,
            // A fio log's first line tells its own.
            version: if format == Format::Vscsi { vscsi } else { 0 },
            flushes: false,
            failed: false,
        };
        if format == Format::Srt {
            reader.skip_header()?;
        }
        Ok(reader)
    }

    /// Hands out flushes too, where the format has them (fio's `sync`): records of [`Op::Flush`] without sectors.
    #[must_use]
    pub fn with_flushes(mut self) -> Self {
        self.flushes = true;
        self
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    fn io(&self, source: io::Error) -> TraceError {
        TraceError::Io { file: self.file.clone(), source }
    }

    fn bad(&self, what: impl Into<String>) -> TraceError {
        let (file, what) = (self.file.clone(), what.into());
        match self.format {
            Format::Srt | Format::Vscsi => {
                TraceError::Record { file, record: self.line, offset: self.offset, what }
            }
            _ => TraceError::Line { file, line: self.line, what },
        }
    }

    /// Passes over SRT's header, which ends with a form feed.
    fn skip_header(&mut self) -> Result<(), TraceError> {
        let mut header = Vec::new();
        let mut limited = io::Read::take(&mut self.input, LINE_LIMIT);
        limited
            .read_until(0x0c, &mut header)
            .map_err(|e| TraceError::Io { file: self.file.clone(), source: e })?;
        self.offset = header.len() as u64;
        if header.last() != Some(&0x0c) {
            let what = format!("no form feed ends it within {} bytes", header.len());
            return Err(TraceError::Header { file: self.file.clone(), what });
        }
        Ok(())
    }

    /// The next line that is not empty, without its end.
    fn text_line(&mut self) -> Result<Option<String>, TraceError> {
        loop {
            let mut bytes = Vec::new();
            let mut limited = io::Read::take(&mut self.input, LINE_LIMIT);
            let n = limited
                .read_until(b'\n', &mut bytes)
                .map_err(|e| TraceError::Io { file: self.file.clone(), source: e })?;
            if n == 0 {
                return Ok(None);
            }
            self.line += 1;
            if n as u64 == LINE_LIMIT && bytes.last() != Some(&b'\n') {
                return Err(self.bad("a line of more than 64 KiB"));
            }
            let line = String::from_utf8(bytes).map_err(|_| self.bad("not UTF-8"))?;
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                return Ok(Some(line.to_string()));
            }
        }
    }

    fn read(&mut self) -> Result<Option<Record>, TraceError> {
        match self.format {
            Format::Vscsi => self.vscsi(),
            Format::Srt => self.srt(),
            _ => loop {
                let Some(line) = self.text_line()? else { return Ok(None) };
                match text::parse(self.format, &line, &mut self.clock, &mut self.version) {
                    Ok(Some(record)) if record.op == Op::Flush && !self.flushes => {}
                    Ok(Some(record)) => return Ok(Some(record)),
                    Ok(None) => {}
                    Err(what) => return Err(self.bad(what)),
                }
            },
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, TraceError>;

    /// The next record; nothing follows an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read().transpose();
        self.failed = matches!(record, Some(Err(_)));
        record
    }
}

#[cfg(test)]
mod tests;
