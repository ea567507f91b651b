//! A virtual TLB: nothing is protected, entries live until the guest fences them.
//!
//! One per hart, tagged with address spaces, of the guest's word alone: a page of the guest at its own
//! size, the host being asked on the way. So the host's changes do not concern it, and a superpage is
//! one entry. It holds everything that the hart's small TLB does: what is pushed out of the one is
//! shot out of the other, so that it alone decides what a guest that omits a fence may see.

mod bank;

use super::policy::{AfterFence, Context, Fence, Found, Install, Known, Policy};
use super::{Counters, Kept, Mismatch, Trail};
use crate::host::{Guard, HostTable, TableReader};
use crate::riscv::{Mode, Pte, Satp};
use crate::tlb::Shootdown;
use crate::{Access, Environment, Gfn, Gpa, Gva, Privilege, Rights};
use alloc::vec::Vec;
use bank::{Bank, Entry, GLOBAL, LEVELS, SETS, USER, VALID, WAYS, number, set_of};

/// The virtual TLBs of one machine's harts.
#[derive(Debug)]
pub struct VirtualTlb {
    banks: Vec<Bank>,
    guard: Guard,
    counters: Counters,
}

impl VirtualTlb {
    /// Empty ones for `harts` harts. `guard` is the reason that another policy may have left on guest
    /// tables.
    pub fn new(guard: Guard, harts: usize) -> Self {
        VirtualTlb {
            banks: (0..harts).map(|_| Bank::new()).collect(),
            guard,
            counters: Counters::default(),
        }
    }

    fn keep(&mut self, hart: usize, entry: Entry, cx: &mut Context<'_>) {
        if let Some(old) = self.banks[hart].insert(entry) {
            self.counters.evicted += u64::from(old.number != entry.number);
            cx.shoot.push(old.pages());
        }
    }

    /// Fills what is around a leaf of the lowest level: an aligned group in the same table.
    fn prefetch(&mut self, hart: usize, what: &Install<'_>, cx: &mut Context<'_>) {
        let depth = what.path.len();
        if what.level > 0 || depth < 2 {
            return;
        }
        let table = Pte(what.path[depth - 2]).gfn();
        let slot = what.va.page() as usize % 512;
        let first = slot & !(super::PREFETCH - 1);
        for near in (first..first + super::PREFETCH).filter(|&near| near != slot) {
            let Some(pte) = cx.memory.entry(cx.host, table, near).map(Pte) else { return };
            let va = Gva::new(what.va.get() & !0x1f_ffff | (near as u64) << 12);
            if pte.is_invalid() || !pte.is_leaf() || !pte.has(Pte::A) {
                continue;
            }
            if self.banks[hart].find(what.satp, va, &mut 0).is_some() {
                continue;
            }
            let global = is_global(what.path) || pte.has(Pte::G);
            self.keep(hart, entry(what.satp, va, pte, 0, pte.rights_now(), global), cx);
            self.counters.prefetched += 1;
        }
    }

    /// Reads the guest's tables for an address that was just fenced, and keeps what they say.
    fn refill(&mut self, hart: usize, satp: Satp, va: Gva, cx: &mut Context<'_>) {
        if satp.mode == Mode::Bare {
            return;
        }
        let all = Environment { privilege: Privilege::Supervisor, sum: true, mxr: true };
        let tables = Through { memory: cx.memory, host: cx.host };
        let mut last = Pte(0);
        let walked = crate::riscv::walk(&tables, satp, all, va, Access::Load, |_, _, pte| {
            last = pte;
        });
        if let Ok(leaf) = walked {
            let made = entry(satp, va, last, leaf.level, leaf.leaf_rights, leaf.global);
            self.keep(hart, made, cx);
            self.counters.refills += 1;
        }
    }
}

/// Whether a leaf is in every address space: its own bit says so, or that of a table above it.
fn is_global(path: &[u64]) -> bool {
    path.iter().any(|&entry| Pte(entry).has(Pte::G))
}

fn entry(satp: Satp, va: Gva, pte: Pte, level: u8, rights: Rights, global: bool) -> Entry {
    let flag = |on, bit| if on { bit } else { 0 };
    let flags = rights.bits() | flag(pte.has(Pte::U), USER) | flag(global, GLOBAL) | VALID;
    Entry { satp: satp.bits(), number: number(va, level), gfn: pte.gfn().get(), flags, level }
}

/// The guest's tables, for a walk.
struct Through<'a> {
    memory: &'a dyn TableReader,
    host: &'a HostTable,
}

impl crate::riscv::TableMemory for Through<'_> {
    fn load_entry(&self, at: Gpa) -> Option<u64> {
        self.memory.entry(self.host, at.gfn(), at.page_offset() / 8)
    }
}

impl Policy for VirtualTlb {
    fn in_step(&self) -> bool {
        false
    }

    fn load_root(&mut self, _: usize, _: Satp) {}

    fn lookup(&mut self, hart: usize, satp: Satp, va: Gva, _: u64, references: &mut u64) -> Found {
        if !satp.mode.is_canonical(va) {
            return Found::Nothing;
        }
        match self.banks[hart].find(satp, va, references) {
            Some(entry) => Found::Leaf(entry.known(va)),
            None => Found::Nothing,
        }
    }

    fn trail(&self, hart: usize, satp: Satp, va: Gva, _: u64) -> Vec<Trail> {
        let found = self.banks[hart].find(satp, va, &mut 0);
        let trail = found.map(|entry| Trail {
            level: entry.level,
            page: None,
            slot: set_of(entry.number, entry.level),
            kept: Kept::Leaf(entry.known(va)),
        });
        trail.into_iter().collect()
    }

