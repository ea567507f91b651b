//! What a block's cells hold, and what is wrong with them.

use super::frames::{Frame, Frames};
use std::hint::black_box;

/// What is wrong with a page beyond random bit errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flaw {
    /// Nothing.
    #[default]
    None,
    /// The cells hold nothing that the code corrects.
    Unreadable,
    /// Reads well this many times more, then never again: a program cut off near its end.
    Unstable(u8),
    /// Only the first so many codewords hold data, the others look erased.
    Partial(u8),
    /// Looks erased, but cells hold charge: what is programmed here can't be read.
    Charged,
}

impl Flaw {
    pub(super) fn code(self) -> (u8, u8) {
        match self {
            Flaw::None => (0, 0),
            Flaw::Unreadable => (1, 0),
            Flaw::Unstable(n) => (2, n),
            Flaw::Partial(n) => (3, n),
            Flaw::Charged => (4, 0),
        }
    }

    pub(super) fn from_code(code: u8, n: u8) -> Option<Flaw> {
        Some(match code {
            0 => Flaw::None,
            1 => Flaw::Unreadable,
            2 => Flaw::Unstable(n),
            3 => Flaw::Partial(n),
            4 => Flaw::Charged,
            _ => return None,
        })
    }
}

/// A page. Its frame is shared with the pages that it was copied to.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    pub frame: Option<Frame>,
    pub flaw: Flaw,
    pub programs: u8,
}

// Small, so that what a move looks at stays in the processor's caches.
const _: () = assert!(size_of::<Page>() == 8);

/// A block.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub pages: Vec<Page>,
    /// When each page was programmed, in milli-hours at 30 °C; empty while that is 0 of all of them, as it is
    /// on a chip that nobody ages: a block's memory is touched in a whole at each erase, and comes from far.
    born: Vec<u64>,
    /// User out-of-band bytes, page after page, and how many a page has.
    oob: Vec<u8>,
    beside: u32,
    /// The next page that may be programmed.
    pub next: u32,
    pub erases: u32,
    /// Erases that it survives.
    pub endurance: u32,
    /// The bad-block marker.
    pub marked: bool,
    /// The last erase did not run to its end.
    pub weak: bool,
}

impl Block {
    pub fn new(pages: u32, oob: u32, endurance: u32) -> Block {
        Block {
            pages: vec![Page::default(); pages as usize],
            born: Vec::new(),
            oob: vec![0xff; (pages * oob) as usize],
            beside: oob,
            next: 0,
            erases: 0,
            endurance,
            marked: false,
            weak: false,
        }
    }

    pub fn wipe(&mut self, frames: &mut Frames) {
        frames.release_all(self.pages.iter_mut().filter_map(|page| core::mem::take(page).frame));
        self.born.clear();
        self.oob.fill(0xff);
        self.next = 0;
    }

    /// Asks for all that a reader of the pages' out-of-band bytes who copies the pages will come to, so that
    /// it waits for memory once and not page after page.
    pub fn ask_for(&self, frames: &Frames) {
        const LINE: usize = 64;
        let slots = self.pages.iter().step_by(LINE / size_of::<Page>());
        let slots = slots.fold(0, |all, page| all ^ page.programs);
        let oob = self.oob.iter().step_by(LINE).fold(0, |all, byte| all ^ byte);
        black_box(slots ^ oob);
        frames.ask_for(self.pages.iter().filter_map(|page| page.frame));
    }

    /// When a page was programmed, in milli-hours at 30 °C.
    pub fn born(&self, page: u32) -> u64 {
        self.born.get(page as usize).copied().unwrap_or(0)
    }

    #[inline]
    pub fn set_born(&mut self, page: u32, at: u64) {
        if at != 0 || !self.born.is_empty() {
            self.born.resize(self.pages.len(), 0);
            self.born[page as usize] = at;
        }
    }

    /// Whether it had all the erases that it survives.
    #[inline]
    pub fn is_worn(&self) -> bool {
        self.erases >= self.endurance
    }

    #[inline]
    pub fn is_open(&self) -> bool {
        self.next > 0 && (self.next as usize) < self.pages.len()
    }

    #[inline]
    pub fn oob_of(&self, page: u32) -> &[u8] {
        let n = self.beside as usize;
        &self.oob[page as usize * n..][..n]
    }

    #[inline]
    pub fn oob_of_mut(&mut self, page: u32) -> &mut [u8] {
        let n = self.beside as usize;
        &mut self.oob[page as usize * n..][..n]
    }
}
