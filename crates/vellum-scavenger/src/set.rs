//! What the scavenger needs of whoever owns pages: a small trait on the consumer's side.

use crate::ObjectId;
use vellum_frames::FrameId;

/// What is behind a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// A frame of the pool, with one reference that belongs to the page.
    Frame(FrameId),
    /// Nothing: the scavenger brings it when asked. The page holds one of the object's references.
    Packed(ObjectId),
}

/// Why a page is none of the scavenger's business now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// There is no memory there, or a device.
    Hole,
    /// Somebody else has it: a pager, a transfer.
    Elsewhere,
    /// Its frame must stay where it is.
    Pinned,
    /// It may be written at any moment: a right to do so was granted in the pass at hand, and its owner
    /// goes on meanwhile.
    Written,
    /// The set's owner works on it all the time: a guest's page table, for instance.
    Table,
}

/// A look at a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A frame that nothing wrote after the epoch `written`.
    Frame {
        /// The frame.
        frame: FrameId,
        /// The write epoch in which a right to write the page was last granted; 0: never. A right
        /// that was granted in the current epoch may still be used.
        written: u64,
    },
    /// It is packed.
    Packed(ObjectId),
    /// Leave it alone.
    Busy(Busy),
}

/// What is withheld from a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withhold {
    /// The right to write: the page's frame is shared, or others are told as a difference to it. A
    /// write copies the frame first and then tells [`Scavenger::broken`](crate::Scavenger::broken).
    Write,
    /// Every right, once: is the page used at all? Any access gives them back and tells
    /// [`Scavenger::touched`](crate::Scavenger::touched).
    All,
}

/// A set of pages that can be read, withheld and replaced. Frames are of the pool that the scavenger
/// was made with; `look` gives those that may be read until the next call that changes the set.
///
/// While the scavenger holds the set, nobody writes its pages: a virtual machine is at a safe point,
/// a program holds its lock.
pub trait PageSet {
    /// Pages, numbered from 0.
    fn pages(&self) -> u64;

    /// Opens a new write epoch: every right to write that was granted so far is void, and one that is
    /// granted from here on stamps its page with the number returned, or a later one. Numbers grow.
    fn open_epoch(&mut self) -> u64;

    /// Whether a page may be looked at and changed now. A set of which only a part is in the scavenger's
    /// hands, while its owner goes on with the rest, says no of the others: they are neither read nor
    /// replaced, and a step ends before the first of them.
    fn at_hand(&self, _page: u64) -> bool {
        true
    }

    /// Looks at a page.
    fn look(&self, page: u64) -> Look;

    /// Withholds rights from a page, before the call returns, until somebody wants them.
    fn withhold(&mut self, page: u64, what: Withhold);

    /// Puts something else behind a page, with the same content. The set takes over the caller's
    /// reference and hands its own reference to what was there to the caller. Whatever was withheld
    /// for [`Withhold::All`] is no longer.
    fn replace(&mut self, page: u64, with: Backing) -> Backing;
}
