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

/// `N` queues, at places 1 to `N`; a page in none of them is at place 0. Nine bytes a page.
#[derive(Debug, Clone)]
pub(super) struct Queues<const N: usize> {
    bytes: Box<[u8]>,
    /// For each page in a queue its newer and its older neighbour; the newest and the oldest are
    /// neighbours.
    links: Box<[[u32; 2]]>,
    queues: [Queue; N],
}

impl<const N: usize> Queues<N> {
    const FIT: () = assert!(N <= PLACE as usize);

    /// For pages below `pages`, all of them in no queue.
    pub(super) fn new(pages: u32) -> Self {
        const { Self::FIT };
        Queues {
            bytes: vec![0; pages as usize].into(),
            links: vec![[NIL; 2]; pages as usize].into(),
            queues: [Queue { oldest: NIL, len: 0 }; N],
        }
    }

    /// Where a page is.
    #[inline]
    pub(super) fn place(&self, page: u32) -> u8 {
        self.bytes[page as usize] & PLACE
    }

    /// A page's marks.
    #[inline]
    pub(super) fn marks(&self, page: u32) -> u8 {
        self.bytes[page as usize] / MARK
    }

    /// Adds a mark, up to `most` of them.
    #[inline]
    pub(super) fn mark(&mut self, page: u32, most: u8) {
        let byte = &mut self.bytes[page as usize];
        if *byte < most * MARK {
            *byte += MARK;
        }
    }

    /// Takes a mark away, if there is one.
    #[inline]
    pub(super) fn unmark(&mut self, page: u32) {
        let byte = &mut self.bytes[page as usize];
        *byte -= if *byte >= MARK { MARK } else { 0 };
    }

    /// Pages at a place.
    #[inline]
    pub(super) fn len(&self, place: u8) -> u32 {
        self.queues[usize::from(place) - 1].len
    }

    /// The page that has been at a place longest.
    #[inline]
    pub(super) fn oldest(&self, place: u8) -> Option<u32> {
        let oldest = self.queues[usize::from(place) - 1].oldest;
        (oldest != NIL).then_some(oldest)
    }

    /// The page that came after `page`, to the same place.
    #[inline]
    pub(super) fn newer(&self, page: u32) -> Option<u32> {
        let newer = self.links[page as usize][NEWER];
        (newer != self.queues[usize::from(self.place(page)) - 1].oldest).then_some(newer)
    }

    /// The oldest page of a place that need not stay.
    pub(super) fn first_free(&self, place: u8, keep: Keep<'_>) -> Option<u32> {
        let mut at = self.oldest(place);
        while let Some(page) = at {
            if !keep(page) {
                return Some(page);
            }
            at = self.newer(page);
        }
        None
    }

    /// Puts a page, without marks, at the new end of a place; it leaves the one where it was.
    pub(super) fn put(&mut self, page: u32, place: u8) {
        self.take(page);
        self.bytes[page as usize] = place;
        let queue = &mut self.queues[usize::from(place) - 1];
        queue.len += 1;
        if queue.oldest == NIL {
            queue.oldest = page;
            self.links[page as usize] = [page, page];
        } else {
            let oldest = queue.oldest;
            self.insert_before(oldest, page);
        }
    }

    /// Takes a page out of wherever it is, with its marks.
    pub(super) fn take(&mut self, page: u32) {
        let place = std::mem::take(&mut self.bytes[page as usize]) & PLACE;
        if place == 0 {
            return;
        }
        let newer = self.unlink(page);
        let queue = &mut self.queues[usize::from(place) - 1];
        queue.len -= 1;
        if queue.len == 0 {
            queue.oldest = NIL;
        } else if queue.oldest == page {
            queue.oldest = newer;
        }
    }

    /// Makes a page the newest of its place.
    #[inline]
    pub(super) fn renew(&mut self, page: u32) {
        let queue = &mut self.queues[usize::from(self.bytes[page as usize] & PLACE) - 1];
        let [newer, older] = self.links[page as usize];
        if queue.oldest == page {
            queue.oldest = newer;
        } else if queue.oldest != newer {
            let oldest = queue.oldest;
            self.links[newer as usize][OLDER] = older;
            self.links[older as usize][NEWER] = newer;
            self.insert_before(oldest, page);
        }
    }

    /// Out of the ring; who came after.
    #[inline]
    fn unlink(&mut self, page: u32) -> u32 {
        let [newer, older] = self.links[page as usize];
        self.links[newer as usize][OLDER] = older;
        self.links[older as usize][NEWER] = newer;
        newer
    }

    /// Into the ring between the oldest page and the newest, as the newest.
    #[inline]
    fn insert_before(&mut self, oldest: u32, page: u32) {
        let newest = std::mem::replace(&mut self.links[oldest as usize][OLDER], page);
        self.links[newest as usize][NEWER] = page;
        self.links[page as usize] = [oldest, newest];
    }

    /// A place's pages from oldest to newest.
    #[cfg(test)]
    pub(super) fn dump(&self, place: u8) -> Vec<u32> {
        std::iter::successors(self.oldest(place), |&page| self.newer(page)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_leave_in_the_order_of_their_arrival_wherever_others_are_taken_out() {
        let mut queues = Queues::<2>::new(8);
        [3, 1, 4, 0, 5].into_iter().for_each(|page| queues.put(page, 1));
        queues.put(4, 2);
        queues.renew(3);
        assert_eq!((queues.dump(1), queues.dump(2)), (vec![1, 0, 5, 3], vec![4]));
        queues.take(3);
        queues.take(1);
        assert_eq!(queues.dump(1), [0, 5]);
        queues.take(0);
        queues.take(5);
        assert_eq!((queues.oldest(1), queues.len(1), queues.len(2)), (None, 0, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Beside plain vectors.
        #[test]
        fn queues_do_what_vectors_do(steps in proptest::collection::vec((0..4_u8, 0..9_u32), 1..200)) {
            let mut queues = Queues::<2>::new(9);
            let mut model = [Vec::new(), Vec::new()];
            for (what, page) in steps {
                let held = model.iter().position(|queue| queue.contains(&page));
                match (what, held) {
                    (2, Some(at)) => {
                        model[at].retain(|&other| other != page);
                        model[at].push(page);
                        queues.renew(page);
                    }
                    (2, None) => {}
                    (3, _) => {
                        model.iter_mut().for_each(|queue| queue.retain(|&other| other != page));
                        queues.take(page);
                    }
                    (place, _) => {
                        model.iter_mut().for_each(|queue| queue.retain(|&other| other != page));
                        model[usize::from(place)].push(page);
                        queues.put(page, place + 1);
                    }
                }
                for (place, queue) in (1..).zip(&model) {
                    prop_assert_eq!(&queues.dump(place), queue);
                    prop_assert_eq!(queues.len(place) as usize, queue.len());
                }
            }
        }
    }
}
