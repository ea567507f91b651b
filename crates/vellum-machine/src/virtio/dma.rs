//! Guest memory as a device sees it: bytes in, bytes out, by guest physical address.

use thiserror::Error as ThisError;
use vellum::remap::Space;
use vellum::{DeviceMemory, VmMemory};
use vellum_translate::Gpa;
use vm_memory::{Bytes, GuestAddress};

/// A buffer that is not in guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("{bytes} bytes at {at} are not in the guest's memory")]
pub struct DmaError {
    /// First byte.
    pub at: Gpa,
    /// Bytes.
    pub bytes: usize,
}

/// Guest memory, as devices need it.
pub trait Dma {
    /// Reads from `at` on.
    ///
    /// # Errors
    /// When the bytes are not all in memory.
    fn read(&self, at: Gpa, out: &mut [u8]) -> Result<(), DmaError>;

    /// Writes from `at` on.
    ///
    /// # Errors
    /// When the bytes are not all in memory; those before the first that is not may be written.
    fn write(&self, at: Gpa, bytes: &[u8]) -> Result<(), DmaError>;

    /// Lets `work` lend and exchange pages; whether there are any that can be.
    fn remap(&self, work: &mut dyn FnMut(&mut VmMemory)) -> bool;
}

/// [`Dma`] over a machine's memory, lent to the device.
#[derive(Debug)]
pub struct GuestDma<'a, 'vm>(pub &'a DeviceMemory<'vm>);

impl Dma for GuestDma<'_, '_> {
    fn read(&self, at: Gpa, out: &mut [u8]) -> Result<(), DmaError> {
        let bytes = out.len();
        self.0.read_slice(out, GuestAddress(at.get())).map_err(|_| DmaError { at, bytes })
    }

    fn write(&self, at: Gpa, bytes: &[u8]) -> Result<(), DmaError> {
        let error = DmaError { at, bytes: bytes.len() };
        self.0.write_slice(bytes, GuestAddress(at.get())).map_err(|_| error)
    }

    fn remap(&self, work: &mut dyn FnMut(&mut VmMemory)) -> bool {
        self.0.with_memory(|memory| {
            let can = memory.can_remap();
            if can {
                work(memory);
            }
            can
        })
    }
}
