//! The software TLB: direct-mapped, with separate tags for load, store and fetch.
//!
//! A hit is one compare, which covers the page, the alignment, the address space, the privilege
//! mode and the right at once: a tag is the page's address with a *key* in bits 3 to 11, and an
//! access of `2^n` bytes compares its address with bits `n..12` cleared. A guarded, clean, shared
//! or absent page simply lacks a tag, so nothing that the memory subsystem does costs anything on a
//! hit.
//!
//! The key is the number of an address space (a `satp` value seen recently, 64 of them) and the
//! [`Environment`]'s index; toggling `sstatus.SUM` or entering the kernel flushes nothing.

mod entry;
mod fence;
mod held;
mod keeper;
mod shootdown;
mod state;

pub use entry::{Known, PageFlags};
pub use held::{Held, HeldHost};
pub use shootdown::{Mailbox, Shootdown};

use crate::riscv::{Mode, Satp};
use crate::{Access, Environment, FrameId, Gfn, Gva, PAGE_MASK, Rights};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use entry::{CodeEntry, DataEntry};
use fence::piece_bit;
use keeper::Keeper;
use vellum_frames::HostFrames;

/// Entries for data.
pub const DATA_ENTRIES: usize = 1024;
/// Entries for instructions.
pub const CODE_ENTRIES: usize = 512;
const SPACES: usize = 64;
/// Matches no access: an access's address never has all low bits set after masking.
const NO_TAG: u64 = u64::MAX;
const KEY_SHIFT: u32 = 3;
const KEY_MASK: u64 = 0x1ff << KEY_SHIFT;

/// A translation to put into the TLB.
#[derive(Debug, Clone, Copy)]
pub struct Translation {
    /// The guest physical page.
    pub gfn: Gfn,
    /// The frame behind it.
    pub frame: FrameId,
    /// What may be done right now.
    pub rights: Rights,
    /// What else is known.
    pub flags: PageFlags,
}

/// Counts of what a TLB did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Misses of loads, stores and fetches.
    pub misses: [u64; 3],
    /// Entries installed.
    pub fills: u64,
    /// Entries dropped by a shootdown or a fence.
    pub dropped: u64,
    /// Times that everything was dropped.
    pub flushes: u64,
}

/// One hart's TLB.
#[derive(Debug)]
pub struct Tlb {
    data: [DataEntry; DATA_ENTRIES],
    code: [CodeEntry; CODE_ENTRIES],
    key: u64,
    satp: Satp,
    environment: Environment,
    spaces: Vec<u64>,
    next_space: usize,
    /// Bit `h` set: some piece of a 2 MiB page may be in the TLB whose region hashes to `h`.
    pieces: u64,
    /// Some piece of a page of 1 GiB or more may be in the TLB.
    giants: bool,
    code_epoch: u32,
    keeper: Keeper,
    /// What happened.
    pub counters: Counters,
}

impl Tlb {
    /// An empty TLB without translation, in S-mode. Boxed: it is some 40 KiB, and its arrays stand
    /// in it so that a hit needs no second pointer.
    pub fn new() -> Box<Self> {
        let mut tlb = Box::new(Tlb {
            data: [DataEntry::NONE; DATA_ENTRIES],
            code: [CodeEntry::NONE; CODE_ENTRIES],
            key: 0,
            satp: Satp::BARE,
            environment: Environment::SUPERVISOR,
            spaces: Vec::with_capacity(SPACES),
            next_space: 0,
            pieces: 0,
            giants: false,
            code_epoch: 0,
            keeper: Keeper::default(),
            counters: Counters::default(),
        });
        tlb.set_satp(Satp::BARE);
        tlb
    }

    /// The address space in use.
    #[inline]
    pub fn satp(&self) -> Satp {
        self.satp
    }

    /// The environment in use.
    #[inline]
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Changes the address space. Entries of the last 64 stay; a fence is what drops them.
    pub fn set_satp(&mut self, satp: Satp) {
        let bits = satp.bits();
        let space = match self.spaces.iter().position(|&s| s == bits) {
            Some(space) => space,
            None if self.spaces.len() < SPACES => {
                self.spaces.push(bits);
                self.spaces.len() - 1
            }
            None => {
                let space = self.next_space;
                self.next_space = (space + 1) % SPACES;
                self.drop_where(|_, key, _| key >> 3 == space as u64);
                self.spaces[space] = bits;
                space
            }
        };
        self.satp = satp;
        self.key = ((space as u64) << 3 | u64::from(self.environment.index())) << KEY_SHIFT;
        self.code_epoch = self.code_epoch.wrapping_add(1);
    }

    /// Changes the environment.
    #[inline]
    pub fn set_environment(&mut self, environment: Environment) {
        self.environment = environment;
        self.key = self.key & !(7 << KEY_SHIFT) | u64::from(environment.index()) << KEY_SHIFT;
    }

