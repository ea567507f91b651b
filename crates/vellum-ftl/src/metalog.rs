//! The metadata log: one page every so many programs, in blocks of its own, with a parity page after
//! each group, so that one unreadable page costs nothing.

use crate::FtlError;
use crate::blocks::Role;
use crate::ftl::Ftl;
use crate::layout::{ANNOUNCED, BACK, GROUP, Layout};
use crate::meta::{Meta, NONE, VICTIM};
use crate::oob::{Kind, Oob};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::{Nand, NandError, Ppa};

/// Where the log stands.
#[derive(Debug)]
pub(crate) struct MetaLog {
    pub block: u32,
    pub next: u32,
    /// Number of the latest page; pages count from 1.
    pub n: u32,
    /// Records between page `n − 1` and page `n`.
    pub since: u32,
    /// Where the pages `n`, `n−1`… are; `NONE` where that is not known.
    pub places: VecDeque<u32>,
    /// XOR of the group's pages so far, and how many they are.
    pub parity: Vec<u8>,
    pub members: u32,
    /// Blocks that hold, or held, metadata.
    pub blocks: Vec<u32>,
    /// Metadata blocks in which a program failed: retired when empty.
    pub failing: Vec<u32>,
}

impl MetaLog {
    pub fn new(l: &Layout) -> MetaLog {
        MetaLog {
            block: NONE,
            next: 0,
            n: 0,
            since: 0,
            places: VecDeque::with_capacity(l.window() as usize + 1),
            parity: vec![0; l.page_bytes()],
            members: 0,
            blocks: Vec::new(),
            failing: Vec::new(),
        }
    }

    /// Where page `n` is.
    pub fn place(&self, n: u32) -> Option<u32> {
        let ago = self.n.checked_sub(n)?;
        self.places.get(ago as usize).copied().filter(|&p| p != NONE)
    }

    /// The number of the latest page that carries `slice`, if one was ever written.
    pub fn latest_of(&self, slice: u32, slices: u32) -> Option<u32> {
        let ago = (self.n % slices + slices - slice) % slices;
        self.n.checked_sub(ago).filter(|&n| n > 0)
    }

    /// Whether the log will ask for a block soon.
    pub fn wants_block(&self, pages: u32) -> bool {
        self.next + pages / 4 >= pages
    }

    pub fn ram_bytes(&self) -> usize {
        self.places.capacity() * 4 + self.parity.capacity() + self.blocks.capacity() * 4
    }
}

impl<N: Nand> Ftl<N> {
    /// Asks for a metadata page before the next program.
    pub(crate) fn urgent(&mut self) {
        self.since_meta = self.since_meta.max(self.l.interval);
    }

    /// Writes a metadata page when fewer than `more` records fit before the next one.
    pub(crate) fn meta_if_due(&mut self, more: u32) -> Result<(), FtlError> {
        if self.since_meta + more > self.l.interval && !self.in_batch {
            self.write_meta()?;
        }
        Ok(())
    }

    /// Writes the next metadata page; everything before is durable then.
    pub(crate) fn write_meta(&mut self) -> Result<(), FtlError> {
        self.write_meta_numbered(self.log.n + 1)
    }

    /// The same with a given number: the latest one again, or the next.
    pub(crate) fn write_meta_numbered(&mut self, n: u32) -> Result<(), FtlError> {
        // What the page tells must not depend on pages that a later program may take along.
        if !core::mem::replace(&mut self.in_batch, true) {
            let padded = self.pad_exposed();
            self.in_batch = false;
            padded?;
        }
        let slice = n % self.l.slices;
        let mut page = vec![0; self.l.page_bytes()];
        loop {
            let full = self.log.next >= self.l.g.pages_per_block;
            if self.log.block == NONE || full || self.endangers_last() {
                self.open_meta_block()?;
            }
            // Opening a block may have gone through the whole map.
            self.load_slice(slice)?;
            let announced = self.to_announce();
            self.encode_meta(n, slice, announced, &mut page);
            let place = self.log.block * self.l.g.pages_per_block + self.log.next;
            if self.program_meta(Kind::Meta, n, &page)? {
                self.log.since = self.since_of(n);
                if n == self.log.n {
                    self.log.places.pop_front();
                }
                self.log.n = n;
                self.log.places.push_front(place);
                self.log.places.truncate(self.l.window() as usize);
                self.announced = announced.map(|b| if b == NONE { b } else { b & !VICTIM });
                break;
            }
        }
        self.map.written(&self.l, slice);
        self.since_meta = 0;
        self.unflushed = false;
        self.add_parity(n, &page)?;
        self.release_meta_blocks()
    }

