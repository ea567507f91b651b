//! The packed store: encoded pages end to end in segments, every byte accounted for.
//!
//! ```text
//! segment  64 KiB: records, one after the other, then free bytes
//! record   u32 object (all ones: dead) | u32 CRC-32 of the bytes | u16 length | bytes
//! ```
//! A record's place is its segment and offset. Removing one marks it dead; a segment without live
//! records goes back at once, and compaction moves what lives out of the segment with the most dead
//! bytes. There are no size classes, so what is lost is ten bytes a record and the end of a segment, which
//! the next short records fill.

mod compact;
mod mend;
mod spill;

pub use spill::{FileSpill, Spill};

use crate::{Error, ObjectId};
use core::ops::Range;
use vellum_frames::PAGE_SIZE;

/// Bytes of a segment.
pub(crate) const SEGMENT: usize = 64 << 10;
/// Bytes before a record's own.
pub(crate) const HEAD: usize = 10;
/// Closed segments that a record is tried in before the open one.
const ENDS: usize = 8;
/// Instead of the object's number, in a record that is dead.
const DEAD: u32 = u32::MAX;

/// Where a record is: segment and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl Place {
    /// Bits that a place takes.
    pub(crate) const BITS: u32 = 40;

    fn new(segment: usize, offset: usize) -> Self {
        Place((segment * SEGMENT + offset) as u64)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Place(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    fn split(self) -> (usize, usize) {
        (self.0 as usize / SEGMENT, self.0 as usize % SEGMENT)
    }
}

/// What a store holds, to the byte: `live + dead + free == allocated`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct StoreBytes {
    /// Of all segments.
    pub allocated: u64,
    /// Records that somebody owns, their heads included.
    pub live: u64,
    /// Records that nobody owns any more.
    pub dead: u64,
    /// Not written yet.
    pub free: u64,
    /// Records that somebody owns.
    pub records: u64,
}

#[derive(Debug)]
struct Segment {
    bytes: Box<[u8]>,
    used: usize,
    dead: usize,
}

/// Encoded pages.
#[derive(Debug, Default)]
pub(crate) struct Store {
    segments: Vec<Option<Segment>>,
    /// Numbers of segments that were given back.
    vacant: Vec<u32>,
    open: Option<usize>,
    /// Closed segments whose free ends are longest: a shorter record may fit there.
    ends: Vec<usize>,
    bytes: StoreBytes,
}

struct Head {
    object: u32,
    crc: u32,
    len: usize,
}

impl Head {
    fn read(bytes: &[u8], at: usize) -> Option<Head> {
        let head: &[u8; HEAD] = bytes.get(at..)?.first_chunk()?;
        let [a, b, c, d, e, f, g, h, i, j] = *head;
        Some(Head {
            object: u32::from_le_bytes([a, b, c, d]),
            crc: u32::from_le_bytes([e, f, g, h]),
            len: usize::from(u16::from_le_bytes([i, j])),
        })
    }

    fn whole(&self) -> usize {
        HEAD + self.len
    }
}

/// Writes a record: its head and its bytes.
fn write(record: &mut [u8], object: u32, crc: u32, bytes: &[u8]) {
    record[..4].copy_from_slice(&object.to_le_bytes());
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    record[8..HEAD].copy_from_slice(&(bytes.len() as u16).to_le_bytes());
    record[HEAD..].copy_from_slice(bytes);
}

/// Reads a byte of each line, so that memory's latencies overlap: a checksum goes from one to the next.
fn fetch(bytes: &[u8]) {
    core::hint::black_box(bytes.iter().step_by(64).fold(0, |all, byte| all | byte));
}

impl Store {
    /// Keeps `bytes` for `object`.
    pub(crate) fn put(&mut self, object: u32, bytes: &[u8]) -> Place {
        let crc = crc32fast::hash(bytes);
        self.append(object, crc, bytes)
    }

    fn append(&mut self, object: u32, crc: u32, bytes: &[u8]) -> Place {
        debug_assert!(bytes.len() <= PAGE_SIZE, "a record holds at most a page");
        let whole = HEAD + bytes.len();
        let fits = |number: &usize| self.room(*number) >= whole;
        let number = match self.ends.iter().copied().find(fits).or(self.open.filter(fits)) {
            Some(number) => number,
            None => self.open_segment(),
        };
        let segment = self.segments[number].as_mut().expect("the open segment is there");
        let at = segment.used;
        write(&mut segment.bytes[at..at + whole], object, crc, bytes);
        segment.used += whole;
        self.bytes.live += whole as u64;
        self.bytes.free -= whole as u64;
        self.bytes.records += 1;
        Place::new(number, at)
    }

