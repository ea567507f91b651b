//! `cargo xtask diff-user`: random user programs, on our processor and under `qemu-riscv64`.
//!
//! A program is a row of blocks. Each loads every register from its own page, runs random straight
//! code (with branches over single instructions), and stores every register, `fcsr` and its scratch
//! memory there; at the end the program writes all pages out. Both runs must write the same.

mod here;
mod program;
mod random;

use crate::elf_image::executable;
use anyhow::{Context, Result, bail};
use program::{BASE, PAGE, Program};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode};

const QEMU: &str = "qemu-riscv64";
/// What the random code is drawn from, beside RV64GC.
const CPU: &str = "rv64,zba=true,zbb=true,zbs=true";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Programs, each with the next seed
    #[arg(long, default_value_t = 20)]
    programs: u64,
    /// The first program's seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Blocks in a program
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=5000))]
    blocks: u16,
    /// Random instructions in a block
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=200))]
    length: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A block that ended differently.
struct Disagreement {
    seed: u64,
    block: usize,
    listing: Vec<String>,
    differences: Vec<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if Command::new(QEMU).arg("--version").output().is_err() {
        println!("skipped: {QEMU} is not installed");
        return Ok(ExitCode::SUCCESS);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("program");
    let mut found = Vec::new();
    let mut instructions = 0;
    for seed in args.seed..args.seed.saturating_add(args.programs) {
        let program = Program::new(seed, args.blocks.into(), args.length.into());
        instructions += program.instructions();
        let ours = here::run(&program).with_context(|| format!("seed {seed}, here"))?;
        let theirs = there(&program, &path).with_context(|| format!("seed {seed}, {QEMU}"))?;
        found.extend(compare(seed, &program, &ours, &theirs)?);
    }
    let blocks = args.programs * u64::from(args.blocks);
    match args.json {
        true => print_json(&found, blocks, instructions)?,
        false => print_text(&found, blocks, instructions),
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The pages as the other emulator leaves them.
fn there(program: &Program, path: &Path) -> Result<Vec<u8>> {
    fs::write(path, executable(BASE, &program.bytes))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    let output = Command::new(QEMU).args(["-cpu", CPU]).arg(path).output()?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

fn compare(seed: u64, program: &Program, ours: &[u8], theirs: &[u8]) -> Result<Vec<Disagreement>> {
    if ours.len() != theirs.len() {
        bail!("seed {seed}: {} bytes here, {} there", ours.len(), theirs.len());
    }
    let pages = ours.chunks(PAGE).zip(theirs.chunks(PAGE)).enumerate();
    let differing = pages.filter(|(_, (a, b))| a != b);
    Ok(differing
        .map(|(block, (a, b))| Disagreement {
            seed,
            block,
            listing: program.listing(block),
            differences: program::differences(a, b),
        })
        .collect())
}

fn print_text(found: &[Disagreement], blocks: u64, instructions: u64) {
    for Disagreement { seed, block, listing, differences } in found {
        println!("seed {seed}, block {block}:");
        listing.iter().for_each(|line| println!("    {line}"));
        differences.iter().for_each(|line| println!("  {line}"));
    }
    println!("{blocks} blocks, {instructions} random instructions: {} disagreements", found.len());
}

fn print_json(found: &[Disagreement], blocks: u64, instructions: u64) -> Result<()> {
    let rows: Vec<_> = found
        .iter()
        .map(|d| {
            json!({
                "seed": d.seed, "block": d.block,
                "listing": d.listing, "differences": d.differences,
            })
        })
        .collect();
    let all = json!({ "blocks": blocks, "instructions": instructions, "disagreements": rows });
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_to_its_end_and_repeats() {
        let program = Program::new(3, 20, 24);
        let pages = here::run(&program).expect("it ends by itself");
        assert_eq!(pages.len() as u64, program.pages_length());
        assert_eq!(pages, here::run(&Program::new(3, 20, 24)).expect("it ends by itself"));
        assert!(compare(3, &program, &pages, &pages).expect("as long").is_empty());
        // Every block stored its bases, which nothing may change: sp, s1, t6.
        for page in pages.chunks(PAGE) {
            for register in [2, 9, 31] {
                let state = |from: usize| &page[from + 8 * register..][..8];
                assert_eq!(state(0), state(1024));
            }
        }
    }

    #[test]
    fn a_difference_is_found_and_named() {
        let program = Program::new(4, 5, 10);
        let pages = here::run(&program).expect("it ends by itself");
        let mut other = pages.clone();
        other[2 * PAGE + 1024 + 8 * 10] ^= 1;
        other[2 * PAGE + 1024 + 8 * 64] ^= 1;
        let found = compare(4, &program, &pages, &other).expect("as long");
        assert_eq!((found.len(), found[0].block), (1, 2));
        assert!(found[0].listing.len() >= 10);
        let names: Vec<_> =
            found[0].differences.iter().map(|d| d.split(':').next().unwrap_or("")).collect();
        assert_eq!(names, ["a0", "fcsr"]);
    }
}