    /// Whether the next program of the log could take its latest page along, because they share
    /// cells: then nothing would tell what that page told.
    fn endangers_last(&self) -> bool {
        let Some(last) = self.log.place(self.log.n) else { return false };
        let pages = self.l.g.pages_per_block;
        let partner = self.l.g.paired_with(self.log.next);
        partner.is_some_and(|p| self.log.block * pages + p == last)
    }

    /// Records between page `n − 1` and page `n`, which may be the latest one again.
    fn since_of(&self, n: u32) -> u32 {
        let again = if n == self.log.n { self.log.since } else { 0 };
        again.saturating_add(self.since_meta)
    }

    fn encode_meta(&self, n: u32, slice: u32, announced: [u32; ANNOUNCED], page: &mut [u8]) {
        let meta = Meta {
            n,
            seq: self.seq,
            record_end: self.record_end,
            clock: self.clock,
            heads: self.heads,
            start: self.start,
            announced,
            back: core::array::from_fn::<_, BACK, _>(|i| {
                let newer = usize::from(n == self.log.n);
                self.log.places.get(i + newer).copied().unwrap_or(NONE)
            }),
            since: self.since_of(n),
            records: self.records.iter().copied().collect(),
        };
        let table = self.l.table_of(slice).map(|b| self.blocks.erases[b as usize] & 0xff_ffff);
        let entries = self.map.entries(&self.l, slice);

        meta.encode(&self.l, entries.into_iter(), table, page);
    }

    /// The blocks that may be opened next: free ones, then the one being emptied.
    fn to_announce(&self) -> [u32; ANNOUNCED] {
        let mut out = [NONE; ANNOUNCED];
        let soon = self.gc.iter().filter(|v| self.will_be_free(v)).map(|v| v.block | VICTIM);
        let all = self.free.iter().copied().chain(soon);
        out.iter_mut().zip(all).for_each(|(slot, b)| *slot = b);
        out
    }

