//! RISC-V's tables, as an editor of tables sees them.

use super::{Extensions, Mode, Pte};
use crate::edit::{Attributes, Format, Slot};
use crate::{Gfn, Rights};

/// Sv39, Sv48 or Sv57, or their second-stage forms with a root of four pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sv {
    mode: Mode,
    second_stage: bool,
    extensions: Extensions,
    svvptc: bool,
}

impl Sv {
    /// The tables of `mode`; `None` for [`Mode::Bare`], which has none.
    pub const fn new(mode: Mode, extensions: Extensions) -> Option<Sv> {
        match mode {
            Mode::Bare => None,
            _ => Some(Sv { mode, second_stage: false, extensions, svvptc: false }),
        }
    }

    /// The mode's second-stage form (Sv39x4 and so on). Its pages must be user pages.
    #[must_use]
    pub const fn second_stage(self) -> Sv {
        Sv { second_stage: true, ..self }
    }

    /// On a processor with Svvptc, where an entry that becomes valid is seen without a fence.
    #[must_use]
    pub const fn with_svvptc(self) -> Sv {
        Sv { svvptc: true, ..self }
    }
}

impl Format for Sv {
    fn remembers_absence(&self) -> bool {
        !self.svvptc
    }

    fn levels(&self) -> u8 {
        self.mode.levels()
    }

    fn root_bits(&self) -> u32 {
        if self.second_stage { 11 } else { 9 }
    }

    fn largest(&self) -> u8 {
        self.mode.levels() - 1
    }

    fn signed(&self) -> bool {
        !self.second_stage
    }

    #[inline]
    fn decode(&self, level: u8, index: u64, entry: u64) -> Slot {
        let pte = Pte(entry);
        if entry == 0 {
            return Slot::Unused;
        }
        if pte.is_invalid_with(self.extensions) {
            return Slot::Absent(entry);
        }
        if !pte.is_leaf() {
            return match level == 0 || pte.is_bad_pointer() {
                true => Slot::Absent(entry),
                false => Slot::Table(pte.gfn()),
            };
        }
        if pte.is_misaligned(level) || pte.is_bad_napot(level) {
            return Slot::Absent(entry);
        }
        let attributes = Attributes {
            rights: pte.rights(),
            user: pte.has(Pte::U),
            global: pte.has(Pte::G),
            accessed: pte.has(Pte::A),
            dirty: pte.has(Pte::D),
            memory_type: pte.memory_type() as u8,
            software: (entry >> 8 & 3) as u8,
            key: 0,
        };
        let gfn = match pte.has(Pte::N) {
            true => Gfn::new(pte.gfn().get() & !0xf | index & 0xf),
            false => pte.gfn(),
        };
        Slot::Page(gfn, attributes)
    }

    #[inline]
    fn leads_to(&self, level: u8, _index: u64, entry: u64) -> Option<Gfn> {
        let leaf = Pte::R | Pte::W | Pte::X;
        let zero =
            leaf | Pte::U | Pte::A | Pte::D | Pte::N | Pte::PBMT | self.extensions.reserved();
        (level > 0 && entry & (Pte::V | zero) == Pte::V).then_some(Pte(entry).gfn())
    }

    #[inline]
    fn page(&self, level: u8, to: Gfn, attributes: &Attributes) -> Option<u64> {
        let rights = attributes.rights;
        let writable_only = rights.contains(Rights::WRITE) && !rights.contains(Rights::READ);
        let memory_type = match self.extensions.svpbmt {
            true => 3,
            false => 1,
        };
        if rights.is_empty()
            || writable_only
            || attributes.memory_type >= memory_type
            || attributes.software > 3
            || attributes.key != 0
            || (self.second_stage && !attributes.user)
            || to.get() >> 44 != 0
            || Pte::leaf(to, 0).is_misaligned(level)
        {
            return None;
        }
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        let flags = u64::from(rights.bits()) << 1
            | flag(attributes.user, Pte::U)
            | flag(attributes.global, Pte::G)
            | flag(attributes.accessed, Pte::A)
            | flag(attributes.dirty, Pte::D)
            | u64::from(attributes.software) << 8
            | u64::from(attributes.memory_type) << 61;
        Some(Pte::leaf(to, flags).0)
    }

    fn step(&self, level: u8) -> u64 {
        1 << (10 + 9 * u32::from(level))
    }

    fn accessed(&self) -> u64 {
        Pte::A
    }

    fn table(&self, to: Gfn) -> u64 {
        Pte::table(to).0
    }

    fn contiguous(&self, level: u8, entry: u64) -> u64 {
        let napot = self.extensions.svnapot && level == 0 && Pte(entry).has(Pte::V | Pte::N);
        if napot { 16 } else { 1 }
    }
}
