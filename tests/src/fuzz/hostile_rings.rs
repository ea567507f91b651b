//! Any stores to the registers of the block device and of the source of entropy, with any rings and
//! requests in memory.
//!
//! Input: number of steps (u8), the steps (register u16, value u32 each; an odd register means that
//! the guest then lets the device work), and what memory holds from [`RINGS`] on.

use super::Input;
use crate::hostile;
use vellum_isa::asm::{Asm, reg::*};
use vellum_machine::{Machine, Paging};

/// Where the rings and buffers are: the image's pages from the fourth on.
pub const RINGS: u64 = hostile::LOADED_AT + 4 * 4096;
/// Where the steps are.
const STEPS: u64 = hostile::LOADED_AT + 2 * 4096;
/// Instructions of a pause, longer than a round of the machine.
const PAUSE: i64 = 12_000;
/// The first two slots: the disk and the source of entropy.
const REGISTERS: i64 = 0x1000_1000;
const OFFSETS: i64 = 0x1ffc;

/// Runs one.
///
/// # Panics
/// When the host is not what it was.
pub fn run(data: &[u8]) {
    boot(data);
}

fn boot(data: &[u8]) -> Machine {
    let mut input = Input::new(data);
    let count = input.byte();
    let steps: Vec<[u8; 6]> = (0..count).map(|_| input.take()).collect();
    hostile::survive(image(&steps, input.rest()), Paging::Shadow, 1)
}

/// A guest that carries the steps out.
fn image(steps: &[[u8; 6]], rings: &[u8]) -> Vec<u8> {
    let mut asm = Asm::new();
    let (again, next, done) = (asm.label(), asm.label(), asm.label());
    asm.li(S0, STEPS as i64).li(S1, REGISTERS).li(S2, steps.len() as i64).li(S3, OFFSETS);
    asm.bind(again).beqz(S2, done).addi(S2, S2, -1);
    asm.lw(T0, 0, S0).lw(T1, 4, S0).addi(S0, S0, 8);
    asm.and(T2, T0, S3).add(T2, T2, S1).sw(T1, 0, T2).lw(T3, 0, T2);
    asm.andi(T0, T0, 1).beqz(T0, next).li(T4, PAUSE);
    let pause = asm.bound();
    asm.addi(T4, T4, -1).bnez(T4, pause).bind(next).j(again);
    asm.bind(done).wfi().j(done);
    let mut image = hostile::image(&asm.words().expect("a program that assembles"));
    let at = |address: u64| (address - hostile::LOADED_AT) as usize;
    image.resize(at(STEPS), 0);
    for [a, b, value @ ..] in steps {
        image.extend([*a, *b, 0, 0]);
        image.extend(value);
    }
    image.resize(at(RINGS), 0);
    image.extend(rings);
    image.truncate((hostile::PAGES * 4096) as usize);
    image
}

/// A driver that sets the disk up as it should and asks for one read and one write.
pub fn seeds() -> Vec<Vec<u8>> {
    let (desc, avail, used, buffers) = (RINGS, RINGS + 0x400, RINGS + 0x800, RINGS + 0x1000);
    let step = |register: u16, value: u64| {
        let [a, b] = register.to_le_bytes();
        let [c, d, e, f] = (value as u32).to_le_bytes();
        [a, b, c, d, e, f]
    };
    let (status, ready, kick) = (0x70, 0x44, 0x51);
    let mut steps = vec![
        step(status, 0),
        step(status, 1),
        step(status, 3),
        // VIRTIO_F_VERSION_1 is in the second word.
        step(0x24, 1),
        step(0x20, 1),
        step(status, 11),
        step(0x30, 0),
        step(0x38, 8),
    ];
    for (register, address) in [(0x80, desc), (0x90, avail), (0xa0, used)] {
        steps.push(step(register, address));
        steps.push(step(register + 4, 0));
    }
    steps.extend([step(ready, 1), step(status, 15), step(kick, 0), step(kick, 0)]);
    let mut rings = vec![0; 0x3000];
    let mut put = |address: u64, bytes: &[u8]| {
        let at = (address - RINGS) as usize;
        rings[at..at + bytes.len()].copy_from_slice(bytes);
    };
    // Three descriptors a request: header, data, status.
    for (request, kind) in [(0u64, 0u32), (1, 1)] {
        let base = buffers + request * 0x800;
        put(base, &kind.to_le_bytes());
        let data_flags: u16 = if kind == 0 { 3 } else { 1 };
        let pieces = [(base, 16u32, 1u16), (base + 0x100, 512, data_flags), (base + 0x10, 1, 2)];
        for (piece, (at, bytes, flags)) in (0u64..).zip(pieces) {
            let number = request * 3 + piece;
            let mut descriptor = at.to_le_bytes().to_vec();
            descriptor.extend(bytes.to_le_bytes());
            descriptor.extend(flags.to_le_bytes());
            descriptor.extend((number as u16 + 1).to_le_bytes());
            put(desc + number * 16, &descriptor);
        }
    }
    put(avail, &[0, 0, 2, 0, 0, 0, 3, 0]);
    let mut disk = vec![steps.len() as u8];
    disk.extend(steps.iter().flatten());
    // The same for the source of entropy, whose registers are one slot further.
    let mut entropy = vec![steps.len() as u8];
    entropy.extend(steps.iter().flat_map(|&[a, b, c, d, e, f]| [a, b | 0x10, c, d, e, f]));
    for seed in [&mut disk, &mut entropy] {
        seed.extend(&rings);
    }
    vec![disk, entropy]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_reach_the_devices() {
        for (slot, seed) in seeds().iter().enumerate() {
            let machine = boot(seed);
            let counters = machine.virtio().get(slot).expect("a device").counters();
            assert_eq!((counters.chains, counters.broken), (2, 0), "slot {slot}: {counters:?}");
        }
    }
}
