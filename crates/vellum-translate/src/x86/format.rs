//! x86-64's tables, as an editor of tables sees them.

use super::{Entry, Paging};
use crate::edit::{Attributes, Format, Slot};
use crate::{Gfn, Rights};

/// Four or five levels, with the features of a processor as [`Paging`] says them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongMode(pub Paging);

impl Format for LongMode {
    fn remembers_absence(&self) -> bool {
        false
    }

    fn levels(&self) -> u8 {
        self.0.levels
    }

    fn largest(&self) -> u8 {
        if self.0.giant_pages { 2 } else { 1 }
    }

    #[inline]
    fn decode(&self, level: u8, _index: u64, entry: u64) -> Slot {
        if entry == 0 {
            return Slot::Unused;
        }
        let bits = Entry(entry);
        if !bits.has(Entry::P) || self.0.is_reserved(bits, level, self.0.reserved()) {
            return Slot::Absent(entry);
        }
        if !bits.is_leaf(level) {
            return Slot::Table(bits.table());
        }
        let mut rights = Rights::READ;
        rights.set(Rights::WRITE, bits.has(Entry::W));
        rights.set(Rights::EXECUTE, !bits.has(Entry::NX));
        let pat = if level == 0 { Entry::PAT } else { Entry::PAT_LARGE };
        let attributes = Attributes {
            rights,
            user: bits.has(Entry::U),
            global: bits.has(Entry::G),
            accessed: bits.has(Entry::A),
            dirty: bits.has(Entry::D),
            memory_type: u8::from(bits.has(pat)) << 2
                | u8::from(bits.has(Entry::PCD)) << 1
                | u8::from(bits.has(Entry::PWT)),
            software: (entry >> 9 & 7) as u8,
            key: bits.key(),
        };
        Slot::Page(bits.page(level), attributes)
    }

    #[inline]
    fn leads_to(&self, level: u8, _index: u64, entry: u64) -> Option<Gfn> {
        // PS is a page's where a page may be, and reserved above.
        let decides = Entry::P | Entry::PS | self.0.reserved();
        (level > 0 && entry & decides == Entry::P).then_some(Entry(entry).table())
    }

    #[inline]
    fn page(&self, level: u8, to: Gfn, attributes: &Attributes) -> Option<u64> {
        let rights = attributes.rights;
        let no_fetch = !rights.contains(Rights::EXECUTE);
        let misaligned = to.get() & ((1 << (9 * u32::from(level))) - 1) != 0;
        if !rights.contains(Rights::READ)
            || (no_fetch && !self.0.nx)
            || attributes.memory_type > 7
            || attributes.software > 7
            || attributes.key > 15
            || to.get() >> (self.0.physical_bits - 12) != 0
            || misaligned
        {
            return None;
        }
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        let pat = if level == 0 { Entry::PAT } else { Entry::PAT_LARGE };
        let flags = Entry::P
            | flag(rights.contains(Rights::WRITE), Entry::W)
            | flag(no_fetch, Entry::NX)
            | flag(attributes.user, Entry::U)
            | flag(attributes.global, Entry::G)
            | flag(attributes.accessed, Entry::A)
            | flag(attributes.dirty, Entry::D)
            | flag(attributes.memory_type & 4 != 0, pat)
            | flag(attributes.memory_type & 2 != 0, Entry::PCD)
            | flag(attributes.memory_type & 1 != 0, Entry::PWT)
            | flag(level > 0, Entry::PS)
            | u64::from(attributes.software) << 9
            | u64::from(attributes.key) << Entry::KEY_SHIFT;
        Some(Entry::new(to, flags).0)
    }

    fn step(&self, level: u8) -> u64 {
        1 << (12 + 9 * u32::from(level))
    }

    fn accessed(&self) -> u64 {
        Entry::A
    }

    /// Tables grant everything; what is withheld, the entry that maps the page withholds.
    fn table(&self, to: Gfn) -> u64 {
        Entry::new(to, Entry::P | Entry::W | Entry::U | Entry::A).0
    }
}
