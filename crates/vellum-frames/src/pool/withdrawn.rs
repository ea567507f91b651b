//! Frames on their way out: nobody's any more, and their bytes still there to be saved.

use super::FramePool;
use crate::{FrameId, PAGE_SIZE};

/// A frame whose last reference is gone and that is not free yet, so that what it held can be read where
/// it is, without a copy. Dropping it frees the frame.
#[derive(Debug)]
#[must_use = "the frame is free otherwise"]
pub struct Withdrawn<'a> {
    pool: &'a FramePool,
    frame: FrameId,
}

impl FramePool {
    /// Takes the caller's reference over, if it is the frame's last one and no
    /// [`Reader`](crate::Reader) can hold a pointer to the frame any more. `None` if not, and of the zero
    /// frame: the reference is still the caller's, who has to copy.
    ///
    /// The caller has revoked what was derived from the page before.
    pub fn withdraw(&self, frame: FrameId) -> Option<Withdrawn<'_>> {
        if frame.is_zero_frame() || !self.marks(frame).drop_only_reference() {
            return None;
        }
        if self.epochs.is_read() {
            let freed = self.epochs.advance();
            if self.epochs.reached() < freed {
                self.marks(frame).restore_reference();
                return None;
            }
        }
        Some(Withdrawn { pool: self, frame })
    }
}

impl Withdrawn<'_> {
    /// What the frame holds.
    pub fn bytes(&self) -> &[u8; PAGE_SIZE] {
        self.pool.map.withdrawn(self)
    }

    /// Its number.
    pub(crate) fn id(&self) -> FrameId {
        self.frame
    }

    /// The frame stays: it has one reference again, the caller's.
    pub fn keep(self) -> FrameId {
        self.pool.marks(self.frame).restore_reference();
        let frame = self.frame;
        core::mem::forget(self);
        frame
    }
}

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        self.pool.put_back(self.frame, None);
    }
}
