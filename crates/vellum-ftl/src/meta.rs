//! The one kind of metadata page: a slice of the map, a part of the block table, and the records of
//! the latest programs. Written every so many programs, slice after slice, so that the latest
//! `slices` of them hold the whole map, and a few of them the whole story since.
//!
//! `docs/src/formats/ftl.md` has the bytes.

use crate::bits::{BitReader, BitWriter};
use crate::layout::{ANNOUNCED, BACK, FRONTIERS, HEADER, KIND_BITS, Layout};
use alloc::vec::Vec;

const MAGIC: u32 = u32::from_le_bytes(*b"VLM1");
/// No block, no page.
pub(crate) const NONE: u32 = u32::MAX;

/// Set in an announced block that still holds valid pages: it is being emptied.
pub(crate) const VICTIM: u32 = 1 << 31;

/// Where a frontier writes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub block: u32,
    pub next: u32,
}

impl Head {
    pub const CLOSED: Head = Head { block: NONE, next: 0 };
}

/// What happened, in the order in which it happened. Kept as `kind | payload << 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// The next page of frontier 0, 1 or 2 holds this logical page.
    Write(u8, u32),
    /// Frontier opened a block.
    Open(u8, u32),
    /// A logical page was discarded.
    Trim(u32),
    /// So many more after it.
    TrimMore(u32),
    /// The next page of a frontier holds nothing.
    Skip(u8),
}

const TRIM_MORE: u32 = 6;

impl Record {
    pub fn pack(self) -> u32 {
        match self {
            Record::Write(f, lpn) => u32::from(f & 3) | lpn << KIND_BITS,
            Record::Open(f, block) => 4 | (block << 2 | u32::from(f & 3)) << KIND_BITS,
            Record::Trim(lpn) => 5 | lpn << KIND_BITS,
            Record::TrimMore(n) => TRIM_MORE | n << KIND_BITS,
            Record::Skip(f) => 7 | u32::from(f & 3) << KIND_BITS,
        }
    }

    pub fn unpack(word: u32) -> Record {
        let payload = word >> KIND_BITS;
        match word & 7 {
            f @ 0..=3 => Record::Write(f as u8, payload),
            4 => Record::Open((payload & 3) as u8, payload >> 2),
            5 => Record::Trim(payload),
            TRIM_MORE => Record::TrimMore(payload),
            _ => Record::Skip((payload & 3) as u8),
        }
    }
}

/// A metadata page but for its slice and table, which stay in the page's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Its number; slice `n mod slices`.
    pub n: u32,
    /// Number of its program.
    pub seq: u64,
    /// Records emitted up to it.
    pub record_end: u64,
    /// Host writes up to it.
    pub clock: u64,
    pub heads: [Head; FRONTIERS],
    /// The frontiers before the first record.
    pub start: [Head; FRONTIERS],
    /// Blocks that may be opened before the next metadata page.
    pub announced: [u32; ANNOUNCED],
    /// Where the pages `n−1`, `n−2`… are.
    pub back: [u32; BACK],
    /// Records between page `n − 1` and this one.
    pub since: u32,
    /// Oldest first, packed.
    pub records: Vec<u32>,
}

fn put32(out: &mut [u8], at: &mut usize, v: u32) {
    out[*at..*at + 4].copy_from_slice(&v.to_le_bytes());
    *at += 4;
}

fn put64(out: &mut [u8], at: &mut usize, v: u64) {
    put32(out, at, v as u32);
    put32(out, at, (v >> 32) as u32);
}

