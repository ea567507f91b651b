//! Mounting: the anchors, the log's end, its story (`replay.rs`), its tail (`tail.rs`), and going on.

use crate::anchor::{self, last_written};
use crate::blocks::{Class, Role};
use crate::ftl::Ftl;
use crate::layout::{Layout, NONE, SPAN, safe_page};
use crate::meta::{Meta, Place};
use crate::{Config, FtlError};
use alloc::vec;
use alloc::vec::Vec;
use vellum_nand::Nand;

/// The latest metadata page, and where it lies.
pub(crate) struct Last {
    pub meta: Meta,
    pub page: Vec<u8>,
    pub ppn: u32,
    /// Pages of its block that are not blank, among the safe ones.
    pub used: u32,
}

impl<N: Nand> Ftl<N> {
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
    pub(crate) fn meta_at(&mut self, ppn: u32) -> Result<Result<(Meta, Vec<u8>), bool>, FtlError> {
        let mut page = vec![0; self.l.page_bytes()];
        let status = self.read_ladder(ppn, &mut page, &mut [])?;
        if !status.is_readable() {
            return Ok(Err(status.is_erased()));
        }
        Ok(Meta::decode(&self.l, &page).map(|m| (m, page)).ok_or(false))
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
}
