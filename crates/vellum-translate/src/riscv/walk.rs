//! The walk of a guest's tables, with the exact fault.

use super::descend::{Direct, Tables, descend};
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
    mut entries: impl FnMut(u8, Gpa, Pte),
) -> Result<Leaf, Fault> {
    if satp.mode == Mode::Bare {
        return Ok(bare(va, environment));
    }
    if !satp.mode.is_canonical(va) {
        let level = satp.mode.levels() - 1;
        return Err(Fault { level, ..Fault::new(FaultKind::Page, access, va) });
    }
    let levels = satp.mode.levels();
    let tables = Tables { root: satp.root, levels, root_bits: 9, stage: Stage::First };
    descend(&Direct(memory), extensions, tables, environment, va, access, &mut entries)
}

/// What an address leads to without translation.
pub(super) fn bare(va: Gva, environment: Environment) -> Leaf {
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
