//! Frames as bytes of this process: what a cache of host addresses holds on to.

// UNSAFETY: a trait whose implementer promises that addresses are memory.
#![expect(unsafe_code, reason = "addresses that others go to without asking again")]

use crate::FrameId;
use core::fmt::Debug;

/// Frames that are mapped into this process. Whoever keeps addresses of frames (a TLB) keeps an `Arc`
/// of this as well, and needs no other proof that they are there.
///
/// # Safety
/// [`HostFrames::address`] of any frame, unless it panics, is the same each time, a multiple of the page size,
/// and from there on a page of bytes can be read and written until `self` is dropped. They are accessed
/// by atomic operations alone, by anyone at any time; no reference to them exists.
pub unsafe trait HostFrames: Debug + Send + Sync + 'static {
    /// Where the first byte of `frame` is, as a number whose provenance is exposed.
    ///
    /// # Panics
    /// When there is no such frame.
    fn address(&self, frame: FrameId) -> u64;
}

#[cfg(feature = "std")]
// SAFETY: the pool is one mapping of whole pages, unmapped when it is dropped; every access that it
// makes or lends is atomic; the map exposes its provenance when it is made.
unsafe impl HostFrames for crate::FramePool {
    #[inline]
    fn address(&self, frame: FrameId) -> u64 {
        self.pointer(frame).as_ptr().addr() as u64
    }
}
