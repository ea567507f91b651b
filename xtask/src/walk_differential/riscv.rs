//! Random paths of RISC-V tables. The emulator updates A and D itself (Svadu) and knows neither
//! Svnapot nor Svpbmt.

use super::ram::Ram;
use super::{Case, kind};
use crate::random::Random;
use vellum_translate::explain::riscv_walk;
use vellum_translate::riscv::{Extensions, Mode, Pte, Satp, walk_with};
use vellum_translate::{Environment, Gfn, Gva, Privilege};

const RAM: u64 = 0x8000_0000;
const SIZE: u64 = 1 << 24;
/// Tables, one a level; pages that leaves map lie in the upper half.
const TABLES: u64 = RAM + 0x10_0000;
const EXTENSIONS: Extensions = Extensions { svadu: true, ..Extensions::NONE };

/// Unicorn is made of a QEMU of 2020.
pub const KNOWN: [(&str, &str); 2] = [
    ("reserved: bit", "QEMU checks bits 54 to 63 only since 7.0"),
    ("reserved: D, A or U", "QEMU checks these bits of pointers only since 7.1"),
];

pub fn case(random: &mut Random) -> Case {
    let mode = [Mode::Sv39, Mode::Sv48, Mode::Sv57][random.below(3) as usize];
    let levels = u64::from(mode.levels());
    // A superpage is seldom above 1 GiB, where it would not lie in memory: only as a fault.
    let leaf = if random.once_in(12) { random.below(levels) } else { random.below(3) };
    let mut va = random.below(512) << 3;
    let mut words = Vec::new();
    for level in (0..levels).rev() {
        // Where a superpage's offset lands in the memory's upper half.
        let index = match level {
            0 => random.below(512),
            1 => 4 + random.below(4),
            _ => random.below(256),
        };
        va |= index << (12 + 9 * level);
        let at = TABLES + (levels - 1 - level) * 4096 + index * 8;
        words.push((at, entry(random, level, leaf, levels)));
    }
    if random.once_in(40) {
        va ^= 1 << (12 + 9 * levels + random.below(64 - 12 - 9 * levels));
    }
    let va = Gva::new(va);
    let user = random.once_in(2);
    let privilege = if user { Privilege::User } else { Privilege::Supervisor };
    let environment = Environment { privilege, sum: random.once_in(2), mxr: random.once_in(2) };
    let access = random.access();
    let satp = Satp { mode, asid: random.word() as u16, root: Gfn::new(TABLES >> 12) };
    let memory = Ram::new(RAM..RAM + SIZE, &words);
    let shown = riscv_walk(&memory, EXTENSIONS, satp, environment, va, access);
    let walked = walk_with(&memory, EXTENSIONS, satp, environment, va, access, |_, _, _| {});
    let ours = match walked {
        Ok(leaf) => Ok(leaf.gfn.base().get() | va.page_offset() as u64),
        Err(fault) => Err(fault.cause()),
    };
    let Environment { sum, mxr, .. } = environment;
    let (user, sum, mxr) = (u8::from(user), u8::from(sum), u8::from(mxr));
    let registers =
        format!("riscv {} {:x} {user} {sum} {mxr} {:x}", kind(access), satp.bits(), va.get());
    Case { registers, access, left: memory.left(), accessed: Pte::A, words, ours, shown }
}

fn entry(random: &mut Random, level: u64, leaf: u64, levels: u64) -> u64 {
    let mut reserved = 0;
    if random.once_in(60) {
        reserved = 1 << (54 + random.below(10));
    }
    let software = random.below(4) << 8;
    if level > leaf {
        let next = Gfn::new((TABLES >> 12) + levels - level);
        let mut flags = random.mostly(Pte::V, 40) | software;
        if random.once_in(40) {
            flags |= [Pte::D, Pte::A, Pte::U, Pte::G, Pte::W][random.below(5) as usize];
        }
        return reserved | next.get() << 10 | flags;
    }
    let gfn = match level {
        0 => (RAM + SIZE / 2 + (random.below(SIZE / 2) & !0xfff)) >> 12,
        // Aligned mostly; the index above then leads into the upper half.
        1 => (RAM + SIZE / 2 + random.below(4) * 0x20_0000) >> 12,
        _ => RAM >> 12,
    };
    let gfn = if level > 0 && random.once_in(8) { gfn + 1 + random.below(511) } else { gfn };
    let mut flags = random.mostly(Pte::V, 40) | software;
    for (flag, times) in
        [(Pte::R, 5), (Pte::W, 3), (Pte::X, 3), (Pte::U, 2), (Pte::A, 3), (Pte::D, 3)]
    {
        flags |= random.mostly(flag, times);
    }
    if flags & (Pte::R | Pte::W | Pte::X) == 0 {
        // A pointer where a page was meant: only at the lowest level does it lead nowhere.
        flags |= if level == 0 { 0 } else { Pte::R };
    }
    reserved | gfn << 10 | flags
}