    /// Programs a page of the log; false when the block failed.
    fn program_meta(&mut self, kind: Kind, n: u32, page: &[u8]) -> Result<bool, FtlError> {
        let mut oob = [0; 64];
        let oob = &mut oob[..self.l.oob];
        let record = Oob {
            kind,
            frontier: 0,
            commit: false,
            lost: false,
            batch: if kind == Kind::Parity { self.log.members as u8 } else { 0 },
            lpn: n,
            seq: self.seq,
            birth: 0,
            data_crc: crc32fast::hash(page),
            history: Default::default(),
        };
        record.encode(oob, self.l.lpn_bits);
        let place = self.log.block * self.l.g.pages_per_block + self.log.next;
        self.log.next += 1;
        match self.nand.program(Ppa(place.into()), page, oob) {
            Ok(()) => {
                self.stats.programs_meta += 1;
                if kind == Kind::Meta {
                    self.seq += 1;
                }
                Ok(true)
            }
            Err(NandError::ProgramFailed { .. }) => {
                self.stats.program_fails += 1;
                self.careful = true;
                self.log.failing.push(self.log.block);
                self.log.block = NONE;
                self.log.members = 0;
                self.log.parity.fill(0);
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// After a mount: the page after the log's last may have been hit by the cut although it looks
    /// erased. It gets a page without meaning, so that the log has no hole.
    pub(crate) fn fill_suspect(&mut self) -> Result<(), FtlError> {
        if self.log.next >= self.l.g.pages_per_block {
            return Ok(());
        }
        self.log.members = 0;
        if self.l.g.pair_distance() == 0 {
            let blank = vec![0; self.l.page_bytes()];
            return self.program_meta(Kind::Parity, 0, &blank).map(|_| ());
        }
        // The latest page again: if it can be read there, the log goes on behind it.
        self.write_meta_numbered(self.log.n)?;
        if self.read_meta(self.log.n)?.is_none() {
            self.log.next = self.l.g.pages_per_block;
        }
        Ok(())
    }

    /// Adds a page to its group, and writes the group's parity when it is full or the block ends.
    fn add_parity(&mut self, n: u32, page: &[u8]) -> Result<(), FtlError> {
        if self.l.g.pair_distance() > 0 {
            // A parity page between two others would let the second endanger the first.
            return Ok(());
        }
        self.log.parity.iter_mut().zip(page).for_each(|(p, &b)| *p ^= b);
        self.log.members += 1;
        let left = self.l.g.pages_per_block - self.log.next;
        if left == 0 || (self.log.members + 1 < GROUP && left > 1) {
            if left == 0 {
                self.log.members = 0;
                self.log.parity.fill(0);
            }
            return Ok(());
        }
        let mut parity = core::mem::take(&mut self.log.parity);
        // A CRC is linear: the sum of an odd number of pages has the right one, and the right magic
        // number. Inverted it can't be taken for a page.
        parity.iter_mut().for_each(|b| *b = !*b);
        let result = self.program_meta(Kind::Parity, n, &parity);
        self.log.parity = parity;
        self.log.parity.resize(self.l.page_bytes(), 0);
        self.log.parity.fill(0);
        self.log.members = 0;
        result.map(|_| ())
    }

    /// Takes a block for the log: erase it, then let the anchors name it.
    fn open_meta_block(&mut self) -> Result<(), FtlError> {
        if self.free.is_empty() {
            // After a mount, more may be free than the log announced.
            self.count_all()?;
        }
        if self.free.is_empty() && !self.collecting {
            self.collect_for_log()?;
        }
        loop {
            // A block that was not announced leaves the announced ones to the frontiers.
            let spare = self.free.iter().position(|b| !self.announced.contains(b));
            let at = spare.unwrap_or(self.free.len().saturating_sub(1));
            let Some(block) = self.free.remove(at) else {
                return Err(self.worn_out());
            };
            if !self.erase(block)? {
                self.mark_retired(block)?;
                continue;
            }
            self.blocks.role[block as usize] = Role::Meta;
            self.log.blocks.push(block);
            (self.log.block, self.log.next) = (block, 0);
            self.log.members = 0;
            self.log.parity.fill(0);
            self.anchor.seq = self.seq;
            return self.write_anchor();
        }
    }

    /// No block is free, as after a cut at a bad time: empties one into the frontiers' room, without
    /// a metadata page in between.
    fn collect_for_log(&mut self) -> Result<(), FtlError> {
        let outer = core::mem::replace(&mut self.in_batch, true);
        self.gc = self.gc.or_else(|| self.best_victim());
        let result = self.collect(u32::MAX).and_then(|()| self.pad_exposed());
        self.in_batch = outer;
        result
    }

    /// Frees metadata blocks that hold nothing of the window.
    fn release_meta_blocks(&mut self) -> Result<(), FtlError> {
        let pages = self.l.g.pages_per_block;
        let (current, places) = (self.log.block, &self.log.places);
        let used = |b: u32| b == current || places.iter().any(|&p| p != NONE && p / pages == b);
        let Some(at) = self.log.blocks.iter().position(|&b| !used(b)) else {
            return Ok(());
        };
        let block = self.log.blocks.swap_remove(at);
        if let Some(i) = self.log.failing.iter().position(|&b| b == block) {
            self.log.failing.swap_remove(i);
            return self.retire_or_forgive(block);
        }
        self.blocks.role[block as usize] = Role::Free;
        self.free.push_back(block);
        Ok(())
    }
}
