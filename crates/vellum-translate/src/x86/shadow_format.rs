//! x86-64's tables, as shadow tables see them.
//!
//! The rights of a page are those that every entry of its path grants. So what a table says depends on
//! the entries above it, and a table that is reached through two entries with different rights has two
//! shadow pages, one a *role*. Whether bit 63 is execute-disable or reserved (EFER.NXE) is a part of
//! the role too, since it decides whether an entry means anything at all.
//!
//! KVM's roles hold CR0.WP, CR4.SMEP and CR4.SMAP as well, because a processor walks its shadow tables
//! with registers of its own. Here the lookup knows the guest's registers: an entry keeps what the
//! guest's path says, and who may do what follows at each look ([`Leaf::allows`]). Changing those
//! registers, EFLAGS.AC or a protection-key register therefore costs nothing and drops nothing.

use super::{Entry, Leaf, Paging};
use crate::shadow::{Format, Known, Meaning, Role, Said};
use crate::{Gfn, Gva, Rights};

/// What never changes of a processor, as far as its tables' meaning goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processor {
    /// MAXPHYADDR, at most 52.
    pub physical_bits: u8,
    /// It has pages of 1 GiB.
    pub giant_pages: bool,
}

/// R/W is set in every entry above.
const WRITE: u16 = 1;
/// U/S is set in every entry above.
const USER: u16 = 1 << 1;
/// NX is set in none of the entries above.
const EXECUTE: u16 = 1 << 2;
/// EFER.NXE.
const NXE: u16 = 1 << 3;

impl Processor {
    fn paging(self, role: Role) -> Paging {
        Paging {
            nx: role.0 & NXE != 0,
            physical_bits: self.physical_bits.min(52),
            giant_pages: self.giant_pages,
            ..Paging::four_level(Gfn::new(0))
        }
    }
}

/// The role of what an entry leads to, or the rights to its page.
fn below(role: Role, entry: Entry) -> Role {
    let mut bits = role.0;
    if !entry.has(Entry::W) {
        bits &= !WRITE;
    }
    if !entry.has(Entry::U) {
        bits &= !USER;
    }
    if entry.has(Entry::NX) {
        bits &= !EXECUTE;
    }
    Role(bits)
}

impl Format for Processor {
    type Space = Paging;

    fn levels(&self, space: Paging) -> u8 {
        space.levels
    }

    fn root(&self, space: Paging) -> (Gfn, Role) {
        let nxe = if space.nx { NXE } else { 0 };
        (space.root, Role(WRITE | USER | EXECUTE | nxe))
    }

    fn tag(&self, space: Paging) -> u16 {
        space.pcid
    }

    fn is_canonical(&self, space: Paging, va: Gva) -> bool {
        space.is_canonical(va)
    }

    fn meaning(&self, role: Role, level: u8, entry: u64) -> Meaning {
        let (entry, paging) = (Entry(entry), self.paging(role));
        // An accessed bit is set by a walk, not here.
        if !entry.has(Entry::P | Entry::A) || paging.is_reserved(entry, level, paging.reserved()) {
            return Meaning::Nothing;
        }
        let role = below(role, entry);
        if !entry.is_leaf(level) {
            return Meaning::Table(entry.table(), role);
        }
        let (writable, dirty) = (role.0 & WRITE != 0, entry.has(Entry::D));
        let mut guest = Rights::READ;
        guest.set(Rights::WRITE, writable && dirty);
        guest.set(Rights::EXECUTE, role.0 & EXECUTE != 0);
        let said = Said {
            guest,
            user: role.0 & USER != 0,
            global: entry.has(Entry::G),
            shielded: dirty && !writable,
            key: entry.key(),
        };
        Meaning::Page(entry.page(level), said)
    }
}

/// What is kept of a page, as a walk would have found it; a dirty bit that is clear withholds writing
/// here, since the next store must set it.
pub(super) fn leaf_of(known: &Known) -> Leaf {
    Leaf {
        gfn: known.gfn,
        level: known.level,
        write: known.guest.contains(Rights::WRITE),
        user: known.user,
        execute: known.guest.contains(Rights::EXECUTE),
        global: known.global,
        dirty: known.guest.contains(Rights::WRITE) || known.shielded,
        key: known.key,
        memory_type: 0,
    }
}
