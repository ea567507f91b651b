//! The directory of a [`ByteStorage`](super::ByteStorage): which files there are and where.

use super::space::Run;
use super::{ByteMemory, DATA, DIRECTORY, UNIT};
use std::io;

const MAGIC: [u8; 8] = *b"VELLUMBM";
const VERSION: u32 = 1;
const HEADER: usize = 32;
/// Longest name of a file, in bytes.
pub(super) const NAME_MAX: usize = 255;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) len: u64,
    pub(super) runs: Vec<Run>,
}

/// An error about the memory's content.
pub(super) fn bad(memory: &dyn ByteMemory, why: &str) -> io::Error {
    let text = format!("{}: not a memory of files: {why}", memory.place());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn encode(turn: u64, records: &[Record]) -> Vec<u8> {
    let mut body = Vec::new();
    for record in records {
        body.push(record.name.len() as u8);
        body.extend_from_slice(record.name.as_bytes());
        body.extend_from_slice(&record.len.to_le_bytes());
        body.extend_from_slice(&(record.runs.len() as u32).to_le_bytes());
        for run in &record.runs {
            body.extend_from_slice(&run.start.to_le_bytes());
            body.extend_from_slice(&run.end.to_le_bytes());
        }
    }
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&turn.to_le_bytes());
    out.extend_from_slice(&(records.len() as u32).to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&out);
    crc.update(&body);
    out.extend_from_slice(&crc.finalize().to_le_bytes());
    out.extend_from_slice(&body);
    out
}

fn array<const N: usize>(bytes: &[u8], at: &mut usize) -> Option<[u8; N]> {
    let found = bytes.get(*at..at.checked_add(N)?)?.try_into().ok()?;
    *at += N;
    Some(found)
}

/// The records of a body whose checksum fits.
fn records(body: &[u8], count: u32) -> Option<Vec<Record>> {
    let (mut out, mut at) = (Vec::new(), 0);
    for _ in 0..count {
        let [size] = array(body, &mut at)?;
        let name = body.get(at..at + usize::from(size))?;
        at += usize::from(size);
        let name = std::str::from_utf8(name).ok()?.to_owned();
        let len = u64::from_le_bytes(array(body, &mut at)?);
        let count = u32::from_le_bytes(array(body, &mut at)?);
        let (mut runs, mut units) = (Vec::new(), 0_u64);
        for _ in 0..count {
            let start = u64::from_le_bytes(array(body, &mut at)?);
            let end = u64::from_le_bytes(array(body, &mut at)?);
            units = units.checked_add(end.checked_sub(start)?)?;
            runs.push(Run { start, end });
        }
        if units != len.div_ceil(UNIT) {
            return None;
        }
        out.push(Record { name, len, runs });
    }
    (at == body.len()).then_some(out)
}

/// One of the two places: `None` when there is no whole directory.
fn slot(memory: &dyn ByteMemory, at: u64) -> io::Result<Option<(u64, Vec<Record>)>> {
    let mut header = [0; HEADER];
    memory.load(at, &mut header)?;
    let word = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let length = word(12) as usize;
    if header[..8] != MAGIC || length > DIRECTORY as usize - HEADER {
        return Ok(None);
    }
    let mut body = vec![0; length];
    memory.load(at + HEADER as u64, &mut body)?;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header[..28]);
    crc.update(&body);
    if crc.finalize() != word(28) {
        return Ok(None);
    }
    if word(8) != VERSION {
        let why = format!("it has format version {}, this program knows {VERSION}", word(8));
        return Err(bad(memory, &why));
    }
    let turn = u64::from(word(16)) | u64::from(word(20)) << 32;
    match records(&body, word(24)) {
        Some(records) => Ok(Some((turn, records))),
        None => Err(bad(memory, "a directory's records don't fit its length")),
    }
}

/// The newer of the two directories, and its number.
pub(super) fn read(memory: &dyn ByteMemory) -> io::Result<(u64, Vec<Record>)> {
    if memory.size() < DATA + UNIT {
        let (size, least) = (memory.size(), DATA + UNIT);
        return Err(bad(memory, &format!("it has {size} bytes, {least} are the least")));
    }
    let found = [slot(memory, 0)?, slot(memory, DIRECTORY)?];
    if let Some(newest) = found.into_iter().flatten().max_by_key(|(turn, _)| *turn) {
        return Ok(newest);
    }
    // The first directory goes to the second place, so the first is still zero when power was cut
    // while it was written.
    let mut start = [0; HEADER];
    memory.load(0, &mut start)?;
    if start != [0; HEADER] {
        return Err(bad(memory, &format!("it begins with {:02x?}", &start[..8])));
    }
    Ok((0, Vec::new()))
}

/// Writes a directory over the older of the two, durably.
pub(super) fn write(memory: &dyn ByteMemory, turn: u64, records: &[Record]) -> io::Result<()> {
    let bytes = encode(turn, records);
    if bytes.len() as u64 > DIRECTORY {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let at = turn % 2 * DIRECTORY;
    memory.store(at, &bytes)?;
    memory.flush(at..at + bytes.len() as u64)?;
    memory.fence()
}
