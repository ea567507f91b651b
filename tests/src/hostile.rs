//! A guest that means harm: images made of given words, and what the host must still be after them.

use vellum_machine::{Config, Machine, Paging, Stop, disk};
use vellum_replay::{Script, Seeded};

/// Memory of such a guest's machine.
pub const MEMORY: u64 = 16 << 20;
/// Instructions that it gets.
pub const ENOUGH: u64 = 300_000;
/// Pages of the image, which its tables and rings may use.
pub const PAGES: u64 = 32;
/// Where the image is.
pub const LOADED_AT: u64 = 0x8020_0000;
/// The disk that it has.
const DISK: u64 = 1 << 20;

/// The header that makes `body` a kernel: a jump over it, the magic, the size.
pub fn image(body: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..4].copy_from_slice(&0x0400_006fu32.to_le_bytes());
    bytes[8..16].copy_from_slice(&0x20_0000u64.to_le_bytes());
    bytes[16..24].copy_from_slice(&(PAGES * 4096).to_le_bytes());
    bytes[32..36].copy_from_slice(&2u32.to_le_bytes());
    bytes[48..56].copy_from_slice(b"RISCV\0\0\0");
    bytes[56..60].copy_from_slice(b"RSC\x05");
    bytes.extend(body.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// An image whose first instructions switch paging on (`mode` as `satp` has it) with a root in the
/// second page, and set a trap vector to `body` behind them. `entries` fill the pages from the
/// second on.
pub fn with_tables(mode: u64, entries: &[u64], body: &[u32]) -> Vec<u8> {
    // auipc t0, 0; addi t0, t0, 64; csrw stvec, t0: traps go on in the body.
    let mut code = vec![0x0000_0297, 0x0402_8293, 0x1052_9073];
    let satp = (mode << 60) | ((LOADED_AT >> 12) + 1);
    // The root's number is built from 12-bit pieces.
    let piece = |shift: u32| (satp >> shift & 0x7ff) as u32;
    code.push(piece(55) << 20 | 6 << 7 | 0x13);
    for shift in [44, 33, 22, 11, 0] {
        code.push(11 << 20 | 6 << 15 | 1 << 12 | 6 << 7 | 0x13);
        code.push(piece(shift) << 20 | 6 << 15 | 6 << 7 | 0x13);
    }
    code.push(0x1803_1073);
    code.extend(body);
    let mut bytes = image(&code);
    bytes.resize(4096, 0);
    bytes.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
    bytes.resize((PAGES * 4096) as usize, 0);
    bytes
}

/// Runs the image for [`ENOUGH`]: the host goes on, its shadow tables are what they claim to be, and
/// whatever state the machine is in can be kept. Returns the machine as it is then.
///
/// # Panics
/// When not.
pub fn survive(kernel: Vec<u8>, paging: Paging, harts: u32) -> Machine {
    survive_for(kernel, paging, harts, ENOUGH)
}

/// As [`survive`], for so many instructions. A fence under a policy that keeps nothing behind one
/// costs the host as much as hundreds of other instructions, so this bounds the time as well.
///
/// # Panics
/// When not.
pub fn survive_for(kernel: Vec<u8>, paging: Paging, harts: u32, instructions: u64) -> Machine {
    let mut config = Config::new(kernel);
    config.memory = MEMORY;
    config.harts = harts;
    config.paging = paging;
    config.disks = vec![Box::new(disk::in_memory(DISK).expect("a whole number of sectors"))];
    let mut machine = Machine::new(config, Box::new(Seeded::new(1, Script::typed("hello"))))
        .expect("an image that fits");
    for _ in 0..4 {
        let stop = machine.run(instructions / 4);
        assert_eq!(machine.memory().audit(), vec![]);
        assert!(!matches!(stop, Stop::Host(_)), "{stop:?}");
        if stop != Stop::Slice {
            break;
        }
    }
    assert!(machine.save().len() > 64);
    machine
}
