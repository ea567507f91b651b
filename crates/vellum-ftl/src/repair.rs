//! Loading map slices, and what stands in for a metadata page that can't be read: its group's
//! parity, then the out-of-band records of the whole chip.

use crate::FtlError;
use crate::ftl::Ftl;
use crate::layout::{GROUP, NONE, safe_page};
use crate::map::UNMAPPED;
use crate::meta::{self, Meta};
use crate::oob::{FIXED, Kind, NO_LPN, Oob};
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::Nand;

impl<N: Nand> Ftl<N> {
    /// Gives the map a slice from flash.
    pub(crate) fn load_slice(&mut self, slice: u32) -> Result<(), FtlError> {
        if self.map.is_loaded(slice) {
            return Ok(());
        }
        let place = self.log.place_of(&self.l, slice);
        let Some(place) = place.filter(|p| p.ppn != NONE) else {
            // Never written: nothing of it is mapped but what the records say.
            self.map.load(&self.l, slice, core::iter::repeat_n(0, self.l.slice as usize));
            return Ok(());
        };
        let mut page = core::mem::take(&mut self.page);
        let status = self.read_ladder(place.ppn, &mut page, &mut []);
        let whole = status.as_ref().is_ok_and(|s| s.is_readable())
            && Meta::ordinal_of(&page).is_some_and(|o| o % self.l.slices == slice);
        if whole {
            self.take_slice(slice, &page, place.record_end);
        }
        self.page = page;
        status?;
        if whole {
            return Ok(());
        }
        self.stats.meta_rebuilt += 1;
        if let Some(page) = self.rebuild_by_parity(place.ppn)?
            && Meta::ordinal_of(&page).is_some_and(|o| o % self.l.slices == slice)
        {
            self.take_slice(slice, &page, place.record_end);
            return Ok(());
        }
        self.rebuild_by_chip(slice)
    }

    /// Takes a slice and its part of the block table out of a metadata page.
    pub(crate) fn take_slice(&mut self, slice: u32, page: &[u8], record_end: u64) {
        let l = self.l;
        self.map.load(&l, slice, meta::entries(&l, page));
        if !self.counted {
            for (block, word) in l.table_of(slice).zip(meta::table(&l, page)) {
                let later = self.opened.iter().filter(|o| o.1 == block && o.0 >= record_end);
                let later = later.count() as u32;
                self.blocks.set_erases(block, (word & 0xff_ffff) + later);
                let day = if later > 0 { self.day as u8 } else { (word >> 24) as u8 };
                self.blocks.set_day(block, day);
            }
        }
    }

    /// Rebuilds the metadata page in a place from the others of its group and their parity.
    pub(crate) fn rebuild_by_parity(&mut self, ppn: u32) -> Result<Option<Vec<u8>>, FtlError> {
        let block = self.blocks.block_of(ppn);
        let at = |i: u32| safe_page(&self.l.g, block, i);
        let Some(own) = (0..self.l.safe_pages).find(|&i| at(i) == ppn) else { return Ok(None) };
        let places: Vec<u32> = (0..self.l.safe_pages).map(at).collect();
        let mut page = vec![0; self.l.page_bytes()];
        let mut oob = vec![0; self.l.oob];
        for i in own + 1..(own + GROUP + 1).min(self.l.safe_pages) {
            let status = self.read_ladder(places[i as usize], &mut page, &mut oob)?;
            let record = Oob::decode(&oob, self.l.lpn_bits).filter(|r| r.kind == Kind::Parity);
            let Some(record) = record.filter(|r| status.is_readable() && r.batch > 0) else {
                continue;
            };
            let first = i.saturating_sub(record.batch.into());
            if own < first {
                return Ok(None);
            }
            page.iter_mut().for_each(|b| *b = !*b);
            let mut other = vec![0; self.l.page_bytes()];
            for j in (first..i).filter(|&j| j != own) {
                if !self.read_ladder(places[j as usize], &mut other, &mut [])?.is_readable() {
                    return Ok(None);
                }
                page.iter_mut().zip(&other).for_each(|(p, b)| *p ^= b);
            }
            return Ok(Some(page));
        }
        Ok(None)
    }

    /// Rebuilds a slice from the out-of-band records of every page: the latest program of each
    /// logical page wins. Slow, and the last resort: pages of the slice that were discarded before
    /// the records that mount replays may come back with their last content.
    fn rebuild_by_chip(&mut self, slice: u32) -> Result<(), FtlError> {
        let first = slice * self.l.slice;
        let mut best = vec![(0u64, 0u32); self.l.slice as usize];
        let mut oob = vec![0; self.l.oob.max(FIXED)];
        for ppn in 0..self.l.g.pages() as u32 {
            if self.anchor.is_bad(self.blocks.block_of(ppn)) {
                continue;
            }
            let status = self.read_ladder(ppn, &mut [], &mut oob)?;
            if !status.is_readable() {
                continue;
            }
            let Some(r) = Oob::decode(&oob, self.l.lpn_bits) else { continue };
            if r.kind != Kind::Data || r.lpn == NO_LPN || r.lpn < first {
                continue;
            }
            // Of a snapshot that ended.
            let since = self.snapshot.since;
            if r.lpn >= self.l.logical && (since == 0 || r.seq < since) {
                continue;
            }
            if let Some(slot) = best.get_mut((r.lpn - first) as usize)
                && r.seq >= slot.0
            {
                *slot = (r.seq, ppn);
            }
        }
        // From now on as if it had been written since: the slice on flash stays unreadable, and the
        // chip's records will change.
        for (lpn, (_, ppn)) in (first..self.l.numbers).zip(&best) {
            self.map.set_older(lpn, if *ppn == 0 { UNMAPPED } else { *ppn });
        }
        let l = self.l;
        self.map.load(&l, slice, best.into_iter().map(|(_, ppn)| ppn));
        Ok(())
    }
}
