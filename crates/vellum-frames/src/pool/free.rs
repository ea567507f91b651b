//! Frames that nobody uses: how they are handed out, and how they come back.

use super::{Counters, FramePool};
use crate::{Error, FrameId, PAGE_SIZE};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// Free frames that keep their host memory; more than this and the oldest are given back.
const WARM_FREE_FRAMES: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Free {
    /// The first frame never handed out; it and all after it read as zeros.
    fresh: u32,
    /// Reusable, content unknown.
    warm: VecDeque<FrameId>,
    /// Reusable, reads as zeros, no host memory behind it.
    cold: Vec<FrameId>,
    /// Freed in an epoch that some reader has not yet reached.
    limbo: VecDeque<(u64, FrameId)>,
    counters: Counters,
}

impl Free {
    /// All frames but that of zeros.
    pub(super) fn new() -> Self {
        Free { fresh: 1, ..Free::default() }
    }

    /// What happened, without what is in use now.
    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes that the lists take.
    pub(super) fn overhead(&self) -> usize {
        self.warm.capacity() * 4 + self.cold.capacity() * 4 + self.limbo.capacity() * 16
    }
}

/// A frame that was taken off the free list and that nobody else knows yet.
pub(crate) struct FreshFrame(FrameId);

impl FreshFrame {
    pub(crate) fn id(&self) -> FrameId {
        self.0
    }
}

impl FramePool {
    /// Hands out a frame of zeros with one reference.
    ///
    /// # Errors
    /// When the quota is used up.
    pub fn allocate(&self) -> Result<FrameId, Error> {
        let (frame, clean) = self.take()?;
        if !clean {
            self.map.clear(frame);
        }
        Ok(frame)
    }

    /// Hands out a frame with the content of `from` and one reference: copy on write's copy.
    ///
    /// # Errors
    /// When the quota is used up.
    pub fn allocate_copy(&self, from: FrameId) -> Result<FrameId, Error> {
        if from.is_zero_frame() {
            return self.allocate();
        }
        let (frame, _) = self.take()?;
        self.map.copy(from, frame);
        self.free.lock().counters.copied += 1;
        Ok(frame)
    }

    /// Hands out a frame with the content that `fill` makes and one reference. The frame is not
    /// cleared before: what `fill` is given holds what its last user left, of another machine perhaps,
    /// and `fill` writes all of it, or fails; the frame is free again then.
    ///
    /// # Errors
    /// When the quota is used up; inside, the error of `fill`.
    pub fn allocate_filled<E>(
        &self,
        fill: impl FnOnce(&mut [u8; PAGE_SIZE]) -> Result<(), E>,
    ) -> Result<Result<FrameId, E>, Error> {
        let (frame, _) = self.take()?;
        let filled = self.map.overwrite(FreshFrame(frame), fill);
        if filled.is_err() {
            self.release(frame);
        }
        Ok(filled.map(|()| frame))
    }

