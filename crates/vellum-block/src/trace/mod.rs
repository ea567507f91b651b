//! Traces of block requests, in the formats that are about.
//!
//! [`Reader`] turns text or bytes into [`Record`]s one by one; a malformed line is an error that
//! names the file and the line (for binary formats, the record). Times become picoseconds, sizes
//! sectors of 512 bytes.

mod binary;
mod text;

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
        /// The line, or for binary formats the record, from 1.
        line: u64,
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
    /// Time that relative formats have reached, or that absolute ones began at, in picoseconds.
    clock: Option<u64>,
    version: u8,
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
        let version = binary::vscsi_version(start).unwrap_or(1);
        let format = match format.or_else(|| Format::detect(start)) {
            Some(format) => format,
            None => return Err(TraceError::Unknown { file: file.to_string() }),
        };
        let mut reader = Reader {
            input,
            file: file.to_string(),
            format,
            line: 0,
            clock: None,
            version,
            failed: false,
        };
        if format == Format::Srt {
            reader.skip_header()?;
        }
        Ok(reader)
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    fn io(&self, source: io::Error) -> TraceError {
        TraceError::Io { file: self.file.clone(), source }
    }

    fn bad(&self, what: impl Into<String>) -> TraceError {
        TraceError::Line { file: self.file.clone(), line: self.line, what: what.into() }
    }

    /// Passes over SRT's header, which ends with a form feed.
    fn skip_header(&mut self) -> Result<(), TraceError> {
        let mut header = Vec::new();
        let mut limited = io::Read::take(&mut self.input, LINE_LIMIT);
        limited
            .read_until(0x0c, &mut header)
            .map_err(|e| TraceError::Io { file: self.file.clone(), source: e })?;
        if header.last() != Some(&0x0c) {
            return Err(self.bad("the header does not end with a form feed"));
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
                match text::parse(self.format, &line, &mut self.clock) {
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
mod tests {
    use super::*;

    fn all(bytes: &[u8], format: Option<Format>) -> Result<Vec<Record>, TraceError> {
        Reader::new(bytes, "t", format)?.collect()
    }

    /// Digits beyond the eighteenth add nothing, and what is no digit is refused there too, also where
    /// a character of two bytes lies across the eighteenth (fuzzing found that).
    #[test]
    fn a_time_is_digits_to_its_end() {
        let line = |time: &str| format!("0,77,4096,W,{time}\n");
        let read = |time: &str| all(line(time).as_bytes(), Some(Format::Spc));
        assert_eq!(read("0.00000150000000000099").unwrap()[0].at.as_ps(), 1_500_000);
        for time in ["0.07777777777777777\u{b7}\u{b7}7", "0.123456789012345678x", "0.+5", "0.5.5"] {
            let error = read(time).unwrap_err().to_string();
            assert!(error.contains("is no time") && error.contains('1'), "{error}");
        }
    }

    #[test]
    fn each_text_format_is_recognised_and_read() {
        let rows: [(&str, Format, u64, Op, u64, u32); 8] = [
            ("1.5 0 77 8 1\n", Format::DiskSim, 1_500_000_000, Op::Read, 77, 8),
            ("W Hit 77 8 1200.0 10.5\n", Format::Validate, 0, Op::Write, 77, 8),
            ("128166372003061629,usr,1,Read,39424,4096,100\n", Format::Msr, 0, Op::Read, 77, 8),
            ("0,77,4096,W,0.0000015\n", Format::Spc, 1_500_000, Op::Write, 77, 8),
            (
                "8,16 5 2 0.000001500 18615 Q R 77 + 8 [java]\n",
                Format::Blkparse,
                1_500_000,
                Op::Read,
                77,
                8,
            ),
            ("1500 0 77 8 1\n", Format::Mqsim, 1_500_000, Op::Read, 77, 8),
            (
                "fio version 2 iolog\n/dev/a add\n/dev/a open\n/dev/a write 39424 4096\n",
                Format::Fio,
                0,
                Op::Write,
                77,
                8,
            ),
            (
                "fio version 3 iolog\n3 /dev/a read 39424 4096\n",
                Format::Fio,
                3_000_000,
                Op::Read,
                77,
                8,
            ),
        ];
        for (text, format, at, op, lba, sectors) in rows {
            assert_eq!(Format::detect(text.as_bytes()), Some(format), "{text}");
            let got = all(text.as_bytes(), None).unwrap();
            assert_eq!(got.len(), 1, "{text}");
            let r = got[0];
            assert_eq!(
                (r.at.as_ps(), r.op, r.lba.get(), r.sectors),
                (at, op, lba, sectors),
                "{text}"
            );
        }
    }

    #[test]
    fn a_malformed_line_is_named() {
        let text = "1.0 0 5 8 1\n2.0 0 five 8 1\n3.0 0 5 8 1\n";
        let mut reader = Reader::new(text.as_bytes(), "a.trace", Some(Format::DiskSim)).unwrap();
        assert!(reader.next().unwrap().is_ok());
        let error = reader.next().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("a.trace:2: "), "{error}");
        assert!(reader.next().is_none(), "nothing follows an error");
    }

    #[test]
    fn vscsi_records_are_read_in_both_versions() {
        let mut v1 = Vec::new();
        for (lbn, cmd, us) in [(77u64, 0x28u16, 10u64), (500, 0x2a, 12)] {
            v1.extend_from_slice(&[0, 0, 0, 0]);
            v1.extend_from_slice(&4096u32.to_le_bytes());
            v1.extend_from_slice(&1u32.to_le_bytes());
            v1.extend_from_slice(&cmd.to_le_bytes());
            v1.extend_from_slice(&0x0100u16.to_le_bytes());
            v1.extend_from_slice(&lbn.to_le_bytes());
            v1.extend_from_slice(&us.to_le_bytes());
        }
        let got = all(&v1, None).unwrap();
        assert_eq!((got[0].op, got[0].lba.get(), got[0].at), (Op::Read, 77, Instant::ZERO));
        assert_eq!((got[1].op, got[1].sectors, got[1].at), (Op::Write, 8, Instant::from_ns(2000)));
        v1.truncate(50);
        assert!(all(&v1, None).is_err(), "a cut-off record is an error");
    }

    #[test]
    fn srt_records_are_read() {
        let mut bytes = b"tracedate\t= \"x\";\n\x0c".to_vec();
        let words: [u32; 13] = [52, 0x0001_0001, 1, 500, 0, 900, 4096, 154, 0x100, 0, 0, 1, 0];
        words.iter().for_each(|w| bytes.extend_from_slice(&w.to_be_bytes()));
        let got = all(&bytes, None).unwrap();
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].device, got[0].sectors), (1, 8));
        assert_eq!(got[0].service, Some(Duration::from_us(900)));
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut rng = crate::Rng::new(11);
        for _ in 0..400 {
            let n = rng.below(200);
            let bytes: Vec<u8> = (0..n)
                .map(|_| {
                    *b"0123456789 ,.RWQ+\n\x0c\0fiov".get(rng.below(25) as usize).unwrap_or(&b' ')
                })
                .collect();
            for (_, format) in Format::ALL {
                let _ = all(&bytes, Some(format));
            }
            let _ = all(&bytes, None);
        }
    }
}
