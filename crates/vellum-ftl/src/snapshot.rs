//! A snapshot of the logical space: pages that the host overwrites stay where they are, and the
//! snapshot remembers where that is.

use crate::ftl::Ftl;
use crate::map::UNMAPPED;
use crate::{FtlError, Lpn};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use vellum_nand::Nand;

/// What the snapshot holds beyond what the live map still shows: logical page → physical page, or
/// [`UNMAPPED`] for a page that was empty then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub kept: BTreeMap<u32, u32>,
    /// Physical pages kept, and the most that may be.
    pub pages: u32,
    pub limit: u32,
}

impl<N: Nand> Ftl<N> {
    /// Freezes the logical space as it is now; [`Ftl::read_snapshot`] reads it while the live space
    /// goes on. Costs nothing until pages are overwritten; each then stays on flash beside its
    /// successor, up to what the chip has spare. The snapshot lives in RAM: it ends with the power.
    ///
    /// # Errors
    /// When there is one already.
    pub fn take_snapshot(&mut self) -> Result<(), FtlError> {
        if self.snapshot.is_some() {
            return Err(FtlError::Snapshot("there is one already"));
        }
        self.count_all()?;
        let room = self.l.capacity(self.blocks.good()).saturating_sub(self.l.logical.into());
        let limit = (room / 2) as u32;
        self.snapshot = Some(Snapshot { limit, ..Snapshot::default() });
        Ok(())
    }

    /// Gives the snapshot up; what only it kept becomes garbage.
    pub fn drop_snapshot(&mut self) {
        let Some(snapshot) = self.snapshot.take() else { return };
        for (_, ppn) in snapshot.kept.into_iter().filter(|k| k.1 != UNMAPPED) {
            self.blocks.lose(ppn);
        }
    }

    /// Reads a page as it was when the snapshot was taken.
    ///
    /// # Errors
    /// As [`Ftl::read`]; when there is no snapshot, or it ran out of room.
    pub fn read_snapshot(&mut self, lpn: Lpn, out: &mut [u8]) -> Result<(), FtlError> {
        self.check_lpn(lpn)?;
        self.check_page(out.len())?;
        let Some(snapshot) = &self.snapshot else {
            return Err(FtlError::Snapshot("there is none, or it ran out of room"));
        };
        match snapshot.kept.get(&lpn.0).copied() {
            None => self.read(lpn, out),
            Some(UNMAPPED) => {
                out.fill(0);
                Ok(())
            }
            Some(ppn) => self.read_physical(lpn, ppn, out),
        }
    }

    /// Puts the live space back to what it was when the snapshot was taken, and ends the snapshot.
    ///
    /// # Errors
    /// As [`Ftl::write`].
    pub fn roll_back(&mut self) -> Result<(), FtlError> {
        let Some(snapshot) = &self.snapshot else {
            return Err(FtlError::Snapshot("there is none, or it ran out of room"));
        };
        let lpns: Vec<u32> = snapshot.kept.keys().copied().collect();
        let mut page = alloc::vec![0; self.page_bytes()];
        for lpn in lpns {
            let empty = self.snapshot.as_ref().is_some_and(|s| s.kept.get(&lpn) == Some(&UNMAPPED));
            if empty {
                self.trim(Lpn(lpn), 1)?;
            } else {
                self.read_snapshot(Lpn(lpn), &mut page)?;
                self.write(Lpn(lpn), &page)?;
            }
        }
        self.drop_snapshot();
        self.flush()
    }

    /// Whether the snapshot wants the page that is being replaced; it stays valid then.
    pub(crate) fn keep_for_snapshot(&mut self, lpn: u32, old: u32) -> bool {
        let Some(snapshot) = &mut self.snapshot else { return false };
        if snapshot.kept.contains_key(&lpn) {
            return false;
        }
        if snapshot.pages >= snapshot.limit {
            // No room: the snapshot ends, the live space never suffers.
            self.drop_snapshot();
            return false;
        }
        snapshot.pages += 1;
        snapshot.kept.insert(lpn, old);
        true
    }

    pub(crate) fn snapshot_has(&self, lpn: u32, ppn: u32) -> bool {
        self.snapshot.as_ref().is_some_and(|s| s.kept.get(&lpn) == Some(&ppn))
    }

    pub(crate) fn snapshot_owner(&self, ppn: u32) -> Option<u32> {
        let kept = &self.snapshot.as_ref()?.kept;
        kept.iter().find(|(_, p)| **p == ppn).map(|(&lpn, _)| lpn)
    }

    pub(crate) fn move_in_snapshot(&mut self, lpn: u32, from: u32, to: u32) {
        if let Some(snapshot) = &mut self.snapshot
            && let Some(ppn) = snapshot.kept.get_mut(&lpn)
            && *ppn == from
        {
            *ppn = to;
        }
    }

    pub(crate) fn count_snapshot(&mut self) {
        let Some(snapshot) = &self.snapshot else { return };
        for &ppn in snapshot.kept.values().filter(|&&p| p != UNMAPPED) {
            self.blocks.gain(ppn);
        }
    }
}
