//! The walk of a guest's tables, with the exact fault.

use super::descend::{Descent, Tables};
use super::reach::Direct;
use super::{Extensions, Leaf, MemoryType, Mode, Pte, Satp};
use crate::{
    Access, Environment, Fault, FaultKind, Gpa, Gva, Privilege, Rights, Stage, TableMemory,
};

/// Walks the guest's tables for one access, as the section "Virtual Address Translation Process" of
/// the privileged specification says, with Svade: an entry whose A bit is clear, or whose D bit is
/// clear on a store, faults. Costs one load a level.
///
/// `entries` sees every entry that is read, with its level and address.
///
/// # Errors
/// The fault that the guest must get.
#[inline]
pub fn walk<M: TableMemory + ?Sized>(
    memory: &M,
    satp: Satp,
    environment: Environment,
    va: Gva,
    access: Access,
    entries: impl FnMut(u8, Gpa, Pte),
) -> Result<Leaf, Fault> {
    walk_with(memory, Extensions::NONE, satp, environment, va, access, entries)
}

/// [`walk`], with the extensions that the guest's processor has. With Svadu the accessed and dirty
/// bits are set in memory by compare-and-exchange; an entry that changed meanwhile is read again,
/// and `entries` sees it again.
///
/// # Errors
/// The fault that the guest must get.
#[inline]
pub fn walk_with<M: TableMemory + ?Sized>(
    memory: &M,
    extensions: Extensions,
    satp: Satp,
    environment: Environment,
    va: Gva,
    access: Access,
    entries: impl FnMut(u8, Gpa, Pte),
) -> Result<Leaf, Fault> {
    Walker::new(extensions, satp, environment, access).walk(memory, va, entries)
}

/// Walks of one kind: what follows from the registers and the kind of access, worked out once for
/// any number of addresses. What [`walk_with`] makes for a single one.
#[derive(Debug, Clone, Copy)]
pub struct Walker(Descent);

impl Walker {
    /// Walks for `access` by `environment`, in the address space `satp`, on a processor with
    /// `extensions`.
    #[inline]
    pub const fn new(
        extensions: Extensions,
        satp: Satp,
        environment: Environment,
        access: Access,
    ) -> Walker {
        let levels = satp.mode.levels();
        let tables = Tables { root: satp.root, levels, stage: Stage::First };
        Walker(Descent::new(extensions, tables, environment, access))
    }

    /// Walks for one address. Costs one load a level; `entries` sees every entry that is read, with
    /// its level and address.
    ///
    /// # Errors
    /// The fault that the guest must get.
    #[inline]
    pub fn walk<M: TableMemory + ?Sized>(
        &self,
        memory: &M,
        va: Gva,
        mut entries: impl FnMut(u8, Gpa, Pte),
    ) -> Result<Leaf, Fault> {
        let (descent, reach) = (self.0, Direct(memory));
        match descent.levels() {
            3 if Mode::Sv39.is_canonical(va) => descent.quick::<_, 3, 9>(&reach, va, &mut entries),
            4 if Mode::Sv48.is_canonical(va) => descent.quick::<_, 4, 9>(&reach, va, &mut entries),
            5 if Mode::Sv57.is_canonical(va) => descent.quick::<_, 5, 9>(&reach, va, &mut entries),
            0 => Ok(Leaf::bare(va, descent.environment())),
            levels => Err(not_canonical(levels, va, descent.access())),
        }
    }
}

#[cold]
pub(super) fn not_canonical(levels: u8, va: Gva, access: Access) -> Fault {
    Fault { level: levels - 1, ..Fault::new(FaultKind::Page, access, va) }
}

impl Leaf {
    /// Where an address leads without translation: what a walk that begins nowhere ends with.
    #[inline]
    pub fn bare(va: Gva, environment: Environment) -> Leaf {
        Leaf {
            gfn: Gpa::new(va.get()).gfn(),
            rights: Rights::all(),
            leaf_rights: Rights::all(),
            user: environment.privilege == Privilege::User,
            global: false,
            level: 0,
            napot: false,
            memory_type: MemoryType::Physical,
        }
    }
}
