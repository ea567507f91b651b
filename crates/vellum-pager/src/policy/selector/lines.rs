//! What the selector keeps of each page.
//!
//! A page is in up to six queues: one of each ghost's, and one of those that are held and not by that
//! ghost. What a reference to a page looks at lies together, and so does what only a miss does: lines of
//! the processor's cache are what both cost.

use crate::policy::queue::Cells;

/// Queues that a page is in: a policy's and the extra ones, of each ghost.
const LANES: usize = 6;

/// The lane whose links change with every reference: the least recently used ghost's.
pub(super) const RECENT: usize = 2;

/// What a reference looks at.
#[derive(Debug, Clone, Copy)]
struct Near {
    bytes: [u8; LANES],
    /// Of the lane [`RECENT`].
    links: [u32; 2],
}
const _: () = assert!(size_of::<Near>() == 16);

/// All that the queues keep of the pages.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    near: Box<[Near]>,
    /// Links of the other lanes.
    far: Box<[[[u32; 2]; LANES - 1]]>,
}

impl Lines {
    pub(super) fn new(pages: u32) -> Self {
        let near = Near { bytes: [0; LANES], links: [0; 2] };
        let far = vec![[[0; 2]; LANES - 1]; pages as usize].into();
        Lines { near: vec![near; pages as usize].into(), far }
    }
}

/// One lane.
pub(super) struct Lane<'a, const AT: usize>(pub(super) &'a mut Lines);

impl<const AT: usize> Lane<'_, AT> {
    /// Its place among the far links.
    const FAR: usize = if AT < RECENT { AT } else { AT.saturating_sub(1) };
}

impl<const AT: usize> Cells for Lane<'_, AT> {
    #[inline]
    fn byte(&self, page: u32) -> u8 {
        self.0.near[page as usize].bytes[AT]
    }

    #[inline]
    fn byte_mut(&mut self, page: u32) -> &mut u8 {
        &mut self.0.near[page as usize].bytes[AT]
    }

    #[inline]
    fn links(&self, page: u32) -> [u32; 2] {
        match AT {
            RECENT => self.0.near[page as usize].links,
            _ => self.0.far[page as usize][Self::FAR],
        }
    }

    #[inline]
    fn links_mut(&mut self, page: u32) -> &mut [u32; 2] {
        match AT {
            RECENT => &mut self.0.near[page as usize].links,
            _ => &mut self.0.far[page as usize][Self::FAR],
        }
    }
}
