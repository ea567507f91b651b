//! Memory as devices see it: slices with a right, through `vm_memory`'s traits, so that rust-vmm's
//! virtio crates run on it.
//!
//! A slice is at most a page. Asking for one to read faults the page in; asking for one to write
//! also breaks sharing and resolves every guard, guest tables included. While a [`DeviceMemory`]
//! lives, the pages that it handed slices of are pinned: they are not shared, packed, evicted or
//! moved.

// UNSAFETY: handing out `vm_memory`'s slices of frames.
#![expect(unsafe_code, reason = "device slices of frames")]

use crate::VmMemory;
use std::cell::RefCell;
use std::sync::Arc;
use vellum_frames::{FramePool, Held};
use vellum_translate::{Gfn, Gpa, PAGE_SIZE, Rights};
use vm_memory::bitmap::BS;
use vm_memory::guest_memory::{Error, GuestMemorySliceIterator, Result as MemoryResult};
use vm_memory::{
    GuestAddress, GuestMemory, GuestMemoryBackend, GuestMemoryRegion, GuestMemoryRegionBytes,
    GuestUsize, Permissions, VolatileMemoryError, VolatileSlice, WriteVolatile,
};

/// A machine's memory, lent to a device for one piece of work. No hart runs meanwhile.
#[derive(Debug)]
pub struct DeviceMemory<'vm> {
    lent: RefCell<Lent<'vm>>,
}

#[derive(Debug)]
struct Lent<'vm> {
    vm: &'vm mut VmMemory,
    pinned: Vec<Gfn>,
    /// Those that slices are of: they stay mapped, even if `vm` is put in another's place meanwhile.
    pools: Vec<Arc<FramePool>>,
}

impl Lent<'_> {
    fn keep_pool(&mut self) {
        let pool = &self.vm.pool;
        if !self.pools.last().is_some_and(|last| Arc::ptr_eq(last, pool)) {
            self.pools.push(Arc::clone(pool));
        }
    }
}

impl<'vm> DeviceMemory<'vm> {
    /// Lends `vm` to a device.
    pub fn new(vm: &'vm mut VmMemory) -> Self {
        DeviceMemory { lent: RefCell::new(Lent { vm, pinned: Vec::new(), pools: Vec::new() }) }
    }

    /// Lets `work` at the memory itself: to lend and exchange pages. A page that a slice was handed
    /// out of is pinned, and stays what it is.
    pub fn with_memory<T>(&self, work: impl FnOnce(&mut VmMemory) -> T) -> T {
        work(self.lent.borrow_mut().vm)
    }

    /// The slice of one page's part.
    fn slice(&self, at: Gpa, bytes: usize, right: Rights) -> Option<VolatileSlice<'_>> {
        let mut lent = self.lent.borrow_mut();
        let page = at.gfn();
        let frame = lent.vm.device_frame(at, bytes as u64, right).ok()?;
        lent.vm.host.pin(page);
        lent.pinned.push(page);
        lent.keep_pool();
        let base = lent.vm.pool.pointer(frame);
        // SAFETY: the bytes lie in one frame, which stays mapped as long as its pool, kept until
        // `self` is dropped, which the slice can't outlive. The slice accesses them by volatile access
        // only. (That they stay this page's is the pin's doing; and for a right to write the frame has
        // no other owner, see `device_frame`.)
        Some(unsafe { VolatileSlice::new(base.as_ptr().add(at.page_offset()), bytes) })
    }
}

impl Drop for DeviceMemory<'_> {
    fn drop(&mut self) {
        let lent = self.lent.get_mut();
        for page in lent.pinned.drain(..) {
            lent.vm.host.unpin(page);
        }
        lent.vm.broadcast();
    }
}

/// Writes the bytes of held frames to whatever takes volatile slices: to a file, say, without a copy of
/// them in between. Frames that are neighbours go together.
///
/// # Errors
/// When whoever takes them fails; some of them are written then.
pub fn write_held<W: WriteVolatile>(held: &Held, to: &mut W) -> Result<(), VolatileMemoryError> {
    for run in held.frames().chunk_by(|a, b| a.index() + 1 == b.index()) {
        let (Some(&first), Some(&last)) = (run.first(), run.last()) else { continue };
        // Whether the last one is the pool's as well, it checks itself.
        held.pool().pointer(last);
        let base = held.pool().pointer(first);
        // SAFETY: the bytes are those of frames in a row, all inside the pool's mapping, which stays as
        // long as the pool, kept by `held` for the time of the borrow. They are accessed by volatile
        // access only, and here only read.
        let slice = unsafe { VolatileSlice::new(base.as_ptr(), run.len() * PAGE_SIZE) };
        to.write_all_volatile(&slice)?;
    }
    Ok(())
}

/// Cuts a range into slices of a page at most.
struct Slices<'a, 'vm> {
    memory: &'a DeviceMemory<'vm>,
    at: u64,
    left: usize,
    right: Rights,
}

impl<'a> Iterator for Slices<'a, '_> {
    type Item = MemoryResult<VolatileSlice<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let at = Gpa::new(self.at);
        let bytes = (PAGE_SIZE - at.page_offset()).min(self.left);
        match self.memory.slice(at, bytes, self.right) {
            Some(slice) => {
                self.at = self.at.wrapping_add(bytes as u64);
                self.left -= bytes;
                Some(Ok(slice))
            }
            None => {
                self.left = 0;
                Some(Err(Error::InvalidGuestAddress(GuestAddress(self.at))))
            }
        }
    }
}

impl core::iter::FusedIterator for Slices<'_, '_> {}
impl<'a> GuestMemorySliceIterator<'a, ()> for Slices<'a, '_> {}

impl GuestMemory for DeviceMemory<'_> {
    type PhysicalMemory = NoMemory;
    type Bitmap = ();

    fn check_range(&self, addr: GuestAddress, count: usize, _access: Permissions) -> bool {
        let ram = self.lent.borrow().vm.ram();
        addr.0
            .checked_add(count as u64)
            .is_some_and(|end| addr.0 >= ram.start.get() && end <= ram.end.get())
    }

    fn get_slices<'a>(
        &'a self,
        addr: GuestAddress,
        count: usize,
        access: Permissions,
    ) -> MemoryResult<impl GuestMemorySliceIterator<'a, BS<'a, ()>>> {
        let right = match access {
            Permissions::Write | Permissions::ReadWrite => Rights::WRITE,
            Permissions::No | Permissions::Read => Rights::READ,
        };
        Ok(Slices { memory: self, at: addr.0, left: count, right })
    }
}

/// There is no flat memory underneath: a type without values, which `vm_memory`'s trait asks for.
#[derive(Debug, Clone, Copy)]
pub enum NoMemory {}

/// A region of [`NoMemory`]: there is none.
#[derive(Debug, Clone, Copy)]
pub enum NoRegion {}

impl GuestMemoryBackend for NoMemory {
    type R = NoRegion;

    fn iter(&self) -> impl Iterator<Item = &NoRegion> {
        core::iter::empty()
    }
}

impl GuestMemoryRegion for NoRegion {
    type B = ();

    fn len(&self) -> GuestUsize {
        match *self {}
    }

    fn start_addr(&self) -> GuestAddress {
        match *self {}
    }

    fn bitmap(&self) -> BS<'_, ()> {
        match *self {}
    }
}

impl GuestMemoryRegionBytes for NoRegion {}
