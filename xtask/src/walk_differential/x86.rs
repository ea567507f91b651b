//! Random paths of x86-64 tables: four and five levels, WP, NXE, SMEP, SMAP, AC and PKRU. The emulator
//! does not tell the error code.

use super::ram::Ram;
use super::{Case, kind};
use crate::random::Random;
use vellum_translate::explain::x86_walk;
use vellum_translate::x86::{Access, Entry, FaultKind, Paging, Registers, walk};
use vellum_translate::{Gfn, Gpa, Gva, Privilege};

const SIZE: u64 = 1 << 25;
/// The root of four levels; that of five is in the page before it.
const ROOT: u64 = 0x1_0000;
/// MAXPHYADDR of the emulator's processor.
const PHYSICAL_BITS: u8 = 40;

/// The manual lets a processor set the accessed bit of any entry that it used.
pub const KNOWN: [(&str, &str); 1] = [(
    super::MORE_ACCESSED,
    "QEMU sets accessed bits on the way down, before the entry that refuses",
)];

pub fn case(random: &mut Random) -> Case {
    let leaf = random.below(3);
    let levels = 4 + random.below(2);
    let mut va = random.below(512) << 3;
    let mut words = Vec::new();
    for level in (0..levels).rev() {
        // Where a large page's offset lands in memory, above its first 8 MiB; and not the
        // upper half of a root, where the emulator's code is.
        let index = match level {
            0 => random.below(512),
            1 => 4 + random.below(12),
            2 => random.below(512),
            _ => random.below(256),
        };
        va |= index << (12 + 9 * level);
        let at = ROOT + 3 * 4096 - level * 4096 + index * 8;
        words.push((at, entry(random, level, leaf)));
    }
    let va = Gva::new(va);
    let user = random.once_in(2);
    let flag = |set: bool, bit: u64| if set { bit } else { 0 };
    let (wp, nx) = (random.once_in(2), !random.once_in(4));
    let (smep, smap, ac) = (random.once_in(2), random.once_in(2), random.once_in(2));
    // Keys refuse often where they are random: two bits for each of sixteen.
    let (pke, la57) = (random.once_in(2), levels == 5);
    let pkru = random.word() as u32 & random.word() as u32;
    let registers = Registers {
        cr0: Registers::CR0_PE | Registers::CR0_PG | flag(wp, Registers::CR0_WP),
        cr3: ROOT - flag(la57, 4096),
        cr4: Registers::CR4_PAE
            | flag(smep, Registers::CR4_SMEP)
            | flag(smap, Registers::CR4_SMAP)
            | flag(pke, Registers::CR4_PKE)
            | flag(la57, Registers::CR4_LA57),
        // LMA, as it reads where LME and PG are set, and SCE for the emulator's `sysret`.
        efer: Registers::EFER_LME | 1 << 10 | 1 | flag(nx, Registers::EFER_NXE),
        eflags: flag(ac, Registers::EFLAGS_AC),
        pkru,
        ..Registers::default()
    };
    let paging = Paging::from_registers(&registers, PHYSICAL_BITS, true);
    let paging = paging.unwrap_or(Paging::four_level(Gfn::new(ROOT >> 12)));
    let access = random.access();
    let privilege = if user { Privilege::User } else { Privilege::Supervisor };
    let who = Access::new(access, privilege);
    let memory = Ram::new(0..SIZE, &words);
    let shown = x86_walk(&memory, &paging, va, who);
    let ours = match walk(&memory, &paging, va, who, |_, _, _| {}) {
        Ok(leaf) => Ok(leaf.gfn.base().get() | va.page_offset() as u64),
        Err(fault) if matches!(fault.kind, FaultKind::Page(_)) => Err(14),
        Err(fault) => Err(fault.vector().into()),
    };
    let Registers { cr0, cr4, efer, .. } = registers;
    let (user, ac) = (u8::from(user), u8::from(ac));
    let kind = kind(access);
    let line = format!("x86 {kind} {user} {cr0:x} {cr4:x} {efer:x} {ac} {pkru:x} {:x}", va.get());
    Case { registers: line, access, left: memory.left(), accessed: Entry::A, words, ours, shown }
}

fn entry(random: &mut Random, level: u64, leaf: u64) -> u64 {
    let mut flags = random.mostly(Entry::P, 40) | random.below(8) << 9;
    for (flag, times) in [(Entry::W, 4), (Entry::U, 4), (Entry::A, 3)] {
        flags |= random.mostly(flag, times);
    }
    if random.once_in(6) {
        flags |= Entry::NX;
    }
    if random.once_in(40) {
        flags |= 1 << (u64::from(PHYSICAL_BITS) + random.below(12));
    }
    if level > leaf {
        let next = (ROOT >> 12) + 4 - level;
        if level >= 3 && random.once_in(60) {
            flags |= Entry::PS;
        }
        return Entry::new(Gfn::new(next), flags).0;
    }
    flags |= random.mostly(Entry::D, 3) | random.below(2) << 8 | random.below(16) << 59;
    let at = match level {
        0 => 0x80_0000 + (random.below(SIZE - 0x80_0000) & !0xfff),
        1 => 0x80_0000 + random.below(12) * 0x20_0000,
        _ => 0,
    };
    if level > 0 {
        flags |= Entry::PS;
        if random.once_in(12) {
            flags |= 1 << (13 + random.below(8));
        }
    }
    Entry::new(Gpa::new(at).gfn(), flags).0
}
