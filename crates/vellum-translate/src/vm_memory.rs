//! rust-vmm's memory: tables read through any `vm-memory` backend, and its `Iommu` trait, so that
//! virtio crates translate through a guest's tables. With feature `vm-memory`.

use crate::riscv::{self, Extensions, Satp};
use crate::x86::{self, Paging};
use crate::{Access, Environment, Gfn, Gpa, Gva, PAGE_SIZE, Privilege, TableMemory};
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

/// An IOMMU whose tables are a processor's, RISC-V's or x86-64's, in the memory that it translates to.
/// Every request walks, so that an edit of the tables is seen at once and nothing needs to be
/// invalidated. Costs a walk and one insertion into a fresh `Iotlb` a page.
#[derive(Clone)]
pub struct TableIommu<M> {
    memory: Backend<M>,
    walkers: Walkers,
}

/// How loads walk, and how stores do.
#[derive(Debug, Clone, Copy)]
enum Walkers {
    Riscv([riscv::Walker; 2]),
    X86([x86::Walker; 2]),
}

const KINDS: [Access; 2] = [Access::Load, Access::Store];

impl<M> TableIommu<M> {
    /// Translates through RISC-V's tables under `satp`, in `memory`, with the rights of `environment`.
    pub fn new(memory: M, satp: Satp, environment: Environment, extensions: Extensions) -> Self {
        let walker = |kind| riscv::Walker::new(extensions, satp, environment, kind);
        TableIommu { memory: Backend(memory), walkers: Walkers::Riscv(KINDS.map(walker)) }
    }

    /// Translates through x86-64's tables of `paging`, in `memory`, with the rights of `privilege`.
    /// Accessed and dirty bits are set, as a processor sets them.
    pub fn x86_64(memory: M, paging: Paging, privilege: Privilege) -> Self {
        let walker = |kind| x86::Walker::new(paging, x86::Access::new(kind, privilege));
        TableIommu { memory: Backend(memory), walkers: Walkers::X86(KINDS.map(walker)) }
    }
}

impl<M: GuestMemoryBackend> TableIommu<M> {
    /// The page that an address leads to for an access of this kind, or why it leads to none.
    fn page(&self, va: Gva, kind: Access) -> Result<Gfn, String> {
        let at = usize::from(kind == Access::Store);
        match &self.walkers {
            Walkers::Riscv(walkers) => {
                let walked = walkers[at].walk(&self.memory, va, |_, _, _| {});
                walked.map(|leaf| leaf.gfn).map_err(|fault| fault.to_string())
            }
            Walkers::X86(walkers) => {
                let walked = walkers[at].walk(&self.memory, va, |_, _, _| {});
                walked.map(|leaf| leaf.gfn).map_err(|fault| fault.to_string())
            }
        }
    }
}

impl<M> fmt::Debug for TableIommu<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableIommu").field("walkers", &self.walkers).finish_non_exhaustive()
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
                let page = self.page(va, kind).map_err(&refused)?;
                target = page.base().get() | va.page_offset() as u64;
            }
            let (from, to) = (GuestAddress(at), GuestAddress(target));
            found.set_mapping(from, to, here as usize, access)?;
            at += here;
        }
        Iotlb::lookup(found, iova, length, access)
            .map_err(|fails| refused(format!("{} ranges are not mapped", fails.misses.len())))
    }
}
