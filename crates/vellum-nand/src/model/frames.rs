//! Where the bytes of pages lie: frames of a page each, counted, so that a page that is copied inside
//! the chip is one more count and not a copy, and a frame that nobody holds is used again.
//!
//! Frames come in chunks that copies of the chip share until one of them writes there.

use std::num::NonZeroU32;
use std::sync::Arc;

/// Frames in a chunk: what a copy of the chip copies when it first writes to one of them.
const CHUNK: usize = 32;

/// One page's bytes, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame(NonZeroU32);

impl Frame {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// All of them.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    page: usize,
    /// Each behind two pointers, so that the first lines of memory that a write needs are few and hot.
    chunks: Vec<Arc<Vec<u8>>>,
    /// Pages that hold each frame.
    holders: Vec<u32>,
    /// Frames that nobody holds, the one freed last at the end.
    free: Vec<Frame>,
}

impl Frames {
    /// None yet, of `page` bytes each.
    pub fn new(page: u32) -> Frames {
        Frames { page: page as usize, chunks: Vec::new(), holders: Vec::new(), free: Vec::new() }
    }

    /// A frame with these bytes, a page of them, for one holder.
    pub fn put(&mut self, data: &[u8]) -> Frame {
        let frame = self.free.pop().unwrap_or_else(|| self.grow());
        self.holders[frame.index()] = 1;
        let at = frame.index() % CHUNK * self.page;
        let chunk = Arc::make_mut(&mut self.chunks[frame.index() / CHUNK]);
        chunk[at..at + self.page].copy_from_slice(data);
        frame
    }

    /// One more chunk; a frame of it.
    fn grow(&mut self) -> Frame {
        let first = self.holders.len() as u32;
        self.chunks.push(Arc::new(vec![0; CHUNK * self.page]));
        self.holders.resize(self.holders.len() + CHUNK, 0);
        let frame = |i| Frame(NonZeroU32::MIN.saturating_add(first + i));
        // The lowest is taken first.
        self.free.extend((1..CHUNK as u32).rev().map(frame));
        frame(0)
    }

    /// One more page holds the frame.
    pub fn share(&mut self, frame: Frame) -> Frame {
        self.holders[frame.index()] += 1;
        frame
    }

    /// A page does not hold it any more.
    pub fn release(&mut self, frame: Option<Frame>) {
        let Some(frame) = frame else { return };
        let holders = &mut self.holders[frame.index()];
        *holders -= 1;
        if *holders == 0 {
            self.free.push(frame);
        }
    }

    /// Its bytes.
    pub fn get(&self, frame: Frame) -> &[u8] {
        let at = frame.index() % CHUNK * self.page;
        &self.chunks[frame.index() / CHUNK][at..at + self.page]
    }

    /// Frames that some page holds, and those there are room for.
    #[cfg(test)]
    pub fn used(&self) -> (usize, usize) {
        (self.holders.len() - self.free.len(), self.holders.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lives_as_long_as_somebody_holds_it() {
        let mut frames = Frames::new(4);
        let a = frames.put(b"abcd");
        let b = frames.share(a);
        frames.release(Some(a));
        assert_eq!((frames.get(b), frames.used().0), (&b"abcd"[..], 1));
        frames.release(Some(b));
        assert_eq!(frames.used(), (0, CHUNK));
        // Room is used again before there is more of it.
        let all: Vec<Frame> = (0..CHUNK as u32).map(|i| frames.put(&i.to_le_bytes())).collect();
        assert_eq!(frames.used(), (CHUNK, CHUNK));
        assert!((0u32..).zip(&all).all(|(i, &f)| frames.get(f) == i.to_le_bytes()));
        frames.put(b"more");
        assert_eq!(frames.used(), (CHUNK + 1, 2 * CHUNK));
    }

    #[test]
    fn copies_part_where_one_writes() {
        let mut frames = Frames::new(4);
        let a = frames.put(b"abcd");
        let copy = frames.clone();
        frames.release(Some(a));
        let b = frames.put(b"efgh");
        assert_eq!((a, copy.get(a), frames.get(b)), (b, &b"abcd"[..], &b"efgh"[..]));
    }
}
