//! The board's own bad-block table, in the form that Linux' MTD layer and U-Boot keep on raw NAND, so that a boot
//! loader or another system on the same chip goes on knowing the bad blocks.
//!
//! Two copies lie in two of the chip's last four blocks, which are nothing else's: `Bbt0` and its mirror `1tbB`, each with
//! a version. Two bits a block: 11 good, 00 bad from the factory, 10 gone bad since. Pattern and version stand in
//! the out-of-band bytes 8 to 12 of the block's first page, or, where these are not the user's, before the table
//! itself. The layer does not need it: its own metadata knows the bad blocks. It is read when a chip is formatted
//! and brought up to date when a block goes bad, the older copy first, the other one only when that is whole.

use crate::bits;
use crate::oob::Oob;
use crate::{BadBlockTable, FtlError};
use alloc::vec::Vec;
use vellum_nand::{EraseBlock, Geometry, Nand, NandError};

/// Blocks at the chip's end that are the table's.
const BLOCKS: u32 = 4;
const PATTERNS: [&[u8; 4]; 2] = [b"Bbt0", b"1tbB"];
/// Where pattern and version stand among the out-of-band bytes.
const OOB_AT: usize = 8;
/// Bytes of pattern and version.
const HEAD: usize = 5;
const GONE_BAD: u8 = 0b10;
const FACTORY: u8 = 0b00;

/// A copy of the table.
#[derive(Debug, Clone, Copy)]
struct TableCopy {
    block: u32,
    version: u8,
    in_band: bool,
}

/// The copies that there are: the main one and its mirror.
type Copies = [Option<TableCopy>; 2];

/// The first of the table's blocks.
fn first(g: &Geometry) -> u32 {
    g.blocks.saturating_sub(BLOCKS)
}

/// Looks for the copies, from the chip's end.
fn find<N: Nand>(nand: &mut N, page: &mut [u8]) -> Result<Copies, NandError> {
    let g = *nand.geometry();
    let mut copies = [None; 2];
    for block in (first(&g)..g.blocks).rev() {
        let mut oob = [0xff; 64];
        let oob = &mut oob[..(g.user_oob_bytes() as usize).min(64)];
        let status = nand.read(g.ppa(EraseBlock(block), 0), 0, page, oob)?;
        // A host may have written anything into a page of the layer's.
        if !status.is_readable() || Oob::decode_own(oob).is_some() {
            continue;
        }
        let beside = oob.get(OOB_AT..OOB_AT + HEAD).unwrap_or_default();
        for (in_band, head) in [(false, beside), (true, &page[..HEAD])] {
            let which = PATTERNS.iter().position(|p| head.starts_with(&p[..]));
            if let Some(copy) = which.map(|i| &mut copies[i]).filter(|c| c.is_none()) {
                *copy = Some(TableCopy { block, version: head[4], in_band });
                break;
            }
        }
    }
    Ok(copies)
}

/// The copy with the latest version, which goes round at 256, and its place.
fn latest(copies: &Copies) -> Option<(usize, TableCopy)> {
    match *copies {
        [Some(a), Some(b)] if (b.version.wrapping_sub(a.version) as i8) > 0 => Some((1, b)),
        [Some(a), _] => Some((0, a)),
        [None, b] => b.map(|b| (1, b)),
    }
}

/// The table of a copy, two bits a block, the lowest bits first; `None` if some of it can't be read.
fn load<N: Nand>(
    nand: &mut N,
    copy: TableCopy,
    page: &mut [u8],
) -> Result<Option<Vec<u8>>, NandError> {
    let g = *nand.geometry();
    let mut table = Vec::with_capacity(g.blocks.div_ceil(4) as usize);
    let mut skip = if copy.in_band { HEAD } else { 0 };
    for number in 0..g.pages_per_block {
        let ppa = g.ppa(EraseBlock(copy.block), number);
        if !nand.read(ppa, 0, page, &mut [])?.is_readable() {
            return Ok(None);
        }
        let left = table.capacity() - table.len();
        table.extend(page[skip..].iter().take(left));
        if table.len() == table.capacity() {
            return Ok(Some(table));
        }
        skip = 0;
    }
    Ok(None)
}

