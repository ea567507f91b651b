//! The reference data: drives, traces, and DiskSim's results, packed or not.

use anyhow::{Context, Result, anyhow};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use vellum_block::trace::{Format, Reader, Record};
use vellum_block::{Duration, Instant, Lba, Op};
use vellum_disk::config::{FastWrite, ReadAhead};
use vellum_disk::disksim::{Source, read_drive_from};
use vellum_disk::profile::{Controller, Profile};

/// Drives with validation traces: file name, DiskSim's demerit in % of the mean over all requests.
pub const DRIVES: [(&str, f64); 9] = [
    ("hp_c2247a", 0.59),
    ("hp_c2490a", 2.02),
    ("hp_c3323a", 1.94),
    ("dec_rz26", 2.15),
    ("cheetah9LP", 2.50),
    ("cheetah15k5", 4.86),
    ("barracuda", 5.24),
    ("cheetah4LP", 5.97),
    ("atlas10k", 6.88),
];

/// A folder whose files may be packed with zstd.
pub struct Packed(PathBuf);

pub fn text(path: &Path) -> Result<String> {
    let packed = PathBuf::from(format!("{}.zst", path.display()));
    if path.exists() {
        return fs::read_to_string(path).with_context(|| path.display().to_string());
    }
    let file = fs::File::open(&packed).with_context(|| packed.display().to_string())?;
    io::read_to_string(zstd::Decoder::new(file)?).with_context(|| packed.display().to_string())
}

impl Source for Packed {
    fn text(&self, name: &str) -> Result<String, vellum_disk::Error> {
        let path = self.0.join(name);
        text(&path)
            .map_err(|e| vellum_disk::Error::Io { path, source: io::Error::other(e.to_string()) })
    }
}

/// A request of DiskSim's log.
#[derive(Debug, Clone, Copy)]
pub struct Logged {
    pub record: Record,
    pub end: Instant,
}

impl Logged {
    pub fn response(&self) -> Duration {
        self.end.since(self.record.at)
    }
}

pub struct Data(PathBuf);

impl Data {
    pub fn new(root: &Path) -> Data {
        Data(root.to_path_buf())
    }

    /// The drive as its validation run used it.
    pub fn drive(&self, name: &str) -> Result<Profile> {
        let (folder, file) = match name {
            "cheetah15k5" => (self.0.join("params/cheetah15k5"), "Seagate-Cheetah15k5.parv".into()),
            _ => (self.0.join("params"), format!("{name}.parv")),
        };
        let mut profile = read_drive_from(&file, &Packed(folder))?.profile;
        if name == "cheetah15k5" {
            // Its validation trace was taken with the drive's caches off.
            let Controller::Segmented(c) = &mut profile.controller else {
                return Err(anyhow!("{name} has no segmented buffer"));
            };
            c.buffer.fast_write = FastWrite::Off;
            c.buffer.cache = false;
            c.buffer.read_ahead = ReadAhead::None;
            c.buffer.read_ahead_max = 0;
        }
        Ok(profile)
    }

    /// The validation trace of a drive.
    pub fn validate(&self, name: &str) -> Result<Vec<Record>> {
        let text = text(&self.0.join(format!("reference/{name}.validate")))?;
        Ok(Reader::new(text.as_bytes(), name, Some(Format::Validate))?.collect::<Result<_, _>>()?)
    }

    /// DiskSim's result for each request of the validation trace.
    pub fn log(&self, name: &str) -> Result<Vec<Logged>> {
        log(&self.0.join(format!("reference/{name}.req")))
    }

    /// DiskSim's result for a real trace.
    pub fn real(&self, name: &str) -> Result<Vec<Logged>> {
        log(&self.0.join(format!("real/{name}.req.log")))
    }

    pub fn summary(&self, name: &str) -> Result<String> {
        text(&self.0.join("reference").join(name))
    }
}

/// Decimal milliseconds as picoseconds, exactly.
fn ms(word: &str) -> Option<u64> {
    let (whole, part) = word.split_once('.').unwrap_or((word, ""));
    let part = format!("{part:0<9}");
    Some(whole.parse::<u64>().ok()? * 1_000_000_000 + part.get(..9)?.parse::<u64>().ok()?)
}

fn log(path: &Path) -> Result<Vec<Logged>> {
    let text = text(path)?;
    let parse = |line: &str| {
        let f: Vec<&str> = line.split_whitespace().collect();
        let record = Record {
            at: Instant::from_ps(ms(f.first()?)?),
            device: 0,
            op: if *f.get(5)? == "1" { Op::Read } else { Op::Write },
            lba: Lba::new(f.get(3)?.parse().ok()?),
            sectors: f.get(4)?.parse().ok()?,
            service: None,
            gap: None,
        };
        Some(Logged { record, end: Instant::from_ps(ms(f[1])?) })
    };
    let bad = |i: usize| anyhow!("{}:{}: not a line of a request log", path.display(), i + 1);
    text.lines().enumerate().map(|(i, l)| parse(l).ok_or_else(|| bad(i))).collect()
}
