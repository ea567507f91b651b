//! A snapshot of the logical space that outlasts mounts and cuts: copy-on-write.
//!
//! With room for a snapshot the map has twice as many numbers as there are logical pages: number
//! `logical + n` is page `n` of the snapshot. While nothing is mapped there the snapshot shows what the live
//! page shows. The first change of a live page first appends a copy of it under its number in the
//! snapshot; that is an ordinary page, so mounts, collection, wear levelling and recovery treat it as one.
//! A metadata page says since which program a snapshot exists, or that there is none.
//!
//! *Why a cut can't spoil it.* The copy is programmed completely, and sealed where pages share cells, before
//! the program that replaces the live page begins: so whenever a mount finds the new page, it finds the
//! copy. The other way round a copy without the change shows what the live page shows. A snapshot begins and
//! ends with one metadata page; what an ended one still kept is discarded afterwards, at the latest before
//! the next one begins.

use crate::ftl::{Ftl, NewPage, Source};
use crate::map::UNMAPPED;
use crate::stats::Cause;
use crate::{FtlError, Lpn};
use alloc::vec;
use vellum_nand::Nand;

/// What is known of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    /// Number of the next program when it was taken; 0: there is none.
    pub since: u64,
    /// Pages mapped under its numbers.
    pub kept: u32,
}

const NONE: FtlError = FtlError::Snapshot("there is none, or it ran out of room");

impl<N: Nand> Ftl<N> {
    /// Freezes the logical space as it is now; [`Ftl::read_snapshot`] reads it while the live space
    /// goes on. Durable when the call returns, with everything written before. Costs one metadata page,
    /// and then one program for the first change of each page, up to
    /// [`Config::snapshot_pages`](crate::Config::snapshot_pages) of them; the change that
    /// finds no room ends the snapshot, for the live space never suffers.
    ///
    /// # Errors
    /// When there is one already, or the device was formatted without room for one; as for writing.
    pub fn take_snapshot(&mut self) -> Result<(), FtlError> {
        if self.config.snapshot_pages == 0 {
            return Err(FtlError::Snapshot("the device was formatted without room for one"));
        }
        if self.has_snapshot() {
            return Err(FtlError::Snapshot("there is one already"));
        }
        self.ready_to_change()?;
        self.count_all()?;
        self.clear_kept()?;
        self.snapshot.since = self.seq;
        let written = self.write_meta(false);
        if written.is_err() {
            self.snapshot.since = 0;
        }
        written
    }

    /// Whether there is a snapshot. One that ran out of room is none.
    pub fn has_snapshot(&self) -> bool {
        self.snapshot.since != 0
    }

    /// Gives the snapshot up, durably; what only it kept becomes garbage. Nothing happens if there is none.
    ///
    /// # Errors
    /// As for writing.
    pub fn drop_snapshot(&mut self) -> Result<(), FtlError> {
        if !self.has_snapshot() {
            return Ok(());
        }
        self.ready_to_change()?;
        self.end_snapshot()
    }

    /// Reads a page as it was when the snapshot was taken.
    ///
    /// # Errors
    /// As [`Ftl::read`]; when there is no snapshot.
    pub fn read_snapshot(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError> {
        self.check_lpn(lpn)?;
        self.check_page(out.len())?;
        if !self.has_snapshot() {
            return Err(NONE);
        }
        let own = self.snapshot_number(lpn.0);
        if self.debt.as_ref().is_some_and(|d| d.concerns(own)) {
            self.settle()?;
        }
        match self.lookup(own)? {
            UNMAPPED => self.read(lpn, out),
            ppn => self.read_physical(Lpn(own), ppn, out).map_err(|e| match e {
                FtlError::Unreadable { ppa, .. } => FtlError::Unreadable { lpn, ppa },
                e => e,
            }),
        }
    }

    /// Puts the live space back to what it was when the snapshot was taken, and ends the snapshot. A cut
    /// on the way leaves the snapshot whole: the call is made again then.
    ///
    /// # Errors
    /// As [`Ftl::write`]; [`FtlError::Unreadable`] when a page that was kept is lost.
    pub fn roll_back(&mut self) -> Result<(), FtlError> {
        if !self.has_snapshot() {
            return Err(NONE);
        }
        let mut page = vec![0; self.page_bytes()];
        for lpn in 0..self.pages() {
            if self.lookup(self.snapshot_number(lpn))? != UNMAPPED {
                self.read_snapshot(Lpn(lpn), &mut page)?;
                self.write(Lpn(lpn), &page)?;
            }
        }
        self.flush()?;
        self.drop_snapshot()
    }

    fn snapshot_number(&self, lpn: u32) -> u32 {
        self.l.logical + lpn
    }

    /// Before a logical page changes: keeps what it shows for the snapshot, if that is still to be done.
    pub(crate) fn keep_for_snapshot(&mut self, lpn: u32) -> Result<(), FtlError> {
        let own = self.snapshot_number(lpn);
        if !self.has_snapshot() || self.lookup(own)? != UNMAPPED {
            return Ok(());
        }
        self.count_all()?;
        if self.snapshot.kept >= self.config.snapshot_pages {
            return self.end_snapshot();
        }
        self.make_room(1)?;
        let class = self.placer.class(u32::MAX);
        // All that may move or erase pages comes before the look at where the live one is.
        self.meta_if_due(3)?;
        self.ready_frontier(class, Cause::Host)?;
        let mut page = NewPage::new(own, self.clock as u32, 0);
        let ppn = match self.lookup(lpn)? {
            UNMAPPED => {
                let zeros = vec![0; self.page_bytes()];
                page.crc = crc32fast::hash(&zeros);
                self.append(class, page, Source::Data(&zeros), Cause::Snapshot)?
            }
            old => {
                let held = self.owner(old)?;
                page.crc = held.map_or(0, |p| p.crc);
                page.lost = held.is_none_or(|p| p.lost);
                self.append(class, page, Source::Copy(old), Cause::Snapshot)?
            }
        };
        // The program of the change must not endanger it.
        self.seal();
        self.remap(own, ppn)
    }

    /// The snapshot ends with one metadata page; then what it kept is discarded.
    fn end_snapshot(&mut self) -> Result<(), FtlError> {
        self.snapshot.since = 0;
        self.write_meta(false)?;
        self.clear_kept()
    }

    /// Discards what an ended snapshot kept.
    fn clear_kept(&mut self) -> Result<(), FtlError> {
        self.count_all()?;
        if self.snapshot.kept > 0 {
            self.discard(self.l.logical, self.l.logical)?;
            self.write_meta(false)?;
        }
        Ok(())
    }
}
