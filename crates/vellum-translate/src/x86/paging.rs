//! What beside the tables decides: control registers, EFER, protection-key registers, and who asks.

use super::Entry;
use crate::{Access as Kind, Gfn, Gva, Privilege};

/// One access and who makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Load, store or fetch.
    pub kind: Kind,
    /// [`Privilege::User`] for CPL 3, and then never implicit; supervisor otherwise.
    pub privilege: Privilege,
    /// The processor's own access to a system structure (a descriptor table, a TSS), which counts
    /// as a supervisor's at any CPL, and for which EFLAGS.AC has no say.
    pub implicit: bool,
}

impl Access {
    /// An explicit access.
    pub const fn new(kind: Kind, privilege: Privilege) -> Access {
        Access { kind, privilege, implicit: false }
    }
}

/// The registers that matter, as a guest left them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Registers {
    /// CR0.
    pub cr0: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// IA32_EFER.
    pub efer: u64,
    /// EFLAGS, for AC.
    pub eflags: u64,
    /// PKRU.
    pub pkru: u32,
    /// IA32_PKRS.
    pub pkrs: u32,
}

impl Registers {
    /// CR0.PE.
    pub const CR0_PE: u64 = 1 << 0;
    /// CR0.WP.
    pub const CR0_WP: u64 = 1 << 16;
    /// CR0.PG.
    pub const CR0_PG: u64 = 1 << 31;
    /// CR4.PAE.
    pub const CR4_PAE: u64 = 1 << 5;
    /// CR4.LA57.
    pub const CR4_LA57: u64 = 1 << 12;
    /// CR4.PCIDE.
    pub const CR4_PCIDE: u64 = 1 << 17;
    /// CR4.SMEP.
    pub const CR4_SMEP: u64 = 1 << 20;
    /// CR4.SMAP.
    pub const CR4_SMAP: u64 = 1 << 21;
    /// CR4.PKE.
    pub const CR4_PKE: u64 = 1 << 22;
    /// CR4.PKS.
    pub const CR4_PKS: u64 = 1 << 24;
    /// IA32_EFER.LME.
    pub const EFER_LME: u64 = 1 << 8;
    /// IA32_EFER.NXE.
    pub const EFER_NXE: u64 = 1 << 11;
    /// EFLAGS.AC.
    pub const EFLAGS_AC: u64 = 1 << 18;
}

/// The registers do not select four- or five-level paging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLongMode {
    /// CR0 as it was.
    pub cr0: u64,
    /// CR4 as it was.
    pub cr4: u64,
    /// IA32_EFER as it was.
    pub efer: u64,
}

impl core::fmt::Display for NotLongMode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let NotLongMode { cr0, cr4, efer } = self;
        write!(
            f,
            "four- and five-level paging need CR0.PE and PG, CR4.PAE and IA32_EFER.LME, found CR0 \
             {cr0:#x}, CR4 {cr4:#x}, EFER {efer:#x}"
        )
    }
}

impl core::error::Error for NotLongMode {}

/// The paging mode and everything that changes what an entry means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Paging {
    /// 4 or 5.
    pub levels: u8,
    /// The root table.
    pub root: Gfn,
    /// Process-context identifier, 0 without CR4.PCIDE.
    pub pcid: u16,
    /// CR0.WP: supervisor writes heed the R/W bits.
    pub wp: bool,
    /// IA32_EFER.NXE: bit 63 of an entry forbids fetching; without it the bit is reserved.
    pub nx: bool,
    /// CR4.SMEP: a supervisor does not fetch from user pages.
    pub smep: bool,
    /// CR4.SMAP: a supervisor does not touch user pages, unless AC is set.
    pub smap: bool,
    /// EFLAGS.AC.
    pub ac: bool,
    /// PKRU, if CR4.PKE.
    pub pkru: Option<u32>,
    /// IA32_PKRS, if CR4.PKS.
    pub pkrs: Option<u32>,
    /// MAXPHYADDR, at most 52: address bits from there on are reserved.
    pub physical_bits: u8,
    /// The processor has pages of 1 GiB.
    pub giant_pages: bool,
}

impl Paging {
    /// Four levels from `root` on a processor with 52 physical bits and pages of 1 GiB; WP and NX
    /// enabled, nothing else.
    pub const fn four_level(root: Gfn) -> Paging {
        Paging {
            levels: 4,
            root,
            pcid: 0,
            wp: true,
            nx: true,
            smep: false,
            smap: false,
            ac: false,
            pkru: None,
            pkrs: None,
            physical_bits: 52,
            giant_pages: true,
        }
    }

    /// What these registers select, on a processor with `physical_bits` (at most 52 count) and
    /// perhaps pages of 1 GiB.
    ///
    /// # Errors
    /// Paging is off, or of an older mode.
    pub const fn from_registers(
        registers: &Registers,
        physical_bits: u8,
        giant_pages: bool,
    ) -> Result<Paging, NotLongMode> {
        let &Registers { cr0, cr3, cr4, efer, eflags, pkru, pkrs } = registers;
        let protected_paging = Registers::CR0_PE | Registers::CR0_PG;
        if cr0 & protected_paging != protected_paging
            || cr4 & Registers::CR4_PAE == 0
            || efer & Registers::EFER_LME == 0
        {
            return Err(NotLongMode { cr0, cr4, efer });
        }
        let pcide = cr4 & Registers::CR4_PCIDE != 0;
        Ok(Paging {
            levels: if cr4 & Registers::CR4_LA57 != 0 { 5 } else { 4 },
            root: Entry(cr3).table(),
            pcid: if pcide { (cr3 & 0xfff) as u16 } else { 0 },
            wp: cr0 & Registers::CR0_WP != 0,
            nx: efer & Registers::EFER_NXE != 0,
            smep: cr4 & Registers::CR4_SMEP != 0,
            smap: cr4 & Registers::CR4_SMAP != 0,
            ac: eflags & Registers::EFLAGS_AC != 0,
            pkru: if cr4 & Registers::CR4_PKE != 0 { Some(pkru) } else { None },
            pkrs: if cr4 & Registers::CR4_PKS != 0 { Some(pkrs) } else { None },
            physical_bits: if physical_bits < 52 { physical_bits } else { 52 },
            giant_pages,
        })
    }

    /// Whether the address bits above the mode's equal the topmost of them.
    #[inline]
    pub const fn is_canonical(&self, va: Gva) -> bool {
        let unused = 64 - (12 + 9 * self.levels as u32);
        ((va.get() as i64) << unused >> unused) as u64 == va.get()
    }

    /// The bits that must be clear in a present entry of any level.
    #[inline]
    pub(crate) const fn reserved(&self) -> u64 {
        let address = Entry::ADDRESS & !(((1_u64 << self.physical_bits) - 1) | 0xfff);
        if self.nx { address } else { address | Entry::NX }
    }

    /// Whether a present entry at `level` has a reserved bit set; `reserved` is
    /// [`Paging::reserved`].
    #[inline]
    pub(crate) const fn is_reserved(&self, entry: Entry, level: u8, reserved: u64) -> bool {
        if entry.0 & reserved != 0 {
            return true;
        }
        level > 0
            && entry.has(Entry::PS)
            && match level {
                1 => entry.0 & (((1 << 21) - 1) & !0x1fff) != 0,
                2 => !self.giant_pages || entry.0 & (((1 << 30) - 1) & !0x1fff) != 0,
                _ => true,
            }
    }
}
