//! Loading map slices, and what stands in for a metadata page that can't be read: its group's
//! parity, then the slice's older copy, then the out-of-band records of the whole chip.

use crate::FtlError;
use crate::ftl::Ftl;
use crate::layout::GROUP;
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
        let Some(n) = self.log.latest_of(slice, self.l.slices) else {
            // Never written: nothing of it is mapped but what the records say.
            self.map.load(&self.l, slice, core::iter::repeat_n(0, self.l.slice as usize));
            return Ok(());
        };
        if let Some((page, meta)) = self.read_meta(n)? {
            return self.take_slice(slice, &page, meta.record_end);
        }
        self.stats.meta_rebuilt += 1;
        // The rebuilt page should reach flash again soon.
        self.unflushed = true;
        if let Some((page, meta)) = self.rebuild_by_parity(n)? {
            return self.take_slice(slice, &page, meta.record_end);
        }
        // The records that were replayed at mount reach back beyond the older copy when it is
        // inside the window.
        if let Some(older) = n.checked_sub(self.l.slices).filter(|&o| o > 0 && self.replayed(o))
            && let Some((page, meta)) = self.read_meta(older)?
        {
            return self.take_slice(slice, &page, meta.record_end);
        }
        self.rebuild_by_chip(slice)
    }

    /// Whether every record since page `n` was replayed, so that its slice can be used.
    fn replayed(&self, n: u32) -> bool {
        self.log.n - n < self.l.window() && !self.counted
    }

    fn take_slice(&mut self, slice: u32, page: &[u8], record_end: u64) -> Result<(), FtlError> {
        let l = self.l;
        self.map.load(&l, slice, meta::entries(&l, page));
        if !self.counted {
            for (block, word) in l.table_of(slice).zip(meta::table(&l, page)) {
                let later = self.opened.iter().filter(|o| o.1 == block && o.0 >= record_end);
                self.blocks.erases[block as usize] = (word & 0xff_ffff) + later.count() as u32;
            }
        }
        Ok(())
    }

    /// Reads metadata page `n`; `None` when it can't be read or is another page.
    pub(crate) fn read_meta(&mut self, n: u32) -> Result<Option<(Vec<u8>, Meta)>, FtlError> {
        let Some(place) = self.log.place(n) else { return Ok(None) };
        let mut page = vec![0; self.l.page_bytes()];
        let status = self.read_ladder(place, &mut page, &mut [])?;
        if !status.is_readable() {
            return Ok(None);
        }
        let meta = Meta::decode(&self.l, &page).filter(|m| m.n == n);
        Ok(meta.map(|m| (page, m)))
    }

    /// Rebuilds metadata page `n` from the others of its group and their parity.
    fn rebuild_by_parity(&mut self, n: u32) -> Result<Option<(Vec<u8>, Meta)>, FtlError> {
        let Some(place) = self.log.place(n) else { return Ok(None) };
        let pages = self.l.g.pages_per_block;
        let end = (place + GROUP + 1).min((place / pages + 1) * pages);
        let mut page = vec![0; self.l.page_bytes()];
        let mut oob = vec![0; self.l.oob];
        for at in place + 1..end {
            let status = self.read_ladder(at, &mut page, &mut oob)?;
            let record = Oob::decode(&oob, self.l.lpn_bits).filter(|r| r.kind == Kind::Parity);
            let Some(record) = record.filter(|_| status.is_readable()) else { continue };
            let first = (record.lpn + 1).saturating_sub(record.batch.into());
            if !(first..=record.lpn).contains(&n) {
                // A filler, or another group's.
                continue;
            }
            page.iter_mut().for_each(|b| *b = !*b);
            for other in (first..=record.lpn).filter(|&o| o != n) {
                let Some((bytes, _)) = self.read_meta(other)? else { return Ok(None) };
                page.iter_mut().zip(bytes).for_each(|(p, b)| *p ^= b);
            }
            let meta = Meta::decode(&self.l, &page).filter(|m| m.n == n);
            return Ok(meta.map(|m| (page, m)));
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
            if let Some(slot) = best.get_mut((r.lpn - first) as usize)
                && r.seq >= slot.0
            {
                *slot = (r.seq, ppn);
            }
        }
        // From now on as if it had been written since: the slice on flash stays unreadable, and the
        // chip's records will change.
        for (lpn, (_, ppn)) in (first..self.l.logical).zip(&best) {
            self.map.set_older(lpn, if *ppn == 0 { UNMAPPED } else { *ppn });
        }
        let l = self.l;
        self.map.load(&l, slice, best.into_iter().map(|(_, ppn)| ppn));
        Ok(())
    }
}
