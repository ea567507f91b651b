//! The anchor: where the metadata is, and which blocks are bad. Two copies, in two of the first
//! blocks; written when metadata moves to another block and when a block goes bad.

use crate::layout::{Layout, SPAN};
use crate::oob::{FIXED, Kind, Oob};
use crate::{FtlError, MapMode};
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::{EraseBlock, Geometry, Nand};

const MAGIC: u32 = u32::from_le_bytes(*b"VLA1");
/// The on-flash format's version.
pub(crate) const VERSION: u32 = 1;
/// Bytes before the bad-block table.
const HEADER: usize = 96;

/// What an anchor page holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Number of the anchor page; the largest is the latest.
    pub number: u64,
    pub logical: u32,
    pub interval: u16,
    /// The block that metadata is written to.
    pub meta_block: u32,
    /// Where the latest metadata page was when this was written, and its number.
    pub meta_last: u32,
    pub meta_n: u32,
    /// Number of programs so far.
    pub seq: u64,
    /// The two anchors.
    pub blocks: [u32; 2],
    /// A bit a block: bad.
    pub bad: Vec<u8>,
}

fn numbers(g: &Geometry) -> [(&'static str, u32); 5] {
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
        let mut put = |v: u64, n: usize| {
            out[at..at + n].copy_from_slice(&v.to_le_bytes()[..n]);
            at += n;
        };
        put(MAGIC.into(), 4);
        put(VERSION.into(), 4);
        numbers(g).iter().for_each(|&(_, v)| put(v.into(), 4));
        put(self.number, 8);
        put(self.logical.into(), 4);
        put(self.interval.into(), 4);
        put(self.meta_block.into(), 4);
        put(self.meta_last.into(), 4);
        put(self.meta_n.into(), 4);
        put(self.seq, 8);
        self.blocks.iter().for_each(|&b| put(b.into(), 4));
        out[HEADER..HEADER + self.bad.len()].copy_from_slice(&self.bad);
        let crc = crc32fast::hash(&out[..end]);
        out[end..].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a page. `Ok(None)`: no anchor, or damaged.
    pub fn decode(g: &Geometry, bytes: &[u8]) -> Result<Option<Anchor>, FtlError> {
        let end = bytes.len() - 4;
        let mut at = 0;
        let mut get = |n: usize| {
            let mut b = [0; 8];
            b[..n].copy_from_slice(&bytes[at..at + n]);
            at += n;
            u64::from_le_bytes(b)
        };
        if get(4) != u64::from(MAGIC)
            || crc32fast::hash(&bytes[..end]).to_le_bytes() != bytes[end..]
        {
            return Ok(None);
        }
        let found = get(4) as u32;
        if found != VERSION {
            return Err(FtlError::Version { found, known: VERSION });
        }
        for (field, expected) in numbers(g) {
            let (found, expected) = (get(4), u64::from(expected));
            if found != expected {
                return Err(FtlError::OtherGeometry { field, found, expected });
            }
        }
        let number = get(8);
        let (logical, interval) = (get(4) as u32, get(4) as u16);
        let (meta_block, meta_last, meta_n) = (get(4) as u32, get(4) as u32, get(4) as u32);
        let seq = get(8);
        let blocks = [get(4) as u32, get(4) as u32];
        let bad = bytes[HEADER..HEADER + g.blocks.div_ceil(8) as usize].to_vec();
        let sane = meta_block < g.blocks && blocks.iter().all(|&b| b < g.blocks);
        let anchor =
            Anchor { number, logical, interval, meta_block, meta_last, meta_n, seq, blocks, bad };
        Ok(sane.then_some(anchor))
    }

    pub fn is_bad(&self, block: u32) -> bool {
        self.bad[block as usize / 8] >> (block % 8) & 1 != 0
    }
}

/// An anchor that was found, and the page after it.
#[derive(Debug)]
pub(crate) struct Found {
    pub anchor: Anchor,
    pub block: u32,
    pub next: u32,
}

/// Reads the latest anchor in `block`, if it is an anchor's block: one page, then a binary search.
pub(crate) fn latest_in<N: Nand>(
    nand: &mut N,
    g: &Geometry,
    block: u32,
    reads: &mut u64,
) -> Result<Option<Found>, FtlError> {
    let mut page = vec![0; g.page_bytes as usize];
    let mut oob = [0; FIXED];
    let mut look =
        |nand: &mut N, p: u32, page: &mut [u8]| -> Result<(bool, Option<Anchor>), FtlError> {
            *reads += 1;
            let status = nand.read(g.ppa(EraseBlock(block), p), 0, page, &mut oob)?;
            if status.is_erased() {
                return Ok((true, None));
            }
            Ok((false, Anchor::decode(g, page)?))
        };
    let first = look(nand, 0, &mut page)?;
    if first.0 {
        return Ok(None);
    }
    let (mut low, mut high, mut best) = (0, g.pages_per_block, first.1.map(|a| (0, a)));
    if best.is_none() {
        // The first page may be the one that can't be read.
        match look(nand, 1, &mut page)?.1 {
            Some(a) => best = Some((1, a)),
            None => return Ok(None),
        }
    }
    while high - low > 1 {
        let middle = (low + high) / 2;
        match look(nand, middle, &mut page)? {
            (true, _) => high = middle,
            (false, found) => {
                low = middle;
                if let Some(a) = found {
                    best = Some((middle, a));
                }
            }
        }
    }
    // Pages that can't be read between the best and the end may hide a later one.
    let mut p = low;
    while best.as_ref().is_some_and(|b| b.0 < p) {
        if let (false, Some(a)) = look(nand, p, &mut page)? {
            best = Some((p, a));
            break;
        }
        p -= 1;
    }
    Ok(best.map(|(_, anchor)| Found { anchor, block, next: high }))
}

/// Probes the first blocks for an anchor, from block `from` on.
pub(crate) fn find<N: Nand>(
    nand: &mut N,
    g: &Geometry,
    from: u32,
    reads: &mut u64,
) -> Result<Option<Found>, FtlError> {
    for block in from..SPAN.min(g.blocks) {
        if let Some(found) = latest_in(nand, g, block, reads)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The out-of-band record of an anchor page.
pub(crate) fn oob_of(l: &Layout, anchor: &Anchor, data_crc: u32) -> Vec<u8> {
    let mut bytes = vec![0; l.oob];
    let oob = Oob {
        kind: Kind::Anchor,
        frontier: 0,
        commit: false,
        lost: false,
        batch: 0,
        lpn: 0,
        seq: anchor.number,
        birth: 0,
        data_crc,
        history: Default::default(),
    };
    oob.encode(&mut bytes, l.lpn_bits);
    bytes
}

/// A configuration that fits what an anchor says.
pub(crate) fn config_of(anchor: &Anchor, map: MapMode) -> crate::Config {
    let mut config = crate::Config::new(anchor.logical);
    config.meta_interval = anchor.interval;
    config.map = map;
    config
}
