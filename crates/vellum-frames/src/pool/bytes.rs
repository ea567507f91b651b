//! Safe access to a frame's bytes, beside whoever else reads or writes them.

use super::FramePool;
use crate::map::prefetch;
use crate::{FrameId, PAGE_SIZE};
use std::sync::atomic::{AtomicU64, Ordering};

impl FramePool {
    /// Loads 8, 4, 2 or 1 bytes, little endian, as one atomic access.
    ///
    /// # Panics
    /// When `offset` is not a multiple of `width`, or outside the frame; as for all the accesses
    /// below.
    #[inline]
    pub fn load(&self, frame: FrameId, offset: usize, width: usize) -> u64 {
        match width {
            8 => u64::from_le(self.map.u64(frame, offset).load(Ordering::Acquire)),
            4 => u32::from_le(self.map.u32(frame, offset).load(Ordering::Acquire)).into(),
            2 => u16::from_le(self.map.u16(frame, offset).load(Ordering::Acquire)).into(),
            1 => self.map.u8(frame, offset).load(Ordering::Acquire).into(),
            _ => panic!("an access of {width} bytes"),
        }
    }

    /// Stores 8, 4, 2 or 1 bytes, little endian, as one atomic access. Never to the zero frame.
    #[inline]
    pub fn store(&self, frame: FrameId, offset: usize, width: usize, value: u64) {
        assert!(!frame.is_zero_frame(), "a store to the zero frame");
        match width {
            8 => self.map.u64(frame, offset).store(value.to_le(), Ordering::Release),
            4 => self.map.u32(frame, offset).store((value as u32).to_le(), Ordering::Release),
            2 => self.map.u16(frame, offset).store((value as u16).to_le(), Ordering::Release),
            1 => self.map.u8(frame, offset).store(value as u8, Ordering::Release),
            _ => panic!("an access of {width} bytes"),
        }
    }

