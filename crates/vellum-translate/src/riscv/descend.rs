//! The walk itself, for every geometry, stage and set of extensions: the section "Virtual Address
//! Translation Process" of the privileged specification.

use super::{Extensions, MemoryType, Pte};
use crate::{Access, Environment, Fault, FaultKind, Gfn, Gpa, Gva, Reference, Rights, Stage};

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

/// How a walk reaches the entries of its tables.
pub(super) trait Reach {
    /// Why it did not.
    type Error;
    fn load(&self, at: Gpa) -> Result<u64, Self::Error>;
    /// Whether the entry was still `current` and is `new` now.
    fn exchange(&self, at: Gpa, current: u64, new: u64) -> Result<bool, Self::Error>;
    /// The fault that follows; `refused` says what was tried.
    fn fault(refused: Fault, error: Self::Error) -> Fault;
}

/// Physical memory, reached directly.
pub(super) struct Direct<'a, M: ?Sized>(pub &'a M);

impl<M: crate::TableMemory + ?Sized> Reach for Direct<'_, M> {
    type Error = ();

    #[inline(always)]
    fn load(&self, at: Gpa) -> Result<u64, ()> {
        self.0.load_entry(at).ok_or(())
    }

    #[inline]
    fn exchange(&self, at: Gpa, current: u64, new: u64) -> Result<bool, ()> {
        self.0.exchange_entry(at, current, new).ok_or(())
    }

    #[inline]
    fn fault(refused: Fault, (): ()) -> Fault {
        Fault { kind: FaultKind::Access, ..refused }
    }
}

/// Tables: where, and their shape.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    pub root: Gfn,
    pub levels: u8,
    /// Bits of the address that the root's index takes: 9, or 11 in the second stage.
    pub root_bits: u32,
    pub stage: Stage,
}

/// Walks `tables` for one access to `va`, which is within their reach.
#[inline(always)]
pub(super) fn descend<R: Reach>(
    reach: &R,
    extensions: Extensions,
    tables: Tables,
    environment: Environment,
    va: Gva,
    access: Access,
    entries: &mut impl FnMut(u8, Gpa, Pte),
) -> Result<Leaf, Fault> {
    let mut level = tables.levels - 1;
    let refused = |level, entry, reference| {
        let gpa = match tables.stage {
            Stage::First => None,
            Stage::Second => Some(Gpa::new(va.get())),
        };
        let kind = FaultKind::Page;
        Fault { kind, access, va, level, entry: Some(entry), stage: tables.stage, reference, gpa }
    };
    let mut table = tables.root;
    let mut index_mask = (1 << tables.root_bits) - 1;
    let mut global = false;
    let mut updates = 0;
    loop {
        let shift = 9 * u32::from(level);
        let index = va.page() >> shift & index_mask;
        let at = Gpa::new(table.base().get() + index * 8);
        let bits = match reach.load(at) {
            Ok(bits) => bits,
            Err(error) => return Err(R::fault(refused(level, at, Reference::EntryLoad), error)),
        };
        let pte = Pte(bits);
        entries(level, at, pte);
        let page_fault = || Err(refused(level, at, Reference::Explicit));
        if pte.is_invalid_with(extensions) {
            return page_fault();
        }
        global |= pte.has(Pte::G);
        if !pte.is_leaf() {
            if level == 0 || pte.is_bad_pointer() {
                return page_fault();
            }
            level -= 1;
            table = pte.gfn();
            index_mask = 0x1ff;
            continue;
        }
        let user = pte.has(Pte::U);
        if pte.is_misaligned(level)
            || pte.is_bad_napot(level)
            || !environment.allows(pte.rights(), user).contains(access.right())
        {
            return page_fault();
        }
        let mut now = pte;
        let missing = pte.lacks(access);
        if missing != 0 {
            if !extensions.svadu || updates == MAX_UPDATES {
                return page_fault();
            }
            match reach.exchange(at, bits, bits | missing) {
                Ok(true) => now = Pte(bits | missing),
                // "If the comparison fails, return to step 2."
                Ok(false) => {
                    updates += 1;
                    continue;
                }
                Err(error) => {
                    return Err(R::fault(refused(level, at, Reference::EntryStore), error));
                }
            }
        }
        let leaf_rights = now.rights_now();
        let napot = now.has(Pte::N);
        let (inside, base) =
            if napot { (0xf, now.gfn().get() & !0xf) } else { ((1 << shift) - 1, now.gfn().get()) };
        return Ok(Leaf {
            gfn: Gfn::new(base + (va.page() & inside)),
            rights: environment.allows(leaf_rights, user),
            leaf_rights,
            user,
            global,
            level,
            napot,
            memory_type: now.memory_type(),
        });
    }
}