/// Writes a copy; whether the chip took it.
fn store<N: Nand>(
    nand: &mut N,
    copy: TableCopy,
    which: usize,
    page: &mut [u8],
    mut table: &[u8],
) -> Result<bool, NandError> {
    let g = *nand.geometry();
    let refused = |done| match done {
        Ok(()) => Ok(false),
        Err(NandError::PowerLost) => Err(NandError::PowerLost),
        Err(_) => Ok(true),
    };
    if refused(nand.erase(EraseBlock(copy.block)))? {
        return Ok(false);
    }
    let mut oob = [0xff; OOB_AT + HEAD];
    oob[OOB_AT..OOB_AT + 4].copy_from_slice(PATTERNS[which]);
    oob[OOB_AT + 4] = copy.version;
    let mut skip = 0;
    if copy.in_band {
        page[..HEAD].copy_from_slice(&oob[OOB_AT..]);
        skip = HEAD;
    }
    for number in 0..g.pages_per_block {
        let (now, rest) = table.split_at(table.len().min(page.len() - skip));
        page[skip..].fill(0xff);
        page[skip..skip + now.len()].copy_from_slice(now);
        let beside = if number == 0 && !copy.in_band { &oob[..] } else { &[] };
        if refused(nand.program(g.ppa(EraseBlock(copy.block), number), page, beside))? {
            return Ok(false);
        }
        (table, skip) = (rest, 0);
        if table.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The latest copy's table, or the other's if that can't be read.
fn load_any<N: Nand>(
    nand: &mut N,
    copies: &Copies,
    page: &mut [u8],
) -> Result<Option<Vec<u8>>, NandError> {
    let Some((at, newest)) = latest(copies) else { return Ok(None) };
    match load(nand, newest, page)? {
        Some(table) => Ok(Some(table)),
        None => copies[1 - at].map_or(Ok(None), |other| load(nand, other, page)),
    }
}

/// Takes the board's table into account when a chip is formatted: what it calls bad is marked in `bad`, a bit a
/// block, and so are the blocks that are the table's. Without one nothing happens, or one is made. `page` is a page's
/// worth of room.
///
/// # Errors
/// The chip's failures; when a table is to be made and two of the last four blocks can't take it.
pub(crate) fn take<N: Nand>(
    nand: &mut N,
    policy: BadBlockTable,
    page: &mut [u8],
    bad: &mut [u8],
) -> Result<(), FtlError> {
    let g = *nand.geometry();
    let copies = find(nand, page)?;
    if latest(&copies).is_none() && policy == BadBlockTable::Keep {
        return Ok(());
    }
    match load_any(nand, &copies, page)? {
        Some(table) => {
            for block in (0..g.blocks).filter(|&b| entry(&table, b) != 0b11) {
                bits::insert(bad, block);
            }
        }
        None if latest(&copies).is_none() => create(nand, page, bad)?,
        // Nothing readable is left of it.
        None => {}
    }
    (first(&g)..g.blocks).for_each(|block| bits::insert(bad, block));
    Ok(())
}

fn entry(table: &[u8], block: u32) -> u8 {
    table[block as usize / 4] >> (2 * (block % 4)) & 0b11
}

/// Has a table, where it calls a block good, call it something else.
fn set_entry(table: &mut [u8], block: u32, to: u8) {
    if entry(table, block) == 0b11 {
        table[block as usize / 4] &= !((0b11 ^ to) << (2 * (block % 4)));
    }
}

/// Writes both copies of a table that calls the blocks in `bad` the factory's.
fn create<N: Nand>(nand: &mut N, page: &mut [u8], bad: &[u8]) -> Result<(), FtlError> {
    let g = *nand.geometry();
    let is_bad = |&block: &u32| bits::has(bad, block);
    let mut table = alloc::vec![0xff; g.blocks.div_ceil(4) as usize];
    (0..g.blocks).filter(is_bad).for_each(|block| set_entry(&mut table, block, FACTORY));
    let in_band = (g.user_oob_bytes() as usize) < OOB_AT + HEAD;
    let mut written = 0;
    for block in (first(&g)..g.blocks).rev().filter(|b| !is_bad(b)) {
        let copy = TableCopy { block, version: 1, in_band };
        if written < 2 && store(nand, copy, written, page, &table)? {
            written += 1;
        }
    }
    if written < 2 {
        let what = "good blocks among the last four, for a bad-block table";
        return Err(FtlError::Geometry { what, found: written as u64, needed: 2 });
    }
    Ok(())
}

/// Brings the board's table up to date if there is one: `is_bad` tells every block that the layer does not use, the
/// table's own included. What the chip refuses is let go, as with markers: the layer's own metadata counts.
///
/// # Errors
/// [`NandError::PowerLost`]; at least one copy is whole then.
pub(crate) fn update<N: Nand>(
    nand: &mut N,
    page: &mut [u8],
    is_bad: impl Fn(u32) -> bool,
) -> Result<(), NandError> {
    let g = *nand.geometry();
    if !(first(&g)..g.blocks).all(&is_bad) {
        // These blocks are the layer's.
        return Ok(());
    }
    let done = (|| {
        let copies = find(nand, page)?;
        let Some((at, newest)) = latest(&copies) else { return Ok(()) };
        let Some(mut table) = load_any(nand, &copies, page)? else { return Ok(()) };
        for block in (0..first(&g)).filter(|&b| is_bad(b)) {
            set_entry(&mut table, block, GONE_BAD);
        }
        let other = match copies[1 - at] {
            Some(other) => other.block,
            // The second copy is gone: another of the table's blocks takes it.
            None => {
                let mut rest = (first(&g)..g.blocks).rev().filter(|&b| b != newest.block);
                let found = rest.find(|&b| matches!(nand.is_marked_bad(EraseBlock(b)), Ok(false)));
                let Some(block) = found else { return Ok(()) };
                block
            }
        };
        let next = TableCopy { version: newest.version.wrapping_add(1), ..newest };
        let second = TableCopy { block: other, ..next };
        if store(nand, second, 1 - at, page, &table)? {
            store(nand, next, at, page, &table)?;
        }
        Ok(())
    })();
    match done {
        Err(NandError::PowerLost) => Err(NandError::PowerLost),
        _ => Ok(()),
    }
}
