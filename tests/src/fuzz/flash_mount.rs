//! A flash chip that anybody may have written to, under either translation layer: it is mounted, read all over,
//! written and mounted again.
//!
//! Input: the layer and the cells (one byte), and edits of eight bytes each of a chip that was in use: a page, what
//! happens to it, an offset, four bytes. Checksums are made to fit unless the edit says otherwise, so that what
//! they would keep out comes in. Neither layer may panic, or ask the chip for more than a few turns' worth.

use super::Input;
use std::sync::OnceLock;
use vellum_ftl::{Config, Ftl, FtlError, Layer, Lpn, Small};
use vellum_nand::{CellKind, Codeword, EraseBlock, Geometry, Nand, NandError, Ppa, ReadStatus};

/// Calls that a mount and what is done after it may take; they take some ten thousand.
const MOST_CALLS: u32 = 2_000_000;
/// Edits of one input.
const MOST_EDITS: usize = 64;

/// A page as it lies there.
#[derive(Debug, Clone)]
struct Page {
    data: Vec<u8>,
    oob: Vec<u8>,
    readable: bool,
}

/// A chip that keeps no rules, so that anything can be on it.
#[derive(Debug, Clone)]
struct Memory {
    geometry: Geometry,
    pages: Vec<Option<Page>>,
    calls: u32,
}

impl Memory {
    fn new(geometry: Geometry) -> Self {
        Memory { geometry, pages: vec![None; geometry.pages() as usize], calls: 0 }
    }

    fn call(&mut self, ppa: Ppa) -> Result<usize, NandError> {
        self.calls += 1;
        assert!(self.calls < MOST_CALLS, "the layer goes round in circles");
        let pages = self.geometry.pages();
        if ppa.0 < pages { Ok(ppa.0 as usize) } else { Err(NandError::PastEnd { ppa, pages }) }
    }
}

impl Nand for Memory {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn read(
        &mut self,
        ppa: Ppa,
        at: u32,
        data: &mut [u8],
        oob: &mut [u8],
    ) -> Result<ReadStatus, NandError> {
        let page = self.call(ppa)?;
        let words = self.geometry.codewords();
        let Some(page) = &self.pages[page] else {
            data.fill(0xff);
            oob.fill(0xff);
            return Ok(ReadStatus::all(words, Codeword::Erased));
        };
        data.copy_from_slice(&page.data[at as usize..][..data.len()]);
        oob.copy_from_slice(&page.oob[..oob.len()]);
        let each = if page.readable { Codeword::Corrected(0) } else { Codeword::Uncorrectable };
        Ok(ReadStatus::all(words, each))
    }

    fn program(&mut self, ppa: Ppa, data: &[u8], oob: &[u8]) -> Result<(), NandError> {
        let at = self.call(ppa)?;
        let mut beside = vec![0xff; self.geometry.user_oob_bytes() as usize];
        beside[..oob.len()].copy_from_slice(oob);
        self.pages[at] = Some(Page { data: data.to_vec(), oob: beside, readable: true });
        Ok(())
    }

    fn erase(&mut self, block: EraseBlock) -> Result<(), NandError> {
        let first = self.call(self.geometry.ppa(block, 0))?;
        self.pages[first..first + self.geometry.pages_per_block as usize].fill(None);
        Ok(())
    }

    fn is_marked_bad(&mut self, _: EraseBlock) -> Result<bool, NandError> {
        Ok(false)
    }

    fn mark_bad(&mut self, _: EraseBlock) -> Result<(), NandError> {
        Ok(())
    }
}

/// A chip that was in use.
fn lived_in<L: Layer<Chip = Memory>>(cell: CellKind) -> Memory {
    let geometry = Geometry::tiny(28, 32).with_cell(cell);
    let pages = L::most_pages(&geometry);
    let mut layer =
        L::format(Memory::new(geometry), Config::new(pages)).expect("as many pages as fit");
    for i in 0..3 * pages {
        let lpn = if i < pages { i } else { i.wrapping_mul(2_654_435_761) % pages };
        layer.write(Lpn(lpn), &[i as u8; 512]).expect("a good chip takes writes");
        if i % 61 == 60 {
            layer.trim(Lpn(lpn), 1).expect("and discards");
        }
    }
    layer.into_nand()
}

fn start(kind: u8) -> Memory {
    static CHIPS: OnceLock<[Memory; 4]> = OnceLock::new();
    let chips = CHIPS.get_or_init(|| {
        [
            lived_in::<Ftl<Memory>>(CellKind::Slc),
            lived_in::<Ftl<Memory>>(CellKind::Tlc),
            lived_in::<Small<Memory>>(CellKind::Slc),
            lived_in::<Small<Memory>>(CellKind::Tlc),
        ]
    });
    let mut chip = chips[usize::from(kind % 4)].clone();
    chip.calls = 0;
    chip
}

