//! `cargo xtask riscv-tests DIR`: runs the upstream instruction tests, built by the user as S-mode
//! payloads (`guests/riscv-tests/` has the environment), each on a fresh machine.
//!
//! A test passes if it shuts the machine down without a failure; a failing one prints the number of
//! its case.

use crate::table::Table;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vellum_machine::{Config, Machine, Paging, Stop};
use vellum_replay::{Script, Seeded};

/// Instructions after which a test counts as hanging. The longest takes a few thousand.
const BUDGET: u64 = 1_000_000;
/// Memory of each machine.
const MEMORY: u64 = 32 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder of ELF files, or one such file
    dir: PathBuf,
    /// Only the files whose names contain this
    #[arg(long, default_value = "")]
    filter: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What became of a test.
struct Outcome {
    name: String,
    /// Why it failed; `None` if it passed.
    failure: Option<String>,
    instructions: u64,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let tests = find(&args.dir, &args.filter)?;
    if tests.is_empty() {
        bail!(
            "{}: no ELF files; build the tests with the header and linker script of guests/riscv-tests",
            args.dir.display()
        );
    }
    let outcomes: Vec<Outcome> = tests.iter().map(|path| test(path)).collect::<Result<_>>()?;
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    match args.json {
        true => print_json(&outcomes)?,
        false => print_text(&outcomes),
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The ELF files, in order of their names.
fn find(dir: &Path, filter: &str) -> Result<Vec<PathBuf>> {
    let kind = fs::metadata(dir).with_context(|| dir.display().to_string())?;
    let entries = match kind.is_dir() {
        true => fs::read_dir(dir)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?,
        false => vec![dir.to_owned()],
    };
    let mut tests = Vec::new();
    for path in entries {
        let named = path.file_name().is_some_and(|n| n.to_string_lossy().contains(filter));
        if named && path.is_file() && is_elf(&path).with_context(|| path.display().to_string())? {
            tests.push(path);
        }
    }
    tests.sort();
    Ok(tests)
}

fn is_elf(path: &Path) -> Result<bool> {
    Ok(fs::read(path)?.starts_with(b"\x7fELF"))
}

fn test(path: &Path) -> Result<Outcome> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut config = Config::new(fs::read(path).with_context(|| path.display().to_string())?);
    config.memory = MEMORY;
    config.paging = Paging::Shadow;
    let outside = Box::new(Seeded::new(1, Script::new()));
    let mut machine = Machine::new(config, outside).with_context(|| name.clone())?;
    let stop = machine.run(BUDGET);
    let printed = machine.take_console_output();
    let failure = match stop {
        Stop::PowerOff { code: 0 } => None,
        Stop::PowerOff { .. } => Some(case(&String::from_utf8_lossy(&printed))),
        Stop::Slice => Some(format!("no end within {BUDGET} instructions")),
        other => Some(format!("{other:?}")),
    };
    Ok(Outcome { name, failure, instructions: machine.instructions() })
}

/// What a failing test's number means: a case of its own, or (from 900) an unexpected trap.
fn case(printed: &str) -> String {
    match printed.trim().parse::<u32>() {
        Ok(number @ 900..) => format!("trap with cause {}", number - 900),
        Ok(number) => format!("case {number}"),
        Err(_) => format!("failed, printing {printed:?}"),
    }
}

/// A row a group (what stands before the first `-`), then the failures.
fn print_text(outcomes: &[Outcome]) {
    let group = |o: &Outcome| o.name.split('-').next().unwrap_or_default().to_owned();
    let mut table = Table::new("riscv-tests", &["group", "tests", "passed", "instructions"]);
    for part in outcomes.chunk_by(|a, b| group(a) == group(b)) {
        let passed = part.iter().filter(|o| o.failure.is_none()).count();
        let instructions: u64 = part.iter().map(|o| o.instructions).sum();
        table.row([group(&part[0]).into(), part.len().into(), passed.into(), instructions.into()]);
    }
    println!("{}", table.text());
    for Outcome { name, failure, .. } in outcomes {
        if let Some(failure) = failure {
            println!("{name}: {failure}");
        }
    }
    let passed = outcomes.iter().filter(|o| o.failure.is_none()).count();
    println!("{passed} of {} tests passed", outcomes.len());
}

fn print_json(outcomes: &[Outcome]) -> Result<()> {
    let rows: Vec<_> = outcomes
        .iter()
        .map(|o| json!({ "test": o.name, "failure": o.failure, "instructions": o.instructions }))
        .collect();
    println!("{}", serde_json::to_string_pretty(&rows)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf_image::executable;
    use vellum_isa::asm::{Asm, reg::*};

    /// The SBI calls of `guests/riscv-tests/riscv_test.h`.
    const SRST: i64 = 0x5352_5354;
    const DBCN: i64 = 0x4442_434e;

    /// What becomes of a program in S-mode.
    fn outcome(program: &Asm) -> Result<Outcome> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("program");
        fs::write(&path, executable(0x8020_0000, &program.bytes()?))?;
        test(&path)
    }

    #[test]
    fn the_verdict_is_how_the_machine_was_shut_down() -> Result<()> {
        let mut passing = Asm::new();
        passing.li(A0, 0).li(A1, 0).li(A6, 0).li(A7, SRST).ecall();
        let passed = outcome(&passing)?;
        assert_eq!((passed.name.as_str(), passed.failure), ("program", None));
        assert!(passed.instructions >= 5);

        let mut failing = Asm::new();
        for digit in *b"0007" {
            failing.li(A0, digit.into()).li(A6, 2).li(A7, DBCN).ecall();
        }
        failing.li(A0, 0).li(A1, 1).li(A6, 0).li(A7, SRST).ecall();
        assert_eq!(outcome(&failing)?.failure.as_deref(), Some("case 7"));

        let mut hanging = Asm::new();
        let here = hanging.bound();
        hanging.j(here);
        let failure = outcome(&hanging)?.failure.unwrap_or_default();
        assert!(failure.starts_with("no end within"), "{failure}");
        Ok(())
    }

    #[test]
    fn numbers_of_failures_are_explained() {
        assert_eq!(case("0042\n"), "case 42");
        assert_eq!(case("0902"), "trap with cause 2");
        assert_eq!(case("oops"), "failed, printing \"oops\"");
    }

    #[test]
    fn only_elf_files_of_that_name_are_tests() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes);
        write("rv64ui-sub", b"\x7fELF")?;
        write("rv64ui-add", b"\x7fELF")?;
        write("rv64um-mul", b"\x7fELF")?;
        write("rv64ui-add.dump", b"text")?;
        let names = |filter| -> Result<Vec<String>> {
            let found = find(folder.path(), filter)?;
            Ok(found.iter().map(|p| p.file_name().unwrap().to_string_lossy().into()).collect())
        };
        assert_eq!(names("ui")?, ["rv64ui-add", "rv64ui-sub"]);
        assert_eq!(names("")?.len(), 3);
        Ok(())
    }
}
