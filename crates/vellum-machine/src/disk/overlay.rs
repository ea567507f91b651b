//! Content over a base that is never written: what was written is kept beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use vellum::frames::{FramePool, Held, PAGE_SIZE};
use vellum::remap::Part;
use vellum_block::{Lba, Media, MediaError};
use vellum_state::{Error, Reader, State, Writer};

use super::content::{read_pages, same_size};
use super::{Content, Payload};

/// Sectors that are kept together: a page of the guest, where sectors have 512 bytes.
const BLOCK: u64 = 8;
/// Pages of the guest that one content holds at most; more are kept as bytes.
pub const HELD_LIMIT: usize = 4096;

/// A block that is not the base's any more.
#[derive(Debug, Clone)]
enum Kept {
    Zeros,
    Bytes(Box<[u8]>),
    /// A page that the guest sent, shared with it until one of the two changes it.
    Page(Held),
}

impl Kept {
    fn read(&self, from: usize, out: &mut [u8]) {
        match self {
            Kept::Zeros => out.fill(0),
            Kept::Bytes(bytes) => out.copy_from_slice(&bytes[from..from + out.len()]),
            Kept::Page(page) => page.read(from, out),
        }
    }
}

/// Content over a base that is never written: what was written is kept beside it, in blocks of
/// eight sectors.
#[derive(Debug, Clone)]
pub struct CopyOnWrite<B> {
    base: B,
    /// What is not the base's any more.
    blocks: BTreeMap<u64, Kept>,
    /// How many of them are pages of the guest.
    held: usize,
}

impl<B: Media> CopyOnWrite<B> {
    /// The content of `base`, so far.
    pub fn new(base: B) -> Self {
        CopyOnWrite { base, blocks: BTreeMap::new(), held: 0 }
    }

    /// Bytes that were written and are kept.
    pub fn kept_bytes(&self) -> u64 {
        let bytes = self.blocks.values().map(|kept| match kept {
            Kept::Zeros => 0,
            Kept::Bytes(bytes) => bytes.len() as u64,
            Kept::Page(page) => (page.len() * PAGE_SIZE) as u64,
        });
        bytes.sum()
    }

    /// Pages of the guest that are held.
    pub fn held_pages(&self) -> usize {
        self.held
    }

    fn keep(&mut self, number: u64, kept: Kept) {
        self.held += usize::from(matches!(kept, Kept::Page(_)));
        if let Some(Kept::Page(_)) = self.blocks.insert(number, kept) {
            self.held -= 1;
        }
    }

    /// Whether a piece is a whole block as large as a page of the guest.
    fn is_page(&self, number: u64, bytes: usize) -> bool {
        bytes == PAGE_SIZE && self.length(number) == PAGE_SIZE
    }

    fn size(&self) -> usize {
        self.base.sector_bytes() as usize
    }

    /// Bytes of the block `number`; the last one may be short.
    fn length(&self, number: u64) -> usize {
        (self.base.sectors() - number * BLOCK).min(BLOCK) as usize * self.size()
    }

    /// The block as bytes of its own, copied from the base or the guest's page if need be.
    fn own(&mut self, number: u64) -> Result<&mut [u8], MediaError> {
        if !matches!(self.blocks.get(&number), Some(Kept::Bytes(_))) {
            let mut block = vec![0; self.length(number)].into_boxed_slice();
            match self.blocks.get(&number) {
                Some(kept) => kept.read(0, &mut block),
                None => self.base.read(Lba::new(number * BLOCK), &mut block)?,
            }
            self.keep(number, Kept::Bytes(block));
        }
        match self.blocks.get_mut(&number) {
            Some(Kept::Bytes(block)) => Ok(block),
            _ => unreachable!("just kept as bytes"),
        }
    }

    /// The pieces of a range: block, first byte in it, bytes.
    fn pieces(&self, lba: Lba, sectors: u64) -> impl Iterator<Item = (u64, usize, usize)> + use<B> {
        let (size, end) = (self.size(), lba.get() + sectors);
        let mut at = lba.get();
        core::iter::from_fn(move || {
            let n = (BLOCK - at % BLOCK).min(end - at);
            let piece = (at / BLOCK, (at % BLOCK) as usize * size, n as usize * size);
            at += n;
            (n > 0).then_some(piece)
        })
    }
}

impl<B: Media> Media for CopyOnWrite<B> {
    fn sector_bytes(&self) -> u32 {
        self.base.sector_bytes()
    }

    fn sectors(&self) -> u64 {
        self.base.sectors()
    }

    fn read(&mut self, lba: Lba, out: &mut [u8]) -> Result<(), MediaError> {
        let sectors = self.check(lba, out.len())?;
        self.base.read(lba, out)?;
        let mut done = 0;
        for (block, from, n) in self.pieces(lba, sectors) {
            if let Some(kept) = self.blocks.get(&block) {
                kept.read(from, &mut out[done..done + n]);
            }
            done += n;
        }
        Ok(())
    }

