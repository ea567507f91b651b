//! Putting a guest into memory: kernel, initial file system, device tree.
//!
//! A kernel is a RISC-V Linux `Image` (also Debian's `vmlinux`, which is one, and both packed by
//! gzip or as an EFI zboot image), an ELF file for RV64, or flat bytes. It stands where QEMU's
//! `virt` puts it: 2 MiB above the start of memory, as Linux' *RISC-V Kernel Boot Image Header*
//! asks. Above its end, which includes what it clears for itself, come the device tree and the
//! initial file system.

mod archive;
mod elf;
mod error;
mod image;
mod place;
mod unpack;

pub use archive::{check_initrd, is_archive};
pub use error::LoadError;
pub use place::{DTB_ROOM, Placement, place};

use core::ops::Range as Bytes;
use std::borrow::Cow;

use vellum_translate::Gpa;

use crate::memory_map::Range;

/// Linux starts at a multiple of this.
pub const KERNEL_ALIGN: u64 = 2 << 20;
/// Where a kernel that has no say in it starts, counted from the start of memory.
pub const KERNEL_OFFSET: u64 = 0x20_0000;

/// Guest memory, as the loader needs it.
pub trait GuestWriter {
    /// What can go wrong.
    type Error;

    /// Writes `bytes` from `at` on.
    ///
    /// # Errors
    /// When they do not fit the guest's memory, or the host has none left.
    fn write(&mut self, at: Gpa, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// A piece of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    at: Gpa,
    /// Its bytes in the file; the rest of `length` is zero.
    file: Bytes<usize>,
    length: u64,
}

/// A kernel that was read and fits the machine.
#[derive(Debug, Clone)]
pub struct Kernel<'a> {
    bytes: Cow<'a, [u8]>,
    segments: Vec<Segment>,
    entry: Gpa,
}

impl<'a> Kernel<'a> {
    /// Reads a kernel for a machine with this memory.
    ///
    /// # Errors
    /// When it is no kernel for this machine; the error says what it is and what to do.
    pub fn read(file: &'a [u8], memory: Range) -> Result<Self, LoadError> {
        let bytes = unpack::unpack(file, memory.length)?;
        let (segments, entry) = if bytes.starts_with(&elf::MAGIC) {
            elf::segments(&bytes)?
        } else {
            image::segments(&bytes, memory)?
        };
        let kernel = Kernel { bytes, segments, entry };
        kernel.check(memory)?;
        Ok(kernel)
    }

    /// Takes bytes without a header for a kernel, to start with the first of them.
    ///
    /// # Errors
    /// When they do not fit into memory, or there are none.
    pub fn flat(bytes: &'a [u8], memory: Range) -> Result<Self, LoadError> {
        if bytes.is_empty() {
            return Err(LoadError::Empty);
        }
        let at = Gpa::new(memory.base.get().saturating_add(KERNEL_OFFSET));
        let segments = vec![Segment { at, file: 0..bytes.len(), length: bytes.len() as u64 }];
        let kernel = Kernel { bytes: bytes.into(), segments, entry: at };
        kernel.check(memory)?;
        Ok(kernel)
    }

    /// Every segment lies in memory, and so does the entry.
    fn check(&self, memory: Range) -> Result<(), LoadError> {
        for s in &self.segments {
            if s.at < memory.base {
                return Err(LoadError::BelowMemory { at: s.at, base: memory.base });
            }
            if !memory.holds(s.at, s.length) {
                let end = (s.at.get() - memory.base.get()).saturating_add(s.length);
                return Err(LoadError::MemoryTooSmall {
                    what: "the kernel",
                    needed: end,
                    memory: memory.length,
                });
            }
        }
        if !memory.holds(self.entry, 2) {
            return Err(LoadError::Entry { entry: self.entry });
        }
        Ok(())
    }

    /// Where it starts.
    pub fn entry(&self) -> Gpa {
        self.entry
    }

    /// The first address above everything that it uses.
    pub fn end(&self) -> Gpa {
        let ends = self.segments.iter().map(|s| s.at.get() + s.length);
        Gpa::new(ends.max().unwrap_or(self.entry.get()))
    }

    /// Writes it to memory, which must be zero where the kernel says so: as it is at power-on.
    ///
    /// # Errors
    /// When memory does not take it.
    pub fn write<W: GuestWriter + ?Sized>(&self, memory: &mut W) -> Result<(), W::Error> {
        self.segments.iter().try_for_each(|s| memory.write(s.at, &self.bytes[s.file.clone()]))
    }
}

#[cfg(test)]
mod tests;