    fn install(&mut self, hart: usize, what: &Install<'_>, cx: &mut Context<'_>) {
        let Some(&last) = what.path.last() else { return };
        let (last, level) = (Pte(last), what.level);
        let global = is_global(what.path);
        let made = entry(what.satp, what.va, last, level, last.rights_now(), global);
        // A page of another size at the same address would hide this one, or be hidden by it.
        if let Some(&old) = self.banks[hart].find(what.satp, what.va, &mut 0)
            && old.level != level
        {
            let first = set_of(old.number, old.level) * WAYS;
            self.banks[hart].drop_where(first..first + WAYS, |e| *e == old);
            cx.shoot.push(old.pages());
        }
        self.keep(hart, made, cx);
        self.counters.fills += 1;
        self.prefetch(hart, what, cx);
    }

    fn grant(&mut self, _: usize, _: &Install<'_>, _: &mut Context<'_>) {}

    fn is_followed(&self, _: Gfn) -> bool {
        false
    }

    fn let_go(&mut self, gfn: Gfn, cx: &mut Context<'_>) -> bool {
        cx.host.remove_guard(gfn, self.guard)
    }

    fn stored(&mut self, _: Gfn, _: usize, _: u64, _: &mut Context<'_>) {}

    fn fence(&mut self, hart: usize, satp: Satp, fence: Fence, cx: &mut Context<'_>) -> AfterFence {
        let bank = &mut self.banks[hart];
        let ours =
            |e: &Entry| fence.asid.is_none_or(|asid| e.asid() == asid && e.flags & GLOBAL == 0);
        match fence.va {
            None => {
                self.counters.changed += bank.drop_where(0..SETS * WAYS, ours);
            }
            Some(va) => {
                for level in 0..LEVELS {
                    if bank.of_level[usize::from(level)] == 0 {
                        continue;
                    }
                    let number = number(va, level);
                    let first = set_of(number, level) * WAYS;
                    let at = |e: &Entry| e.level == level && e.number == number && ours(e);
                    let dropped = bank.drop_where(first..first + WAYS, at);
                    self.counters.changed += dropped;
                }
                self.refill(hart, satp, va, cx);
            }
        }
        AfterFence::FenceTlb
    }

    fn host_changed(&mut self, first: Gfn, count: u64, cx: &mut Context<'_>) {
        cx.shoot.push(Shootdown::GfnFrames(first, count));
    }

    fn unshadow(&mut self, _: Gfn, _: &mut Context<'_>) {}

    fn clear(&mut self, cx: &mut Context<'_>) {
        self.banks.iter_mut().for_each(|bank| *bank = Bank::new());
        self.counters.cleared += 1;
        cx.shoot.push(Shootdown::All);
    }

    fn drop_some(&mut self, choice: u64, cx: &mut Context<'_>) {
        for bank in &mut self.banks {
            let set = choice as usize % SETS * WAYS;
            bank.drop_where(set..set + WAYS, |_| true);
        }
        cx.shoot.push(Shootdown::All);
    }

    fn audit(&self, _: &dyn TableReader, _: &HostTable) -> Vec<Mismatch> {
        Vec::new()
    }

    fn unfollowed(&self) -> Vec<(Gfn, usize, Known)> {
        Vec::new()
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn overhead(&self) -> usize {
        self.banks.len() * (SETS * WAYS * size_of::<Entry>() + SETS)
    }

    /// By hart: the count of entries, then `place, satp, number, gfn, flags | level << 8` of each,
    /// then a word for each set whose next way is not the first, their count before them.
    fn save(&self) -> Vec<u64> {
        let mut out = Vec::new();
        for bank in &self.banks {
            let valid = bank.entries.iter().enumerate().filter(|(_, e)| e.flags & VALID != 0);
            out.push(valid.clone().count() as u64);
            for (place, e) in valid {
                let flags = u64::from(e.flags) | u64::from(e.level) << 8;
                out.extend([place as u64, e.satp, e.number, e.gfn, flags]);
            }
            let next = bank.next.iter().enumerate().filter(|(_, way)| **way != 0);
            out.push(next.clone().count() as u64);
            out.extend(next.map(|(set, &way)| (set as u64) << 8 | u64::from(way)));
        }
        out
    }

    fn restore(&mut self, words: &[u64], _: &mut Context<'_>) -> Result<(), &'static str> {
        let mut words = words.iter().copied();
        let mut next = || words.next().ok_or("it ends too early");
        for bank in &mut self.banks {
            *bank = Bank::new();
            for _ in 0..next()? {
                let (place, satp, number, gfn) = (next()?, next()?, next()?, next()?);
                let flags = next()?;
                let (level, flags) = ((flags >> 8) as u8, flags as u8);
                let fine = place < (SETS * WAYS) as u64
                    && level < LEVELS
                    && flags & VALID != 0
                    && set_of(number, level) == place as usize / WAYS;
                if !fine {
                    return Err("an entry in the wrong place");
                }
                bank.entries[place as usize] = Entry { satp, number, gfn, flags, level };
                bank.of_level[usize::from(level)] += 1;
            }
            for _ in 0..next()? {
                let word = next()?;
                let (set, way) = ((word >> 8) as usize, word as u8);
                if set >= SETS || usize::from(way) >= WAYS {
                    return Err("a set that is not there");
                }
                bank.next[set] = way;
            }
        }
        if words.next().is_some() { Err("something follows its end") } else { Ok(()) }
    }
}
