//! Power cuts: when the power goes, and what that leaves in the cells.
//!
//! Five modes, after what was measured on chips (Tseng, Grupp and Swanson, *Understanding the Impact
//! of Power Loss on Flash Memory*, DAC 2011; the Linux MTD list's *unstable bits*). Each falls on the
//! program or erase in flight; a seed picks how far that got.

use super::Model;
use super::block::{Block, Flaw};
use super::frames::{Frame, Frames};
use crate::{EraseBlock, Ppa};
use vellum_block::Rng;

/// What the cut does to the operation in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CutMode {
    /// The page is half programmed: it looks erased, or reads with too many errors, or its first
    /// codewords read well, or all of it reads "well" with part of the data missing.
    TornProgram,
    /// The program got nearly to its end: the page reads well once to three times, then never.
    UnstableBits,
    /// The page is torn, and the earlier page that shares its cells is lost with it.
    PairedLoss,
    /// Some of the block's pages are erased, some not, some are neither.
    HalfErase,
    /// All of the block looks erased, but what is programmed into it can't be relied on.
    WeakErase,
}

impl CutMode {
    /// All modes.
    pub const ALL: [CutMode; 5] = [
        CutMode::TornProgram,
        CutMode::UnstableBits,
        CutMode::PairedLoss,
        CutMode::HalfErase,
        CutMode::WeakErase,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            CutMode::TornProgram => "torn program",
            CutMode::UnstableBits => "unstable bits",
            CutMode::PairedLoss => "paired-page loss",
            CutMode::HalfErase => "half erase",
            CutMode::WeakErase => "weak erase",
        }
    }

    /// Whether the mode says something of a program; the others say something of an erase.
    pub const fn of_program(self) -> bool {
        matches!(self, CutMode::TornProgram | CutMode::UnstableBits | CutMode::PairedLoss)
    }
}

/// A power cut to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Programs and erases that still complete.
    pub after: u64,
    /// What happens to the next one. A mode of the other kind of operation falls back to
    /// [`CutMode::TornProgram`] or [`CutMode::HalfErase`].
    pub mode: CutMode,
    /// Picks the details.
    pub seed: u64,
}

impl Model {
    /// Lets the power go in the middle of a later program or erase.
    pub fn arm(&mut self, cut: Cut) {
        self.cut = Some(cut);
    }

    /// Takes an armed cut back.
    pub fn disarm(&mut self) {
        self.cut = None;
    }

    /// Takes the power away between two operations.
    pub fn power_off(&mut self) {
        self.powered = false;
        self.cut = None;
    }

    /// Gives the power back.
    pub fn power_on(&mut self) {
        self.powered = true;
    }

    /// Whether the power is on.
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// Counts an operation against the armed cut; the mode and seed if it falls on this one.
    #[inline]
    pub(super) fn strikes(&mut self) -> Option<(CutMode, Rng)> {
        let cut = self.cut.as_mut()?;
        if cut.after > 0 {
            cut.after -= 1;
            return None;
        }
        let (mode, rng) = (cut.mode, Rng::new(cut.seed));
        self.power_off();
        Some((mode, rng))
    }

    /// The program of a page is cut short.
    pub(super) fn cut_program(
        &mut self,
        ppa: Ppa,
        frame: Frame,
        oob: &[u8],
        mode: CutMode,
        mut rng: Rng,
    ) {
        let g = self.config.geometry;
        let (block, page) = (g.block_of(ppa), g.page_of(ppa));
        let words = g.codewords() as u8;
        let lost = g.paired_with(page);
        let state = self.cells.get_mut(block.0);
        state.oob_of_mut(page)[..oob.len()].copy_from_slice(oob);
        state.next = page + 1;
        let slot = &mut state.pages[page as usize];
        slot.programs += 1;
        self.frames.release(slot.frame.replace(frame));
        slot.flaw = Flaw::Unreadable;
        match mode {
            CutMode::UnstableBits => slot.flaw = Flaw::Unstable(1 + rng.below(3) as u8),
            CutMode::PairedLoss => {
                if let Some(lower) = lost {
                    state.pages[lower as usize].flaw = Flaw::Unreadable;
                }
            }
            _ => tear(state, &mut self.frames, page, words, &mut rng),
        }
    }

    /// The erase of a block is cut short.
    pub(super) fn cut_erase(&mut self, block: EraseBlock, mode: CutMode, mut rng: Rng) {
        let state = self.cells.get_mut(block.0);
        state.erases += 1;
        state.weak = true;
        if mode == CutMode::WeakErase {
            state.wipe(&mut self.frames);
            return;
        }
        // One in eight stops before any cell has changed sides.
        if rng.one_in(8) {
            return;
        }
        for page in 0..state.pages.len() {
            match rng.below(3) {
                0 => {}
                1 => state.pages[page].flaw = Flaw::Unreadable,
                _ => {
                    self.frames.release(state.pages[page].frame.take());
                    state.pages[page].flaw = Flaw::Charged;
                    state.oob_of_mut(page as u32).fill(0xff);
                }
            }
        }
        state.next = state.pages.len() as u32;
    }
}

/// Leaves page `page` torn in one of the ways that were seen.
fn tear(state: &mut Block, frames: &mut Frames, page: u32, words: u8, rng: &mut Rng) {
    let keep = rng.below(u64::from(words)) as u8;
    // Without one codeword that reads, a partial page is one that looks erased.
    let how = match rng.below(4) {
        2 if keep == 0 => 0,
        how => how,
    };
    let slot = &mut state.pages[page as usize];
    match how {
        0 => {
            // So early that the page looks erased: it even seems to be free.
            frames.release(slot.frame.take());
            slot.flaw = Flaw::Charged;
            slot.programs = 0;
            state.next = page;
            state.oob_of_mut(page).fill(0xff);
        }
        1 => {}
        2 => slot.flaw = Flaw::Partial(keep),
        _ => {
            // Reads back without an error, with bytes missing: only the content's own checksum
            // can tell.
            let Some(whole) = slot.frame.map(|f| frames.get(f)) else { return };
            let mut torn = whole.to_vec();
            let from = rng.below(torn.len() as u64) as usize;
            torn[from..].fill(0xff);
            slot.flaw = if whole[..] == torn { Flaw::Unreadable } else { Flaw::None };
            let torn = frames.put(&torn);
            frames.release(slot.frame.replace(torn));
        }
    }
}
