//! rust-vmm's memory: tables read through any `vm-memory` backend, and its `Iommu` trait, so that
//! virtio crates translate through a guest's tables. With feature `vm-memory`.

use crate::riscv::{Extensions, Satp, walk_with};
use crate::{Access, Environment, Gpa, Gva, PAGE_SIZE, TableMemory};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use vm_memory::iommu::{Error, IotlbIterator, IovaRange};
use vm_memory::{
    Bytes, GuestAddress, GuestMemoryBackend, Iommu, Iotlb, Permissions, VolatileMemory,
};

/// A backend as the memory of tables.
#[derive(Debug, Clone, Copy)]
pub struct Backend<M>(pub M);

impl<M: GuestMemoryBackend> TableMemory for Backend<M> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.0.load(GuestAddress(at.get()), Ordering::Acquire).ok()
    }

    fn exchange_entry(&self, at: Gpa, current: u64, new: u64) -> Option<bool> {
        let slice = self.0.get_slice(GuestAddress(at.get()), 8).ok()?;
        let word = slice.get_atomic_ref::<AtomicU64>(0).ok()?;
        Some(word.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire).is_ok())
    }
}

/// An IOMMU whose tables are RISC-V's, in the memory that it translates to. Every request walks, so
/// that an edit of the tables is seen at once and nothing needs to be invalidated. Costs a walk and
/// one insertion into a fresh `Iotlb` a page.
#[derive(Clone)]
pub struct TableIommu<M> {
    memory: Backend<M>,
    satp: Satp,
    environment: Environment,
    extensions: Extensions,
}

impl<M> TableIommu<M> {
    /// Translates through the tables under `satp`, in `memory`, with the rights of `environment`.
    pub const fn new(
        memory: M,
        satp: Satp,
        environment: Environment,
        extensions: Extensions,
    ) -> Self {
        TableIommu { memory: Backend(memory), satp, environment, extensions }
    }
}

impl<M> fmt::Debug for TableIommu<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableIommu").field("satp", &self.satp).finish_non_exhaustive()
    }
}

impl<M: GuestMemoryBackend + Send + Sync> Iommu for TableIommu<M> {
    type IotlbGuard<'a>
        = Box<Iotlb>
    where
        Self: 'a;

    fn translate(
        &self,
        iova: GuestAddress,
        length: usize,
        access: Permissions,
    ) -> Result<IotlbIterator<Box<Iotlb>>, Error> {
        let refused = |reason: String| Error::CannotResolve {
            iova_range: IovaRange { base: iova, length },
            reason,
        };
        let end = iova.0.checked_add(length as u64).filter(|&end| end > iova.0);
        let end = end.ok_or_else(|| refused("the range is empty or wraps".into()))?;
        // A request for both rights sets the dirty bit, and must be allowed to load as well.
        let kinds: &[Access] = match access {
            Permissions::Write => &[Access::Store],
            Permissions::ReadWrite => &[Access::Load, Access::Store],
            Permissions::No | Permissions::Read => &[Access::Load],
        };
        let mut found = Box::new(Iotlb::new());
        let mut at = iova.0;
        while at < end {
            let here = (PAGE_SIZE as u64 - at % PAGE_SIZE as u64).min(end - at);
            let mut target = 0;
            for &kind in kinds {
                let va = Gva::new(at);
                let (satp, environment) = (self.satp, self.environment);
                let walked = walk_with(
                    &self.memory,
                    self.extensions,
                    satp,
                    environment,
                    va,
                    kind,
                    |_, _, _| {},
                );
                let leaf = walked.map_err(|fault| refused(fault.to_string()))?;
                target = leaf.gfn.base().get() | va.page_offset() as u64;
            }
            let (from, to) = (GuestAddress(at), GuestAddress(target));
            found.set_mapping(from, to, here as usize, access)?;
            at += here;
        }
        Iotlb::lookup(found, iova, length, access)
            .map_err(|fails| refused(format!("{} ranges are not mapped", fails.misses.len())))
    }
}
