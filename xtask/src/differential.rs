//! `cargo xtask differential`: random instructions, here and under QEMU.
//!
//! A small program in S-mode (`guests/differential/`) runs blocks of instructions and prints a digest
//! of the registers and the memory that each leaves. The same image, with the same blocks behind it,
//! runs here and under QEMU, and every digest must agree. A block that does not is printed.

use crate::random::Random;
use crate::shell::root;
use anyhow::{Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use vellum_isa::{Insn, Op, decode};

const QEMU: &str = "qemu-system-riscv64";
/// Where the blocks stand, counted from the start of the image.
const BLOCKS_AT: usize = 0x20_0000;
/// Memory for the instructions and what they run on.
const MEMORY: &str = "64M";
/// The registers that point at a block's memory; nothing may change them.
const BASES: [u8; 2] = [2, 31];
/// The stores and loads of a block reach as far as their immediate does.
const REACH: i32 = 2040;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Blocks in a run
    #[arg(long, default_value_t = 2000)]
    blocks: u64,
    /// Instructions in a block
    #[arg(long, default_value_t = 60)]
    length: u64,
    /// Runs, each with the next seed
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The first run's seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if Command::new(QEMU).arg("--version").output().is_err() {
        println!("skipped: {QEMU} is not installed");
        return Ok(ExitCode::SUCCESS);
    }
    let runner = fs::read(root().join("guests/differential/runner.img"))?;
    let folder = tempfile::tempdir()?;
    let bench = Bench { runner, image: folder.path().join("image") };
    for seed in args.seed..args.seed.saturating_add(args.runs) {
        let mut random = Random::new(seed);
        let blocks: Vec<Block> =
            (0..args.blocks).map(|_| Block::new(&mut random, args.length)).collect();
        if let Some(at) = bench.first_difference(&blocks)? {
            bench.explain(&blocks[at])?;
            bail!("seed {seed}: block {at} does not leave here what it leaves under QEMU");
        }
        println!("seed {seed}: {} blocks of {} instructions agree", blocks.len(), args.length);
    }
    Ok(ExitCode::SUCCESS)
}

/// The runner, and where an image is put together.
struct Bench {
    runner: Vec<u8>,
    image: PathBuf,
}

impl Bench {
    /// Runs all blocks on both sides; the first one whose digests differ, or are missing.
    fn first_difference(&self, blocks: &[Block]) -> Result<Option<usize>> {
        fs::write(&self.image, join(&self.runner, blocks))?;
        let args = ["-M", "virt", "-nographic", "-no-reboot", "-m", MEMORY, "-kernel"];
        let theirs = digests(Command::new(QEMU).args(args).arg(&self.image))?;
        let args = ["boot", "--report", "none", "--memory", MEMORY, "--kernel"];
        let ours = digests(Command::new(std::env::current_exe()?).args(args).arg(&self.image))?;
        let differs = |at: &usize| ours.get(*at).is_none() || ours.get(*at) != theirs.get(*at);
        Ok((0..blocks.len()).find(differs))
    }

    /// Prints the first instruction of `block` behind which the two sides differ.
    fn explain(&self, block: &Block) -> Result<()> {
        let prefix = |length| Block {
            registers: block.registers.clone(),
            code: block.code[..length].to_vec(),
        };
        let prefixes: Vec<Block> = (0..=block.code.len()).map(prefix).collect();
        let Some(length) = self.first_difference(&prefixes)? else {
            println!("it agrees when it runs alone");
            return Ok(());
        };
        for (at, code) in prefixes[length].code.iter().enumerate() {
            let mark = if at + 1 == length { "->" } else { "  " };
            println!("{mark} {code:08x}  {:?}", decode(*code));
        }
        Ok(())
    }
}

/// The digests that a run prints, one a line.
fn digests(command: &mut Command) -> Result<Vec<String>> {
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let digest =
        |line: &&str| line.len() == 16 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(text.lines().map(str::trim).filter(digest).map(Into::into).collect())
}

/// The runner with the blocks behind it.
fn join(runner: &[u8], blocks: &[Block]) -> Vec<u8> {
    let mut image = runner.to_vec();
    image.resize(BLOCKS_AT, 0);
    image.extend((blocks.len() as u64).to_le_bytes());
    for block in blocks {
        block.registers.iter().for_each(|word| image.extend(word.to_le_bytes()));
        let code = block.bytes();
        image.extend((code.len() as u64).to_le_bytes());
        image.extend(code);
        image.resize(image.len().next_multiple_of(8), 0);
    }
    image
}

/// Registers to start with (`fcsr` in `x0`'s place, `f0` to `f31` behind) and instructions.
struct Block {
    registers: Vec<u64>,
    code: Vec<u32>,
}

impl Block {
    fn new(random: &mut Random, length: u64) -> Self {
        let mut registers: Vec<u64> = (0..64).map(|_| random.value()).collect();
        // A rounding mode that exists, and any flags.
        registers[0] = random.below(5) << 5 | random.below(32);
        for single in &mut registers[32..] {
            // Half of the floating-point registers hold a boxed single.
            if random.below(2) == 0 {
                *single |= 0xffff_ffff_0000_0000;
            }
        }
        let code = (0..length).map(|_| random.instruction()).collect();
        Self { registers, code }
    }

    /// The instructions, and the way back to the runner behind them.
    fn bytes(&self) -> Vec<u8> {
        // addi x31, x31, 2040; ld x31, 144(x31); jr x31
        const BACK: [u32; 3] = [0x7f8f_8f93, 0x090f_bf83, 0x000f_8067];
        let mut bytes = Vec::new();
        for &code in self.code.iter().chain(&BACK) {
            let length = usize::from(decode(code).len);
            bytes.extend(&code.to_le_bytes()[..length]);
        }
        bytes
    }
}

