//! Formatting and mounting.

use crate::anchor::{self, Anchor, last_written};
use crate::blocks::{Class, Role};
use crate::copies::Copies;
use crate::ftl::Ftl;
use crate::layout::{Layout, NONE, SPAN, safe_page};
use crate::log::Log;
use crate::map::UNMAPPED;
use crate::meta::{Meta, Place};
use crate::record::{Head, Record, advance};
use crate::{Config, FtlError, MapMode};
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::{EraseBlock, Nand, NandError};

/// The latest metadata page, and where it lies.
struct Last {
    meta: Meta,
    page: Vec<u8>,
    ppn: u32,
    /// Pages of its block that are not blank, among the safe ones.
    used: u32,
}

impl<N: Nand> Ftl<N> {
    /// Makes an empty device of a chip. Everything on it is lost.
    ///
    /// # Errors
    /// When the chip's shape can't carry the layer, or its good blocks so many logical pages.
    pub fn format(mut nand: N, config: Config) -> Result<Ftl<N>, FtlError> {
        let g = *nand.geometry();
        let l = Layout::new(&g, &config)?;
        let mut bad = vec![0u8; g.blocks.div_ceil(8) as usize];
        let mut good = 0;
        for block in 0..g.blocks {
            let marked = nand.is_marked_bad(EraseBlock(block))?;
            bad[block as usize / 8] |= u8::from(marked) << (block % 8);
            good += u32::from(!marked);
        }
        let most = l.capacity(good);
        if u64::from(l.held) > most {
            return Err(FtlError::Capacity { logical: l.held.into(), good, most });
        }
        let is_bad = |b: &u32| bad[*b as usize / 8] >> (b % 8) & 1 != 0;
        let mut first = (0..SPAN.min(g.blocks)).filter(|b| !is_bad(b));
        let (Some(a), Some(b)) = (first.next(), first.next()) else {
            let what = "good blocks among the first eight";
            return Err(FtlError::Geometry { what, found: 1, needed: 2 });
        };
        let rest = (1..g.blocks).filter(|x| !is_bad(x) && *x != a && *x != b);
        let ring = rest.take(l.ring() as usize).collect();
        let interval = config.meta_interval;
        let logical = config.logical_pages;
        let snapshot = config.snapshot_pages;
        let anchor = Anchor { number: 0, logical, interval, snapshot, blocks: [a, b], ring, bad };
        let mut ftl = Ftl::bare(nand, l, config, anchor);
        ftl.set_roles();
        for slice in 0..l.slices {
            ftl.load_slice(slice)?;
        }
        ftl.counted = true;
        // An older layer's anchors must not be found.
        for block in 0..SPAN.min(g.blocks) {
            if !ftl.anchor.is_bad(block) && !ftl.erase(block)? {
                return Err(NandError::EraseFailed { block: EraseBlock(block) }.into());
            }
        }
        ftl.copies = Copies::EMPTY;
        ftl.write_anchor()?;
        ftl.write_meta(true)?;
        Ok(ftl)
    }

    /// Roles that the anchor tells. Block 0 never holds data, so page 0 can stand for "nowhere".
    pub(crate) fn set_roles(&mut self) {
        for block in 0..self.l.g.blocks {
            if self.anchor.is_bad(block) {
                self.blocks.set_role(block, Role::Bad);
            }
        }
        for (blocks, role) in
            [(&self.anchor.blocks[..], Role::Anchor), (&self.anchor.ring, Role::Meta)]
        {
            for &block in blocks {
                if self.blocks.role(block) != Role::Bad {
                    self.blocks.set_role(block, role);
                }
            }
        }
    }

    /// Mounts a formatted chip. `config` chooses how the map is held and the policies; what was
    /// fixed at formatting comes from the chip.
    ///
    /// Reads the anchors, finds the log's end by binary search, reads some of its pages for the
    /// story since the oldest slice of the map, and about one in eight of the pages written since
    /// the last one; then programs one or two metadata pages. What a loss of power left to be
    /// repaired is repaired before the first change.
    ///
    /// # Errors
    /// When the chip was never formatted, for another geometry, or by another version; when nothing
    /// readable hangs on its anchors; the chip's failures.
    pub fn mount(nand: N, config: Config) -> Result<Ftl<N>, FtlError> {
        let (mut ftl, sure) = Ftl::begin(nand, config)?;
        (0..ftl.l.g.blocks).for_each(|b| ftl.blocks.set_role(b, Role::Data(Class::Hot)));
        ftl.set_roles();
        if ftl.blocks.role(0) != Role::Anchor {
            ftl.blocks.set_role(0, Role::Bad);
        }
        let last = ftl.find_log_end()?;
        ftl.replay(&last)?;
        let debt = ftl.read_tail()?;
        ftl.stats.mount_reads = ftl.stats.chip_reads;
        ftl.go_on(last, debt, sure)?;
        Ok(ftl)
    }

