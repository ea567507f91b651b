//! The walk itself, for every geometry, stage and set of extensions: the section "Virtual Address
//! Translation Process" of the privileged specification.

use super::reach::Reach;
use super::{Extensions, MemoryType, Pte};
use crate::memory::entry_at;
use crate::{
    Access, Environment, Fault, FaultKind, Gfn, Gpa, Gva, Privilege, Reference, Rights, Stage,
};

/// Times that an entry may change under an update of its A and D bits before the walk gives up with
/// a page fault, as Svade would have: the access is tried again by the guest. A bound, so that no
/// memory and no other hart keeps a walk for ever.
const MAX_UPDATES: u32 = 1 << 10;

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
    /// One of sixteen neighbours that together are a page of 64 KiB (Svnapot).
    pub napot: bool,
    /// What the entry says about the memory (Svpbmt).
    pub memory_type: MemoryType,
}

/// Tables: where, and their shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables {
    pub root: Gfn,
    /// 3 to 5; or none, where nothing is walked.
    pub levels: u8,
    /// In the second stage the root's index has 11 bits, else 9.
    pub stage: Stage,
}

/// The bits of an entry that decide whether it is the usual pointer to a table, all extensions or
/// none: valid, nothing else set but G and what is software's.
const POINTER: u64 = Pte::V | Pte::R | Pte::W | Pte::X | Pte::U | Pte::A | Pte::D | Pte::RESERVED;

/// The bits of a leaf of 4 KiB that decide about an access, and how they must be, for the usual case.
/// Whatever is not the usual case may still be fine: [`Descent::decide`] has the rules.
const fn usual(environment: Environment, access: Access) -> (u64, u64) {
    let (mut mask, mut value) = match access {
        Access::Load => (Pte::R, Pte::R),
        Access::Store => (Pte::R | Pte::W | Pte::D, Pte::R | Pte::W | Pte::D),
        // W without R is reserved.
        Access::Fetch => (Pte::X | Pte::W, Pte::X),
    };
    mask |= Pte::V | Pte::A | Pte::RESERVED;
    value |= Pte::V | Pte::A;
    match environment.privilege {
        Privilege::User => (mask | Pte::U, value | Pte::U),
        Privilege::Supervisor if environment.sum && !matches!(access, Access::Fetch) => {
            (mask, value)
        }
        Privilege::Supervisor => (mask | Pte::U, value),
    }
}

/// The index of the entry for an address in a table of `1 << bits` entries at `level`.
#[inline(always)]
const fn index(va: Gva, level: u8, bits: u32) -> u64 {
    va.page() >> (9 * level as u32) & ((1 << bits) - 1)
}

/// One kind of access to the addresses that one set of tables reaches: all that does not depend on
/// the address.
///
/// In the usual case each entry costs a load, a mask and a compare. The first entry that is not the
/// usual one is handed, as it was read, to the rules in their order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descent {
    tables: Tables,
    /// See [`usual`].
    leaf: (u64, u64),
    extensions: Extensions,
    environment: Environment,
    access: Access,
}

impl Descent {
    #[inline]
    pub(super) const fn new(
        extensions: Extensions,
        tables: Tables,
        environment: Environment,
        access: Access,
    ) -> Descent {
        Descent { tables, leaf: usual(environment, access), extensions, environment, access }
    }

    #[inline(always)]
    pub(super) const fn levels(&self) -> u8 {
        self.tables.levels
    }

    pub(super) const fn environment(&self) -> Environment {
        self.environment
    }

    pub(super) const fn access(&self) -> Access {
        self.access
    }

    /// Walks for `va`, which is within the tables' reach.
    #[inline(always)]
    pub(super) fn walk<R: Reach>(
        self,
        reach: &R,
        va: Gva,
        entries: &mut impl FnMut(u8, Gpa, Pte),
    ) -> Result<Leaf, Fault> {
        match (self.tables.levels, self.tables.stage) {
            (3, Stage::First) => self.quick::<R, 3, 9>(reach, va, entries),
            (4, Stage::First) => self.quick::<R, 4, 9>(reach, va, entries),
            (_, Stage::First) => self.quick::<R, 5, 9>(reach, va, entries),
            (3, Stage::Second) => self.quick::<R, 3, 11>(reach, va, entries),
            (4, Stage::Second) => self.quick::<R, 4, 11>(reach, va, entries),
            (_, Stage::Second) => self.quick::<R, 5, 11>(reach, va, entries),
        }
    }

    /// The index of the entry for an address in the table of a level.
    fn index(self, va: Gva, level: u8) -> u64 {
        let root = level + 1 == self.tables.levels;
        let wide = root && self.tables.stage == Stage::Second;
        index(va, level, if wide { 11 } else { 9 })
    }

    #[cold]
    #[inline(never)]
    fn unreachable<R: Reach>(self, va: Gva, level: u8, table: Gfn, error: R::Error) -> Fault {
        let at = entry_at(table, self.index(va, level));
        R::fault(self.refused(va, level, at, Reference::EntryLoad), error)
    }

