//! `cargo xtask fuzz TARGET`: libFuzzer on one of the targets under `fuzz/`, on stable Rust.
//!
//! The compiler's coverage pass is a pass of LLVM, which stable `rustc` can be told to run; only the
//! sanitizers need a nightly one.

use crate::shell::{cargo, root, run as run_command};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The target; without one, their names are listed
    target: Option<String>,
    /// How long to look
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Run these inputs once instead, as after a failure
    #[arg(long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Bytes of an input at most
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    max_len: u32,
}

/// What libFuzzer wants of the compiler: counters on edges, and compared values.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

pub fn run(args: &Args) -> Result<ExitCode> {
    let folder = root().join("fuzz");
    let names = names(&folder)?;
    let Some(target) = &args.target else {
        names.iter().for_each(|name| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    };
    if !names.contains(target) {
        bail!("there is no target `{target}`; there are {}", names.join(", "));
    }
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return Ok(ExitCode::SUCCESS);
    }
    let (corpus, artifacts) =
        (folder.join("corpus").join(target), folder.join("artifacts").join(target));
    fs::create_dir_all(&artifacts)?;
    run_command(build(&folder).args(["run", "--bin", "seeds", "--"]).arg(folder.join("corpus")))?;
    let host = host()?;
    let flags = COVERAGE.join(" ");
    // With `--target`, the flags are for the program alone and not for what builds it.
    run_command(
        build(&folder)
            .args(["build", "--release", "--bin", target, "--target", &host])
            .env("RUSTFLAGS", flags),
    )?;
    let program = folder.join("target").join(&host).join("release").join(target);
    let mut fuzzer = Command::new(program);
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    if args.input.is_empty() {
        fuzzer
            .arg(format!("-max_total_time={}", args.seconds))
            .arg(format!("-max_len={}", args.max_len))
            .arg("-print_final_stats=1")
            .arg(corpus);
    } else {
        fuzzer.args(&args.input);
    }
    run_command(&mut fuzzer)?;
    Ok(ExitCode::SUCCESS)
}

/// What this machine lacks to build and run a fuzzer.
fn missing() -> Option<String> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let there = Command::new(&compiler).arg("--version").output().is_ok_and(|o| o.status.success());
    (!there).then(|| format!("libFuzzer is built by a C++ compiler, and `{compiler}` does not run"))
}

/// The targets are the programs' names.
fn names(folder: &Path) -> Result<Vec<String>> {
    let programs = fs::read_dir(folder.join("fuzz_targets")).context("fuzz/fuzz_targets")?;
    let paths = programs.flatten().map(|entry| entry.path());
    let mut names: Vec<String> =
        paths.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// Cargo in the fuzzers' own workspace, with a target folder of its own.
fn build(folder: &Path) -> Command {
    let mut command = cargo(&[]);
    command.current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    command
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("could not start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it builds for")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_by_name() {
        let names = names(&root().join("fuzz")).unwrap();
        assert!(names.iter().any(|name| name == "saved_state"), "{names:?}");
    }
}
