//! A segment: one file of the log, zero-filled before use, with a key of its own.
//!
//! Its life: *spare* (zeros, no key) → *log* (header written and synced under a new generation and
//! key, then named) → truncated (the header, and the key in it, overwritten) → spare again.

use crate::cipher::{Cipher, KEY, SegmentKey};
use crate::error::{Error, io_error};
use crate::frame::{self, FRAME_HEADER, FrameHeader};
use crate::head::VERSION;
use crate::storage::{File, Storage};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes before the first frame.
pub const SEGMENT_HEADER: u64 = 4096;
/// Largest segment file that is believed.
pub const SEGMENT_LIMIT: u64 = 1 << 28;
const MAGIC: [u8; 8] = *b"VELLUMLG";
const CRC_AT: usize = 80;

pub(crate) fn log_name(generation: u64) -> String {
    format!("log-{generation:016x}")
}

pub(crate) fn spare_name(serial: u64) -> String {
    format!("spare-{serial:016x}")
}

/// The number in a name of the form `PREFIX-%016x`.
pub(crate) fn number(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// One file of the log, open for reading by anybody and for writing by the log alone.
#[derive(Debug)]
pub struct Segment {
    pub(crate) generation: u64,
    pub(crate) name: String,
    pub(crate) place: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) key: SegmentKey,
    pub(crate) seed: crc32fast::Hasher,
    pub(crate) capacity: u64,
    /// Where the valid frames end; grows while the segment is written.
    pub(crate) end: AtomicU64,
}

fn header(
    id: &[u8; 16],
    generation: u64,
    capacity: u64,
    cipher: Cipher,
    key: &[u8; KEY],
) -> Vec<u8> {
    let mut out = vec![0; SEGMENT_HEADER as usize];
    out[0..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&cipher.code().to_le_bytes());
    out[16..32].copy_from_slice(id);
    out[32..40].copy_from_slice(&generation.to_le_bytes());
    out[40..48].copy_from_slice(&capacity.to_le_bytes());
    out[48..80].copy_from_slice(key);
    let crc = crc32fast::hash(&out[..CRC_AT]);
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    out
}

impl Segment {
    /// Turns a zero-filled file into a segment by writing its header (not synced yet).
    pub(crate) fn begin(
        storage: &dyn Storage,
        file: Arc<dyn File>,
        spare: &str,
        (id, generation): (&[u8; 16], u64),
        (cipher, key): (Cipher, [u8; KEY]),
        seed: crc32fast::Hasher,
    ) -> Result<Self, Error> {
        let place = storage.place();
        let capacity = file.len().map_err(io_error("measure", &place, spare))?;
        file.write_at(0, &header(id, generation, capacity, cipher, &key))
            .map_err(io_error("write", &place, spare))?;
        Ok(Self {
            generation,
            name: log_name(generation),
            place,
            file,
            key: SegmentKey::new(cipher, &key),
            seed,
            capacity,
            end: AtomicU64::new(SEGMENT_HEADER),
        })
    }

    /// Opens an existing segment and checks its header.
    pub(crate) fn open(
        storage: &dyn Storage,
        id: &[u8; 16],
        generation: u64,
        seed: crc32fast::Hasher,
        (sync, any_generation): (bool, bool),
    ) -> Result<Self, Error> {
        let (place, name) = (storage.place(), log_name(generation));
        let failed = |what| io_error(what, &place, &name);
        let file = storage.open(&name).map_err(failed("open"))?;
        if sync {
            // Before what is read is believed: it may stand in the page cache alone.
            file.sync().map_err(failed("sync"))?;
        }
        let capacity = file.len().map_err(failed("measure"))?;
        let not =
            |why: String| Error::NotASegment { place: place.clone(), name: name.clone(), why };
        if !(SEGMENT_HEADER + FRAME_HEADER as u64..=SEGMENT_LIMIT).contains(&capacity) {
            return Err(not(format!("it has {capacity} bytes")));
        }
        let mut bytes = vec![0; SEGMENT_HEADER as usize];
        file.read_at(0, &mut bytes).map_err(failed("read"))?;
        if bytes[..8] != MAGIC {
            return Err(not(format!("it begins with {:02x?}", &bytes[..8])));
        }
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if word(8) != VERSION {
            let found = word(8);
            return Err(Error::Version { place, name, found, known: VERSION });
        }
        if crc32fast::hash(&bytes[..CRC_AT]) != word(CRC_AT) {
            return Err(not("its header's checksum doesn't fit".to_owned()));
        }
        if bytes[16..32] != *id {
            return Err(not("it belongs to another log".to_owned()));
        }
        let named = bytes[32..40] == generation.to_le_bytes() || any_generation;
        if !named || bytes[40..48] != capacity.to_le_bytes() {
            return Err(not("its generation or length is not that of its header".to_owned()));
        }
        let Some(cipher) = Cipher::from_code(word(12)) else {
            return Err(not(format!("cipher {} is not known", word(12))));
        };
        let mut key = [0; KEY];
        key.copy_from_slice(&bytes[48..80]);
        let key = SegmentKey::new(cipher, &key);
        let end = AtomicU64::new(SEGMENT_HEADER);
        Ok(Self { generation, name, place, file, key, seed, capacity, end })
    }

