//! The anchor: which blocks hold the metadata, and which are bad. Two copies, in two of the first
//! blocks, written one after the other when the log gets or gives back a
//! block and when a block goes bad, which is seldom. The page, and how it is found; `copies.rs` says
//! in which order the copies are written.

use crate::bits;
use crate::layout::{Layout, NONE, SPAN, safe_page, safe_pages};
use crate::meta::{get, put};
use crate::oob::{Kind, Oob};
use crate::{FtlError, MapMode};
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::{EraseBlock, Geometry, Nand, Ppa};

const MAGIC: u32 = u32::from_le_bytes(*b"VLA2");
/// The on-flash format's version.
pub(crate) const VERSION: u32 = 6;
/// Bytes before the log's blocks and the bad-block table.
pub(crate) const HEADER: usize = 64;

/// What an anchor page holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Number of the anchor page; the largest is the latest.
    pub number: u64,
    pub logical: u32,
    pub interval: u16,
    /// Pages that a snapshot may keep.
    pub snapshot: u32,
    /// Where the other copy of this page lies among the other block's safe pages: a guess that spares a
    /// mount the search. [`NONE`]: unknown.
    pub twin: u32,
    /// The two anchors' blocks.
    pub blocks: [u32; 2],
    /// The blocks that metadata is written to.
    pub ring: Vec<u32>,
    /// A bit a block: bad.
    pub bad: Vec<u8>,
}

