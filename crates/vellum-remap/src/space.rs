//! What the crate needs of whoever owns pages: a small trait, implemented by the consumer.

use crate::SpaceError;
use core::ops::Range;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Frames that are held: they keep their bytes, whatever becomes of the pages that they were behind,
/// until this is dropped. Cloning holds them once more.
pub trait Run: Clone {
    /// How many pages.
    fn pages(&self) -> usize;

    /// A part of the run, held as well. The range is inside the run.
    fn part(&self, pages: Range<usize>) -> Self;

    /// Copies bytes out, counted from the first page's first; all of them are inside the run.
    fn read(&self, offset: usize, out: &mut [u8]);
}

impl Run for vellum_frames::Held {
    fn pages(&self) -> usize {
        self.len()
    }

    fn part(&self, pages: Range<usize>) -> Self {
        vellum_frames::Held::part(self, pages)
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        vellum_frames::Held::read(self, offset, out);
    }
}

/// Pages that can be lent and exchanged. Page numbers are addresses divided by [`PAGE`].
///
/// The order of calls: [`Space::lend`] and [`Space::exchange`] as often as a transfer has runs, then
/// [`Space::publish`], before anyone may look at what was lent or received; [`Space::settle`] once
/// for every lend.
pub trait Space {
    /// Held frames.
    type Run: Run;

    /// Whether pages can be lent and exchanged here at all; if not, everything is copied.
    fn can_remap(&self) -> bool {
        true
    }

    /// Whether pages can be lent, and not exchanged alone; if not, what is sent is copied.
    fn can_lend(&self) -> bool {
        self.can_remap()
    }

    /// Holds the frames of `count` pages and withdraws every right to write them: who writes
    /// afterwards gets a frame of its own, and the held ones stay what they were. A page that was
    /// never touched is lent as a frame of zeros. Bytes don't move.
    ///
    /// # Errors
    /// When the pages are not there. Nothing has changed then.
    fn lend(&mut self, first: u64, count: usize) -> Result<Self::Run, SpaceError>;

    /// A lend has ended. The hold of `run` goes when it is dropped, behind this call.
    fn settle(&mut self, first: u64, run: &Self::Run);

    /// Puts the frames of `run` behind the pages from `first` on, and their frames into `run`.
    ///
    /// # Errors
    /// When the pages are not there, one of them is pinned, or the frames are from elsewhere. Nothing has
    /// changed then.
    fn exchange(&mut self, first: u64, run: &mut Self::Run) -> Result<(), SpaceError>;

    /// As many frames of zeros.
    fn zeros(&mut self, count: usize) -> Self::Run;

    /// Makes what was lent and exchanged so far take effect everywhere: no processor still has an
    /// older right or an older frame.
    fn publish(&mut self);

    /// Copies bytes out.
    ///
    /// # Errors
    /// When they are not there.
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), SpaceError>;

    /// Copies bytes in. Never into a frame that anyone else holds.
    ///
    /// # Errors
    /// When there is no room for them; those before the first that has none may be written.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), SpaceError>;
}
