//! Queues of pages without allocation: each page is in one of them, or in none.
//!
//! A queue is a ring through one array of links, so the oldest page becomes the newest by a move of
//! the queue's head and no write at all: what a clock's hand does.

use super::Keep;

/// No page.
const NIL: u32 = u32::MAX;
/// The bits of a page's byte that say its place; those above are the policy's marks.
const PLACE: u8 = 7;
/// The lowest mark.
const MARK: u8 = PLACE + 1;

const NEWER: usize = 0;
const OLDER: usize = 1;

/// Pages in the order of their arrival.
#[derive(Debug, Clone, Copy)]
struct Queue {
    oldest: u32,
    len: u32,
}

/// What is kept of each page: the byte of its place and its marks, and its links, which mean nothing
/// while it is in no queue: its newer and its older neighbour. The newest and the oldest are neighbours.
pub trait Cells {
    /// The byte.
    fn byte(&self, page: u32) -> u8;
    /// The same, to be changed.
    fn byte_mut(&mut self, page: u32) -> &mut u8;
    /// The links.
    fn links(&self, page: u32) -> [u32; 2];
    /// The same, to be changed.
    fn links_mut(&mut self, page: u32) -> &mut [u32; 2];
}

/// Bytes by themselves, as most references look at nothing else, and links by themselves. Nine bytes a
/// page.
#[derive(Debug, Clone)]
pub struct Dense {
    bytes: Box<[u8]>,
    links: Box<[[u32; 2]]>,
}

impl Dense {
    /// For pages below `pages`.
    pub(super) fn new(pages: u32) -> Self {
        let links = vec![[NIL; 2]; pages as usize].into();
        Dense { bytes: vec![0; pages as usize].into(), links }
    }
}

impl Cells for Dense {
    #[inline]
    fn byte(&self, page: u32) -> u8 {
        self.bytes[page as usize]
    }

    #[inline]
    fn byte_mut(&mut self, page: u32) -> &mut u8 {
        &mut self.bytes[page as usize]
    }

    #[inline]
    fn links(&self, page: u32) -> [u32; 2] {
        self.links[page as usize]
    }

    #[inline]
    fn links_mut(&mut self, page: u32) -> &mut [u32; 2] {
        &mut self.links[page as usize]
    }
}

/// Where a page is.
#[inline]
pub(super) fn place(cells: &impl Cells, page: u32) -> u8 {
    cells.byte(page) & PLACE
}

/// A page's marks.
#[inline]
pub(super) fn marks(cells: &impl Cells, page: u32) -> u8 {
    cells.byte(page) / MARK
}

/// Adds a mark, up to `most` of them. A branch, which is mostly foreseen, where an addition of nothing
/// would have the next reference to the page wait for it.
#[inline]
pub(super) fn mark(cells: &mut impl Cells, page: u32, most: u8) {
    let byte = cells.byte_mut(page);
    if *byte < most * MARK {
        *byte += MARK;
    }
}

/// Whether a page has that many marks.
#[inline]
pub(super) fn is_full(cells: &impl Cells, page: u32, most: u8) -> bool {
    cells.byte(page) >= most * MARK
}

/// Takes a mark away, if there is one.
#[inline]
pub(super) fn unmark(cells: &mut impl Cells, page: u32) {
    let byte = cells.byte_mut(page);
    *byte -= MARK * u8::from(*byte >= MARK);
}

/// `N` queues, at places 1 to `N`, of pages whose cells the caller has; a page in none of them is at
/// place 0.
#[derive(Debug, Clone)]
pub(super) struct Rings<const N: usize>([Queue; N]);

impl<const N: usize> Rings<N> {
    const FIT: () = assert!(N <= PLACE as usize);

    /// Empty ones.
    pub(super) const fn new() -> Self {
        const { Self::FIT };
        Rings([Queue { oldest: NIL, len: 0 }; N])
    }

    /// Pages at a place.
    #[inline]
    pub(super) fn len(&self, place: u8) -> u32 {
        self.0[usize::from(place) - 1].len
    }

    /// The page that has been at a place longest.
    #[inline]
    pub(super) fn oldest(&self, place: u8) -> Option<u32> {
        let oldest = self.0[usize::from(place) - 1].oldest;
        (oldest != NIL).then_some(oldest)
    }

    /// The page that came after `page`, to the same place.
    #[inline]
    pub(super) fn newer(&self, cells: &impl Cells, page: u32) -> Option<u32> {
        let newer = cells.links(page)[NEWER];
        (newer != self.0[usize::from(place(cells, page)) - 1].oldest).then_some(newer)
    }

