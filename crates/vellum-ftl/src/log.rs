//! The metadata log: a ring of blocks that metadata pages are appended to.
//!
//! Only pages that share no cells with an earlier one are used, so that no program endangers what
//! the log holds. Each page carries one slice of the map; the latest `slices` of them hold all of it,
//! and a block whose pages are all older is erased and used again. After each [`GROUP`] pages, and
//! at a block's end, stands their XOR.

use crate::FtlError;
use crate::bits::BitWriter;
use crate::ftl::Ftl;
use crate::layout::{BACK, GROUP, Layout, NONE, safe_page};
use crate::meta::{Meta, Parts, Place, Stamp};
use crate::oob::{Kind, Oob};
use crate::places::Places;
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::{Nand, NandError, Ppa};

/// Where the log is written, and where its pages are.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// The block that is written, and its next page among the safe ones.
    pub block: u32,
    pub next: u32,
    /// The next page may have been hit by a cut: it is padded first.
    pub suspect: bool,
    /// Number of the next page.
    pub ordinal: u32,
    /// The pages before it, latest first: as many as there are slices, and the one that the latest of them
    /// replaces. A cut may take that one, and a mount then needs its predecessor, however often it is cut itself.
    pub places: Places,
    /// XOR of the pages that the next parity page covers, and how many they are.
    pub parity: Vec<u8>,
    pub covered: u32,
    /// Blocks of the ring in which a program failed.
    pub failing: Vec<u32>,
    /// The page that a mount found last: it may not stay readable, yet nothing else holds its slice
    /// until it was written again.
    pub guard: Option<Place>,
    /// Pages that it takes before it needs another block.
    pub left: u32,
}

impl Log {
    pub fn new(l: &Layout) -> Log {
        Log {
            block: NONE,
            next: 0,
            suspect: false,
            ordinal: 0,
            places: Places::new(l.slices + 1, l.g.pages_per_block),
            parity: vec![0; l.page_bytes()],
            covered: 0,
            failing: Vec::new(),
            guard: None,
            left: u32::MAX,
        }
    }

    /// The latest page that carries `slice`; `None` when there never was one.
    pub fn place_of(&self, l: &Layout, slice: u32) -> Option<Place> {
        if self.guard.is_some() && slice == self.ordinal % l.slices {
            return self.guard;
        }
        let last = self.ordinal.wrapping_sub(1) % l.slices;
        let ago = (last + l.slices - slice) % l.slices;
        if ago >= self.ordinal { None } else { self.places.get(ago) }
    }

    pub fn push(&mut self, place: Place) {
        self.places.push(place);
        self.ordinal += 1;
    }

    pub fn ram_bytes(&self) -> usize {
        self.places.ram_bytes() + self.parity.capacity()
    }

    /// Whether a block holds a page that is needed.
    pub fn holds(&self, block: u32, pages_per_block: u32) -> bool {
        let guards = |g: &Place| g.ppn / pages_per_block == block;
        self.places.holds(block) || self.guard.as_ref().is_some_and(guards)
    }
}

impl<N: Nand> Ftl<N> {
    /// Writes a metadata page when so many more records would not fit before the next one.
    pub(crate) fn meta_if_due(&mut self, records: u32) -> Result<(), FtlError> {
        if self.since_meta + records > self.l.interval && self.since_meta > 0 {
            self.write_meta(false)?;
        }
        self.space_for(records)
    }

    /// Has a demand-paged map take so many more changes: slices are written, in their turn, until it
    /// can. Once round, nothing waits any more.
    pub(crate) fn space_for(&mut self, changes: u32) -> Result<(), FtlError> {
        let mut most = self.l.slices;
        while self.map.is_crowded(changes) && most > 0 {
            self.write_meta(false)?;
            most -= 1;
        }
        Ok(())
    }

