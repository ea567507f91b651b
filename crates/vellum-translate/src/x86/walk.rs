//! The walk of a guest's tables, with the exact fault.

use super::{Access, Entry, ErrorCode, Fault, FaultKind, Paging};
use crate::{Access as Kind, Gfn, Gpa, Gva, Privilege, Reference, Rights, TableMemory};

/// Times that a walk begins anew because an entry changed under an update of its accessed or dirty
/// bit, before it gives up with a page fault, as a processor may raise spuriously. A bound, so that
/// no memory and no other processor keeps a walk for ever.
const MAX_WALKS: u32 = 1 << 10;
const MAX_LEVELS: usize = 5;

/// Where a walk ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The 4 KiB page that the address lies in.
    pub gfn: Gfn,
    /// The leaf's level: 0 is 4 KiB, 1 is 2 MiB, 2 is 1 GiB.
    pub level: u8,
    /// R/W is set in every entry of the path.
    pub write: bool,
    /// U/S is set in every entry of the path: a user-mode address.
    pub user: bool,
    /// NX is set in no entry of the path.
    pub execute: bool,
    /// The leaf's global bit.
    pub global: bool,
    /// The leaf's dirty bit, as the walk left it.
    pub dirty: bool,
    /// The leaf's protection key, heeded or not.
    pub key: u8,
    /// The leaf's index into the page attribute table: PAT, PCD and PWT.
    pub memory_type: u8,
}

impl Leaf {
    /// Whether a protection key refuses a data access (section "Protection Keys").
    #[inline]
    fn key_refuses(&self, paging: &Paging, access: Access) -> bool {
        let register = if self.user { paging.pkru } else { paging.pkrs };
        let Some(register) = register else { return false };
        if access.kind == Kind::Fetch {
            return false;
        }
        let disabled = register >> (2 * u32::from(self.key));
        let heeds_write = paging.wp || access.privilege == Privilege::User;
        disabled & 1 != 0 || (access.kind == Kind::Store && disabled & 2 != 0 && heeds_write)
    }

    /// Whether the path's bits allow the access, keys aside (section "Determination of Access
    /// Rights").
    #[inline]
    fn bits_allow(&self, paging: &Paging, access: Access) -> bool {
        let user = access.privilege == Privilege::User;
        if user && !self.user {
            return false;
        }
        let data =
            |paging: &Paging| user || !self.user || !paging.smap || (paging.ac && !access.implicit);
        match access.kind {
            Kind::Fetch => self.execute && (user || !self.user || !paging.smep),
            Kind::Load => data(paging),
            Kind::Store => data(paging) && (self.write || (!user && !paging.wp)),
        }
    }

    /// What may be done with the page, dirty bit aside.
    pub fn allows(&self, paging: &Paging, privilege: Privilege, implicit: bool) -> Rights {
        [Kind::Load, Kind::Store, Kind::Fetch].into_iter().fold(Rights::empty(), |rights, kind| {
            let access = Access { kind, privilege, implicit };
            if self.bits_allow(paging, access) && !self.key_refuses(paging, access) {
                rights | kind.right()
            } else {
                rights
            }
        })
    }
}

/// The error code that an access gets, whatever refuses it.
#[inline]
fn code(paging: &Paging, access: Access) -> ErrorCode {
    let mut code = ErrorCode::empty();
    code.set(ErrorCode::WRITE, access.kind == Kind::Store);
    code.set(ErrorCode::USER, access.privilege == Privilege::User);
    code.set(ErrorCode::FETCH, access.kind == Kind::Fetch && (paging.nx || paging.smep));
    code
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
    mut entries: impl FnMut(u8, Gpa, Entry),
) -> Result<Leaf, Fault> {
    let top = paging.levels - 1;
    let fault = |kind, level, entry, reference| Fault { kind, access, va, level, entry, reference };
    let refuse = |extra: ErrorCode, level, at| {
        let kind = FaultKind::Page(code(paging, access) | extra);
        Err(fault(kind, level, Some(at), Reference::Explicit))
    };
    if !paging.is_canonical(va) {
        return Err(fault(FaultKind::NotCanonical, top, None, Reference::Explicit));
    }
    let reserved = paging.reserved();
    let mut walks = 0;
    'walk: loop {
        walks += 1;
        let (mut level, mut table) = (top, paging.root);
        // R/W and U/S: set in all; NX: set in any.
        let (mut all, mut any) = (u64::MAX, 0);
        let mut path = [(Gpa::new(0), 0); MAX_LEVELS];
        let (at, leaf) = loop {
            let index = va.page() >> (9 * u32::from(level)) & 0x1ff;
            let at = Gpa::new(table.base().get() + index * 8);
            let Some(bits) = memory.load_entry(at) else {
                return Err(fault(FaultKind::Bus, level, Some(at), Reference::EntryLoad));
            };
            let entry = Entry(bits);
            entries(level, at, entry);
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
            table = entry.table();
        };
        let inside = va.page() & ((1 << (9 * u32::from(level))) - 1);
        let pat = if level == 0 { Entry::PAT } else { Entry::PAT_LARGE };
        let mut found = Leaf {
            gfn: leaf.page(level).plus(inside),
            level,
            write: all & Entry::W != 0,
            user: all & Entry::U != 0,
            execute: any & Entry::NX == 0,
            global: leaf.has(Entry::G),
            dirty: leaf.has(Entry::D),
            key: leaf.key(),
            memory_type: u8::from(leaf.has(pat)) << 2
                | u8::from(leaf.has(Entry::PCD)) << 1
                | u8::from(leaf.has(Entry::PWT)),
        };
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
                Some(false) if walks == MAX_WALKS => return refuse(ErrorCode::PRESENT, depth, at),
                Some(false) => continue 'walk,
                None => {
                    return Err(fault(FaultKind::Bus, depth, Some(at), Reference::EntryStore));
                }
            }
        }
        found.dirty |= dirty != 0;
        return Ok(found);
    }
}
