//! Queues of pages without allocation: a page is in at most one queue that shares its links.

/// No page.
pub(super) const NIL: u32 = u32::MAX;

/// For each page its newer and its older neighbour.
#[derive(Debug, Clone)]
pub(super) struct Links(Box<[[u32; 2]]>);

const NEWER: usize = 0;
const OLDER: usize = 1;

impl Links {
    pub(super) fn new(pages: u32) -> Self {
        Links(vec![[NIL; 2]; pages as usize].into())
    }
}

/// Pages in the order of their arrival.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    newest: u32,
    oldest: u32,
    len: u32,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Queue { newest: NIL, oldest: NIL, len: 0 }
    }

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// The page that has been here longest.
    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NIL).then_some(self.oldest)
    }

    /// The page that came after `page`.
    pub(super) fn newer(&self, links: &Links, page: u32) -> Option<u32> {
        let newer = links.0[page as usize][NEWER];
        (newer != NIL).then_some(newer)
    }

    pub(super) fn push(&mut self, links: &mut Links, page: u32) {
        links.0[page as usize] = [NIL, self.newest];
        match self.newest {
            NIL => self.oldest = page,
            newest => links.0[newest as usize][NEWER] = page,
        }
        self.newest = page;
        self.len += 1;
    }

    pub(super) fn remove(&mut self, links: &mut Links, page: u32) {
        let [newer, older] = links.0[page as usize];
        match newer {
            NIL => self.newest = older,
            newer => links.0[newer as usize][OLDER] = older,
        }
        match older {
            NIL => self.oldest = newer,
            older => links.0[older as usize][NEWER] = newer,
        }
        self.len -= 1;
    }

    pub(super) fn pop(&mut self, links: &mut Links) -> Option<u32> {
        let page = self.oldest()?;
        self.remove(links, page);
        Some(page)
    }

    /// Makes a page the newest.
    #[inline]
    pub(super) fn renew(&mut self, links: &mut Links, page: u32) {
        if self.newest != page {
            self.remove(links, page);
            self.push(links, page);
        }
    }

    /// From oldest to newest.
    #[cfg(test)]
    pub(super) fn dump(&self, links: &Links) -> Vec<u32> {
        let mut at = self.oldest();
        std::iter::from_fn(|| {
            let page = at?;
            at = self.newer(links, page);
            Some(page)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_leave_in_the_order_of_their_arrival_wherever_others_are_taken_out() {
        let (mut links, mut queue) = (Links::new(8), Queue::new());
        for page in [3, 1, 4, 0, 5] {
            queue.push(&mut links, page);
        }
        queue.remove(&mut links, 4);
        queue.renew(&mut links, 3);
        assert_eq!(queue.dump(&links), [1, 0, 5, 3]);
        queue.remove(&mut links, 3);
        queue.remove(&mut links, 1);
        assert_eq!(queue.dump(&links), [0, 5]);
        assert_eq!([queue.pop(&mut links), queue.pop(&mut links)], [Some(0), Some(5)]);
        assert_eq!((queue.pop(&mut links), queue.len()), (None, 0));
    }
}