    fn room(&self, number: usize) -> usize {
        self.segments[number].as_ref().map_or(0, |s| SEGMENT - s.used)
    }

    fn open_segment(&mut self) -> usize {
        if let Some(full) = self.open.take() {
            self.ends.push(full);
            self.drop_if_dead(full);
        }
        if self.ends.len() > ENDS {
            let least = (0..self.ends.len()).min_by_key(|&at| self.room(self.ends[at]));
            let _forgotten = least.map(|at| self.ends.swap_remove(at));
        }
        let segment = Segment { bytes: vec![0; SEGMENT].into(), used: 0, dead: 0 };
        self.bytes.allocated += SEGMENT as u64;
        self.bytes.free += SEGMENT as u64;
        let number = match self.vacant.pop() {
            Some(number) => number as usize,
            None => {
                self.segments.push(None);
                self.segments.len() - 1
            }
        };
        self.segments[number] = Some(segment);
        self.open = Some(number);
        number
    }

    fn record(&self, place: Place) -> Option<(Head, Range<usize>, &Segment)> {
        let (number, at) = place.split();
        let segment = self.segments.get(number)?.as_ref()?;
        let head = Head::read(&segment.bytes[..segment.used], at)?;
        let range = at + HEAD..at + head.whole();
        (range.end <= segment.used && head.object != DEAD).then_some((head, range, segment))
    }

    /// The bytes that were kept for `object` at `place`.
    ///
    /// # Errors
    /// When there are none, or they are not what was put there.
    pub(crate) fn get(&self, object: u32, place: Place) -> Result<&[u8], Error> {
        let id = ObjectId(object);
        let (head, range, segment) = self
            .record(place)
            .filter(|(head, ..)| head.object == object)
            .ok_or(Error::NoObject(id))?;
        let bytes = &segment.bytes[range];
        fetch(bytes);
        let found = crc32fast::hash(bytes);
        if found != head.crc {
            return Err(Error::Checksum { object: id, found, stored: head.crc });
        }
        Ok(bytes)
    }

    /// Has a record come near that will be wanted after another.
    pub(crate) fn fetch(&self, place: Place) {
        if let Some((_, range, segment)) = self.record(place) {
            fetch(&segment.bytes[range]);
        }
    }

    /// How many bytes the record at `place` has, its head left out.
    pub(crate) fn len(&self, place: Place) -> usize {
        self.record(place).map_or(0, |(head, ..)| head.len)
    }

    /// Forgets a record.
    pub(crate) fn remove(&mut self, place: Place) {
        let Some((head, range, _)) = self.record(place) else {
            debug_assert!(false, "a record is removed once");
            return;
        };
        let (number, at) = place.split();
        let (whole, end) = (head.whole(), range.end);
        let Some(segment) = self.segments[number].as_mut() else { return };
        debug_assert!(end <= segment.used, "a record ends in its segment");
        segment.bytes[at..at + 4].copy_from_slice(&DEAD.to_le_bytes());
        segment.dead += whole;
        self.bytes.live -= whole as u64;
        self.bytes.dead += whole as u64;
        self.bytes.records -= 1;
        self.drop_if_dead(number);
    }

    /// Gives a segment back if nothing in it lives and nothing more will be written to it.
    fn drop_if_dead(&mut self, number: usize) {
        let dead = |s: &Segment| s.dead == s.used;
        if self.open == Some(number) || !self.segments[number].as_ref().is_some_and(dead) {
            return;
        }
        if let Some(segment) = self.segments[number].take() {
            self.bytes.allocated -= SEGMENT as u64;
            self.bytes.dead -= segment.dead as u64;
            self.bytes.free -= (SEGMENT - segment.used) as u64;
            self.retire(number);
        }
    }

    /// A segment that was given back has no number any more.
    fn retire(&mut self, number: usize) {
        self.ends.retain(|&end| end != number);
        self.vacant.push(number as u32);
    }

    pub(crate) fn bytes(&self) -> StoreBytes {
        self.bytes
    }

    /// Bytes of the tables beside the segments.
    pub(crate) fn overhead(&self) -> usize {
        self.segments.capacity() * size_of::<Option<Segment>>()
            + self.vacant.capacity() * size_of::<u32>()
            + self.ends.capacity() * size_of::<usize>()
    }

    /// Damages a byte of a record, counted from its head: what a test does to see that it is found.
    #[cfg(test)]
    pub(crate) fn damage(&mut self, place: Place, byte: usize) {
        let (number, at) = place.split();
        if let Some(segment) = self.segments[number].as_mut() {
            segment.bytes[at + byte] ^= 1;
        }
    }
}