    /// The layer with what the latest anchor says; whether that is complete.
    pub(crate) fn begin(mut nand: N, config: Config) -> Result<(Ftl<N>, bool), FtlError> {
        let g = *nand.geometry();
        g.check()?;
        let mut reads = 0;
        let found = anchor::find(&mut nand, &g, &mut reads)?;
        let Some(best) = found.first() else {
            return Err(FtlError::NotFormatted { probed: SPAN.min(g.blocks) });
        };
        let anchor = best.anchor.clone();
        let fixed = anchor.config(config.map);
        let config = Config {
            logical_pages: fixed.logical_pages,
            meta_interval: fixed.meta_interval,
            snapshot_pages: fixed.snapshot_pages,
            ..config
        };
        let l = Layout::new(&g, &config)?;
        let mut ftl = Ftl::bare(nand, l, config, anchor);
        ftl.stats.chip_reads = reads;
        let sure = ftl.take_anchors(&found);
        Ok((ftl, sure))
    }

    /// Finds the metadata page that was written last.
    fn find_log_end(&mut self) -> Result<Last, FtlError> {
        let mut starts = Vec::new();
        for block in self.anchor.ring.clone() {
            let mut first = self.meta_at(safe_page(&self.l.g, block, 0))?;
            let mut i = 1;
            // The first page may be one that a cut left unreadable.
            while let Err(false) = first
                && i < self.l.safe_pages
            {
                first = self.meta_at(safe_page(&self.l.g, block, i))?;
                i += 1;
            }
            if let Ok((meta, _)) = first {
                starts.push((meta.stamp.ordinal, meta.stamp.seq, block));
            }
        }
        starts.sort_unstable();
        for &(_, _, block) in starts.iter().rev() {
            let mut reads = 0;
            let mut page = vec![0; self.l.page_bytes()];
            let (end, held) =
                last_written(&mut self.nand, &self.l.g, block, None, &mut page, &mut reads)?;
            self.stats.chip_reads += reads;
            if held && let Some(meta) = Meta::decode(&self.l, &page) {
                let ppn = safe_page(&self.l.g, block, end);
                return Ok(Last { meta, page, ppn, used: end + 1 });
            }
            for i in (0..=end).rev() {
                let ppn = safe_page(&self.l.g, block, i);
                if let Ok((meta, page)) = self.meta_at(ppn)? {
                    return Ok(Last { meta, page, ppn, used: end + 1 });
                }
            }
        }
        Err(FtlError::Damaged { block: self.anchor.blocks[0] })
    }

    /// The metadata page in a place; else whether the place is blank.
    fn meta_at(&mut self, ppn: u32) -> Result<Result<(Meta, Vec<u8>), bool>, FtlError> {
        let mut page = vec![0; self.l.page_bytes()];
        let status = self.read_ladder(ppn, &mut page, &mut [])?;
        if !status.is_readable() {
            return Ok(Err(status.is_erased()));
        }
        Ok(Meta::decode(&self.l, &page).map(|m| (m, page)).ok_or(false))
    }

    /// Reads back through the log as far as the oldest slice's page, and takes what was recorded
    /// since then: the latest records first, so that nothing but the map grows.
    fn replay(&mut self, last: &Last) -> Result<(), FtlError> {
        let (l, stamp) = (self.l, last.meta.stamp);
        self.log = Log::new(&l);
        self.log.ordinal = stamp.ordinal + 1;
        self.seq = stamp.seq + 1;
        self.clock = stamp.clock;
        self.day = stamp.day;
        self.snapshot.since = stamp.since;
        self.record_end = stamp.record_end;
        self.start = stamp.start;
        self.heads = stamp.start;
        self.records.extend(&last.meta.records);
        for &word in &last.meta.records {
            advance(&mut self.heads, word);
        }
        let want = l.slices.min(stamp.ordinal.saturating_add(1));
        self.log.places.push(Place { ppn: last.ppn, record_end: stamp.record_end });
        last.meta.back.iter().for_each(|&p| self.log.places.push_older(p));
        self.log.places.truncate(want);
        let (mut at, mut from) = (0, self.take_story(&last.meta, stamp.record_end));
        loop {
            let needed = match self.log.places.get(l.slices - 1) {
                Some(oldest) => oldest.record_end,
                None if self.log.places.len() == want => 0,
                None => u64::MAX,
            };
            if from <= needed && needed != u64::MAX {
                return Ok(());
            }
            // The farthest page whose records join what was read so far.
            let joins = |i: &u32| self.log.places.get(*i).is_some_and(|p| p.record_end >= from);
            let farthest = (at + 1..self.log.places.len()).rev().find(joins);
            let Some((i, meta)) = self.first_readable(at, farthest)? else {
                let ppn = self.log.places.get(at).map_or(0, |p| p.ppn);
                return Err(FtlError::Damaged { block: self.blocks.block_of(ppn) });
            };
            at = i;
            self.log.places.truncate(i + 1);
            meta.back.iter().for_each(|&p| self.log.places.push_older(p));
            self.log.places.truncate(want);
            from = self.take_story(&meta, from).min(from);
        }
    }