    /// Loads `width` bytes and stores what `change` makes of them, as one atomic access: what was there,
    /// and whether anything was stored. `change` may answer with nothing to store, and is asked again
    /// when somebody else was faster.
    pub fn update(
        &self,
        frame: FrameId,
        offset: usize,
        width: usize,
        change: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> (u64, bool) {
        let mut was = self.load(frame, offset, width);
        while let Some(new) = change(was) {
            match self.compare_exchange(frame, offset, width, was, new) {
                Ok(_) => return (was, true),
                Err(other) => was = other,
            }
        }
        (was, false)
    }

    /// Replaces 8, 4, 2 or 1 bytes if they are `expected`, as one atomic access.
    ///
    /// # Errors
    /// With what was there instead.
    pub fn compare_exchange(
        &self,
        frame: FrameId,
        offset: usize,
        width: usize,
        expected: u64,
        new: u64,
    ) -> Result<u64, u64> {
        assert!(!frame.is_zero_frame(), "a store to the zero frame");
        macro_rules! exchange {
            ($word:expr, $int:ty) => {
                $word
                    .compare_exchange(
                        (expected as $int).to_le(),
                        (new as $int).to_le(),
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    )
                    .map(|v| u64::from(<$int>::from_le(v)))
                    .map_err(|v| u64::from(<$int>::from_le(v)))
            };
        }
        match width {
            8 => exchange!(self.map.u64(frame, offset), u64),
            4 => exchange!(self.map.u32(frame, offset), u32),
            2 => exchange!(self.map.u16(frame, offset), u16),
            1 => exchange!(self.map.u8(frame, offset), u8),
            _ => panic!("an access of {width} bytes"),
        }
    }

    /// Copies bytes out of a frame. Bytes that someone else writes meanwhile may be old or new.
    pub fn read(&self, frame: FrameId, offset: usize, out: &mut [u8]) {
        assert!(offset + out.len() <= PAGE_SIZE, "a read over the frame's end");
        if let Ok(whole) = (&mut *out).try_into() {
            return self.map.read_frame(frame, whole);
        }
        let words = self.map.words(frame);
        let word = |at: usize| words[at].load(Ordering::Relaxed).to_ne_bytes();
        // Bytes up to the first whole word, whole words, and what is left of the last one.
        let head = (offset.next_multiple_of(8) - offset).min(out.len());
        let (head, rest) = out.split_at_mut(head);
        if !head.is_empty() {
            let inside = offset % 8;
            head.copy_from_slice(&word(offset / 8)[inside..inside + head.len()]);
        }
        let first = (offset + head.len()) / 8;
        let (whole, tail) = rest.as_chunks_mut::<8>();
        for (word, bytes) in words[first..].iter().zip(whole.iter_mut()) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        if !tail.is_empty() {
            tail.copy_from_slice(&word(first + whole.len())[..tail.len()]);
        }
    }

    /// Copies bytes into a frame and declares its content changed. Never into the zero frame.
    pub fn write(&self, frame: FrameId, offset: usize, bytes: &[u8]) {
        assert!(!frame.is_zero_frame(), "a write to the zero frame");
        assert!(offset + bytes.len() <= PAGE_SIZE, "a write over the frame's end");
        let head = (offset.next_multiple_of(8) - offset).min(bytes.len());
        let (head, rest) = bytes.split_at(head);
        let first = (offset + head.len()) / 8;
        let (words, tail) = rest.as_chunks::<8>();
        let last = (first + words.len()) * 8;
        for (at, &byte) in head.iter().enumerate() {
            self.map.u8(frame, offset + at).store(byte, Ordering::Relaxed);
        }
        for (word, bytes) in self.map.words(frame)[first..].iter().zip(words) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        for (at, &byte) in tail.iter().enumerate() {
            self.map.u8(frame, last + at).store(byte, Ordering::Relaxed);
        }
        self.content_changed(frame);
    }

    /// A frame's words, a cache line at a time: eight words as one loads them, which is as fast as
    /// memory is. Words that someone else writes meanwhile may be old or new.
    #[inline]
    pub fn lines(&self, frame: FrameId) -> impl ExactSizeIterator<Item = [u64; 8]> {
        let lines = self.map.words(frame).as_chunks::<8>().0.iter();
        lines.map(|line| core::array::from_fn(|at| line[at].load(Ordering::Relaxed)))
    }

    /// One of the lines that [`FramePool::lines`] gives; its number is taken modulo their count.
    #[inline]
    pub fn line(&self, frame: FrameId, line: usize) -> [u64; 8] {
        let line = &self.map.words(frame).as_chunks::<8>().0[line % (PAGE_SIZE / 64)];
        core::array::from_fn(|at| line[at].load(Ordering::Relaxed))
    }

    /// Whether two frames hold the same bytes, without copying either.
    pub fn same(&self, one: FrameId, other: FrameId) -> bool {
        one == other
            || self.lines(one).zip(self.lines(other)).all(|(a, b)| {
                let differ = |all: u64, at: usize| all | (a[at] ^ b[at]);
                (0..8).fold(0, differ) == 0
            })
    }

    /// Tells the processor that the frame will be read soon. Its content does not change, nor does
    /// anything else; where there is no such instruction nothing happens.
    #[inline]
    pub fn prefetch(&self, frame: FrameId) {
        (0..PAGE_SIZE / 64).for_each(|line| self.prefetch_line(frame, line));
    }

    /// The same for a frame that will be written soon, all of it: as one will that is about to be free.
    #[inline]
    pub fn prefetch_to_write(&self, frame: FrameId) {
        (0..PAGE_SIZE / 64).for_each(|line| self.map.prefetch_line::<true>(frame, line));
    }

    /// [`FramePool::prefetch`] for one line of it.
    #[inline]
    pub fn prefetch_line(&self, frame: FrameId, line: usize) {
        self.map.prefetch_line::<false>(frame, line);
    }

    /// The same for a frame's first line and for what the pool keeps of the frame: what whoever gets it
    /// as a page asks for first.
    #[inline]
    pub fn prefetch_page(&self, frame: FrameId) {
        prefetch::<false>(core::ptr::from_ref(self.marks(frame)).cast());
        self.prefetch_line(frame, 0);
    }

    /// Whether every byte of the frame is zero.
    pub fn is_all_zero(&self, frame: FrameId) -> bool {
        // Eight words at a time: one branch a cache line.
        let line =
            |line: &[AtomicU64; 8]| line.iter().fold(0, |all, w| all | w.load(Ordering::Relaxed));
        self.map.words(frame).as_chunks::<8>().0.iter().all(|words| line(words) == 0)
    }
}
