//! Decoding: the code of the guest that ships, in its own mix of lengths and operations, in order;
//! and random words, which no branch predictor helps with.

use crate::{Args, compare, measure};
use anyhow::{Context, Result};
use raki::Decode;
use std::fs;
use vellum_bench::{Table, root};
use vellum_isa::{Op, decode};

/// Instructions in a round before it starts over: enough that they cannot be learned by heart.
const CODE: usize = 1 << 16;

pub fn rows(args: &Args, table: &mut Table) -> Result<()> {
    let image = root().join("guests/small.img");
    let image = fs::read(&image).with_context(|| image.display().to_string())?;
    let guest = instructions(&image);
    let wide: Vec<u32> = guest.iter().copied().filter(|bits| bits & 3 == 3).collect();
    let mut state = 1_u64;
    let random: Vec<u32> = (0..CODE)
        .map(|_| {
            // Knuth's MMIX generator; its upper half is good enough for this.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        })
        .collect();
    side_by_side(args, table, "decode the guest's code", &guest, false)?;
    side_by_side(args, table, "the same, 32-bit instructions only", &wide, true)?;
    side_by_side(args, table, "decode random words", &random, false)
}

/// The legal instructions of an image, one after the other.
fn instructions(image: &[u8]) -> Vec<u32> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(bytes) = image.get(at..at + 4) {
        let mut word = [0; 4];
        word.copy_from_slice(bytes);
        let bits = u32::from_le_bytes(word);
        let insn = decode(bits);
        at += usize::from(insn.len);
        if insn.op != Op::Illegal {
            all.push(if insn.len == 2 { bits & 0xffff } else { bits });
        }
    }
    all
}

fn side_by_side(
    args: &Args,
    table: &mut Table,
    what: &str,
    code: &[u32],
    wide: bool,
) -> Result<()> {
    let calls = args.calls;
    let code: Vec<u32> = code.iter().copied().cycle().take(CODE).collect();
    let code = &code[..];
    let at = |number: usize| code[number % CODE];
    let mut all: Vec<vellum_bench::Contestant<'_>> = vec![
        ("Vellum", Box::new(move || measure(calls, |n| decode(at(n))))),
        ("raki", Box::new(move || measure(calls, |n| with_raki(at(n))))),
    ];
    if wide {
        // It knows no 16-bit instructions.
        all.push((
            "riscv-decode",
            Box::new(move || measure(calls, |n| riscv_decode::decode(at(n)))),
        ));
    }
    compare(args, table, what, all)
}

/// It decodes each length by a type of its own.
fn with_raki(bits: u32) -> Option<raki::Instruction> {
    match bits & 3 {
        3 => bits.decode(raki::Isa::Rv64).ok(),
        _ => (bits as u16).decode(raki::Isa::Rv64).ok(),
    }
}
