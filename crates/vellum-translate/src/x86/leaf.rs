//! Where a walk leads, and what may be done there by whom.

use super::{Access, Entry, Paging};
use crate::{Access as Kind, Gfn, Gva, Privilege, Rights};

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
    #[inline]
    pub(super) fn key_refuses(&self, paging: &Paging, access: Access) -> bool {
        key_refuses(paging, access, self.user, self.key)
    }

    /// Whether the path's bits allow the access, keys aside (section "Determination of Access
    /// Rights").
    #[inline]
    pub(super) fn bits_allow(&self, paging: &Paging, access: Access) -> bool {
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

/// Whether a page's protection key refuses a data access (section "Protection Keys").
#[inline]
pub(super) fn key_refuses(paging: &Paging, access: Access, user_page: bool, key: u8) -> bool {
    let register = if user_page { paging.pkru } else { paging.pkrs };
    let Some(register) = register else { return false };
    if access.kind == Kind::Fetch {
        return false;
    }
    let disabled = register >> (2 * u32::from(key));
    let heeds_write = paging.wp || access.privilege == Privilege::User;
    disabled & 1 != 0 || (access.kind == Kind::Store && disabled & 2 != 0 && heeds_write)
}

/// What a path leads to whose leaf is `leaf`; `all` and `any` are its entries put together.
#[inline(always)]
pub(super) fn found(va: Gva, leaf: Entry, level: u8, all: u64, any: u64) -> Leaf {
    let inside = va.page() & ((1 << (9 * u32::from(level))) - 1);
    let pat = if level == 0 { Entry::PAT } else { Entry::PAT_LARGE };
    Leaf {
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
    }
}
