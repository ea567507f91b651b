//! The anchor's two copies: at every moment one of them can be relied on.
//!
//! After a cut nobody can tell a page that was programmed from one whose bits are unstable: both read
//! well, and the latter soon no longer. Nor a block from one that is half erased. So it is the order of
//! writing that makes sure, not a look at the chip. Call a block *sound* that holds a completely
//! programmed page of what the last finished [`Ftl::write_anchor`] said, or of something later. The
//! rules:
//!
//! 1. A block is written only in the session that erased it. So all of its pages are complete but the
//!    last one, if a cut fell on that.
//! 2. A version is written to one block first, with the larger number, then to the other. Of the blocks
//!    with more than one page the one that shows the largest number *leads*. So the leader was never half
//!    erased: an erase is begun only when the other block shows a larger number for sure (rule 4), and
//!    that number stays.
//! 3. A block that is to lead gets the version twice, each with a number above all that were seen. So a
//!    leader is sound whether or not its last page is complete, and goes on to lead when that fades: the
//!    first page of it has a number above those of the other block, too.
//! 4. The block that does not lead is erased, and only that: in the first write after a mount, when the
//!    leader is sound by rule 3; later, when a page with a larger number was programmed to the leader.
//!
//! A mount goes by the leader. What that says is complete if the other block shows its second copy, for
//! that was begun afterwards; if not, the mount writes the anchor before it changes anything, so nothing
//! ever depends on a page that may fade. Numbers skip a step in each write: a page that no mount saw
//! can't pass for one of a later version.
//!
//! When one block is lost, the other is only appended to, after a page of padding if a cut may have hit
//! the next one; half of each block is kept for that. Another of the first blocks takes the lost one's
//! place: it is emptied and taken before the host operations that follow, so a block stands alone for some
//! dozen writes, and many mounts in that time find room. A full lone block makes the device read-only
//! rather than be erased.

use crate::FtlError;
use crate::anchor::{FIRST, Found, INTRO, SECOND, STEP, is_sure};
use crate::blocks::Role;
use crate::ftl::Ftl;
use crate::layout::{NONE, SPAN, safe_page};
use crate::stats::Cause;
use alloc::vec;
use vellum_nand::{Nand, NandError, Ppa};

/// Of a block's `pages`, those that are kept for the time when the other is lost: three for each mount
/// that finds it alone after a cut in its writing.
fn kept(pages: u32) -> u32 {
    (pages / 2).max(2)
}

/// One copy's block.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The page after the last one, among the safe ones; `NONE` when the block is lost.
    next: u32,
    /// Erased in this session, and every program since then completed.
    sure: bool,
}

/// What is known of the two blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copies {
    slots: [Slot; 2],
    /// The one that leads.
    lead: usize,
    /// The largest number that was seen or given.
    number: u64,
}

impl Copies {
    pub const LOST: Copies =
        Copies { slots: [Slot { next: NONE, sure: false }; 2], lead: 0, number: 0 };
    /// Of a chip just formatted.
    pub const EMPTY: Copies =
        Copies { slots: [Slot { next: 0, sure: true }; 2], lead: 0, number: 0 };

    fn lives(&self, k: usize) -> bool {
        self.slots[k].next != NONE
    }

    /// Whether one of the two is lost.
    pub fn is_lone(&self) -> bool {
        !(self.lives(0) && self.lives(1))
    }

    /// The one to write first, if any may be; `pages` are a block's safe ones.
    fn first(&self, pages: u32) -> Option<usize> {
        let (lead, other) = (self.lead, 1 - self.lead);
        let takes = |k: usize| self.slots[k].sure && self.slots[k].next < pages - kept(pages);
        match (self.lives(lead), self.lives(other)) {
            (true, true) => Some(if takes(lead) { lead } else { other }),
            (true, false) => {
                let needed = if self.slots[lead].sure { 1 } else { 2 };
                (self.slots[lead].next + needed <= pages).then_some(lead)
            }
            // The block that is given up still shows the latest version.
            (false, true) => Some(other),
            (false, false) => None,
        }
    }

    /// Whether the copy that is written second is appended: only if one of both then takes more.
    fn appends(&self, k: usize, pages: u32) -> bool {
        let limit = pages - kept(pages);
        let Slot { next, sure } = self.slots[k];
        sure && next < limit && (next + 1 < limit || self.slots[1 - k].next < limit)
    }
}

impl<N: Nand> Ftl<N> {
    /// Takes over the anchors that a mount found, latest first; whether what they say is complete.
    pub(crate) fn take_anchors(&mut self, found: &[Found]) -> bool {
        for (slot, &block) in self.copies.slots.iter_mut().zip(&self.anchor.blocks) {
            let next = if self.anchor.is_bad(block) { NONE } else { self.l.safe_pages };
            *slot = Slot { next, sure: false };
        }
        self.copies.number = found.iter().map(|f| f.anchor.number).max().unwrap_or(0);
        let lives = |k: &usize| self.copies.lives(*k);
        let slot = |f: &Found| (0..2).filter(lives).find(|&k| self.anchor.blocks[k] == f.block);
        if let Some((k, used)) = found.iter().find_map(|f| Some((slot(f)?, f.used))) {
            self.copies.lead = k;
            self.copies.slots[k].next = used;
        }
        is_sure(found)
    }