    /// The oldest page of a place that need not stay.
    pub(super) fn first_free(&self, cells: &impl Cells, place: u8, keep: Keep<'_>) -> Option<u32> {
        let mut at = self.oldest(place);
        while let Some(page) = at {
            if !keep(page) {
                return Some(page);
            }
            at = self.newer(cells, page);
        }
        None
    }

    /// Puts a page, without marks, at the new end of a place; it leaves the one where it was.
    pub(super) fn put(&mut self, cells: &mut impl Cells, page: u32, place: u8) {
        self.take(cells, page);
        *cells.byte_mut(page) = place;
        let queue = &mut self.0[usize::from(place) - 1];
        queue.len += 1;
        if queue.oldest == NIL {
            queue.oldest = page;
            *cells.links_mut(page) = [page, page];
        } else {
            let oldest = queue.oldest;
            Self::insert_before(cells, oldest, page);
        }
    }

    /// Takes a page out of wherever it is, with its marks.
    pub(super) fn take(&mut self, cells: &mut impl Cells, page: u32) {
        let place = std::mem::take(cells.byte_mut(page)) & PLACE;
        if place == 0 {
            return;
        }
        let newer = Self::unlink(cells, page);
        let queue = &mut self.0[usize::from(place) - 1];
        queue.len -= 1;
        if queue.len == 0 {
            queue.oldest = NIL;
        } else if queue.oldest == page {
            queue.oldest = newer;
        }
    }

    /// Makes a page the newest of its place.
    #[inline]
    pub(super) fn renew(&mut self, cells: &mut impl Cells, page: u32) {
        let queue = &mut self.0[usize::from(cells.byte(page) & PLACE) - 1];
        let [newer, older] = cells.links(page);
        if queue.oldest == page {
            queue.oldest = newer;
        } else if queue.oldest != newer {
            let oldest = queue.oldest;
            cells.links_mut(newer)[OLDER] = older;
            cells.links_mut(older)[NEWER] = newer;
            Self::insert_before(cells, oldest, page);
        }
    }

    /// Out of the ring; who came after.
    #[inline]
    fn unlink(cells: &mut impl Cells, page: u32) -> u32 {
        let [newer, older] = cells.links(page);
        cells.links_mut(newer)[OLDER] = older;
        cells.links_mut(older)[NEWER] = newer;
        newer
    }

    /// Into the ring between the oldest page and the newest, as the newest.
    #[inline]
    fn insert_before(cells: &mut impl Cells, oldest: u32, page: u32) {
        let newest = std::mem::replace(&mut cells.links_mut(oldest)[OLDER], page);
        cells.links_mut(newest)[NEWER] = page;
        *cells.links_mut(page) = [oldest, newest];
    }

    /// A place's pages from oldest to newest.
    #[cfg(test)]
    pub(super) fn dump(&self, cells: &impl Cells, place: u8) -> Vec<u32> {
        std::iter::successors(self.oldest(place), |&page| self.newer(cells, page)).collect()
    }
}

/// Queues with cells of their own.
#[derive(Debug, Clone)]
pub(super) struct Queues<const N: usize> {
    cells: Dense,
    rings: Rings<N>,
}

impl<const N: usize> Queues<N> {
    /// For pages below `pages`, all of them in no queue.
    pub(super) fn new(pages: u32) -> Self {
        Queues { cells: Dense::new(pages), rings: Rings::new() }
    }

    pub(super) fn place(&self, page: u32) -> u8 {
        place(&self.cells, page)
    }

    pub(super) fn len(&self, place: u8) -> u32 {
        self.rings.len(place)
    }

    pub(super) fn oldest(&self, place: u8) -> Option<u32> {
        self.rings.oldest(place)
    }

    pub(super) fn first_free(&self, place: u8, keep: Keep<'_>) -> Option<u32> {
        self.rings.first_free(&self.cells, place, keep)
    }

    pub(super) fn put(&mut self, page: u32, place: u8) {
        self.rings.put(&mut self.cells, page, place);
    }

    pub(super) fn take(&mut self, page: u32) {
        self.rings.take(&mut self.cells, page);
    }

    pub(super) fn renew(&mut self, page: u32) {
        self.rings.renew(&mut self.cells, page);
    }

    #[cfg(test)]
    pub(super) fn dump(&self, place: u8) -> Vec<u32> {
        self.rings.dump(&self.cells, place)
    }
}

#[cfg(test)]
mod tests;