pub(crate) fn numbers(g: &Geometry) -> [(&'static str, u32); 5] {
    [
        ("blocks", g.blocks),
        ("pages per block", g.pages_per_block),
        ("page bytes", g.page_bytes),
        ("user out-of-band bytes", g.user_oob_bytes()),
        ("page pairing", g.pair_distance()),
    ]
}

impl Anchor {
    pub fn encode(&self, g: &Geometry, out: &mut [u8]) {
        out.fill(0);
        let end = out.len() - 4;
        let mut at = 0;
        put(out, &mut at, MAGIC.into(), 4);
        put(out, &mut at, VERSION.into(), 4);
        for (_, v) in numbers(g) {
            put(out, &mut at, v.into(), 4);
        }
        put(out, &mut at, self.number, 8);
        put(out, &mut at, self.logical.into(), 4);
        put(out, &mut at, self.interval.into(), 4);
        self.blocks.iter().for_each(|&b| put(out, &mut at, b.into(), 4));
        put(out, &mut at, self.ring.len() as u64, 4);
        put(out, &mut at, self.snapshot.into(), 4);
        put(out, &mut at, self.twin.into(), 4);
        debug_assert!(at <= HEADER);
        at = HEADER;
        self.ring.iter().for_each(|&b| put(out, &mut at, b.into(), 4));
        out[at..at + self.bad.len()].copy_from_slice(&self.bad);
        let crc = crc32fast::hash(&out[..end]);
        out[end..].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a page. `Ok(None)`: no anchor, or damaged.
    pub fn decode(g: &Geometry, bytes: &[u8]) -> Result<Option<Anchor>, FtlError> {
        let end = bytes.len() - 4;
        let mut at = 0;
        let mut next = |n: usize| get(bytes, &mut at, n);
        if next(4) != u64::from(MAGIC)
            || crc32fast::hash(&bytes[..end]).to_le_bytes() != bytes[end..]
        {
            return Ok(None);
        }
        let found = next(4) as u32;
        if found != VERSION {
            return Err(FtlError::Version { found, known: VERSION });
        }
        for (field, expected) in numbers(g) {
            let (found, expected) = (next(4), u64::from(expected));
            if found != expected {
                return Err(FtlError::OtherGeometry { field, found, expected });
            }
        }
        let (number, logical, interval) = (next(8), next(4) as u32, next(4) as u16);
        let blocks = [next(4) as u32, next(4) as u32];
        let (count, snapshot, twin) = (next(4) as usize, next(4) as u32, next(4) as u32);
        let table = g.blocks.div_ceil(8) as usize;
        if HEADER + count.saturating_mul(4) + table > end {
            return Ok(None);
        }
        at = HEADER;
        let ring: Vec<u32> = (0..count).map(|_| get(bytes, &mut at, 4) as u32).collect();
        let bad = bytes[at..at + table].to_vec();
        let sane = ring.iter().chain(&blocks).all(|&b| b < g.blocks);
        Ok(sane.then_some(Anchor { number, logical, interval, snapshot, twin, blocks, ring, bad }))
    }

    pub fn is_bad(&self, block: u32) -> bool {
        bits::has(&self.bad, block)
    }

    pub fn set_bad(&mut self, block: u32) {
        bits::insert(&mut self.bad, block);
    }

    /// The out-of-band record of its page.
    pub fn oob(&self, l: &Layout, data_crc: u32) -> Vec<u8> {
        let mut bytes = vec![0; l.oob];
        Oob::plain(Kind::Anchor, 0, self.number, data_crc).encode(&mut bytes, l.lpn_bits);
        bytes
    }

    /// A configuration that fits what the anchor says.
    pub fn config(&self, map: MapMode) -> crate::Config {
        let mut config = crate::Config::new(self.logical);
        config.meta_interval = self.interval;
        config.snapshot_pages = self.snapshot;
        config.map = map;
        config
    }
}

/// An anchor that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub anchor: Anchor,
    pub block: u32,
    /// Pages of the block that are not blank, among the safe ones.
    pub used: u32,
}

/// What a page is, by its number modulo [`STEP`].
pub(crate) const STEP: u64 = 4;
/// The first page of a block that takes the lead, and padding of one that stands alone.
pub(crate) const INTRO: u64 = 0;
/// The copy in the other block. It is begun when [`FIRST`] is complete.
pub(crate) const SECOND: u64 = 1;
/// The copy that is written first, and leads.
pub(crate) const FIRST: u64 = 2;

/// Whether what the latest anchor says was programmed completely, by what was found, latest first:
/// its second copy was begun.
pub(crate) fn is_sure(found: &[Found]) -> bool {
    let Some(best) = found.first() else { return false };
    let number = best.anchor.number;
    if best.anchor.blocks.iter().any(|&b| best.anchor.is_bad(b)) {
        // A lone block takes both.
        return number % STEP == SECOND;
    }
    let second = |f: &Found| f.anchor.number + 1 == number && best.anchor.blocks.contains(&f.block);
    number % STEP == FIRST && found[1..].iter().any(second)
}

/// The last page of a block, among its safe ones, that is not blank; its first page must not be.
/// Whether `page` holds its data, for it was read on the way. O(log pages) reads, two when `guess` is
/// right.
pub(crate) fn last_written<N: Nand>(
    nand: &mut N,
    g: &Geometry,
    block: u32,
    guess: Option<u32>,
    page: &mut Vec<u8>,
    reads: &mut u64,
) -> Result<(u32, bool), FtlError> {
    let count = safe_pages(g);
    let (mut other, mut held) = (vec![0; page.len()], None);
    let mut blank = |i: u32| -> Result<bool, FtlError> {
        *reads += 1;
        let status = nand.read(Ppa(safe_page(g, block, i).into()), 0, &mut other, &mut [])?;
        if status.is_readable() {
            core::mem::swap(page, &mut other);
            held = Some(i);
        }
        Ok(status.is_erased())
    };
    let (mut low, mut high) = (0, count);
    if let Some(guess) = guess.filter(|&i| i < count) {
        if blank(guess)? {
            high = guess.max(1);
        } else if guess + 1 < count && !blank(guess + 1)? {
            low = guess + 1;
        } else {
            (low, high) = (guess, guess + 1);
        }
    }
    while high - low > 1 {
        let middle = (low + high) / 2;
        if blank(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok((low, held == Some(low)))
}

/// Reads the latest anchor in `block`, if it holds any.
fn latest_in<N: Nand>(
    nand: &mut N,
    g: &Geometry,
    block: u32,
    guess: Option<u32>,
    reads: &mut u64,
) -> Result<Option<Found>, FtlError> {
    let mut page = vec![0; g.page_bytes as usize];
    if guess.is_some() {
        let (at, held) = last_written(nand, g, block, guess, &mut page, reads)?;
        if held && let Some(anchor) = Anchor::decode(g, &page)? {
            return Ok(Some(Found { anchor, block, used: at + 1 }));
        }
    }
    let mut oob = vec![0; (g.user_oob_bytes() as usize).min(64)];
    *reads += 1;
    let first = nand.read(g.ppa(EraseBlock(block), 0), 0, &mut page, &mut oob)?;
    if first.is_erased() {
        return Ok(None);
    }
    let seen = first.is_readable().then(|| Anchor::decode(g, &page)).transpose()?.flatten();
    // A block of data ends the search at once, an unreadable page doesn't.
    if first.is_readable() && seen.is_none() && Oob::decode_kind(&oob) != Some(Kind::Anchor) {
        return Ok(None);
    }
    let (last, held) = last_written(nand, g, block, None, &mut page, reads)?;
    if held && let Some(anchor) = Anchor::decode(g, &page)? {
        return Ok(Some(Found { anchor, block, used: last + 1 }));
    }
    for i in (1..=last).rev() {
        *reads += 1;
        let status = nand.read(Ppa(safe_page(g, block, i).into()), 0, &mut page, &mut [])?;
        if status.is_readable()
            && let Some(anchor) = Anchor::decode(g, &page)?
        {
            return Ok(Some(Found { anchor, block, used: last + 1 }));
        }
    }
    Ok(seen.map(|anchor| Found { anchor, block, used: last + 1 }))
}

/// The anchors among the first blocks, latest first.
pub(crate) fn find<N: Nand>(
    nand: &mut N,
    g: &Geometry,
    reads: &mut u64,
) -> Result<Vec<Found>, FtlError> {
    let mut all: Vec<Found> = Vec::new();
    for block in 0..SPAN.min(g.blocks) {
        // Each copy tells where the other one lies.
        let named = all.first().filter(|f| f.anchor.blocks.contains(&block));
        let guess = named.map(|f| f.anchor.twin).filter(|&i| i != NONE);
        all.extend(latest_in(nand, g, block, guess, reads)?);
        // Nobody knows whether a block's only page will stay.
        all.sort_by_key(|f| core::cmp::Reverse((f.used > 1, f.anchor.number)));
        // Both copies that the latest one names, and both up to date: nothing else can be newer.
        let named = |f: &Found| f.anchor.blocks.iter().all(|&b| b <= block && !f.anchor.is_bad(b));
        if all.first().is_some_and(named) && is_sure(&all) {
            break;
        }
    }
    Ok(all)
}