    /// The farthest readable page, from `farthest` down to the one after `at`.
    fn first_readable(
        &mut self,
        at: u32,
        farthest: Option<u32>,
    ) -> Result<Option<(u32, Meta)>, FtlError> {
        let Some(farthest) = farthest else { return Ok(None) };
        let place = |log: &Log, i: u32| log.places.get(i).map_or(0, |p| p.ppn);
        for i in (at + 1..=farthest).rev() {
            let ppn = place(&self.log, i);
            if let Ok((meta, _)) = self.meta_at(ppn)? {
                return Ok(Some((i, meta)));
            }
        }
        for i in (at + 1..=farthest).rev() {
            let ppn = place(&self.log, i);
            if let Some(page) = self.rebuild_by_parity(ppn)?
                && let Some(meta) = Meta::decode(&self.l, &page)
            {
                self.stats.meta_rebuilt += 1;
                return Ok(Some((i, meta)));
            }
        }
        Ok(None)
    }

    /// Takes the records of a page that are older than number `from`, the latest first; what the map
    /// knows already is later. Returns the number of the first one taken.
    fn take_story(&mut self, meta: &Meta, from: u64) -> u64 {
        let first = meta.record_start();
        let count = from.saturating_sub(first).min(meta.records.len() as u64) as usize;
        // Where each record left its page: the heads move forward only.
        let mut heads = meta.stamp.start;
        let pages: Vec<Option<Head>> =
            meta.records[..count].iter().map(|&word| advance(&mut heads, word)).collect();
        for (i, page) in pages.iter().enumerate().rev() {
            let number = first + i as u64;
            match Record::unpack(meta.records[i]) {
                Record::Write(_, lpn) => {
                    if let Some(head) = page {
                        self.recall(lpn, head.block * self.l.g.pages_per_block + head.next, number);
                    }
                }
                Record::Open(_, block) if block != NONE => self.opened.push((number, block)),
                Record::TrimMore(n) => {
                    let Some(&before) = i.checked_sub(1).and_then(|i| meta.records.get(i)) else {
                        // Its first page stands in the metadata page before.
                        return number + 1;
                    };
                    if let Record::Trim(lpn) = Record::unpack(before) {
                        let end = lpn.saturating_add(n).saturating_add(1).min(self.l.numbers);
                        (lpn + 1..end).for_each(|lpn| self.recall(lpn, UNMAPPED, number));
                    }
                }
                Record::Trim(lpn) => self.recall(lpn, UNMAPPED, number),
                Record::Open(..) | Record::Skip(..) => {}
            }
        }
        first
    }

    /// A record of the past: the map takes it unless it knows better, or the slice does.
    fn recall(&mut self, lpn: u32, ppn: u32, number: u64) {
        if lpn >= self.l.numbers {
            return;
        }
        let slice = self.l.slice_of(lpn).0;
        let told = |p: Place| p.record_end > number;
        if self.map.takes_all() || !self.log.place_of(&self.l, slice).is_some_and(told) {
            self.map.set_older(lpn, ppn);
        }
    }

    /// The log continues: its last page is written again, for it may not stay readable, with what
    /// the tail told.
    fn go_on(&mut self, last: Last, debt: crate::settle::Debt, sure: bool) -> Result<(), FtlError> {
        self.log.block = self.l.g.block_of(vellum_nand::Ppa(last.ppn.into())).0;
        self.log.next = last.used;
        self.log.suspect = true;
        let slice = last.meta.stamp.ordinal % self.l.slices;
        self.take_slice(slice, &last.page, last.meta.stamp.record_end);
        for (head, trail) in self.heads.iter().zip(&mut self.trails) {
            trail.sealed = head.next;
            if head.block != NONE {
                self.blocks.set_role(head.block, Role::Open);
            }
        }
        if !(last.meta.stamp.clean && debt.suspects.is_empty()) {
            self.debt = Some(debt);
            // Copies may leave less room in the open block than collection counted on.
            self.careful = true;
        }
        if self.blocks.good() < self.least_good() {
            self.read_only = true;
            return Ok(());
        }
        let place = Place { ppn: last.ppn, record_end: last.meta.stamp.record_end };
        let written = self.secure_log(place, sure);
        match written {
            Err(FtlError::ReadOnly { .. }) => Ok(()),
            other => other,
        }
    }

    fn secure_log(&mut self, last: Place, sure: bool) -> Result<(), FtlError> {
        if !sure {
            self.write_anchor()?;
        }
        self.log.places.pop_latest();
        self.log.ordinal -= 1;
        self.log.guard = Some(last);
        self.write_meta(false)
    }

    /// What a chip was formatted for, without mounting it.
    ///
    /// # Errors
    /// As for mounting.
    pub fn probe(nand: &mut N) -> Result<Config, FtlError> {
        let g = *nand.geometry();
        let mut reads = 0;
        let found = anchor::find(nand, &g, &mut reads)?;
        let best = found.first().ok_or(FtlError::NotFormatted { probed: SPAN.min(g.blocks) })?;
        Ok(best.anchor.config(MapMode::Flat))
    }
}
