//! What is kept of each frame beside its bytes: who refers to it, whether its content changed, and which
//! of it is code.

use super::FramePool;
use crate::{FrameId, PAGE_SIZE};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Bytes of a line of code: the piece in which a frame tells code from data.
pub const CODE_LINE: usize = PAGE_SIZE / 64;

/// Of one frame; side by side, since a frame that changes hands changes all of it.
#[derive(Debug, Default)]
#[repr(align(16))]
pub(super) struct Marks {
    pub(super) references: AtomicU32,
    /// Counts content changes that bypass a hart's write tag.
    content: AtomicU32,
    /// The lines of [`CODE_LINE`] bytes that instructions were decoded from, a bit each.
    code: AtomicU64,
}

impl Marks {
    /// The frame goes to a new user, with one reference.
    pub(super) fn hand_out(&self) {
        // A free frame is nobody else's, so plain accesses do where others need atomic ones.
        assert_eq!(self.references.load(Ordering::Acquire), 0, "a free frame has no references");
        self.references.store(1, Ordering::Release);
        self.code.store(0, Ordering::Release);
        self.content.store(self.content.load(Ordering::Acquire).wrapping_add(1), Ordering::Release);
    }

    /// Takes the caller's reference away if it is the only one; whether it was.
    pub(super) fn drop_only_reference(&self) -> bool {
        // Whoever adds a reference has one. So if the caller's is the only one, nobody adds to it now.
        let only = self.references.load(Ordering::Acquire) == 1;
        if only {
            self.references.store(0, Ordering::Release);
        }
        only
    }

    /// The way back.
    pub(super) fn restore_reference(&self) {
        self.references.store(1, Ordering::Release);
    }

    /// One reference fewer; how many there were.
    pub(super) fn drop_reference(&self) -> u32 {
        if self.drop_only_reference() {
            return 1;
        }
        self.references.fetch_sub(1, Ordering::AcqRel)
    }
}

impl FramePool {
    #[inline]
    pub(super) fn marks(&self, frame: FrameId) -> &Marks {
        &self.marks[frame.index() as usize]
    }

    /// Adds a reference. The zero frame is not counted.
    ///
    /// # Panics
    /// When the frame is free: the caller has no claim to it.
    #[inline]
    pub fn retain(&self, frame: FrameId) {
        if frame.is_zero_frame() {
            return;
        }
        let before = self.marks(frame).references.fetch_add(1, Ordering::Relaxed);
        assert!(before != 0 && before != u32::MAX, "{frame} is not in use");
    }

    /// References to a frame; the zero frame has more than anyone can count.
    #[inline]
    pub fn references(&self, frame: FrameId) -> u32 {
        if frame.is_zero_frame() {
            return u32::MAX;
        }
        self.marks(frame).references.load(Ordering::Acquire)
    }

    /// Whether a write to the frame would be seen by nobody but its one owner.
    #[inline]
    pub fn is_exclusive(&self, frame: FrameId) -> bool {
        self.references(frame) == 1
    }

    /// A number that changes whenever the frame's content changes other than through a pointer
    /// that a hart holds. Who caches something derived from the content compares it.
    #[inline]
    pub fn content_version(&self, frame: FrameId) -> u32 {
        self.marks(frame).content.load(Ordering::Acquire)
    }

    /// Declares the content changed; clears [`FramePool::is_code`].
    #[inline]
    pub fn content_changed(&self, frame: FrameId) {
        self.marks(frame).code.store(0, Ordering::Release);
        self.marks(frame).content.fetch_add(1, Ordering::AcqRel);
    }

    /// Marks bytes of the frame as ones that instructions are decoded from: nobody may keep a right
    /// to write the frame, and whoever writes such bytes declares the content changed. Whether these
    /// are the frame's first.
    #[inline]
    pub fn mark_code(&self, frame: FrameId, bytes: core::ops::Range<usize>) -> bool {
        let lines = lines(bytes);
        self.marks(frame).code.fetch_or(lines, Ordering::AcqRel) == 0 && lines != 0
    }

    /// Whether instructions were decoded from the frame as it is.
    #[inline]
    pub fn is_code(&self, frame: FrameId) -> bool {
        self.marks(frame).code.load(Ordering::Acquire) != 0
    }

    /// Whether instructions were decoded from any of these bytes, or from others on their lines of
    /// [`CODE_LINE`] bytes.
    #[inline]
    pub fn is_code_at(&self, frame: FrameId, bytes: core::ops::Range<usize>) -> bool {
        self.marks(frame).code.load(Ordering::Acquire) & lines(bytes) != 0
    }
}

/// The lines that hold these bytes of a frame; what lies beyond the frame is not there.
const fn lines(bytes: core::ops::Range<usize>) -> u64 {
    if bytes.start >= bytes.end || bytes.start >= PAGE_SIZE {
        return 0;
    }
    let last = if bytes.end > PAGE_SIZE { PAGE_SIZE } else { bytes.end } - 1;
    let (first, last) = (bytes.start / CODE_LINE, last / CODE_LINE);
    (u64::MAX >> (63 - (last - first))) << first
}
