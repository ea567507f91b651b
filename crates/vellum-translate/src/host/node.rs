//! Nodes of the host table: shared between a machine, its kept roots and its clones, copied when
//! one of them writes. A leaf owns a reference to each of its frames.

use super::{HostEntry, OwnerId, Token};
use crate::FrameId;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

pub(super) const FANOUT: usize = 512;
const BITS: u32 = 9;

/// Keeps count of who uses a frame.
pub trait FrameStore: Send + Sync + fmt::Debug {
    /// One more owner.
    fn retain(&self, frame: FrameId);
    /// One owner fewer.
    fn release(&self, frame: FrameId);
    /// Whether there is exactly one owner. Never so for the zero frame.
    fn is_exclusive(&self, frame: FrameId) -> bool;

    /// Whose frames are counted: two stores that say the same number count the same frames. If not said,
    /// a store's own alone.
    fn frames(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// One more entry names this absent page: a leaf was copied. Most owners need not know.
    fn retain_absent(&self, _owner: OwnerId, _token: Token) {}

    /// One entry fewer names it: a leaf is gone, or was filled.
    fn release_absent(&self, _owner: OwnerId, _token: Token) {}
}

#[cfg(feature = "std")]
impl FrameStore for vellum_frames::FramePool {
    fn retain(&self, frame: FrameId) {
        vellum_frames::FramePool::retain(self, frame);
    }

    fn release(&self, frame: FrameId) {
        vellum_frames::FramePool::release(self, frame);
    }

    fn is_exclusive(&self, frame: FrameId) -> bool {
        vellum_frames::FramePool::is_exclusive(self, frame)
    }
}

/// A slot of an inner node: one entry for the whole range, or a node.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// Every page of the range has this entry; never one that owns a counted frame.
    Uniform(u64),
    Node(Arc<Node>),
}

#[derive(Debug)]
pub(super) enum Node {
    Inner(Box<[Slot; FANOUT]>),
    Leaf(Leaf),
}

#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) entries: Entries,
    store: Arc<dyn FrameStore>,
}

/// A leaf's entries. Whoever owns a leaf alone changes them where they are, through the pointer that
/// others could share: `Arc::get_mut` would ask with a locked instruction a level, which waits for
/// all stores before it, a page's worth of them after a copy. A leaf that is shared is never changed.
#[derive(Debug)]
pub(super) struct Entries(Box<[AtomicU64; FANOUT]>);

impl Entries {
    fn new(each: impl Fn(usize) -> u64) -> Self {
        Entries(Box::new(core::array::from_fn(|at| AtomicU64::new(each(at)))))
    }

    /// An entry's bits.
    #[inline]
    pub(super) fn get(&self, at: usize) -> u64 {
        self.0[at].load(Ordering::Relaxed)
    }

    /// Puts other bits there, for the leaf's only owner; what was there.
    #[inline]
    pub(super) fn replace(&self, at: usize, bits: u64) -> u64 {
        let was = self.get(at);
        self.0[at].store(bits, Ordering::Relaxed);
        was
    }

    /// The bits of a run of entries, in order.
    pub(super) fn run(&self, range: Range<usize>) -> impl Iterator<Item = u64> {
        self.0[range].iter().map(|bits| bits.load(Ordering::Relaxed))
    }
}

impl Clone for Entries {
    fn clone(&self) -> Self {
        Entries::new(|at| self.get(at))
    }
}

impl Node {
    /// A node of `level` (0 is a leaf) whose every page has the entry `bits`.
    pub(super) fn uniform(level: u32, bits: u64, store: &Arc<dyn FrameStore>) -> Node {
        if level == 0 {
            Node::Leaf(Leaf { entries: Entries::new(|_| bits), store: Arc::clone(store) })
        } else {
            Node::Inner(Box::new(core::array::from_fn(|_| Slot::Uniform(bits))))
        }
    }

    pub(super) const fn index(page: u64, level: u32) -> usize {
        (page >> (BITS * level)) as usize % FANOUT
    }
}

impl Clone for Node {
    /// The copy on write of a node: the frames of a leaf gain an owner each.
    fn clone(&self) -> Self {
        match self {
            Node::Inner(slots) => Node::Inner(slots.clone()),
            Node::Leaf(leaf) => {
                for bits in leaf.entries.run(0..FANOUT) {
                    match HostEntry::unpack(bits) {
                        HostEntry::Frame { frame, .. } => leaf.store.retain(frame),
                        HostEntry::Absent { owner, token } => {
                            leaf.store.retain_absent(owner, token)
                        }
                        HostEntry::Hole => {}
                    }
                }
                Node::Leaf(Leaf { entries: leaf.entries.clone(), store: Arc::clone(&leaf.store) })
            }
        }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        for bits in self.entries.run(0..FANOUT) {
            release(&*self.store, bits);
        }
    }
}

/// An entry is overwritten or gone: whoever is behind it has one holder fewer.
pub(super) fn release(store: &dyn FrameStore, bits: u64) {
    match HostEntry::unpack(bits) {
        HostEntry::Frame { frame, .. } => store.release(frame),
        HostEntry::Absent { owner, token } => store.release_absent(owner, token),
        HostEntry::Hole => {}
    }
}