    /// Writes both anchors, one after the other. A block that fails is given up and another one found
    /// for it later.
    pub(crate) fn write_anchor(&mut self) -> Result<(), FtlError> {
        let pages = self.l.safe_pages;
        debug_assert!(pages >= kept(pages) + 2);
        loop {
            let Some(k) = self.copies.first(pages) else { return Err(self.worn_out()) };
            // The next multiple but one.
            let base = (self.copies.number / STEP + 2) * STEP;
            self.copies.number = base + FIRST;
            self.anchor.number = base + FIRST;
            if !self.write_first(k, base)? {
                continue;
            }
            self.copies.lead = k;
            let other = 1 - k;
            if !self.copies.lives(other) {
                if self.copies.slots[k].next < pages {
                    self.program_copy(k, base + SECOND)?;
                }
            } else if self.copies.appends(other, pages) || self.erase_copy(other)? {
                self.program_copy(other, base + SECOND)?;
            }
            return if self.copies.lives(0) || self.copies.lives(1) {
                Ok(())
            } else {
                Err(self.worn_out())
            };
        }
    }

    /// Writes the copy that will lead; false when its block failed.
    fn write_first(&mut self, k: usize, base: u64) -> Result<bool, FtlError> {
        let lone = !self.copies.lives(1 - k);
        let Slot { next, sure } = self.copies.slots[k];
        if lone && k == self.copies.lead {
            if !sure && !self.program_copy(k, base + INTRO)? {
                return Ok(false);
            }
        } else {
            let pages = self.l.safe_pages;
            let limit = if lone { pages } else { pages - kept(pages) };
            if !(sure && next < limit || self.erase_copy(k)?) {
                return Ok(false);
            }
        }
        if self.copies.slots[k].next == 0 {
            // Once more, so that it stands there completely when the other block is erased.
            if !self.program_copy(k, base + INTRO)? {
                return Ok(false);
            }
        }
        self.program_copy(k, base + FIRST)
    }

    fn erase_copy(&mut self, k: usize) -> Result<bool, FtlError> {
        self.copies.slots[k].sure = false;
        if !self.erase(self.anchor.blocks[k])? {
            self.lose_anchor(k)?;
            return Ok(false);
        }
        self.copies.slots[k] = Slot { next: 0, sure: true };
        Ok(true)
    }

    /// Where the other copy of what is appended to `k` now will lie, or lies.
    fn twin(&self, k: usize, number: u64) -> u32 {
        let other = 1 - k;
        let next = self.copies.slots[other].next;
        match number % STEP {
            _ if !self.copies.lives(other) => NONE,
            FIRST if self.copies.appends(other, self.l.safe_pages) => next,
            FIRST => 0,
            SECOND => next.saturating_sub(1),
            _ => NONE,
        }
    }

    /// Appends the anchor to a copy's block, under a number.
    fn program_copy(&mut self, k: usize, number: u64) -> Result<bool, FtlError> {
        let mut page = vec![0; self.l.page_bytes()];
        self.anchor.twin = self.twin(k, number);
        let latest = core::mem::replace(&mut self.anchor.number, number);
        self.anchor.encode(&self.l.g, &mut page);
        let oob = self.anchor.oob(&self.l, crc32fast::hash(&page));
        self.anchor.number = latest;
        let slot = &mut self.copies.slots[k];
        let (next, sure) = (slot.next, slot.sure);
        *slot = Slot { next: next + 1, sure: false };
        let ppn = safe_page(&self.l.g, self.anchor.blocks[k], next);
        match self.nand.program(Ppa(ppn.into()), &page, &oob) {
            Ok(()) => {
                self.stats.programs_meta += 1;
                self.copies.slots[k].sure = sure;
                Ok(true)
            }
            Err(NandError::ProgramFailed { .. } | NandError::BadBlock { .. }) => {
                self.stats.program_fails += 1;
                self.lose_anchor(k)?;
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn lose_anchor(&mut self, k: usize) -> Result<(), FtlError> {
        self.copies.slots[k] = Slot { next: NONE, sure: false };
        self.mark_retired(self.anchor.blocks[k])?;
        // Another of the first blocks takes its place once it is empty.
        if let Some(block) = self.anchor_candidate() {
            self.pending.push((block, Cause::Rescue));
        }
        Ok(())
    }

    /// A block among the first that could become an anchor.
    fn anchor_candidate(&self) -> Option<u32> {
        let fits =
            |b: &u32| matches!(self.blocks.role(*b), Role::Free | Role::FreeLater | Role::Data(_));
        (1..SPAN.min(self.l.g.blocks)).find(fits)
    }

    /// Gives a lost anchor a new block, if one of the first is free; else has one emptied. Called before
    /// each host operation while a copy is lost.
    pub(crate) fn restore_anchor(&mut self) -> Result<(), FtlError> {
        let Some(k) = (0..2).find(|&k| !self.copies.lives(k)) else { return Ok(()) };
        self.count_all()?;
        let spare = self.sure_free() > self.floor() + 1;
        let fits = |b: &u32| spare && self.blocks.role(*b) == Role::Free;
        let Some(block) = (1..SPAN.min(self.l.g.blocks)).find(fits) else {
            let free = |b: u32| matches!(self.blocks.role(b), Role::Free | Role::FreeLater);
            if self.pending.is_empty()
                && self.gc.is_none()
                && let Some(block) = self.anchor_candidate()
                && !free(block)
            {
                self.pending.push((block, Cause::Rescue));
            }
            return Ok(());
        };
        self.seal();
        self.blocks.set_role(block, Role::Taken);
        if !self.erase(block)? {
            return self.retire(block);
        }
        self.blocks.set_role(block, Role::Anchor);
        self.anchor.blocks[k] = block;
        self.copies.slots[k] = Slot { next: 0, sure: true };
        self.write_anchor()
    }
}

#[cfg(test)]
mod tests;
