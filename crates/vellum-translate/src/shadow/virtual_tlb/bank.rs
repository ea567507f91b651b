//! One hart's virtual TLB: sets of entries, each a page of the guest at its own size.

use crate::riscv::Satp;
use crate::shadow::Known;
use crate::tlb::Shootdown;
use crate::{FrameId, Gfn, Gva, Rights};
use alloc::vec;
use alloc::vec::Vec;

/// Entries of one hart, as sets times ways.
pub(super) const SETS: usize = 2048;
pub(super) const WAYS: usize = 8;
/// Levels of leaves that are told apart: 4 KiB, 2 MiB, 1 GiB, 512 GiB, 256 TiB.
pub(super) const LEVELS: u8 = 5;

/// One page of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) satp: u64,
    /// The virtual address over the page's size.
    pub(super) number: u64,
    /// First page.
    pub(super) gfn: u64,
    /// Rights, then user, global, valid.
    pub(super) flags: u8,
    pub(super) level: u8,
}

pub(super) const NONE: Entry = Entry { satp: 0, number: 0, gfn: 0, flags: 0, level: 0 };
pub(super) const USER: u8 = 1 << 3;
pub(super) const GLOBAL: u8 = 1 << 4;
pub(super) const VALID: u8 = 1 << 5;

impl Entry {
    pub(super) fn known(&self, va: Gva) -> Known {
        let below = (1_u64 << (9 * u32::from(self.level))) - 1;
        Known {
            gfn: Gfn::new(self.gfn).plus(va.page() & below),
            guest: Rights::from_bits_truncate(self.flags),
            user: self.flags & USER != 0,
            global: self.flags & GLOBAL != 0,
            shielded: false,
            key: 0,
            level: self.level,
            frame: FrameId::ZERO,
            rights: Rights::empty(),
            run: 0,
        }
    }

    /// Everything that a small TLB may hold of it.
    pub(super) fn pages(&self) -> Shootdown {
        let bits = 9 * u32::from(self.level);
        Shootdown::Range(Gva::new(self.number << (12 + bits)), 1 << bits)
    }

    pub(super) fn asid(&self) -> u16 {
        (self.satp >> 44) as u16
    }
}

/// One hart's.
#[derive(Debug)]
pub(super) struct Bank {
    pub(super) entries: Vec<Entry>,
    /// The way that the next entry of each set takes.
    pub(super) next: Vec<u8>,
    /// Entries of each level: a level without any is not looked at.
    pub(super) of_level: [u32; LEVELS as usize],
}

/// What `tag` and `page` of an address look for at a level.
pub(super) fn number(va: Gva, level: u8) -> u64 {
    va.page() >> (9 * u32::from(level))
}

pub(super) fn set_of(number: u64, level: u8) -> usize {
    ((number ^ number >> 11 ^ number >> 22) as usize ^ (usize::from(level) * 0x155)) % SETS
}

impl Bank {
    pub(super) fn new() -> Self {
        Bank { entries: vec![NONE; SETS * WAYS], next: vec![0; SETS], of_level: [0; 5] }
    }

    pub(super) fn find(&self, satp: Satp, va: Gva, references: &mut u64) -> Option<&Entry> {
        let bits = satp.bits();
        (0..LEVELS).filter(|&level| self.of_level[usize::from(level)] > 0).find_map(|level| {
            *references += 1;
            let number = number(va, level);
            let first = set_of(number, level) * WAYS;
            self.entries[first..first + WAYS].iter().find(|e| {
                e.flags & VALID != 0 && e.level == level && e.number == number && e.satp == bits
            })
        })
    }

    /// Puts an entry in, in place of one of the same page or of any other; the one that had to go.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let set = set_of(entry.number, entry.level);
        let ways = &mut self.entries[set * WAYS..(set + 1) * WAYS];
        let same = |e: &Entry| {
            e.flags & VALID != 0
                && (e.satp, e.number, e.level) == (entry.satp, entry.number, entry.level)
        };
        let way = match ways.iter().position(same) {
            Some(way) => {
                let old = core::mem::replace(&mut ways[way], entry);
                return (old != entry).then_some(old);
            }
            None => ways.iter().position(|e| e.flags & VALID == 0),
        };
        self.of_level[usize::from(entry.level)] += 1;
        match way {
            Some(way) => {
                ways[way] = entry;
                None
            }
            None => {
                let way = usize::from(self.next[set]);
                self.next[set] = ((way + 1) % WAYS) as u8;
                let old = core::mem::replace(&mut ways[way], entry);
                self.of_level[usize::from(old.level)] -= 1;
                Some(old)
            }
        }
    }

    pub(super) fn drop_where(
        &mut self,
        range: core::ops::Range<usize>,
        drop: impl Fn(&Entry) -> bool,
    ) -> u64 {
        let mut dropped = 0;
        for entry in &mut self.entries[range] {
            if entry.flags & VALID != 0 && drop(entry) {
                self.of_level[usize::from(entry.level)] -= 1;
                *entry = NONE;
                dropped += 1;
            }
        }
        dropped
    }
}