fn get32(bytes: &[u8], at: &mut usize) -> u32 {
    let b = &bytes[*at..*at + 4];
    *at += 4;
    u32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

fn get64(bytes: &[u8], at: &mut usize) -> u64 {
    u64::from(get32(bytes, at)) | u64::from(get32(bytes, at)) << 32
}

/// Bytes of a block in the table: erases (24 bits) and flags.
const TABLE_ENTRY: usize = 4;

impl Meta {
    /// Writes the page over `out`; `entries` are the slice's map entries and `table` the block
    /// table's words.
    pub fn encode(
        &self,
        l: &Layout,
        entries: impl Iterator<Item = u32>,
        table: impl Iterator<Item = u32>,
        out: &mut [u8],
    ) {
        out.fill(0);
        let mut at = 0;
        put32(out, &mut at, MAGIC);
        put32(out, &mut at, self.n);
        put64(out, &mut at, self.seq);
        put64(out, &mut at, self.record_end);
        put64(out, &mut at, self.clock);
        for h in self.heads.iter().chain(&self.start) {
            put32(out, &mut at, h.block);
            put32(out, &mut at, h.next);
        }
        self.announced.iter().chain(&self.back).for_each(|&v| put32(out, &mut at, v));
        put32(out, &mut at, self.records.len() as u32);
        put32(out, &mut at, self.since);
        debug_assert!(at <= HEADER);
        at = HEADER;
        table.for_each(|v| put32(out, &mut at, v));
        let (end, body) = (out.len() - 4, HEADER + TABLE_ENTRY * l.table as usize);
        let mut bits = BitWriter::new(&mut out[body..end]);
        let mut filled = 0;
        for entry in entries {
            bits.put(entry.into(), l.entry_bits);
            filled += 1;
        }
        (filled..l.slice).for_each(|_| bits.put(0, l.entry_bits));
        self.records.iter().for_each(|&r| bits.put(r.into(), l.record_bits));
        let crc = crc32fast::hash(&out[..end]);
        out[end..].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a page; `None` when it is none, or damaged.
    pub fn decode(l: &Layout, bytes: &[u8]) -> Option<Meta> {
        let end = bytes.len() - 4;
        let mut at = 0;
        if get32(bytes, &mut at) != MAGIC {
            return None;
        }
        if crc32fast::hash(&bytes[..end]).to_le_bytes() != bytes[end..] {
            return None;
        }
        let n = get32(bytes, &mut at);
        let seq = get64(bytes, &mut at);
        let record_end = get64(bytes, &mut at);
        let clock = get64(bytes, &mut at);
        let mut heads = [Head::CLOSED; 2 * FRONTIERS];
        for h in &mut heads {
            *h = Head { block: get32(bytes, &mut at), next: get32(bytes, &mut at) };
            if h.block != NONE && (h.block >= l.g.blocks || h.next > l.g.pages_per_block) {
                return None;
            }
        }
        let announced = core::array::from_fn(|_| get32(bytes, &mut at));
        let back = core::array::from_fn(|_| get32(bytes, &mut at));
        let count = get32(bytes, &mut at);
        let since = get32(bytes, &mut at);
        if count > l.records || u64::from(count) > record_end {
            return None;
        }
        let start = body(l) * 8 + (l.slice * l.entry_bits) as usize;
        let mut bits = BitReader::at(&bytes[..end], start);
        let records = (0..count).map(|_| bits.take(l.record_bits) as u32).collect();
        let (now, then) = heads.split_at(FRONTIERS);
        Some(Meta {
            n,
            seq,
            record_end,
            clock,
            heads: [now[0], now[1], now[2]],
            start: [then[0], then[1], then[2]],
            announced,
            back,
            since,
            records,
        })
    }

    /// Number of the first record that can be understood by itself.
    pub fn first_record(&self) -> u64 {
        let half = self.records.first().is_some_and(|&r| r & 7 == TRIM_MORE);
        self.record_end - self.records.len() as u64 + u64::from(half)
    }

    /// What the records say, oldest first. `opened` hears of blocks that were opened, with the
    /// record's number.
    pub fn replay(&self, l: &Layout, mut opened: impl FnMut(u64, u32)) -> Vec<Event> {
        let mut heads = self.start;
        let mut out = Vec::with_capacity(self.records.len());
        let first = self.record_end - self.records.len() as u64;
        let mut trimmed = None;
        for (i, &word) in self.records.iter().enumerate() {
            match Record::unpack(word) {
                Record::Write(f, lpn) => {
                    let Some(h) = heads.get_mut(f as usize) else { continue };
                    let fits = h.block < l.g.blocks && h.next < l.g.pages_per_block;
                    if fits && lpn < l.logical {
                        let ppn = h.block * l.g.pages_per_block + h.next;
                        out.push(Event { lpn, count: 1, ppn: Some(ppn) });
                    }
                    h.next += 1;
                }
                Record::Open(f, block) => {
                    let Some(h) = heads.get_mut(f as usize) else { continue };
                    *h = Head { block, next: 0 };
                    opened(first + i as u64, block);
                }
                Record::Trim(lpn) => {
                    let lpn = lpn.min(l.logical - 1);
                    trimmed = Some(lpn);
                    out.push(Event { lpn, count: 1, ppn: None });
                }
                Record::TrimMore(n) => {
                    // Without its beginning it belongs to an earlier page's records.
                    let Some(trimmed) = trimmed else { continue };
                    let count = n.min(l.logical - 1 - trimmed);
                    out.push(Event { lpn: trimmed + 1, count, ppn: None });
                }
                Record::Skip(f) => {
                    if let Some(h) = heads.get_mut(f as usize) {
                        h.next += 1;
                    }
                }
            }
        }
        out
    }
}

/// A run of logical pages that got a new place, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub lpn: u32,
    pub count: u32,
    /// The physical page of `lpn`, whose `count` is then 1; `None`: discarded.
    pub ppn: Option<u32>,
}

/// Moves a frontier on by one record of our own making.
pub(crate) fn advance(heads: &mut [Head; FRONTIERS], word: u32) {
    match Record::unpack(word) {
        Record::Write(f, _) | Record::Skip(f) => heads[f as usize].next += 1,
        Record::Open(f, block) => heads[f as usize] = Head { block, next: 0 },
        Record::Trim(_) | Record::TrimMore(_) => {}
    }
}

fn body(l: &Layout) -> usize {
    HEADER + TABLE_ENTRY * l.table as usize
}

/// The map entries of a page's slice.
pub(crate) fn entries<'a>(l: &'a Layout, bytes: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
    let mut bits = BitReader::new(&bytes[body(l)..bytes.len() - 4]);
    (0..l.slice).map(move |_| bits.take(l.entry_bits) as u32)
}

