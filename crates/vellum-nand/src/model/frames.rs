//! Where the bytes of pages lie: frames of a page each, counted, so that a page that is copied inside
//! the chip is one more count and not a copy, and a frame that nobody holds is used again.
//!
//! A frame's bytes are a [`Page`]: a page that is handed over is put into a frame as it is, and what the
//! frame held before is handed out to be filled next. Copies of the chip share the bytes of each frame until
//! one of them writes there.
//!
//! What a move touches is small, so that it stays in the processor's caches beside the data that goes
//! through them: a byte a frame. The table is touched when bytes come or go, and asked for ahead: a block's
//! frames at once when it is erased.

use std::hint::black_box;
use std::num::NonZeroU32;
use vellum_block::Page;

/// Most pages that wait to be filled.
const SPARE: usize = 64;

/// One page's bytes, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame(NonZeroU32);

impl Frame {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames {
    table: Vec<Page>,
    /// Pages of the chip that hold each frame.
    holders: Vec<u8>,
    /// Frames that nobody holds, the one freed last at the end.
    free: Vec<Frame>,
    /// What frames held before they took over another page.
    spare: Vec<Page>,
}

impl Frames {
    /// A frame with these bytes, for one holder.
    pub fn put(&mut self, data: &[u8]) -> Frame {
        match self.take() {
            Some(frame) => {
                self.table[frame.index()].fill_from(data);
                frame
            }
            None => self.grow(data.into()),
        }
    }

    /// A frame that holds `page` itself, for one holder.
    #[inline]
    pub fn keep(&mut self, page: &Page) -> Frame {
        let Some(frame) = self.take() else { return self.grow(page.clone()) };
        let slot = &mut self.table[frame.index()];
        let old = core::mem::replace(slot, page.clone());
        if self.spare.len() < SPARE {
            self.spare.push(old);
        }
        frame
    }

    /// A page that nobody needs any more.
    pub fn spare(&mut self) -> Option<Page> {
        while let Some(page) = self.spare.pop() {
            // The next one is asked for while this one is filled.
            black_box(self.spare.last().is_some_and(Page::is_shared));
            if !page.is_shared() {
                return Some(page);
            }
        }
        None
    }

    /// A frame that nobody held, for one holder.
    #[inline]
    fn take(&mut self) -> Option<Frame> {
        let frame = self.free.pop()?;
        self.holders[frame.index()] = 1;
        Some(frame)
    }

    /// One more frame, for one holder.
    fn grow(&mut self, page: Page) -> Frame {
        self.table.push(page);
        self.holders.push(1);
        Frame(NonZeroU32::MIN.saturating_add(self.table.len() as u32 - 1))
    }

    /// One more page holds the frame, or, when a byte can't count them any more, another one of the same
    /// bytes.
    #[inline]
    pub fn share(&mut self, frame: Frame) -> Frame {
        let holders = &mut self.holders[frame.index()];
        if *holders == u8::MAX {
            let page = self.table[frame.index()].clone();
            return self.keep(&page);
        }
        *holders += 1;
        frame
    }

    /// A page does not hold it any more.
    #[inline]
    pub fn release(&mut self, frame: Option<Frame>) {
        let Some(frame) = frame else { return };
        let holders = &mut self.holders[frame.index()];
        *holders -= 1;
        if *holders == 0 {
            self.free.push(frame);
        }
    }

    /// Pages that held these do not any more.
    pub fn release_all(&mut self, frames: impl Iterator<Item = Frame>) {
        let before = self.free.len();
        frames.for_each(|frame| self.release(Some(frame)));
        // Their places in the table, which they are filled at soon, are asked for now and all together.
        let places = self.free[before..].iter().map(|frame| self.table[frame.index()].len());
        black_box(places.fold(0, |all, bytes| all ^ bytes));
    }

    /// Asks for what [`Frames::share`] of these comes to, of all together.
    pub fn ask_for(&self, frames: impl Iterator<Item = Frame>) {
        black_box(frames.fold(0, |all, frame| all ^ self.holders[frame.index()]));
    }

    /// Its bytes.
    #[inline]
    pub fn get(&self, frame: Frame) -> &Page {
        &self.table[frame.index()]
    }

    /// Frames that some page holds, and those there are.
    #[cfg(test)]
    pub fn used(&self) -> (usize, usize) {
        (self.holders.len() - self.free.len(), self.holders.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(frames: &Frames, frame: Frame) -> &[u8] {
        frames.get(frame)
    }

    #[test]
    fn a_frame_lives_as_long_as_somebody_holds_it() {
        let mut frames = Frames::default();
        let a = frames.put(b"abcd");
        let b = frames.share(a);
        frames.release(Some(a));
        assert_eq!((bytes(&frames, b), frames.used().0), (&b"abcd"[..], 1));
        frames.release(Some(b));
        assert_eq!(frames.used(), (0, 1));
        // Room is used again before there is more of it.
        let all: Vec<Frame> = (0..3u32).map(|i| frames.put(&i.to_le_bytes())).collect();
        assert_eq!(frames.used(), (3, 3));
        assert!((0u32..).zip(&all).all(|(i, &f)| bytes(&frames, f) == i.to_le_bytes()));
    }

    #[test]
    fn more_holders_than_a_byte_counts_share_the_bytes() {
        let mut frames = Frames::default();
        let a = frames.put(b"abcd");
        let others: Vec<Frame> = (0..600).map(|_| frames.share(a)).collect();
        assert!(others.iter().all(|&f| bytes(&frames, f).as_ptr() == bytes(&frames, a).as_ptr()));
        others.iter().chain([&a]).for_each(|&f| frames.release(Some(f)));
        assert_eq!(frames.used().0, 0);
    }

    #[test]
    fn copies_part_where_one_writes() {
        let mut frames = Frames::default();
        let a = frames.put(b"abcd");
        let copy = frames.clone();
        frames.release(Some(a));
        let b = frames.put(b"efgh");
        assert_eq!((a, bytes(&copy, a), bytes(&frames, b)), (b, &b"abcd"[..], &b"efgh"[..]));
    }

    #[test]
    fn a_page_changes_hands_and_comes_back_when_its_frame_is_used_again() {
        let mut frames = Frames::default();
        let page = Page::from(&b"abcd"[..]);
        let at = page.as_ptr();
        let a = frames.keep(&page);
        assert_eq!(bytes(&frames, a).as_ptr(), at);
        // Whoever handed it over writes: the chip's content stays.
        let mut mine = page;
        mine.bytes_mut()[0] = b'z';
        assert_eq!(bytes(&frames, a), b"abcd");
        frames.release(Some(a));
        assert!(frames.spare().is_none());
        frames.keep(&mine);
        let spare = frames.spare().unwrap();
        assert_eq!((spare.as_ptr(), frames.spare().is_none()), (at, true));
    }
}