    fn write(&mut self, lba: Lba, data: &[u8]) -> Result<(), MediaError> {
        let sectors = self.check(lba, data.len())?;
        let mut done = 0;
        for (block, to, n) in self.pieces(lba, sectors) {
            self.own(block)?[to..to + n].copy_from_slice(&data[done..done + n]);
            done += n;
        }
        Ok(())
    }

    fn discard(&mut self, lba: Lba, sectors: u64) -> Result<(), MediaError> {
        self.check_sectors(lba, sectors)?;
        for (block, to, n) in self.pieces(lba, sectors) {
            if n == self.length(block) {
                self.keep(block, Kept::Zeros);
            } else {
                self.own(block)?[to..to + n].fill(0);
            }
        }
        Ok(())
    }
}

impl<B: Media + core::fmt::Debug> Content for CopyOnWrite<B> {
    fn read_only(&self) -> bool {
        false
    }

    fn fetch(
        &mut self,
        lba: Lba,
        sectors: u64,
        frames: Option<&Arc<FramePool>>,
    ) -> Result<Payload, MediaError> {
        self.check_sectors(lba, sectors)?;
        let size = self.size();
        let mut out = Payload::default();
        let mut pieces = self.pieces(lba, sectors).peekable();
        while let Some((block, from, n)) = pieces.next() {
            match self.blocks.get(&block) {
                Some(Kept::Page(page)) if self.is_page(block, n) => {
                    out.push(Part::Pages(page.clone()));
                }
                Some(Kept::Zeros) if self.is_page(block, n) && frames.is_some() => {
                    out.push(Part::Pages(Held::zeros(frames.expect("looked at"), 1)));
                }
                Some(kept) => {
                    let mut bytes = vec![0; n];
                    kept.read(from, &mut bytes);
                    out.push(Part::Bytes(bytes));
                }
                None => {
                    // As far as nothing was written, the base has it, and is asked once.
                    let mut bytes = n;
                    while let Some((_, _, n)) =
                        pieces.next_if(|(b, _, _)| !self.blocks.contains_key(b))
                    {
                        bytes += n;
                    }
                    let first = Lba::new(block * BLOCK + (from / size) as u64);
                    read_pages(&mut self.base, first, bytes, frames, &mut out)?;
                }
            }
        }
        Ok(out)
    }

    fn store(&mut self, lba: Lba, data: &Payload) -> Result<u64, MediaError> {
        let sectors = self.check(lba, data.len())?;
        let (mut done, mut copied) = (0, 0);
        for (block, to, n) in self.pieces(lba, sectors) {
            let page = match self.is_page(block, n) && self.held < HELD_LIMIT {
                true => data.page_at(done),
                false => None,
            };
            match page {
                Some(page) => self.keep(block, Kept::Page(page)),
                None => {
                    data.read(done, &mut self.own(block)?[to..to + n]);
                    copied += data.data().paged_in(done..done + n) as u64;
                }
            }
            done += n;
        }
        Ok(copied)
    }
}

impl<B: Media> State for CopyOnWrite<B> {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"DCOW", 1, |w| {
            w.u64(self.base.sectors());
            w.u64(self.blocks.len() as u64);
            for (&number, block) in &self.blocks {
                w.u64(number);
                w.bool(!matches!(block, Kept::Zeros));
                match block {
                    Kept::Zeros => {}
                    Kept::Bytes(bytes) => w.raw(bytes),
                    Kept::Page(page) => {
                        let mut bytes = [0; PAGE_SIZE];
                        page.read(0, &mut bytes);
                        w.raw(&bytes);
                    }
                }
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"DCOW", 1, |r| {
            same_size(r.u64()?, self.base.sectors())?;
            self.blocks.clear();
            self.held = 0;
            for _ in 0..r.u64()? {
                let number = r.u64()?;
                if number >= self.base.sectors().div_ceil(BLOCK) {
                    let why = "beyond the disk";
                    return Err(Error::Value { field: "disk block", value: number, why });
                }
                if !r.bool()? {
                    self.keep(number, Kept::Zeros);
                    continue;
                }
                // A block that is said to be there and is not ends the state before it is held.
                let length = self.length(number);
                if length > r.left() {
                    let (wanted, left) = (length as u64, r.left());
                    return Err(Error::Length { tag: *b"DCOW", said: wanted, found: left as u64 });
                }
                let mut block = vec![0; length].into_boxed_slice();
                r.raw(&mut block)?;
                self.keep(number, Kept::Bytes(block));
            }
            Ok(())
        })
    }
}