    fn refused(self, va: Gva, level: u8, entry: Gpa, reference: Reference) -> Fault {
        let Descent { access, tables: Tables { stage, .. }, .. } = self;
        let gpa = match stage {
            Stage::First => None,
            Stage::Second => Some(Gpa::new(va.get())),
        };
        let kind = FaultKind::Page;
        Fault { kind, access, va, level, entry: Some(entry), stage, reference, gpa }
    }

    #[inline(always)]
    pub(super) fn quick<R: Reach, const LEVELS: u8, const ROOT_BITS: u32>(
        self,
        reach: &R,
        va: Gva,
        entries: &mut impl FnMut(u8, Gpa, Pte),
    ) -> Result<Leaf, Fault> {
        let mut table = self.tables.root;
        let mut above = 0;
        let mut level = LEVELS - 1;
        while level > 0 {
            let index = index(va, level, if level + 1 == LEVELS { ROOT_BITS } else { 9 });
            let bits = match reach.load(table, index) {
                Ok(bits) => bits,
                Err(error) => return Err(self.unreachable::<R>(va, level, table, error)),
            };
            entries(level, entry_at(table, index), Pte(bits));
            if bits & POINTER != Pte::V {
                return self.decide(reach, va, (level, bits), (table, above), entries);
            }
            above |= bits;
            // All bits above the number are clear.
            table = Gfn::new(bits >> 10);
            level -= 1;
        }
        let index = index(va, 0, 9);
        let bits = match reach.load(table, index) {
            Ok(bits) => bits,
            Err(error) => return Err(self.unreachable::<R>(va, 0, table, error)),
        };
        entries(0, entry_at(table, index), Pte(bits));
        if bits & self.leaf.0 != self.leaf.1 {
            return self.decide(reach, va, (0, bits), (table, above), entries);
        }
        // Neither one of sixteen nor of a memory type: those bits are clear.
        Ok(self.found(va, Pte(bits & !Pte::RESERVED), 0, above))
    }

    /// The rules in their order, from an entry on that was just read: its level and bits, its table,
    /// and the entries above put together.
    #[inline(never)]
    fn decide<R: Reach>(
        self,
        reach: &R,
        va: Gva,
        (level, bits): (u8, u64),
        (table, above): (Gfn, u64),
        entries: &mut impl FnMut(u8, Gpa, Pte),
    ) -> Result<Leaf, Fault> {
        let Descent { extensions, environment, access, .. } = self;
        let (mut level, mut bits, mut table, mut above) = (level, bits, table, above);
        let mut updates = 0;
        loop {
            let pte = Pte(bits);
            let at = entry_at(table, self.index(va, level));
            let page_fault = || Err(self.refused(va, level, at, Reference::Explicit));
            if pte.is_invalid_with(extensions) {
                return page_fault();
            }
            if !pte.is_leaf() {
                if level == 0 || pte.is_bad_pointer() {
                    return page_fault();
                }
                level -= 1;
                above |= bits;
                table = pte.gfn();
            } else {
                let user = pte.has(Pte::U);
                if pte.is_misaligned(level)
                    || pte.is_bad_napot(level)
                    || !environment.allows(pte.rights(), user).contains(access.right())
                {
                    return page_fault();
                }
                let missing = pte.lacks(access);
                if missing == 0 {
                    return Ok(self.found(va, pte, level, above));
                }
                if !extensions.svadu || updates == MAX_UPDATES {
                    return page_fault();
                }
                match reach.exchange(at, bits, bits | missing) {
                    Ok(true) => return Ok(self.found(va, Pte(bits | missing), level, above)),
                    // "If the comparison fails, return to step 2."
                    Ok(false) => updates += 1,
                    Err(error) => {
                        let refused = self.refused(va, level, at, Reference::EntryStore);
                        return Err(R::fault(refused, error));
                    }
                }
            }
            let index = self.index(va, level);
            bits = match reach.load(table, index) {
                Ok(bits) => bits,
                Err(error) => return Err(self.unreachable::<R>(va, level, table, error)),
            };
            entries(level, entry_at(table, index), Pte(bits));
        }
    }

    /// What a leaf leads to that allows the access.
    #[inline(always)]
    fn found(self, va: Gva, pte: Pte, level: u8, above: u64) -> Leaf {
        let (leaf_rights, user, napot) = (pte.rights_now(), pte.has(Pte::U), pte.has(Pte::N));
        let inside = if napot { 0xf } else { (1 << (9 * u32::from(level))) - 1 };
        let base = if napot { pte.gfn().get() & !0xf } else { pte.gfn().get() };
        Leaf {
            gfn: Gfn::new(base | va.page() & inside),
            rights: self.environment.allows(leaf_rights, user),
            leaf_rights,
            user,
            global: (above | pte.0) & Pte::G != 0,
            level,
            napot,
            memory_type: pte.memory_type(),
        }
    }
}
