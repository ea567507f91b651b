//! The one kind of metadata page: a slice of the map, a part of the block table, and the records of
//! the latest programs. Written when a block is opened and every so many records, slice after slice,
//! so that the latest `slices` of them hold the whole map, and a few of them the whole story since.
//!
//! `docs/src/formats/ftl.md` has the bytes.

use crate::bits::{BitReader, BitWriter};
use crate::layout::{BACK, FRONTIERS, HEADER, Layout, NONE};
use crate::record::Head;
use alloc::vec::Vec;

const MAGIC: u32 = u32::from_le_bytes(*b"VLM2");

/// An earlier metadata page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub ppn: u32,
    /// Records emitted up to it.
    pub record_end: u64,
}

/// What a metadata page says of the moment when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Its number among metadata pages; it carries slice `ordinal mod slices`.
    pub ordinal: u32,
    /// Number of its program: of two pages with one ordinal the later one counts.
    pub seq: u64,
    /// Records emitted up to it.
    pub record_end: u64,
    /// Host writes up to it.
    pub clock: u64,
    /// The layer was shut down: nothing was in flight after this page.
    pub clean: bool,
    /// The day that the host last told.
    pub day: u16,
    /// The frontiers before the first record.
    pub start: [Head; FRONTIERS],
    /// Number of the next program when the snapshot was taken; 0: there is none.
    pub since: u64,
}

/// What goes into a metadata page beside its stamp.
#[derive(Debug)]
pub(crate) struct Parts<B, T, E, R> {
    /// The metadata pages before it, latest first.
    pub back: B,
    /// The block table's words.
    pub table: T,
    /// Writes the slice's map entries, all of them.
    pub entries: E,
    /// Oldest first, packed.
    pub records: R,
}

/// A metadata page but for its slice and table, which stay in the page's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub stamp: Stamp,
    /// The metadata pages before it, latest first.
    pub back: Vec<Place>,
    /// Oldest first, packed.
    pub records: Vec<u32>,
}

/// Bytes of a block in the table: erases (24 bits) and the day of its opening (8 bits).
const TABLE_ENTRY: usize = 4;

impl Meta {
    /// Records before the first one of this page.
    pub fn record_start(&self) -> u64 {
        self.stamp.record_end - self.records.len() as u64
    }

    /// Writes a page over `out`.
    pub fn encode<B, T, E, R>(stamp: &Stamp, l: &Layout, parts: Parts<B, T, E, R>, out: &mut [u8])
    where
        B: Iterator<Item = Place>,
        T: Iterator<Item = u32>,
        E: FnOnce(&mut BitWriter<'_>),
        R: ExactSizeIterator<Item = u32>,
    {
        let Parts { mut back, table, entries, records } = parts;
        out.fill(0);
        let mut at = 0;
        put(out, &mut at, MAGIC.into(), 4);
        put(out, &mut at, stamp.ordinal.into(), 4);
        put(out, &mut at, stamp.seq, 8);
        put(out, &mut at, stamp.record_end, 8);
        put(out, &mut at, stamp.clock, 8);
        put(out, &mut at, u64::from(stamp.clean), 2);
        put(out, &mut at, stamp.day.into(), 2);
        put(out, &mut at, records.len() as u64, 4);
        for h in &stamp.start {
            put(out, &mut at, h.block.into(), 4);
            put(out, &mut at, h.next.into(), 4);
        }
        for _ in 0..BACK {
            let none = Place { ppn: NONE, record_end: stamp.record_end };
            let p = back.next().unwrap_or(none);
            put(out, &mut at, p.ppn.into(), 4);
            put(out, &mut at, (stamp.record_end - p.record_end).min(u32::MAX.into()), 4);
        }
        put(out, &mut at, stamp.since, 8);
        debug_assert!(at <= HEADER);
        at = HEADER;
        table.for_each(|v| put(out, &mut at, v.into(), TABLE_ENTRY));
        let (end, body) = (out.len() - 4, HEADER + TABLE_ENTRY * l.table as usize);
        let mut bits = BitWriter::new(&mut out[body..end]);
        entries(&mut bits);
        let count = records.len();
        bits.put_all(records, count, l.record_bits);
        let crc = crc32fast::hash(&out[..end]);
        out[end..].copy_from_slice(&crc.to_le_bytes());
    }

    /// The number of a page; `None` when it is no metadata page, or damaged.
    pub fn ordinal_of(bytes: &[u8]) -> Option<u32> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        let mut at = 0;
        let whole = get(body, &mut at, 4) == u64::from(MAGIC)
            && crc32fast::hash(body).to_le_bytes() == *crc;
        whole.then(|| get(body, &mut at, 4) as u32)
    }

