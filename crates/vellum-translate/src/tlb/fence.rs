//! What goes from a TLB: entries, everything, and what a fence names.

use super::entry::{CodeEntry, DataEntry, PageFlags};
use super::{CODE_ENTRIES, KEY_MASK, KEY_SHIFT, NO_TAG, Tlb};
use crate::riscv::Satp;
use crate::{Gva, PAGE_MASK};

impl Tlb {
    /// Drops what `drop(page address, key, flags)` says, data and code.
    pub(super) fn drop_where(&mut self, drop: impl Fn(u64, u64, PageFlags) -> bool) {
        let hit = |tag: u64, page: u64| {
            let flags = PageFlags::from_bits_truncate(page);
            tag != NO_TAG && drop(tag & PAGE_MASK, (tag & KEY_MASK) >> KEY_SHIFT, flags)
        };
        for entry in self.data.iter_mut().filter(|e| hit(e.tag(), e.page)) {
            *entry = DataEntry::NONE;
            self.counters.dropped += 1;
        }
        for at in 0..CODE_ENTRIES {
            if hit(self.code[at].tag, self.code[at].page) {
                self.drop_code(at);
            }
        }
    }

    #[inline]
    pub(super) fn drop_page_if(&mut self, va: Gva, drop: impl Fn(u64, PageFlags) -> bool) {
        let page = va.get() & PAGE_MASK;
        let hit = |tag: u64, word: u64| {
            tag != NO_TAG
                && tag & PAGE_MASK == page
                && drop((tag & KEY_MASK) >> KEY_SHIFT, PageFlags::from_bits_truncate(word))
        };
        let entry = &mut self.data[Self::data_index(va.page())];
        if hit(entry.tag(), entry.page) {
            *entry = DataEntry::NONE;
            self.counters.dropped += 1;
        }
        let at = va.page() as usize % CODE_ENTRIES;
        if hit(self.code[at].tag, self.code[at].page) {
            self.drop_code(at);
        }
    }

    fn drop_code(&mut self, at: usize) {
        self.lose_code(at);
        self.code[at] = CodeEntry::NONE;
        self.counters.dropped += 1;
    }

    /// Drops everything.
    pub fn flush(&mut self) {
        self.counters.flushes += 1;
        self.data.fill(DataEntry::NONE);
        self.code.fill(CodeEntry::NONE);
        self.code_epoch = self.code_epoch.wrapping_add(1);
        self.pieces = 0;
        self.giants = false;
    }

    /// `sfence.vma`, each form as precise as it is: with an address, only that page (all pieces of
    /// the larger page that it may lie in); with an ASID, only that address space's, and no global
    /// entry (privileged specification, section "Supervisor Memory-Management Fence Instruction").
    pub fn fence(&mut self, va: Option<Gva>, asid: Option<u16>) {
        let spaces = match asid {
            None => u64::MAX,
            Some(asid) => {
                let spaces = self.spaces.iter().enumerate();
                spaces.fold(0, |set, (i, &bits)| {
                    let of = Satp::from_bits(bits).is_some_and(|s| s.asid == asid);
                    if of { set | 1 << i } else { set }
                })
            }
        };
        let ours = |key: u64, flags: PageFlags| {
            asid.is_none() || (spaces >> (key >> 3) & 1 != 0 && !flags.contains(PageFlags::GLOBAL))
        };
        match va {
            None if asid.is_none() => self.flush(),
            None => self.drop_where(|_, key, flags| ours(key, flags)),
            Some(va) if self.pieces & piece_bit(va) == 0 && !self.giants => {
                self.drop_page_if(va, ours);
            }
            Some(va) => {
                // Any address of a larger page names all of it, and of one over 2 MiB there may be
                // pieces in any region.
                let near = |page: u64, flags: PageFlags| {
                    page == va.get() & PAGE_MASK
                        || flags.contains(PageFlags::GIANT)
                        || flags.contains(PageFlags::PIECE) && (page ^ va.get()) >> 21 == 0
                };
                self.drop_where(|page, key, flags| ours(key, flags) && near(page, flags));
            }
        }
    }
}

/// All pieces of a 2 MiB page set the same bit.
#[inline]
pub(super) fn piece_bit(va: Gva) -> u64 {
    1 << ((va.get() >> 21 ^ va.get() >> 27 ^ va.get() >> 33) & 63)
}
