//! Memory without translation, for a hart on its own: every address of a range is a byte, with every
//! right, and nothing is anywhere else.
//!
//! The plainest [`Memory`] there is, to run code on, to test with, and to see what one has to do.

use crate::{Memory, Stop, Stored};
use core::ops::Range;
use std::sync::Arc;
use thiserror::Error as ThisError;
use vellum_frames::{FramePool, HostFrames, Options};
use vellum_translate::tlb::{PageFlags, Shootdown, Tlb, Translation};
use vellum_translate::{Access, Fault, FaultKind, FrameId, Gfn, Gva, PAGE_SIZE, Rights};

/// Why memory could not be made, or not be reached from outside.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum FlatError {
    /// Memory is whole pages, and ends before the address space does.
    #[error(
        "memory of {bytes:#x} bytes at {base:#x} is not possible: whole pages of {PAGE_SIZE} are"
    )]
    Range {
        /// Its first address.
        base: u64,
        /// Its size.
        bytes: u64,
    },
    /// Bytes that are not all in it.
    #[error("{bytes:#x} bytes at {at:#x} are not in the memory from {base:#x} to {end:#x}")]
    Outside {
        /// The first byte asked for.
        at: u64,
        /// How many.
        bytes: u64,
        /// Where memory begins.
        base: u64,
        /// Where it ends.
        end: u64,
    },
    /// The host has no such memory.
    #[error(transparent)]
    Frames(#[from] vellum_frames::Error),
}

/// A range of addresses with memory behind each. For one hart: that another's TLB may not write a
/// page of code is not seen to.
#[derive(Debug)]
pub struct FlatMemory {
    pool: Arc<FramePool>,
    frames: Vec<FrameId>,
    base: u64,
    /// Stores that changed bytes which instructions were decoded from.
    pub code_stores: u64,
}

impl FlatMemory {
    /// Zeros from `base` on; both in multiples of 4 KiB. The host commits a page when it is first
    /// touched.
    ///
    /// # Errors
    /// When the range is not possible, or the host refuses.
    pub fn new(base: u64, bytes: u64) -> Result<Self, FlatError> {
        let page = PAGE_SIZE as u64;
        let pages = base.is_multiple_of(page) && bytes.is_multiple_of(page) && bytes > 0;
        if !pages || base.checked_add(bytes).is_none() {
            return Err(FlatError::Range { base, bytes });
        }
        let pool = FramePool::new(Options::new(bytes / page + 1))?;
        let frames = (0..bytes / page).map(|_| pool.allocate()).collect::<Result<_, _>>()?;
        Ok(FlatMemory { pool, frames, base, code_stores: 0 })
    }

    /// Reads `out.len()` bytes.
    ///
    /// # Errors
    /// When they are not all here.
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<(), FlatError> {
        for (frame, offset, part) in self.parts(at, out.len())? {
            self.pool.read(frame, offset, &mut out[part]);
        }
        Ok(())
    }

