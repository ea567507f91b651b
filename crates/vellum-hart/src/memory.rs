//! What a hart needs of the memory subsystem: the fault path behind its TLB.

use core::ops::Range;
use thiserror::Error as ThisError;
use vellum_translate::tlb::Tlb;
use vellum_translate::{Access, Fault, FrameId, Gpa, Gva};

/// Why an access could not be done.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Stop {
    /// The guest must hear of it.
    #[error("{0}")]
    Fault(Fault),
    /// There is a device at this address.
    #[error("device access at {0}")]
    Device(Gpa),
    /// The host can't go on: out of frames, a page's owner failed.
    #[error("host: {0}")]
    Host(String),
}

/// What a store did beside storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Nothing.
    Plain,
    /// It changed a frame that instructions were decoded from: blocks may be stale.
    Code,
}

/// The memory as a hart reaches it on a TLB miss. Each call resolves whatever stands in the way,
/// does the access, and leaves the TLB with the tags that the page may have. `hart` numbers the
/// hart, for invalidations that concern the others.
pub trait Memory {
    /// Loads `size` bytes (1, 2, 4 or 8; `va` is a multiple of it), zero-extended.
    ///
    /// # Errors
    /// When the access can't be done; so for all of them.
    fn load(&mut self, hart: usize, tlb: &mut Tlb, va: Gva, size: u64) -> Result<u64, Stop>;

    /// Stores the low `size` bytes of `value`.
    ///
    /// # Errors
    /// As above.
    fn store(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        value: u64,
    ) -> Result<Stored, Stop>;

    /// Loads, and stores what `change` makes of it, as one atomic access; returns what was loaded.
    /// `change` may answer with nothing to store.
    ///
    /// # Errors
    /// As above, a fault being that of a store.
    fn update(
        &mut self,
        hart: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        change: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<(u64, Stored), Stop>;

    /// Checks that `access` at `va` would go through, and makes it ready.
    ///
    /// # Errors
    /// As above.
    fn probe(&mut self, hart: usize, tlb: &mut Tlb, va: Gva, access: Access) -> Result<(), Stop>;

    /// The frame to fetch from.
    ///
    /// # Errors
    /// As above.
    fn fetch(&mut self, hart: usize, tlb: &mut Tlb, va: Gva) -> Result<FrameId, Stop>;

    /// Two bytes of a frame that [`Memory::fetch`] named.
    fn parcel(&self, frame: FrameId, offset: usize) -> u16;

    /// A number that changes when the frame's content does, other than through a write tag.
    fn content_version(&self, frame: FrameId) -> u32;

    /// Instructions are about to be decoded from these bytes of a frame: no TLB may keep a write
    /// tag for it, so that the next store to them is noticed.
    fn mark_code(&mut self, hart: usize, tlb: &mut Tlb, frame: FrameId, bytes: Range<usize>);
}