impl Random {
    /// A number as programs and floating point meet them: often small, or at an edge.
    fn value(&mut self) -> u64 {
        const EDGES: [u64; 12] = [
            0,
            1,
            u64::MAX,
            i64::MAX as u64,
            i64::MIN as u64,
            0x7fff_ffff,
            0x8000_0000,
            // Infinity, the smallest normal, the smallest and the largest subnormal, a NaN.
            0x7ff0_0000_0000_0000,
            0x0010_0000_0000_0000,
            0x8000_0000_0000_0001,
            0x000f_ffff_ffff_ffff,
            0x7ff0_0000_0000_0001,
        ];
        const SINGLES: [u64; 6] =
            [0x7f80_0000, 0x0080_0000, 1, 0x007f_ffff, 0x7f80_0001, 0xff80_0000];
        match self.below(6) {
            0 => EDGES[self.below(EDGES.len() as u64) as usize],
            1 => SINGLES[self.below(SINGLES.len() as u64) as usize],
            2 => self.below(1 << 12),
            3 => (self.below(1 << 16) as i64 - (1 << 15)) as u64,
            // Doubles of a size that does not overflow at once.
            4 => self.word() & 0x800f_ffff_ffff_ffff | (1023 - 40 + self.below(80)) << 52,
            _ => self.word(),
        }
    }

    /// An instruction that changes registers or the block's memory and nothing else. Drawn from all
    /// bit patterns, so that every encoding has its turn.
    fn instruction(&mut self) -> u32 {
        loop {
            let mut word = self.word() as u32;
            if self.below(4) != 0 {
                word |= 3;
            }
            let insn = decode(word);
            if insn.len == 2 {
                word &= 0xffff;
            }
            if let Some(code) = self.tamed(word, &insn) {
                return code;
            }
        }
    }

    /// `word`, bent so that it stays inside the block; `None` if it can't be.
    fn tamed(&mut self, word: u32, insn: &Insn) -> Option<u32> {
        let mut word = word;
        let base = u32::from(BASES[self.below(2) as usize]) << 15;
        match kind(insn.op) {
            Kind::Computes => {}
            Kind::Loads | Kind::Stores if insn.len == 2 => {
                // Only those over x2 have a base that is known.
                if insn.rs1 != BASES[0] || insn.imm > REACH {
                    return None;
                }
            }
            Kind::Loads | Kind::Stores if insn.imm <= REACH => word = word & !(0x1f << 15) | base,
            Kind::Atomic => word = word & !(0x1f << 15) | base,
            // Flags can hold anything; `frm` can't.
            Kind::Csr => word = word & 0x000f_ffff | 1 << 20,
            _ => return None,
        }
        let insn = decode(word);
        let changed =
            insn.op != Op::Illegal && kind(insn.op) != Kind::Stores && has_integer_rd(insn.op);
        (insn.op != Op::Illegal && !(changed && BASES.contains(&insn.rd))).then_some(word)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Computes,
    Loads,
    Stores,
    Atomic,
    Csr,
    /// Jumps, traps, waits, or depends on more than the block.
    Leaves,
}

fn kind(op: Op) -> Kind {
    use Op::*;
    match op {
        Lb | Lh | Lw | Ld | Lbu | Lhu | Lwu | Flw | Fld => Kind::Loads,
        Sb | Sh | Sw | Sd | Fsw | Fsd => Kind::Stores,
        Jal | Jalr | Beq | Bne | Blt | Bge | Bltu | Bgeu | Ecall | Ebreak | Illegal | LrW | LrD
        | ScW | ScD | Sret | Wfi | SfenceVma | SinvalVma | SfenceWInval | SfenceInvalIr => {
            Kind::Leaves
        }
        // QEMU 7.2 counts zeros beyond bit 31 for some words that are zero.
        Ctzw => Kind::Leaves,
        Csrrw | Csrrs | Csrrc | Csrrwi | Csrrsi | Csrrci => Kind::Csr,
        _ if format!("{op:?}").starts_with("Amo") => Kind::Atomic,
        _ => Kind::Computes,
    }
}

/// Whether `rd` names an integer register: in floating point, only comparisons, classes, moves and
/// conversions to integers do.
fn has_integer_rd(op: Op) -> bool {
    let name = format!("{op:?}");
    let float = name.starts_with('F') && !name.starts_with("Fence");
    let to_integer = ["Feq", "Flt", "Fle", "Fclass", "FcvtW", "FcvtL", "FmvX"];
    !float || to_integer.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_leaves_its_memory_or_loses_its_base() {
        let mut random = Random::new(5);
        for _ in 0..20_000 {
            let insn = decode(random.instruction());
            assert_ne!(kind(insn.op), Kind::Leaves, "{insn:?}");
            if matches!(kind(insn.op), Kind::Loads | Kind::Stores | Kind::Atomic) {
                assert!(
                    BASES.contains(&insn.rs1) && (-2048..=REACH).contains(&insn.imm),
                    "{insn:?}"
                );
            }
            if has_integer_rd(insn.op) && kind(insn.op) != Kind::Stores {
                assert!(!BASES.contains(&insn.rd), "{insn:?}");
            }
        }
    }

    #[test]
    fn the_way_back_is_what_its_comment_says() {
        let block = Block { registers: Vec::new(), code: Vec::new() };
        let words: Vec<u32> =
            block.bytes().chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
        let insns: Vec<_> =
            words.iter().map(|&word| decode(word)).map(|i| (i.op, i.rd, i.rs1, i.imm)).collect();
        assert_eq!(insns, [(Op::Addi, 31, 31, 2040), (Op::Ld, 31, 31, 144), (Op::Jalr, 0, 31, 0)]);
    }
}
