//! What a TLB holds, entry by entry: for audits.

use super::entry::PageFlags;
use super::{KEY_MASK, KEY_SHIFT, NO_TAG, Tlb};
use crate::riscv::Satp;
use crate::{Environment, FrameId, Gfn, Gva, PAGE_MASK, Rights};

/// What an entry would give an access that hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldHost {
    /// The host address of the page's first byte, for loads and stores.
    Data(u64),
    /// The frame, for fetches.
    Code(FrameId),
}

/// An entry of a TLB that says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The page's first address.
    pub va: Gva,
    /// The address space.
    pub satp: Satp,
    /// The environment.
    pub environment: Environment,
    /// Accesses that hit; none of a parked entry.
    pub rights: Rights,
    /// Where they would go, whether they hit or not.
    pub host: HeldHost,
    /// The guest physical page.
    pub gfn: Gfn,
    /// What else is known of it.
    pub flags: PageFlags,
}

impl Tlb {
    /// Every entry that says something, data first.
    pub fn held(&self) -> impl Iterator<Item = Held> {
        let data = self.data.iter().filter(|e| e.tag() != NO_TAG).filter_map(|e| {
            let mut rights = Rights::empty();
            rights.set(Rights::READ, e.read != NO_TAG);
            rights.set(Rights::WRITE, e.write != NO_TAG);
            let host = HeldHost::Data(e.host.wrapping_add(e.tag() & PAGE_MASK));
            self.one(e.tag(), rights, host, e.page)
        });
        let code = self.code.iter().filter(|e| e.tag != NO_TAG).filter_map(|e| {
            let mut rights = Rights::empty();
            rights.set(Rights::EXECUTE, e.hit != NO_TAG);
            self.one(e.tag, rights, HeldHost::Code(e.frame), e.page)
        });
        data.chain(code)
    }

    fn one(&self, tag: u64, rights: Rights, host: HeldHost, page: u64) -> Option<Held> {
        let key = (tag & KEY_MASK) >> KEY_SHIFT;
        Some(Held {
            va: Gva::new(tag & PAGE_MASK),
            satp: Satp::from_bits(*self.spaces.get(key as usize >> 3)?)?,
            environment: Environment::from_index(key as u16 & 7),
            rights,
            host,
            gfn: Gfn::new(page >> 12),
            flags: PageFlags::from_bits_truncate(page),
        })
    }
}