/// The words of a page's part of the block table.
pub(crate) fn table<'a>(l: &'a Layout, bytes: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
    let mut at = HEADER;
    (0..l.table).map(move |_| get32(bytes, &mut at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use vellum_nand::Geometry;

    fn sample() -> Meta {
        let records = [
            Record::Open(1, 9),
            Record::Write(1, 7),
            Record::Skip(1),
            Record::Write(1, 8),
            Record::Trim(7),
            Record::TrimMore(2),
            Record::Write(0, 3),
        ];
        let mut start = [Head::CLOSED; FRONTIERS];
        start[0] = Head { block: 5, next: 2 };
        let mut heads = start;
        let records: Vec<u32> = records.into_iter().map(Record::pack).collect();
        records.iter().for_each(|&r| advance(&mut heads, r));
        Meta {
            n: 12,
            seq: 1 << 35,
            record_end: 1000,
            clock: 5,
            heads,
            start,
            announced: [1, 2, 3, NONE],
            back: [40; BACK],
            since: 7,
            records,
        }
    }

    #[test]
    fn a_page_comes_back_and_tells_its_story() {
        let l = Layout::new(&Geometry::tiny(64, 16), &Config::new(500)).unwrap();
        let meta = sample();
        let mut page = [0; 512];
        meta.encode(&l, (0..l.slice).map(|i| i * 3 % 1024), 0..l.table, &mut page);
        assert_eq!(Meta::decode(&l, &page).as_ref(), Some(&meta));
        assert!(entries(&l, &page).eq((0..l.slice).map(|i| i * 3 % 1024)));
        assert!(table(&l, &page).eq(0..l.table));
        let mut opened = Vec::new();
        let story = meta.replay(&l, |at, block| opened.push((at, block)));
        assert_eq!(opened, [(993, 9)]);
        let event = |lpn, count, ppn| Event { lpn, count, ppn };
        let expected = [
            event(7, 1, Some(9 * 16)),
            event(8, 1, Some(9 * 16 + 2)),
            event(7, 1, None),
            event(8, 2, None),
            event(3, 1, Some(5 * 16 + 2)),
        ];
        assert_eq!(story, expected);
    }

    #[test]
    fn damage_is_seen_and_hostile_bytes_are_harmless() {
        let l = Layout::new(&Geometry::tiny(64, 16), &Config::new(500)).unwrap();
        let mut page = [0; 512];
        sample().encode(&l, core::iter::empty(), core::iter::empty(), &mut page);
        let mut rng = vellum_block::Rng::new(4);
        for _ in 0..3000 {
            let mut hurt = page;
            for _ in 0..1 + rng.below(4) {
                hurt[rng.below(508) as usize] ^= 1 << rng.below(8);
            }
            if hurt != page {
                assert_eq!(Meta::decode(&l, &hurt), None);
            }
            // The same behind a checksum that fits.
            let crc = crc32fast::hash(&hurt[..508]);
            hurt[508..].copy_from_slice(&crc.to_le_bytes());
            if let Some(meta) = Meta::decode(&l, &hurt) {
                let story = meta.replay(&l, |_, _| {});
                let pages = l.g.pages() as u32;
                assert!(story.iter().all(|e| e.lpn + e.count <= 500));
                assert!(story.iter().all(|e| e.ppn.is_none_or(|p| p < pages)));
            }
        }
    }
}
