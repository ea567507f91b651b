//! The walk of a guest's tables, with the exact fault.

use super::{Mode, Pte, Satp};
use crate::{Access, Environment, Fault, FaultKind, Gfn, Gpa, Gva, Rights};

/// The guest's physical memory, as far as a walk needs it.
pub trait TableMemory {
    /// Loads the entry at `at` (8-byte aligned) in one access; `None` where there is no memory.
    fn load_entry(&self, at: Gpa) -> Option<u64>;
}

/// Where a walk ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The 4 KiB page that the address lies in.
    pub gfn: Gfn,
    /// What the tables and the environment allow, A and D considered.
    pub rights: Rights,
    /// R, W and X of the entry, A and D considered, whoever asks.
    pub leaf_rights: Rights,
    /// The entry's user bit.
    pub user: bool,
    /// The entry's global bit, or that of a table above it.
    pub global: bool,
    /// The leaf's level: 0 is 4 KiB, 1 is 2 MiB, 2 is 1 GiB.
    pub level: u8,
}

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
    mut entries: impl FnMut(u8, Gpa, Pte),
) -> Result<Leaf, Fault> {
    if satp.mode == Mode::Bare {
        let all = Rights::all();
        return Ok(Leaf {
            gfn: Gpa::new(va.get()).gfn(),
            rights: all,
            leaf_rights: all,
            user: environment.privilege == crate::Privilege::User,
            global: false,
            level: 0,
        });
    }
    let mut level = satp.mode.levels() - 1;
    let fault = |kind, level, entry| Fault { kind, access, va, level, entry };
    if !satp.mode.is_canonical(va) {
        return Err(fault(FaultKind::Page, level, None));
    }
    let mut table = satp.root;
    let mut global = false;
    loop {
        let shift = 9 * u32::from(level);
        let index = va.page() >> shift & 0x1ff;
        let at = Gpa::new(table.base().get() + index * 8);
        let Some(bits) = memory.load_entry(at) else {
            return Err(fault(FaultKind::Access, level, Some(at)));
        };
        let pte = Pte(bits);
        entries(level, at, pte);
        let refused = fault(FaultKind::Page, level, Some(at));
        if pte.is_invalid() {
            return Err(refused);
        }
        global |= pte.has(Pte::G);
        if !pte.is_leaf() {
            if level == 0 || pte.is_bad_pointer() {
                return Err(refused);
            }
            level -= 1;
            table = pte.gfn();
            continue;
        }
        let user = pte.has(Pte::U);
        if pte.is_misaligned(level)
            || !environment.allows(pte.rights(), user).contains(access.right())
        {
            return Err(refused);
        }
        let leaf_rights = pte.rights_now();
        let rights = environment.allows(leaf_rights, user);
        if !rights.contains(access.right()) {
            return Err(refused);
        }
        let offset = va.page() & ((1 << shift) - 1);
        return Ok(Leaf { gfn: pte.gfn().plus(offset), rights, leaf_rights, user, global, level });
    }
}
