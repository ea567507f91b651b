//! Reading back through the log: what was recorded since the oldest slice of the map was written.

use crate::FtlError;
use crate::ftl::Ftl;
use crate::layout::NONE;
use crate::log::Log;
use crate::map::UNMAPPED;
use crate::meta::{Meta, Place};
use crate::mount::Last;
use crate::record::{Head, Record, advance};
use alloc::vec::Vec;
use vellum_nand::Nand;

impl<N: Nand> Ftl<N> {
    /// Reads back through the log as far as the oldest slice's page, and takes what was recorded
    /// since then: the latest records first, so that nothing but the map grows.
    pub(crate) fn replay(&mut self, last: &Last) -> Result<(), FtlError> {
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
        // One more than there are slices: the last page may not stay readable, and the one that it replaces is needed
        // until it was written again.
        let want = (l.slices + 1).min(stamp.ordinal.saturating_add(1));
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
                return self.look_one_farther(at, want);
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

    /// The last place that is known may be the oldest slice's: that page, where it can be read, says what lies before
    /// it.
    fn look_one_farther(&mut self, at: u32, want: u32) -> Result<(), FtlError> {
        let last = self.log.places.len() - 1;
        if last + 1 < want
            && last > at
            && let Some((i, meta)) = self.first_readable(last - 1, Some(last))?
        {
            debug_assert_eq!(i, last, "nothing else was asked for");
            meta.back.iter().for_each(|&p| self.log.places.push_older(p));
            self.log.places.truncate(want);
        }
        Ok(())
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
}
