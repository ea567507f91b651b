//! Whose tables are shadowed: what a format of tables says, as far as shadow tables need it.

use crate::riscv::{Mode, Pte, Satp};
use crate::{Gfn, Gva, Rights};
use core::fmt::Debug;

/// What decides the meaning of a table beside its entries: bits that a [`Format`] defines. One guest
/// table has a shadow page for each role that it is used in. Zero where the entries say it all.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(pub u16);

/// What a guest says of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// R, W and X; without setting an accessed or dirty bit.
    pub guest: Rights,
    /// A user's page.
    pub user: bool,
    /// In every address space.
    pub global: bool,
    /// Writing is withheld, but not from a supervisor that heeds no such bit (x86-64 with CR0.WP
    /// clear), and no dirty bit stands in the way.
    pub shielded: bool,
    /// The protection key, below 16.
    pub key: u8,
}

impl Said {
    /// In ten bits.
    pub(super) const fn pack(self) -> u16 {
        self.guest.bits() as u16
            | (self.user as u16) << 3
            | (self.global as u16) << 4
            | (self.shielded as u16) << 5
            | ((self.key & 15) as u16) << 6
    }

    pub(super) const fn unpack(bits: u16) -> Said {
        Said {
            guest: Rights::from_bits_truncate(bits as u8),
            user: bits & 1 << 3 != 0,
            global: bits & 1 << 4 != 0,
            shielded: bits & 1 << 5 != 0,
            key: (bits >> 6 & 15) as u8,
        }
    }

    /// Everything that may be done with the page by anyone, before the host has its say.
    pub(super) fn most(self) -> Rights {
        if self.shielded { self.guest | Rights::WRITE } else { self.guest }
    }
}

/// What an entry of a guest's table means for a shadow of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing that can be used at once: absent, refused, or with an accessed bit to be set first.
    Nothing,
    /// On to this table, in this role.
    Table(Gfn, Role),
    /// A page that begins here.
    Page(Gfn, Said),
}

impl Meaning {
    /// The page, if the entry means one.
    pub(super) const fn page(self) -> Option<(Gfn, Said)> {
        match self {
            Meaning::Page(gfn, said) => Some((gfn, said)),
            Meaning::Nothing | Meaning::Table(..) => None,
        }
    }
}

/// A format of tables of 512 entries of 64 bits, as shadow tables see it.
pub trait Format: Debug + Clone + Send {
    /// An address space, as a processor loads it.
    type Space: Copy + Debug + Send;

    /// Levels of its tables; 0 where it does not translate.
    fn levels(&self, space: Self::Space) -> u8;

    /// Its root table, and the role of that.
    fn root(&self, space: Self::Space) -> (Gfn, Role);

    /// Its identifier, by which fences name it: ASID or PCID.
    fn tag(&self, space: Self::Space) -> u16;

    /// Whether the format translates the address at all.
    fn is_canonical(&self, space: Self::Space, va: Gva) -> bool;

    /// What an entry at `level` of a table in `role` means. At level 0 never a table.
    fn meaning(&self, role: Role, level: u8, entry: u64) -> Meaning;
}

/// RISC-V's Sv39, Sv48 and Sv57, without extensions: entries say everything, so there is one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RiscV;

impl Format for RiscV {
    type Space = Satp;

    #[inline]
    fn levels(&self, space: Satp) -> u8 {
        space.mode.levels()
    }

    #[inline]
    fn root(&self, space: Satp) -> (Gfn, Role) {
        (space.root, Role::default())
    }

    fn tag(&self, space: Satp) -> u16 {
        space.asid
    }

    #[inline]
    fn is_canonical(&self, space: Satp, va: Gva) -> bool {
        space.mode != Mode::Bare && space.mode.is_canonical(va)
    }

    #[inline]
    fn meaning(&self, role: Role, level: u8, entry: u64) -> Meaning {
        let pte = Pte(entry);
        if pte.is_invalid() {
            return Meaning::Nothing;
        }
        if !pte.is_leaf() {
            let points_on = level > 0 && !pte.is_bad_pointer();
            return if points_on { Meaning::Table(pte.gfn(), role) } else { Meaning::Nothing };
        }
        if !pte.has(Pte::A) || pte.is_misaligned(level) {
            return Meaning::Nothing;
        }
        let said = Said {
            guest: pte.rights_now(),
            user: pte.has(Pte::U),
            global: pte.has(Pte::G),
            shielded: false,
            key: 0,
        };
        Meaning::Page(pte.gfn(), said)
    }
}
