//! Where the device tree and the initial file system go.

use vellum_translate::Gpa;

use super::{KERNEL_ALIGN, Kernel, LoadError};
use crate::memory_map::Range;

/// Room for the device tree, in bytes: enough for as many harts as there can be.
pub const DTB_ROOM: u64 = 256 << 10;
/// The initial file system starts on a page, so that the kernel can give back all of it.
const PAGE: u64 = 4096;

/// What goes where, besides the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The device tree's first byte; there are [`DTB_ROOM`] bytes for it.
    pub dtb: Gpa,
    /// The initial file system.
    pub initrd: Option<Range>,
}

/// Finds room above the kernel for a device tree and an initial file system of `initrd` bytes.
///
/// # Errors
/// When memory is too small.
pub fn place(
    kernel: &Kernel<'_>,
    initrd: Option<u64>,
    memory: Range,
) -> Result<Placement, LoadError> {
    let too_small = |what, end: u64| LoadError::MemoryTooSmall {
        what,
        needed: end.saturating_sub(memory.base.get()),
        memory: memory.length,
    };
    let end = kernel.end().get();
    let dtb = end.checked_next_multiple_of(KERNEL_ALIGN).unwrap_or(u64::MAX);
    let after = dtb.saturating_add(DTB_ROOM);
    if !memory.holds(Gpa::new(dtb), DTB_ROOM) {
        return Err(too_small("the kernel with its device tree", after));
    }
    let initrd = match initrd {
        None => None,
        Some(length) => {
            let place = Range::new(after.next_multiple_of(PAGE), length);
            if !memory.holds(place.base, place.length) {
                let end = place.base.get().saturating_add(length);
                return Err(too_small("the kernel with its initrd", end));
            }
            Some(place)
        }
    };
    Ok(Placement { dtb: Gpa::new(dtb), initrd })
}
