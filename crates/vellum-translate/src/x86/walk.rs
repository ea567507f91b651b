//! The walk of a guest's tables, with the exact fault.

use super::leaf::{found, key_refuses};
use super::{Access, Entry, ErrorCode, Fault, FaultKind, Leaf, Paging};
use crate::memory::entry_at;
use crate::{Access as Kind, Gfn, Gpa, Gva, PAGE_SHIFT, Privilege, Reference, TableMemory};

/// Times that a walk begins anew because an entry changed under an update of its accessed or dirty
/// bit, before it gives up with a page fault, as a processor may raise spuriously. A bound, so that
/// no memory and no other processor keeps a walk for ever.
const MAX_WALKS: u32 = 1 << 10;
const MAX_LEVELS: usize = 5;
/// The bits of an entry from 52 up.
const ABOVE_ADDRESS: u64 = 0xfff << 52;

/// The error code that an access gets, whatever refuses it.
#[inline]
fn code(paging: &Paging, access: Access) -> ErrorCode {
    let mut code = ErrorCode::empty();
    code.set(ErrorCode::WRITE, access.kind == Kind::Store);
    code.set(ErrorCode::USER, access.privilege == Privilege::User);
    code.set(ErrorCode::FETCH, access.kind == Kind::Fetch && (paging.nx || paging.smep));
    code
}

/// The bits that decide about an access in the usual case, and how they must be. Whatever is not the
/// usual case may still be fine: [`Walker::decide`] has the rules.
#[derive(Debug, Clone, Copy)]
struct Usual {
    /// In an entry that leads to a table.
    table: (u64, u64),
    /// In an entry that maps 4 KiB.
    page: (u64, u64),
}

impl Usual {
    #[inline(always)]
    const fn new(paging: &Paging, access: Access) -> Usual {
        let user = matches!(access.privilege, Privilege::User);
        let (mut set, mut clear) = (Entry::P | Entry::A, paging.reserved());
        let (mut page_set, mut page_clear) = (0, 0);
        match access.kind {
            Kind::Load => {}
            Kind::Store => {
                page_set = Entry::D;
                if user || paging.wp {
                    set |= Entry::W;
                }
            }
            Kind::Fetch => clear |= Entry::NX,
        }
        let withheld = match access.kind {
            Kind::Fetch => paging.smep,
            _ => paging.smap && (!paging.ac || access.implicit),
        };
        if user {
            set |= Entry::U;
        } else if withheld {
            // A supervisor's page: the entry that maps it says so, as kernels write it.
            page_clear = Entry::U;
        }
        page_set |= set;
        page_clear |= clear;
        // What a table's entry has above the address is software's, or NX, and seldom set.
        clear |= Entry::PS | ABOVE_ADDRESS;
        Usual { table: (set | clear, set), page: (page_set | page_clear, page_set) }
    }
}

/// Walks the guest's tables for one access, sets the accessed bits of the path and the dirty bit of
/// the leaf by compare-and-exchange, and begins anew if an entry changed meanwhile. Costs one load
/// a level, and one exchange for each entry whose bits were clear.
///
/// `entries` sees every entry that is read, with its level and address.
///
/// # Errors
/// The fault that the guest must get. No accessed bit is set then.
#[inline]
pub fn walk<M: TableMemory + ?Sized>(
    memory: &M,
    paging: &Paging,
    va: Gva,
    access: Access,
    entries: impl FnMut(u8, Gpa, Entry),
) -> Result<Leaf, Fault> {
    Walker::new(*paging, access).walk(memory, va, entries)
}

/// Walks of one kind: what follows from the registers and the kind of access, worked out once for
/// any number of addresses. What [`walk`] makes for a single one.
///
/// In the usual case each entry costs a load, a mask and a compare; where an entry is not the usual
/// one, the walk begins anew and applies the rules in their order.
#[derive(Debug, Clone, Copy)]
pub struct Walker {
    usual: Usual,
    root: Gfn,
    /// Whether a protection key may have a say.
    keys: bool,
    paging: Paging,
    access: Access,
}

impl Walker {
    /// Walks for `access` under `paging`.
    #[inline]
    pub const fn new(paging: Paging, access: Access) -> Walker {
        let keys = paging.pkru.is_some() || paging.pkrs.is_some();
        // As much of it as CR3 holds.
        let root = Entry::new(paging.root, 0).table();
        Walker { usual: Usual::new(&paging, access), root, keys, paging, access }
    }

    /// Walks for one address, as [`walk`] does.
    ///
    /// # Errors
    /// The fault that the guest must get. No accessed bit is set then.
    #[inline]
    pub fn walk<M: TableMemory + ?Sized>(
        &self,
        memory: &M,
        va: Gva,
        mut entries: impl FnMut(u8, Gpa, Entry),
    ) -> Result<Leaf, Fault> {
        match self.paging.levels {
            5 if is_canonical::<5>(va) => self.quick::<M, 5>(memory, va, &mut entries),
            4 if is_canonical::<4>(va) => self.quick::<M, 4>(memory, va, &mut entries),
            levels => {
                let kind = FaultKind::NotCanonical;
                Err(self.fault(va, kind, levels.saturating_sub(1), None, Reference::Explicit))
            }
        }
    }

    #[cold]
    fn fault(
        &self,
        va: Gva,
        kind: FaultKind,
        level: u8,
        entry: Option<Gpa>,
        reference: Reference,
    ) -> Fault {
        Fault { kind, access: self.access, va, level, entry, reference }
    }

