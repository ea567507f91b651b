//! Any instructions over any page tables, on one to three harts, under every kind of paging.
//!
//! Input: paging, harts, mode of the page tables (one byte each, modulo what there is), number of
//! instructions (u16), the instructions (u32 each), and from there on two bytes an entry of the
//! tables: its low eight bits, and its page (in the image, the first page of memory, the UART, or
//! somewhere). The instructions make SBI calls too: `ecall` is one of them.

use super::Input;
use crate::{PAGINGS, hostile};

/// Instructions at most: what fits the image's first page behind its header and the preamble.
const WORDS: usize = 900;
/// Instructions that are run: a fuzzer learns more of many short runs than of one that goes on in a
/// loop of fences.
const INSTRUCTIONS: u64 = 40_000;
/// Entries at most: three tables.
const ENTRIES: usize = 3 * 512;
/// `satp.MODE` of no translation, Sv39, Sv48 and Sv57.
const MODES: [u64; 4] = [0, 8, 9, 10];

/// Runs one.
///
/// # Panics
/// When the host is not what it was.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let paging = PAGINGS[usize::from(input.byte()) % PAGINGS.len()];
    let harts = 1 + u32::from(input.byte()) % 3;
    let mode = MODES[usize::from(input.byte()) % MODES.len()];
    let count = usize::from(u16::from_le_bytes(input.take())).min(WORDS);
    let body: Vec<u32> = input
        .bytes(4 * count)
        .chunks_exact(4)
        .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
        .collect();
    let mut entries = Vec::new();
    while !input.is_empty() && entries.len() < ENTRIES {
        let [flags, page] = input.take();
        entries.push(page_of(page) << 10 | u64::from(flags));
    }
    let kernel = match mode {
        0 => hostile::image(&body),
        mode => hostile::with_tables(mode, &entries, &body),
    };
    drop(hostile::survive_for(kernel, paging, harts, INSTRUCTIONS));
}

fn page_of(byte: u8) -> u64 {
    match u64::from(byte) {
        page if page < hostile::PAGES => (hostile::LOADED_AT >> 12) + page,
        0x80 => 0x8_0000,
        0x90 => 0x1_0000,
        page => page << 36 | page << 12,
    }
}

/// A program that takes traps in a loop, and one that edits its own tables.
pub fn seeds() -> Vec<Vec<u8>> {
    let input = |paging: u8, harts: u8, mode: u8, words: &[u32], entries: &[[u8; 2]]| {
        let mut data = vec![paging, harts, mode];
        data.extend((words.len() as u16).to_le_bytes());
        data.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        data.extend(entries.iter().flatten());
        data
    };
    // A root whose third entry is a gigapage over memory, as Sv39 has it.
    let mut root = [[0, 0]; 512];
    root[2] = [0xcf, 0x80];
    // sd t0, 0(t1); sfence.vma; ecall; ld t2, 8(t1); csrr t3, scause; wfi; j -24
    let edit =
        [0x0053_3023, 0x1200_0073, 0x0000_0073, 0x0083_3383, 0x1420_2e73, 0x1050_0073, 0xfe9f_f06f];
    let mut seeds = Vec::new();
    for paging in 0..3 {
        seeds.push(input(paging, 0, 0, &edit, &[]));
        seeds.push(input(paging, paging, 1, &edit, &root));
    }
    seeds
}