    /// Writes bytes. A hart that may have run code from these pages must have its TLB flushed before
    /// it runs again, or may go on with what it had decoded.
    ///
    /// # Errors
    /// When they are not all here; nothing is written then.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), FlatError> {
        for (frame, offset, part) in self.parts(at, bytes.len())? {
            self.pool.write(frame, offset, &bytes[part]);
            self.pool.content_changed(frame);
        }
        Ok(())
    }

    /// The pieces of a run of bytes, one a page: frame, where in it, and which of the bytes.
    fn parts(
        &self,
        at: u64,
        bytes: usize,
    ) -> Result<impl Iterator<Item = (FrameId, usize, Range<usize>)> + '_, FlatError> {
        let all = (self.frames.len() * PAGE_SIZE) as u64;
        let first = at.wrapping_sub(self.base);
        if first > all || all - first < bytes as u64 {
            let (base, end) = (self.base, self.base + all);
            return Err(FlatError::Outside { at, bytes: bytes as u64, base, end });
        }
        let first = first as usize;
        let pages = first / PAGE_SIZE..(first + bytes).div_ceil(PAGE_SIZE);
        Ok(pages.map(move |page| {
            let start = (page * PAGE_SIZE).max(first);
            let end = ((page + 1) * PAGE_SIZE).min(first + bytes);
            (self.frames[page], start % PAGE_SIZE, start - first..end - first)
        }))
    }

    /// The frame behind an address, of which the TLB hears: with every right, but that to write what
    /// instructions were decoded from.
    fn frame(&self, tlb: &mut Tlb, va: Gva, access: Access) -> Result<FrameId, Stop> {
        let page = usize::try_from(va.get().wrapping_sub(self.base) / PAGE_SIZE as u64);
        let Some(&frame) = page.ok().and_then(|page| self.frames.get(page)) else {
            return Err(Stop::Fault(Fault::new(FaultKind::Access, access, va)));
        };
        let mut rights = Rights::all();
        rights.set(Rights::WRITE, !self.pool.is_code(frame));
        let (gfn, flags) = (Gfn::new(va.page()), PageFlags::GUEST_WRITABLE);
        tlb.fill(va, access, Translation { gfn, frame, rights, flags }, &self.pool);
        Ok(frame)
    }

    /// Bytes of a frame are written: if code was decoded from them, what was decoded is stale.
    fn stored(&mut self, tlb: &mut Tlb, frame: FrameId, bytes: Range<usize>) -> Stored {
        if !self.pool.is_code_at(frame, bytes) {
            return Stored::Plain;
        }
        self.code_stores += 1;
        self.pool.content_changed(frame);
        tlb.shoot_down(Shootdown::FrameExecute(frame));
        Stored::Code
    }
}

/// The bytes of an access in its page.
fn bytes_of(va: Gva, size: u64) -> Range<usize> {
    va.page_offset()..va.page_offset() + size as usize
}

impl Memory for FlatMemory {
    fn load(&mut self, _: usize, tlb: &mut Tlb, va: Gva, size: u64) -> Result<u64, Stop> {
        let frame = self.frame(tlb, va, Access::Load)?;
        Ok(self.pool.load(frame, va.page_offset(), size as usize))
    }

    fn store(
        &mut self,
        _: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        value: u64,
    ) -> Result<Stored, Stop> {
        let frame = self.frame(tlb, va, Access::Store)?;
        self.pool.store(frame, va.page_offset(), size as usize, value);
        Ok(self.stored(tlb, frame, bytes_of(va, size)))
    }

    fn update(
        &mut self,
        _: usize,
        tlb: &mut Tlb,
        va: Gva,
        size: u64,
        change: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Result<(u64, Stored), Stop> {
        let frame = self.frame(tlb, va, Access::Store)?;
        let (at, size) = (va.page_offset(), size as usize);
        let (was, changed) = self.pool.update(frame, at, size, change);
        let stored = if changed { self.stored(tlb, frame, at..at + size) } else { Stored::Plain };
        Ok((was, stored))
    }

    fn probe(&mut self, _: usize, tlb: &mut Tlb, va: Gva, access: Access) -> Result<(), Stop> {
        self.frame(tlb, va, access).map(|_| ())
    }

    fn fetch(&mut self, _: usize, tlb: &mut Tlb, va: Gva) -> Result<FrameId, Stop> {
        self.frame(tlb, va, Access::Fetch)
    }

    fn parcel(&self, frame: FrameId, offset: usize) -> u16 {
        self.pool.load(frame, offset, 2) as u16
    }

    fn content_version(&self, frame: FrameId) -> u32 {
        self.pool.content_version(frame)
    }

    fn mark_code(&mut self, _: usize, tlb: &mut Tlb, frame: FrameId, bytes: Range<usize>) {
        if self.pool.mark_code(frame, bytes) {
            tlb.shoot_down(Shootdown::HostWrite(self.pool.address(frame)));
        }
    }
}