    #[cold]
    fn bus(&self, va: Gva, level: u8, from: Entry) -> Fault {
        let at = entry_at(from.table(), index(va, level));
        self.fault(va, FaultKind::Bus, level, Some(at), Reference::EntryLoad)
    }

    /// The usual case. Whatever else it meets, the walk begins anew under all rules, and only what
    /// that one reads is shown: so nothing but the address has to be kept for it.
    #[inline(always)]
    fn quick<M: TableMemory + ?Sized, const LEVELS: u8>(
        &self,
        memory: &M,
        va: Gva,
        entries: &mut impl FnMut(u8, Gpa, Entry),
    ) -> Result<Leaf, Fault> {
        let mut seen = [(Gfn::new(0), 0); MAX_LEVELS];
        let (mut all, mut any) = (u64::MAX, 0);
        let mut table = self.root;
        let mut level = LEVELS - 1;
        let leaf = loop {
            let Some(bits) = memory.load_in(table, index(va, level)) else {
                return self.decide(memory, va, entries);
            };
            let (mask, value) = if level > 0 { self.usual.table } else { self.usual.page };
            if bits & mask != value {
                return self.decide(memory, va, entries);
            }
            seen[usize::from(level)] = (table, bits);
            all &= bits;
            any |= bits;
            if level == 0 {
                break Entry(bits);
            }
            // All bits above the address are clear.
            table = Gfn::new(bits >> PAGE_SHIFT);
            level -= 1;
        };
        let found = found(va, leaf, 0, all, any);
        // Only a key can refuse now.
        if self.keys && self.key_refuses(found.user, found.key) {
            return self.decide(memory, va, entries);
        }
        for level in (0..LEVELS).rev() {
            let (table, bits) = seen[usize::from(level)];
            entries(level, entry_at(table, index(va, level)), Entry(bits));
        }
        Ok(found)
    }

    /// Out of line: most walks have no keys.
    #[inline(never)]
    fn key_refuses(&self, user: bool, key: u8) -> bool {
        key_refuses(&self.paging, self.access, user, key)
    }

    /// The rules in their order.
    #[cold]
    #[inline(never)]
    fn decide<M: TableMemory + ?Sized>(
        &self,
        memory: &M,
        va: Gva,
        entries: &mut impl FnMut(u8, Gpa, Entry),
    ) -> Result<Leaf, Fault> {
        let Walker { paging, access, .. } = self;
        let access = *access;
        let top = paging.levels - 1;
        let refuse = |extra: ErrorCode, level, at| {
            let kind = FaultKind::Page(code(paging, access) | extra);
            Err(self.fault(va, kind, level, Some(at), Reference::Explicit))
        };
        let reserved = paging.reserved();
        let mut walks = 0;
        'walk: loop {
            walks += 1;
            let (mut level, mut from) = (top, Entry::new(self.root, 0));
            // R/W and U/S: set in all; NX: set in any.
            let (mut all, mut any) = (u64::MAX, 0);
            let mut path = [(Gpa::new(0), 0); MAX_LEVELS];
            let (at, leaf) = loop {
                let (table, index) = (from.table(), index(va, level));
                let at = entry_at(table, index);
                let Some(bits) = memory.load_in(table, index) else {
                    return Err(self.bus(va, level, from));
                };
                entries(level, at, Entry(bits));
                let entry = Entry(bits);
                if !entry.has(Entry::P) {
                    return refuse(ErrorCode::empty(), level, at);
                }
                if paging.is_reserved(entry, level, reserved) {
                    return refuse(ErrorCode::PRESENT | ErrorCode::RESERVED, level, at);
                }
                all &= bits;
                any |= bits;
                path[usize::from(level)] = (at, bits);
                if entry.is_leaf(level) {
                    break (at, entry);
                }
                level -= 1;
                from = entry;
            };
            let mut found = found(va, leaf, level, all, any);
            let key = found.key_refuses(paging, access);
            if key || !found.bits_allow(paging, access) {
                let key = if key { ErrorCode::KEY } else { ErrorCode::empty() };
                return refuse(ErrorCode::PRESENT | key, level, at);
            }
            let dirty = if access.kind == Kind::Store { Entry::D } else { 0 };
            if all & Entry::A != 0 && leaf.has(dirty) {
                return Ok(found);
            }
            for depth in (level..=top).rev() {
                let (at, bits) = path[usize::from(depth)];
                let needed = Entry::A | if depth == level { dirty } else { 0 };
                if bits & needed == needed {
                    continue;
                }
                match memory.exchange_entry(at, bits, bits | needed) {
                    Some(true) => {}
                    Some(false) if walks == MAX_WALKS => {
                        return refuse(ErrorCode::PRESENT, depth, at);
                    }
                    Some(false) => continue 'walk,
                    None => {
                        let kind = FaultKind::Bus;
                        return Err(self.fault(va, kind, depth, Some(at), Reference::EntryStore));
                    }
                }
            }
            found.dirty |= dirty != 0;
            return Ok(found);
        }
    }
}

/// The index of the entry for an address in the table of a level.
#[inline(always)]
const fn index(va: Gva, level: u8) -> u64 {
    va.page() >> (9 * level as u32) & 0x1ff
}

/// [`Paging::is_canonical`], for a number of levels that is known.
#[inline(always)]
const fn is_canonical<const LEVELS: u32>(va: Gva) -> bool {
    let unused = 64 - (12 + 9 * LEVELS);
    ((va.get() as i64) << unused >> unused) as u64 == va.get()
}
