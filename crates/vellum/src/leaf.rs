//! The guest's word on a page in its forms: as a walk gives it, as the policy has it, as the TLB has it.

use vellum_translate::riscv::{Leaf, MemoryType};
use vellum_translate::shadow::Known;
use vellum_translate::tlb::{Known as TlbKnown, PageFlags, Translation};
use vellum_translate::{Access, Environment, Privilege, Rights};

/// Where a leaf that the policy has leads, with what both the guest and the host allow.
pub(crate) fn granted(known: &Known, environment: Environment) -> Translation {
    let rights = environment.allows(known.rights, known.user);
    let flags = flags_of(&leaf_of(known, environment), environment);
    Translation { gfn: known.gfn, frame: known.frame, rights, flags }
}

/// The guest's word as a walk would have given it.
pub(crate) fn leaf_of(known: &Known, environment: Environment) -> Leaf {
    Leaf {
        gfn: known.gfn,
        rights: environment.allows(known.guest, known.user),
        leaf_rights: known.guest,
        user: known.user,
        global: known.global,
        level: known.level,
        napot: false,
        memory_type: MemoryType::Physical,
    }
}

/// The guest's word as an entry of the TLB has it, for an access that it allows.
pub(crate) fn recalled_leaf(known: TlbKnown, environment: Environment, access: Access) -> Leaf {
    let mut guest = access.right();
    if access != Access::Fetch {
        guest |= Rights::READ;
        guest.set(Rights::WRITE, known.flags.contains(PageFlags::GUEST_WRITABLE));
    }
    Leaf {
        gfn: known.gfn,
        rights: guest,
        leaf_rights: guest,
        user: environment.privilege == Privilege::User,
        global: known.flags.contains(PageFlags::GLOBAL),
        level: 0,
        napot: false,
        memory_type: MemoryType::Physical,
    }
}

/// What the TLB keeps of the guest's word.
pub(crate) fn flags_of(leaf: &Leaf, environment: Environment) -> PageFlags {
    let mut flags = PageFlags::empty();
    flags.set(PageFlags::GLOBAL, leaf.global);
    flags.set(PageFlags::PIECE, leaf.level > 0);
    flags.set(PageFlags::GIANT, leaf.level > 1);
    let writable = environment.allows(leaf.leaf_rights, leaf.user).contains(Rights::WRITE);
    flags.set(PageFlags::GUEST_WRITABLE, writable);
    flags
}