    /// The current key, in place: what a tag of this address space and environment has in bits
    /// 3 to 11.
    #[inline]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Changes whenever a code entry was dropped or the address space changed: whoever remembers
    /// where a virtual address led compares it.
    #[inline]
    pub fn code_epoch(&self) -> u32 {
        self.code_epoch
    }

    /// What a load of `size` bytes at `va` compares its read tag with, or a store its write tag.
    #[inline(always)]
    fn wanted(&self, va: Gva, size: u64) -> u64 {
        va.get() & (PAGE_MASK | (size - 1)) | self.key
    }

    #[inline(always)]
    fn data_index(page: u64) -> usize {
        page as usize % DATA_ENTRIES
    }

    /// The host address of `size` bytes to load, on a hit. `size` is 1, 2, 4 or 8.
    #[inline(always)]
    pub fn load(&self, va: Gva, size: u64) -> Option<u64> {
        let entry = &self.data[Self::data_index(va.page())];
        (entry.read == self.wanted(va, size)).then(|| entry.host.wrapping_add(va.get()))
    }

    /// The host address of `size` bytes to store to, on a hit.
    #[inline(always)]
    pub fn store(&self, va: Gva, size: u64) -> Option<u64> {
        let entry = &self.data[Self::data_index(va.page())];
        (entry.write == self.wanted(va, size)).then(|| entry.host.wrapping_add(va.get()))
    }

    /// The frame to fetch from, on a hit.
    #[inline]
    pub fn fetch(&self, va: Gva) -> Option<FrameId> {
        let entry = &self.code[va.page() as usize % CODE_ENTRIES];
        (entry.hit == va.get() & PAGE_MASK | self.key).then_some(entry.frame)
    }

    /// The guest's word on a page that it lets be read here, whatever the host's.
    #[inline]
    pub fn known(&self, va: Gva) -> Option<Known> {
        let entry = &self.data[Self::data_index(va.page())];
        (entry.tag() == va.get() & PAGE_MASK | self.key).then(|| entry.known())
    }

    /// The guest's word on an access that it allows, as its tables said when the entry was filled:
    /// what a miss need not ask them again, and must not where only a fence may make a change seen.
    #[inline]
    pub fn recall(&self, va: Gva, access: Access) -> Option<Known> {
        match access {
            Access::Load => self.known(va),
            Access::Store => {
                self.known(va).filter(|known| known.flags.contains(PageFlags::GUEST_WRITABLE))
            }
            Access::Fetch => {
                let entry = &self.code[va.page() as usize % CODE_ENTRIES];
                (entry.tag == va.get() & PAGE_MASK | self.key).then(|| entry.known())
            }
        }
    }

    /// Whether a load, or a store, of any byte of the page would hit.
    pub fn has(&self, va: Gva, access: Access) -> bool {
        match access {
            Access::Load => self.load(va, 1).is_some(),
            Access::Store => self.store(va, 1).is_some(),
            Access::Fetch => self.fetch(va).is_some(),
        }
    }

    /// Installs a translation for the current address space and environment, in which the guest
    /// allows `access`. `rights` beyond what `access` asked for are installed too: a load's miss also
    /// gives the store its tag. Without any, the guest's word alone is kept.
    ///
    /// The TLB keeps `frames` for as long as it may hold an address of theirs, and addresses of one
    /// kind of frames only: with others, the host's word on everything else goes.
    ///
    /// # Panics
    /// When `frames` have no such frame.
    pub fn fill<F: HostFrames>(
        &mut self,
        va: Gva,
        access: Access,
        to: Translation,
        frames: &Arc<F>,
    ) {
        self.counters.fills += 1;
        if !self.keeper.is(frames) {
            self.change_keeper(frames);
        }
        let tag = va.get() & PAGE_MASK | self.key;
        let page = entry::page_word(to.gfn, to.flags);
        if to.flags.contains(PageFlags::PIECE) {
            self.pieces |= piece_bit(va);
            self.giants |= to.flags.contains(PageFlags::GIANT);
        }
        if access == Access::Fetch {
            let hit = if to.rights.contains(Rights::EXECUTE) { tag } else { NO_TAG };
            let entry = &mut self.code[va.page() as usize % CODE_ENTRIES];
            *entry = CodeEntry { hit, tag, frame: to.frame, page };
            return;
        }
        let tag_for = |right| if to.rights.contains(right) { tag } else { NO_TAG };
        let (read, write) = (tag_for(Rights::READ), tag_for(Rights::WRITE));
        let entry = &mut self.data[Self::data_index(va.page())];
        *entry = if read == NO_TAG && write == NO_TAG {
            DataEntry::parked(tag, page)
        } else {
            let host = frames.address(to.frame).wrapping_sub(va.get() & PAGE_MASK);
            DataEntry { read, write, host, page }
        };
    }

    /// Whether translation is on.
    #[inline]
    pub fn translates(&self) -> bool {
        self.satp.mode != Mode::Bare
    }
}
