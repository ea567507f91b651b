//! Frames that someone holds: references that are given back when the holder goes, whatever became of
//! the page that they were behind.

use crate::{FrameId, FramePool, PAGE_SIZE};
use std::ops::Range;
use std::sync::Arc;

/// A run of frames, one reference to each. Cloning it adds a reference to each, dropping it takes
/// one away; so a frame lives as long as anyone holds it, longer than the machine it came from.
#[derive(Debug)]
pub struct Held {
    pool: Arc<FramePool>,
    frames: Vec<FrameId>,
}

impl Held {
    /// How many frames ahead of the one that is read the next is asked for: as many as a processor can
    /// wait for at once, since whoever reads a run goes on to them. None is there before it is asked for,
    /// for a processor that fetches ahead on its own stops at a page's end.
    pub const AHEAD: usize = 16;

    /// Takes one more reference to each of `frames`, whose caller has a claim to them.
    pub fn retain(pool: &Arc<FramePool>, frames: Vec<FrameId>) -> Self {
        frames.iter().for_each(|&frame| pool.retain(frame));
        Held { pool: Arc::clone(pool), frames }
    }

    /// Takes the caller's references to `frames` over.
    pub fn adopt(pool: &Arc<FramePool>, frames: Vec<FrameId>) -> Self {
        Held { pool: Arc::clone(pool), frames }
    }

    /// The shared zero frame, `count` times.
    pub fn zeros(pool: &Arc<FramePool>, count: usize) -> Self {
        Held::adopt(pool, vec![FrameId::ZERO; count])
    }

    /// The pool that they are of.
    pub fn pool(&self) -> &Arc<FramePool> {
        &self.pool
    }

    /// The frames. Whoever puts another in a place gives one reference and takes one.
    pub fn frames_mut(&mut self) -> &mut [FrameId] {
        &mut self.frames
    }

    /// The frames, in order.
    pub fn frames(&self) -> &[FrameId] {
        &self.frames
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// A part of the run, held as well.
    ///
    /// # Panics
    /// When it is not a part.
    pub fn part(&self, range: Range<usize>) -> Held {
        Held::retain(&self.pool, self.frames[range].to_vec())
    }

    /// Copies bytes out, counted from the first frame's first.
    ///
    /// # Panics
    /// When they are not all there.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        let mut done = 0;
        while done < out.len() {
            let at = offset + done;
            let bytes = (PAGE_SIZE - at % PAGE_SIZE).min(out.len() - done);
            let frame = self.frames[at / PAGE_SIZE];
            if let Some(&soon) = self.frames.get(at / PAGE_SIZE + Held::AHEAD) {
                self.pool.prefetch_line(soon, at % PAGE_SIZE / 64);
            }
            self.pool.read(frame, at % PAGE_SIZE, &mut out[done..done + bytes]);
            done += bytes;
        }
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Held::retain(&self.pool, self.frames.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.frames.iter().for_each(|&frame| self.pool.release(frame));
    }
}