    /// Hands out `count` frames, with one reference each, with the content that `fill` makes of all of them
    /// together, a page each in the order of the answer: what a read that scatters needs. As for
    /// [`FramePool::allocate_filled`] otherwise.
    ///
    /// # Errors
    /// When the quota is used up; inside, the error of `fill`. No frame is handed out then.
    pub fn allocate_run_filled<E>(
        &self,
        count: usize,
        fill: impl FnOnce(&mut [&mut [u8]]) -> Result<(), E>,
    ) -> Result<Result<Vec<FrameId>, E>, Error> {
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            match self.take() {
                Ok((frame, _)) => frames.push(frame),
                Err(error) => {
                    frames.into_iter().for_each(|frame| self.release(frame));
                    return Err(error);
                }
            }
        }
        let fresh = frames.iter().map(|&frame| FreshFrame(frame)).collect();
        let filled = self.map.overwrite_all(fresh, fill);
        if filled.is_err() {
            frames.iter().for_each(|&frame| self.release(frame));
        }
        Ok(filled.map(|()| frames))
    }

    fn take(&self) -> Result<(FrameId, bool), Error> {
        let mut free = self.free.lock();
        let used = self.used.load(Ordering::Relaxed);
        if used >= self.quota {
            let waiting = free.limbo.len();
            return Err(Error::OutOfFrames { used, quota: self.quota, waiting });
        }
        if free.warm.is_empty() {
            self.settle(&mut free);
        }
        let (frame, clean) = if let Some(frame) = free.warm.pop_back() {
            (frame, false)
        } else if let Some(frame) = free.cold.pop() {
            (frame, true)
        } else if free.fresh < self.frames {
            free.fresh += 1;
            (FrameId::from_index(free.fresh - 1), true)
        } else {
            let waiting = free.limbo.len();
            return Err(Error::OutOfFrames { used, quota: self.quota, waiting });
        };
        self.used.store(used + 1, Ordering::Relaxed);
        free.counters.allocated += 1;
        free.counters.peak = free.counters.peak.max(used + 1);
        drop(free);
        self.marks(frame).hand_out();
        Ok((frame, clean))
    }

    /// Moves frames that no reader can see any more from limbo to the free list.
    fn settle(&self, free: &mut Free) {
        if free.limbo.is_empty() {
            return;
        }
        let reached = self.epochs.reached();
        while let Some(&(epoch, frame)) = free.limbo.front() {
            if epoch > reached {
                break;
            }
            free.limbo.pop_front();
            free.warm.push_back(frame);
        }
    }

    /// Drops a reference; with the last one the frame is free, and is handed out again when every
    /// [`Reader`](crate::Reader) has passed a safe point.
    ///
    /// # Panics
    /// When the frame is free already.
    pub fn release(&self, frame: FrameId) {
        if frame.is_zero_frame() {
            return;
        }
        let before = self.marks(frame).drop_reference();
        assert!(before != 0, "{frame} is released more often than it was retained");
        if before > 1 {
            return;
        }
        let freed = self.epochs.is_read().then(|| self.epochs.advance());
        self.put_back(frame, freed);
    }

    /// A frame without references goes to the free list; to limbo first, if it was freed in an epoch that
    /// readers have to reach.
    pub(super) fn put_back(&self, frame: FrameId, freed: Option<u64>) {
        let mut free = self.free.lock();
        free.counters.freed += 1;
        // Changed under the lock alone, so two plain accesses do.
        self.used.store(self.used.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        match freed {
            Some(epoch) => free.limbo.push_back((epoch, frame)),
            None => free.warm.push_back(frame),
        }
        self.settle(&mut free);
        let give_back = free.warm.len() > 2 * WARM_FREE_FRAMES;
        drop(free);
        if give_back {
            // A kernel that can't punch holes costs memory, not correctness.
            let _ = self.trim(WARM_FREE_FRAMES);
        }
    }

    /// Gives the host memory of free frames back, all but `keep` of them.
    ///
    /// # Errors
    /// When the operating system refuses; the frames stay free and warm.
    pub fn trim(&self, keep: usize) -> Result<u64, Error> {
        let mut batch: Vec<FrameId> = {
            let mut free = self.free.lock();
            self.settle(&mut free);
            let spare = free.warm.len().saturating_sub(keep);
            free.warm.drain(..spare).collect()
        };
        batch.sort_unstable();
        let mut punched = 0;
        let mut result = Ok(());
        for run in batch.chunk_by(|a, b| a.index() + 1 == b.index()) {
            let done =
                if result.is_ok() { self.map.punch(run[0], run.len() as u32) } else { Ok(()) };
            let mut free = self.free.lock();
            if result.is_ok() && done.is_ok() {
                free.cold.extend_from_slice(run);
                free.counters.punched += run.len() as u64;
                punched += run.len() as u64;
            } else {
                free.warm.extend(run);
                result = result.and(done);
            }
        }
        result.map(|()| punched)
    }
}