    /// Generation: which segment of the log's life this is, from 1.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Bytes of valid frames.
    pub fn used(&self) -> u64 {
        self.end.load(Ordering::Acquire) - SEGMENT_HEADER
    }

    pub(crate) fn corrupt(&self, offset: u64, frame: u32, why: &'static str) -> Error {
        let (place, name) = (self.place.clone(), self.name.clone());
        Error::Corrupt { place, name, offset, frame, why }
    }

    /// Reads one frame at `offset` (as delivered by the scan), checks and decrypts it, and hands
    /// its index and body to `take`. Cost: one read of the frame.
    ///
    /// # Errors
    /// When the frame can't be read, or is not what was written.
    pub fn read_frame<T>(
        &self,
        offset: u64,
        take: impl FnOnce(&[u8], &[u8]) -> T,
    ) -> Result<T, Error> {
        let mut bytes = vec![0; FRAME_HEADER];
        let failed = || io_error("read", &self.place, &self.name);
        self.file.read_at(offset, &mut bytes).map_err(failed())?;
        let bad = |why| self.corrupt(offset, 0, why);
        let header = FrameHeader::decode(&bytes).ok_or_else(|| bad("reserved bits are set"))?;
        let total = header.total(self.key.tag_len());
        if offset + total as u64 > self.end.load(Ordering::Acquire) {
            return Err(bad("the frame is longer than the segment"));
        }
        bytes.resize(total, 0);
        self.file.read_at(offset, &mut bytes).map_err(failed())?;
        if frame::checksum(&self.seed, &bytes) != header.check {
            return Err(bad("checksum"));
        }
        let (index, body) =
            frame::open(&mut bytes, &header, &self.key).ok_or_else(|| bad("tag"))?;
        Ok(take(index, body))
    }

    /// Goes through all valid frames from the oldest: checks, decrypts, and hands index, body and
    /// whether the record goes on. Memory: 256 KiB or the longest frame.
    ///
    /// # Errors
    /// When a frame is not what was written, or `take` fails.
    pub fn for_each_frame<E: From<Error>>(
        &self,
        mut take: impl FnMut(&[u8], &[u8], bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let end = self.end.load(Ordering::Acquire);
        let (mut window, mut at, mut count) = (Window::default(), SEGMENT_HEADER, 0);
        while at < end {
            let bad = |why| self.corrupt(at, count, why);
            let bytes = window.bytes(self, at, FRAME_HEADER)?;
            let header = FrameHeader::decode(bytes).ok_or_else(|| bad("reserved bits are set"))?;
            let total = header.total(self.key.tag_len());
            if at + total as u64 > end {
                return Err(bad("the frame is longer than the segment").into());
            }
            let bytes = window.bytes(self, at, total)?;
            if frame::checksum(&self.seed, bytes) != header.check {
                return Err(bad("checksum").into());
            }
            let (index, body) = frame::open(bytes, &header, &self.key).ok_or_else(|| bad("tag"))?;
            take(index, body, header.more)?;
            at += total as u64;
            count += 1;
        }
        Ok(())
    }
}

/// Reads segments from front to back in large steps. What of a frame is there already is not read again,
/// and the memory serves one segment after the other: to get it from the kernel is as dear as to read.
#[derive(Debug, Default)]
pub(crate) struct Window {
    buffer: Vec<u8>,
    /// What of the buffer is valid, and the segment and place that it is from.
    held: usize,
    generation: u64,
    start: u64,
}

/// Bytes read at a time: few enough to stay in a processor's cache until they are checked.
const STEP: u64 = 1 << 18;

impl Window {
    /// The `len` bytes at `offset`, which the caller has checked to lie in the file.
    pub(crate) fn bytes(
        &mut self,
        segment: &Segment,
        offset: u64,
        len: usize,
    ) -> Result<&mut [u8], Error> {
        let held = self.start..self.start + self.held as u64;
        let here = self.generation == segment.generation && held.contains(&offset);
        let from = if here { (offset - self.start) as usize } else { self.held };
        if self.held - from >= len {
            return Ok(&mut self.buffer[from..from + len]);
        }
        self.buffer.copy_within(from..self.held, 0);
        let kept = self.held - from;
        (self.held, self.generation, self.start) = (0, segment.generation, offset);
        let step = STEP.min(segment.capacity - offset).max(len as u64) as usize;
        if self.buffer.len() < step {
            self.buffer.resize(step, 0);
        }
        let failed = io_error("read", &segment.place, &segment.name);
        segment.file.read_at(offset + kept as u64, &mut self.buffer[kept..step]).map_err(failed)?;
        self.held = step;
        Ok(&mut self.buffer[..len])
    }
}