    /// Reads a page; `None` when it is no metadata page, or damaged.
    pub fn decode(l: &Layout, bytes: &[u8]) -> Option<Meta> {
        let ordinal = Meta::ordinal_of(bytes)?;
        let (end, mut at) = (bytes.len() - 4, 8);
        let mut next = |n: usize| get(bytes, &mut at, n);
        let (seq, record_end) = (next(8), next(8));
        let (clock, clean, day) = (next(8), next(2) != 0, next(2) as u16);
        let count = next(4) as u32;
        let mut start = [Head::CLOSED; FRONTIERS];
        for h in &mut start {
            *h = Head { block: next(4) as u32, next: next(4) as u32 };
            if h.block != NONE && (h.block >= l.g.blocks || h.next > l.g.pages_per_block) {
                return None;
            }
        }
        let mut back = Vec::with_capacity(BACK);
        for _ in 0..BACK {
            let (ppn, ago) = (next(4) as u32, next(4));
            if u64::from(ppn) < l.g.pages() {
                back.push(Place { ppn, record_end: record_end.checked_sub(ago)? });
            }
        }
        let since = next(8);
        if count > l.records || u64::from(count) > record_end {
            return None;
        }
        let body = HEADER + TABLE_ENTRY * l.table as usize;
        let from = (l.slice * l.entry_bits) as usize;
        let mut bits = BitReader::at(&bytes[body..end], from);
        let records = (0..count).map(|_| bits.take(l.record_bits) as u32).collect();
        let stamp = Stamp { ordinal, seq, record_end, clock, clean, day, start, since };
        Some(Meta { stamp, back, records })
    }
}

/// The map entries of a metadata page's slice.
pub(crate) fn entries<'a>(l: &Layout, page: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
    let body = HEADER + TABLE_ENTRY * l.table as usize;
    let (width, count, pages) = (l.entry_bits, l.slice, l.g.pages() as u32);
    let mut bits = BitReader::new(&page[body..page.len() - 4]);
    (0..count).map(move |_| bits.take(width) as u32).map(move |e| if e < pages { e } else { 0 })
}

/// The words of a metadata page's part of the block table.
pub(crate) fn table<'a>(l: &Layout, page: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
    let words = page[HEADER..].chunks_exact(TABLE_ENTRY).take(l.table as usize);
    words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
}

/// Appends the low `n` bytes of `v`.
pub(crate) fn put(out: &mut [u8], at: &mut usize, v: u64, n: usize) {
    out[*at..*at + n].copy_from_slice(&v.to_le_bytes()[..n]);
    *at += n;
}

/// Takes `n` bytes as a number.
pub(crate) fn get(bytes: &[u8], at: &mut usize, n: usize) -> u64 {
    let mut b = [0; 8];
    b[..n].copy_from_slice(&bytes[*at..*at + n]);
    *at += n;
    u64::from_le_bytes(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::record::Record;
    use vellum_nand::Geometry;

    #[test]
    fn a_page_comes_back_and_damage_shows() {
        let l = Layout::new(&Geometry::tiny(64, 16), &Config::new(600)).unwrap();
        let stamp = Stamp {
            ordinal: 77,
            seq: 1 << 35,
            record_end: 5000,
            clock: 4321,
            clean: true,
            day: 300,
            start: [
                Head { block: 5, next: 3 },
                Head::CLOSED,
                Head::CLOSED,
                Head { block: 9, next: 16 },
            ],
            since: 1 << 34,
        };
        let meta = Meta {
            stamp,
            back: vec![Place { ppn: 700, record_end: 4990 }, Place { ppn: 699, record_end: 4970 }],
            records: (0..l.records).map(|i| Record::Write((i % 4) as u8, i).pack()).collect(),
        };
        let mut page = vec![0; 512];
        let parts = Parts {
            back: meta.back.iter().copied(),
            table: (0..l.table).map(|i| i << 8),
            entries: |bits: &mut BitWriter<'_>| {
                (0..l.slice).for_each(|i| bits.put(u64::from(i) * 3, l.entry_bits));
            },
            records: meta.records.iter().copied(),
        };
        Meta::encode(&stamp, &l, parts, &mut page);
        assert_eq!(Meta::decode(&l, &page).as_ref(), Some(&meta));
        assert!(entries(&l, &page).enumerate().all(|(i, e)| e == i as u32 * 3));
        assert!(table(&l, &page).enumerate().all(|(i, e)| e == (i as u32) << 8));
        page[300] ^= 1;
        assert_eq!(Meta::decode(&l, &page), None);
    }
}
