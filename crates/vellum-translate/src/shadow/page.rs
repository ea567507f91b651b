//! A shadow page: 512 entries, what they mirror, and who points here.

use super::entry::Entry;
use super::format::Role;
use crate::{Gfn, Gva};
use alloc::boxed::Box;
use alloc::vec::Vec;

pub(super) const ENTRIES: usize = 512;

/// What a shadow page mirrors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The guest table in this page, used at this level.
    Table {
        /// Where the table is.
        gfn: Gfn,
        /// 0 for a table of 4 KiB leaves.
        level: u8,
        /// What else decides the meaning of its entries.
        role: Role,
    },
    /// A part of a guest superpage: entry `i` stands for `base + i · 512^level` pages.
    Piece {
        /// First page.
        base: Gfn,
        /// 0 for a part of 512 pages.
        level: u8,
        /// What the guest's entry says of the page, packed.
        flags: u16,
    },
}

impl Key {
    /// The level of the page's entries.
    pub const fn level(self) -> u8 {
        match self {
            Key::Table { level, .. } | Key::Piece { level, .. } => level,
        }
    }

    /// Pages of 4 KiB under an entry.
    pub(super) const fn span(self) -> u64 {
        1 << (9 * self.level() as u32)
    }
}

/// What a root page knows of the address spaces that use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Root {
    /// The ASID that it was loaded with.
    pub(super) asid: u16,
    /// It was loaded with others too.
    pub(super) several: bool,
    /// When a fence last named its address space.
    pub(super) fenced: u64,
}

/// Bytes of a shadow page of the largest kind, its parents not counted.
pub const PAGE_BYTES: u64 = (size_of::<Page>() + ENTRIES * (8 + 4)) as u64;

#[derive(Debug)]
pub(super) struct Page {
    pub(super) key: Key,
    pub(super) entries: Box<[Entry; ENTRIES]>,
    /// Which guest page each leaf maps, for a table's leaves: its guest entry may have changed when
    /// the leaf goes. Above level 0 made with the first large leaf.
    pub(super) mapped: Option<Box<[u32; ENTRIES]>>,
    /// Present entries.
    pub(super) present: u16,
    /// The virtual address that entry 0 translates, as it was first linked.
    pub(super) va: Gva,
    /// Made as a root: its upper half translates addresses whose unused bits are all set.
    pub(super) signed: bool,
    /// Linked at a second virtual address too: `va` does not say it all.
    pub(super) aliased: bool,
    /// Out of step: the guest writes the table freely.
    pub(super) loose: bool,
    /// Entries that point here: (page, slot).
    pub(super) parents: Vec<(u32, u16)>,
    /// Used as a root. A root has no parents, and dies of a flood of writes or of reclaim.
    pub(super) root: Option<Root>,
    /// Stores into the guest table since it was last used.
    pub(super) writes: u32,
    /// The next shadow page of the same guest table at another level, plus one; 0: none.
    pub(super) next_of_table: u32,
}

impl Page {
    pub(super) fn new(key: Key, va: Gva) -> Self {
        Page {
            key,
            entries: Box::new([Entry::NONE; ENTRIES]),
            mapped: matches!(key, Key::Table { level: 0, .. }).then(|| Box::new([0; ENTRIES])),
            present: 0,
            va,
            signed: false,
            aliased: false,
            loose: false,
            parents: Vec::new(),
            root: None,
            writes: 0,
            next_of_table: 0,
        }
    }

    /// The guest page that the leaf in `slot` maps.
    pub(super) fn gfn_of(&self, slot: usize) -> Gfn {
        match (self.key, &self.mapped) {
            (Key::Piece { base, .. }, _) => base.plus(slot as u64 * self.key.span()),
            (Key::Table { .. }, Some(mapped)) => Gfn::new(mapped[slot].into()),
            (Key::Table { .. }, None) => unreachable!("a leaf's page is noted"),
        }
    }

    /// Notes which page the leaf in `slot` maps.
    pub(super) fn note(&mut self, slot: usize, gfn: Gfn) {
        if matches!(self.key, Key::Table { .. }) {
            let mapped = self.mapped.get_or_insert_with(|| Box::new([0; ENTRIES]));
            mapped[slot] = gfn.get() as u32;
        }
    }

    /// Whether nothing in the shadow tables leads here.
    pub(super) fn is_top(&self) -> bool {
        self.parents.is_empty()
    }

    pub(super) fn overhead(&self) -> usize {
        size_of::<Page>()
            + ENTRIES * 8
            + self.mapped.as_ref().map_or(0, |m| size_of_val(&**m))
            + self.parents.capacity() * 8
    }

    /// The virtual address that entry `slot` translates, when only one does.
    pub(super) fn va_of(&self, slot: usize) -> Gva {
        let shift = 12 + 9 * u32::from(self.key.level());
        let va = self.va.get().wrapping_add((slot as u64) << shift);
        let unused = if self.signed { 64 - 9 - shift } else { 0 };
        Gva::new(((va << unused) as i64 >> unused) as u64)
    }
}