    /// Writes a metadata page: what was recorded is durable then.
    pub(crate) fn write_meta(&mut self, clean: bool) -> Result<(), FtlError> {
        // What the page tells of must not be endangered by a later program.
        self.seal();
        let slice = self.log.ordinal % self.l.slices;
        self.load_slice(slice)?;
        let stamp = Stamp {
            ordinal: self.log.ordinal,
            seq: self.seq,
            record_end: self.record_end,
            clock: self.clock,
            clean,
            day: self.day,
            start: self.start,
            since: self.snapshot.since,
        };
        let mut page = core::mem::take(&mut self.page);
        let parts = Parts {
            back: (0..BACK as u32).map_while(|i| self.log.places.get(i)),
            table: self.l.table_of(slice).map(|b| self.blocks.word(b)),
            entries: |out: &mut BitWriter<'_>| self.map.put_entries(&self.l, slice, out),
            records: self.records.iter().copied(),
        };
        Meta::encode(&stamp, &self.l, parts, &mut page);
        let result = self.append_meta(&page, Kind::Meta, stamp.ordinal, 0);
        if result.is_ok() {
            self.log.parity.iter_mut().zip(&page).for_each(|(p, b)| *p ^= b);
            self.log.covered += 1;
        }
        self.page = page;
        let ppn = result?;
        self.map.written(&self.l, slice);
        self.log.push(Place { ppn, record_end: stamp.record_end });
        self.log.guard = None;
        self.since_meta = 0;
        self.trimmed = None;
        self.blocks.settle_free();
        if self.log.covered >= GROUP
            || (self.log.next + 1 == self.l.safe_pages && self.log.covered > 0)
        {
            self.write_parity()?;
        }
        self.log.left = (self.l.safe_pages - self.log.next.min(self.l.safe_pages))
            + self.outdated().count() as u32 * self.l.safe_pages;
        Ok(())
    }

    fn write_parity(&mut self) -> Result<(), FtlError> {
        let covered = core::mem::take(&mut self.log.covered);
        let mut page = core::mem::take(&mut self.log.parity);
        // A CRC is linear: the plain XOR of an odd number of pages would pass for one.
        page.iter_mut().for_each(|b| *b = !*b);
        // A parity page never opens a block: its group would be another block's.
        let result = if self.log.next < self.l.safe_pages {
            self.append_meta(&page, Kind::Parity, self.log.ordinal, covered as u8).map(drop)
        } else {
            Ok(())
        };
        page.fill(0);
        self.log.parity = page;
        result
    }

    /// Programs a page of the log.
    fn append_meta(
        &mut self,
        page: &[u8],
        kind: Kind,
        ordinal: u32,
        covered: u8,
    ) -> Result<u32, FtlError> {
        let crc = crc32fast::hash(page);
        let mut oob = [0; 64];
        loop {
            if self.log.block == NONE || self.log.next >= self.l.safe_pages {
                if kind == Kind::Parity {
                    return Ok(NONE);
                }
                self.turn()?;
            }
            let pad = core::mem::replace(&mut self.log.suspect, false);
            let mut record =
                Oob::plain(if pad { Kind::Parity } else { kind }, ordinal, self.seq, crc);
            record.batch = if pad { 0 } else { covered };
            record.encode(&mut oob[..self.l.oob], self.l.lpn_bits);
            let ppn = safe_page(&self.l.g, self.log.block, self.log.next);
            self.log.next += 1;
            self.seq += 1;
            match self.nand.program(Ppa(ppn.into()), page, &oob[..self.l.oob]) {
                Ok(()) => {
                    self.stats.programs_meta += 1;
                    if !pad {
                        return Ok(ppn);
                    }
                }
                Err(NandError::ProgramFailed { .. } | NandError::BadBlock { .. }) => {
                    self.stats.program_fails += 1;
                    self.careful = true;
                    self.log.failing.push(self.log.block);
                    self.log.block = NONE;
                    self.log.covered = 0;
                    self.log.parity.fill(0);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}
