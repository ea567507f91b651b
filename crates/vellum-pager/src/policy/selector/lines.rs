//! What the selector keeps of each page.
//!
//! A page is in up to three queues, one of each ghost's, and may be one that is held and not by a ghost.
//! All of it lies in half a line of the processor's cache: lines are what a reference costs, and a miss
//! as well.

use crate::policy::queue::Cells;

/// Ghosts.
pub(super) const GHOSTS: usize = 3;

/// Of one page.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(32))]
pub(super) struct Line {
    bytes: [u8; GHOSTS],
    /// Of [`extra`], by ghost.
    pub(super) extra: [u8; GHOSTS],
    links: [[u32; 2]; GHOSTS],
}
const _: () = assert!(size_of::<Line>() == 32);

/// How a page stands with a ghost that does not hold it.
pub(super) mod extra {
    /// It is really held.
    pub(in crate::policy::selector) const IS: u8 = 1;
    /// It stands in the ghost's list of such pages, one or not any more.
    pub(in crate::policy::selector) const LISTED: u8 = 2;
}

/// Of all pages.
#[derive(Debug, Clone)]
pub(super) struct Lines(Box<[Line]>);

impl Lines {
    pub(super) fn new(pages: u32) -> Self {
        Lines(vec![Line::default(); pages as usize].into())
    }

    #[inline]
    pub(super) fn of(&self, page: u32) -> &Line {
        &self.0[page as usize]
    }

    #[inline]
    pub(super) fn of_mut(&mut self, page: u32) -> &mut Line {
        &mut self.0[page as usize]
    }
}

/// What a ghost's queues keep of them.
pub(super) struct Lane<'a, const AT: usize>(pub(super) &'a mut Lines);

impl<const AT: usize> Cells for Lane<'_, AT> {
    #[inline]
    fn byte(&self, page: u32) -> u8 {
        self.0.of(page).bytes[AT]
    }

    #[inline]
    fn byte_mut(&mut self, page: u32) -> &mut u8 {
        &mut self.0.of_mut(page).bytes[AT]
    }

    #[inline]
    fn links(&self, page: u32) -> [u32; 2] {
        self.0.of(page).links[AT]
    }

    #[inline]
    fn links_mut(&mut self, page: u32) -> &mut [u32; 2] {
        &mut self.0.of_mut(page).links[AT]
    }
}
