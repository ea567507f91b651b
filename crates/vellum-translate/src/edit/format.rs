//! A format as an editor of tables sees it: its shape, and what entries say.

use crate::{Gfn, Rights};

/// What an entry that maps a page says beside where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Attributes {
    /// Load, store and fetch.
    pub rights: Rights,
    /// User mode may.
    pub user: bool,
    /// The same in every address space.
    pub global: bool,
    /// The accessed bit.
    pub accessed: bool,
    /// The dirty bit.
    pub dirty: bool,
    /// The memory's type, as the format numbers it: RISC-V's PBMT, x86's index into the PAT.
    pub memory_type: u8,
    /// Bits that the format leaves to software, from the lowest: RISC-V has two, x86 three.
    pub software: u8,
    /// x86's protection key.
    pub key: u8,
}

impl Attributes {
    /// Supervisor pages with these rights, whose accessed and dirty bits are already set: what a
    /// kernel without demand paging wants.
    pub const fn kernel(rights: Rights) -> Attributes {
        Attributes {
            rights,
            user: false,
            global: false,
            accessed: true,
            dirty: true,
            memory_type: 0,
            software: 0,
            key: 0,
        }
    }

    /// The same for user mode.
    pub const fn user(rights: Rights) -> Attributes {
        Attributes { user: true, ..Attributes::kernel(rights) }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Zero: nobody has put anything here.
    Unused,
    /// Not present, and not unused: software keeps something here, or the entry means nothing. The
    /// bits as they are.
    Absent(u64),
    /// A table one level down.
    Table(Gfn),
    /// A page of the level's size. For a piece of a larger page, this piece.
    Page(Gfn, Attributes),
}

/// A format of tables, of entries of 8 bytes and 512 of them in a table, the root perhaps excepted.
pub trait Format {
    /// Whether a processor may remember that an entry was not present, so that a mapping that is
    /// new needs a flush. RISC-V allows it (without Svvptc), x86 does not.
    fn remembers_absence(&self) -> bool;

    /// Levels of tables.
    fn levels(&self) -> u8;

    /// Bits of the root's index.
    fn root_bits(&self) -> u32 {
        9
    }

    /// The highest level whose entries may map a page.
    fn largest(&self) -> u8;

    /// Whether the upper half of the addresses is reached by sign extension; else the bits above
    /// must be zero.
    fn signed(&self) -> bool {
        true
    }

    /// What `entry` is, number `index` of a table at `level`.
    fn decode(&self, level: u8, index: u64, entry: u64) -> Slot;

    /// The table that `entry`, of a table at `level`, leads to: what [`Format::decode`] says, for
    /// whoever asks for nothing else.
    #[inline]
    fn leads_to(&self, level: u8, index: u64, entry: u64) -> Option<Gfn> {
        match self.decode(level, index, entry) {
            Slot::Table(below) => Some(below),
            Slot::Unused | Slot::Absent(_) | Slot::Page(..) => None,
        }
    }

    /// The entry for a page at `to`; `None` if the format cannot say that.
    fn page(&self, level: u8, to: Gfn, attributes: &Attributes) -> Option<u64>;

    /// What is added to a page's entry for the page behind it.
    fn step(&self, level: u8) -> u64;

    /// The accessed bit, as it stands in an entry that maps a page.
    fn accessed(&self) -> u64;

    /// The entry for the table at `to`.
    fn table(&self, to: Gfn) -> u64;

    /// An entry that is not present and keeps `token` (63 bits, not 0) for software.
    fn absent(&self, token: u64) -> u64 {
        token << 1
    }

    /// Entries that together are one page, each of them alike: 16 for RISC-V's 64 KiB pages.
    fn contiguous(&self, level: u8, entry: u64) -> u64 {
        let _ = (level, entry);
        1
    }
}
