//! A program: its blocks, their pages, and the code around them.

use super::random::BASES;
use crate::random::Random;
use vellum_isa::asm::reg::*;
use vellum_isa::asm::{Asm, F, X};
use vellum_isa::{Insn, csr};

/// Bytes of a block's page: what it starts with, what it ends with, scratch memory.
pub const PAGE: usize = 4096;
/// Where the scratch memory begins, which the bases point at.
const SCRATCH: usize = 2048;
/// Where the final state begins; the initial one is at 0. In each: x, f, `fcsr`.
const FINAL: usize = 1024;
/// Doublewords of a state.
const STATE: usize = 32 + 32 + 1;
/// Where a program is loaded, code first.
pub const BASE: u64 = 0x1000_0000;
/// Where its code begins; an ELF header fits before it.
pub const ENTRY: u64 = BASE + PAGE as u64;

/// The system calls of Linux that it makes.
pub const WRITE: u64 = 64;
pub const EXIT: u64 = 93;

pub struct Program {
    blocks: Vec<Vec<Insn>>,
    /// Code and pages, as they stand from [`ENTRY`] on.
    pub bytes: Vec<u8>,
    /// The address of the first block's page.
    pub pages: u64,
}

impl Program {
    /// The program of a seed.
    pub fn new(seed: u64, blocks: usize, length: usize) -> Self {
        let mut random = Random::new(seed);
        let blocks: Vec<Vec<Insn>> = (0..blocks)
            .map(|_| {
                let mut code = Vec::new();
                while code.len() < length {
                    code.extend(random.piece());
                }
                code
            })
            .collect();
        // Assembled twice: first for its length, then with the addresses that follow from it.
        let length = assemble(&blocks, ENTRY).len();
        let pages = ENTRY + length.next_multiple_of(PAGE) as u64;
        let mut bytes = assemble(&blocks, pages);
        bytes.resize((pages - ENTRY) as usize, 0);
        for block in 0..blocks.len() {
            bytes.extend(page(&mut random, scratch(pages, block)));
        }
        Program { blocks, bytes, pages }
    }

    /// Bytes of all pages.
    pub fn pages_length(&self) -> u64 {
        (self.blocks.len() * PAGE) as u64
    }

    pub fn instructions(&self) -> u64 {
        self.blocks.iter().map(|block| block.len() as u64).sum()
    }

    /// A block's random code as text.
    pub fn listing(&self, block: usize) -> Vec<String> {
        self.blocks[block].iter().map(|insn| format!("{insn:#}")).collect()
    }
}

fn scratch(pages: u64, block: usize) -> u64 {
    pages + (block * PAGE + SCRATCH) as u64
}

/// A block's page before it runs.
fn page(random: &mut Random, scratch: u64) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let mut put = |at: usize, value: u64| page[at..at + 8].copy_from_slice(&value.to_le_bytes());
    for i in 0..32 {
        let base = BASES.contains(&(i as u8));
        put(8 * i, if base { scratch } else { random.integer() });
        put(8 * (32 + i), random.float());
    }
    put(8 * 64, random.below(5) << 5 | random.below(32));
    for at in (SCRATCH..PAGE).step_by(8) {
        put(at, if random.below(2) == 0 { random.integer() } else { random.float() });
    }
    page
}

fn assemble(blocks: &[Vec<Insn>], pages: u64) -> Vec<u8> {
    let mut asm = Asm::new();
    for (number, block) in blocks.iter().enumerate() {
        // The same length whatever the address, which lies in the low 2 GiB.
        let at = scratch(pages, number) as i32;
        let lower = at << 20 >> 20;
        asm.lui(T6, at - lower).addi(T6, T6, lower);
        load_state(&mut asm);
        for insn in block {
            match vellum_isa::compress(insn).filter(|_| insn.len == 2) {
                Some(bits) => asm.raw(&bits.to_le_bytes()),
                None => asm.emit(*insn),
            };
        }
        store_state(&mut asm);
    }
    finish(&mut asm, pages, blocks.len() * PAGE);
    asm.bytes().expect("every instruction was decoded from bits")
}

/// The offset of a doubleword of a page from the bases.
fn from_base(at: usize) -> i32 {
    at as i32 - SCRATCH as i32
}

fn load_state(asm: &mut Asm) {
    asm.ld(T0, from_base(8 * 64), T6).csrw(csr::FCSR, T0);
    for i in 0..32_u8 {
        asm.fld(F(i), from_base(8 * (32 + usize::from(i))), T6);
    }
    for i in 1..31_u8 {
        asm.ld(X(i), from_base(8 * usize::from(i)), T6);
    }
}

fn store_state(asm: &mut Asm) {
    for i in 1..32_u8 {
        asm.sd(X(i), from_base(FINAL + 8 * usize::from(i)), T6);
    }
    for i in 0..32_u8 {
        asm.fsd(F(i), from_base(FINAL + 8 * (32 + usize::from(i))), T6);
    }
    asm.csrr(T0, csr::FCSR).sd(T0, from_base(FINAL + 8 * 64), T6);
}

/// Writes the pages to standard output, however many calls it takes, and exits: 1 if it can't.
fn finish(asm: &mut Asm, pages: u64, length: usize) {
    let (again, done) = (asm.label(), asm.label());
    asm.li(S2, pages as i64).li(S3, length as i64);
    asm.bind(again).li(A0, 1).mv(A1, S2).mv(A2, S3).li(A7, WRITE as i64).ecall();
    asm.slti(T0, A0, 1).bnez(T0, done);
    asm.add(S2, S2, A0).sub(S3, S3, A0).bnez(S3, again);
    asm.bind(done).snez(A0, S3).li(A7, EXIT as i64).ecall();
}

/// How two pages of the same block differ, by register and by byte of scratch memory.
pub fn differences(ours: &[u8], theirs: &[u8]) -> Vec<String> {
    let dword = |page: &[u8], at: usize| {
        u64::from_le_bytes(page[at..at + 8].try_into().expect("eight bytes"))
    };
    let name = |at: usize| match at.wrapping_sub(FINAL) / 8 {
        i @ 0..32 => X(i as u8).to_string(),
        i @ 32..64 => F(i as u8 - 32).to_string(),
        i if i < STATE => "fcsr".into(),
        _ => format!("scratch + {}", at.wrapping_sub(SCRATCH) as isize),
    };
    (0..PAGE)
        .step_by(8)
        .filter(|&at| dword(ours, at) != dword(theirs, at))
        .map(|at| {
            let (a, b) = (dword(ours, at), dword(theirs, at));
            format!("{}: {a:#018x} here, {b:#018x} there", name(at))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vellum_isa::Op;

    /// Nothing that a user program can run is left out.
    #[test]
    fn every_operation_has_its_turn() {
        let program = Program::new(1, 500, 24);
        let all = || program.blocks.iter().flatten();
        let traps = [Op::Ecall, Op::Ebreak];
        for op in Op::ALL.into_iter().filter(|op| *op < Op::Sret && !traps.contains(op)) {
            assert!(all().any(|insn| insn.op == op), "{op:?}");
        }
        for rm in [0, 1, 2, 3, 4, 7] {
            assert!(all().any(|insn| insn.op == Op::FaddD && insn.rm == rm), "{rm}");
        }
        assert!(all().any(|insn| insn.len == 2));
    }
}