fn folded(seed: u32, parts: &[&[u8]]) -> [u8; 2] {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    parts.iter().for_each(|part| hasher.update(part));
    let crc = hasher.finalize();
    ((crc ^ crc >> 16) as u16).to_le_bytes()
}

/// Makes a page's checksums fit (`docs/src/formats/ftl.md`): a metadata page's own, that of the data in the record,
/// and the record's, of the bytes that the layer writes. Parity has none of its own.
fn mend(page: &mut Page, small: bool) {
    let end = page.data.len() - 4;
    let parity = !small && page.oob[0] & 3 == 2;
    if page.oob[0] & 3 != 0 && !parity {
        let crc = crc32fast::hash(&page.data[..end]);
        page.data[end..].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32fast::hash(&page.data);
    page.oob[13..17].copy_from_slice(&crc.to_le_bytes());
    let bytes = if small { 19 } else { page.oob.len().min(64) };
    let check = folded(0x5646_544c, &[&page.oob[..17], &page.oob[19..bytes]]);
    page.oob[17..19].copy_from_slice(&check);
}

fn edit(chip: &mut Memory, edit: [u8; 8], small: bool) {
    let pages = chip.pages.len();
    let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % pages;
    let offset = usize::from(edit[3]) << 1;
    let value = &edit[4..];
    match edit[2] % 8 {
        0 => chip.pages[at] = None,
        1 => {
            let from = usize::from(u16::from_le_bytes([value[0], value[1]])) % pages;
            chip.pages[at] = chip.pages[from].clone();
        }
        kind => {
            let Some(page) = &mut chip.pages[at] else { return };
            match kind {
                2 => page.readable = false,
                3 | 4 => page.data[offset..offset + 2].copy_from_slice(&value[..2]),
                5 => {
                    let offset = offset.min(page.data.len() - 4);
                    page.data[offset..offset + 4].copy_from_slice(value);
                }
                _ => {
                    let offset = offset % 13;
                    page.oob[offset..offset + 4].copy_from_slice(value);
                }
            }
            if kind != 3 {
                mend(page, small);
            }
        }
    }
}

/// What a host does with it. An error is an answer.
fn live<L: Layer<Chip = Memory>>(chip: Memory) -> Result<(), FtlError> {
    let config = Config::new(1);
    let mut layer = L::mount(chip, config)?;
    let (pages, mut page) = (layer.pages(), [0; 512]);
    for lpn in 0..pages.min(1024) {
        match layer.read(Lpn(lpn), &mut page) {
            Ok(()) | Err(FtlError::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    for i in 0..96 {
        layer.write(Lpn(i * 7 % pages), &[i as u8; 512])?;
    }
    layer.trim(Lpn(0), pages.min(9))?;
    layer.scrub(Lpn(0), 16)?;
    layer.flush()?;
    let health = layer.health();
    assert!(health.good <= health.blocks);
    let mut layer = L::mount(layer.into_nand(), config)?;
    layer.read(Lpn(0), &mut page)
}

/// Runs one.
///
/// # Panics
/// When a layer goes round in circles.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte();
    let small = kind % 4 > 1;
    let mut chip = start(kind);
    for _ in 0..MOST_EDITS {
        if input.is_empty() {
            break;
        }
        edit(&mut chip, input.take(), small);
    }
    let _ = if small { live::<Small<Memory>>(chip) } else { live::<Ftl<Memory>>(chip) };
}

/// Each layer's chip as it is, with a block blanked, a metadata page changed, a page put elsewhere.
pub fn seeds() -> Vec<Vec<u8>> {
    let edits: [&[u8]; 4] = [
        &[],
        &[33, 0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, 0, 0, 0, 0],
        &[62, 0, 5, 14, 1, 2, 0, 0, 63, 0, 5, 16, 3, 0, 0, 0],
        &[70, 0, 1, 0, 90, 0, 0, 0, 71, 0, 6, 2, 5, 0, 0, 0],
    ];
    (0..4).flat_map(|kind| edits.map(|e| [&[kind], e].concat())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise nothing behind a checksum is ever reached.
    #[test]
    fn what_was_not_edited_is_as_it_was_and_mended_checksums_fit() {
        for kind in 0..4 {
            let (chip, small) = (start(kind), kind > 1);
            let mut records = 0;
            for page in chip.pages.iter().flatten() {
                let mut mended = page.clone();
                mend(&mut mended, small);
                assert_eq!(mended.oob[..19], page.oob[..19]);
                records += 1;
            }
            assert!(records > 100);
            let result =
                if small { live::<Small<Memory>>(chip) } else { live::<Ftl<Memory>>(chip) };
            assert_eq!(result, Ok(()));
        }
    }
}
