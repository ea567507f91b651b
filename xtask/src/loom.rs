//! `cargo xtask loom`: the lock-free pieces in every interleaving that the model checker finds.
//!
//! Built with `--cfg loom` into a folder of its own, since it changes what the crates are made of.
//! Models are tests whose names start with `loom_`. That each of them notices what it is there for is
//! shown by bugs planted in what they model: `cargo xtask planted frames`.

use crate::shell::{cargo, run as run_command, target_dir};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::{Command, ExitCode};

/// Crates with models.
const CRATES: [&str; 1] = ["vellum-frames"];

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this crate's models
    #[arg(value_name = "CRATE")]
    only: Option<String>,
    /// Times that a thread may be stopped against its will; more finds more and takes longer
    #[arg(long, value_name = "N", default_value_t = 3)]
    preemptions: u32,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let chosen = |name: &&str| args.only.as_ref().is_none_or(|only| only == *name);
    let crates: Vec<&str> = CRATES.into_iter().filter(chosen).collect();
    if crates.is_empty() {
        bail!("models are in {}", CRATES.join(", "));
    }
    for name in crates {
        println!("== {name}");
        let mut command = cargo(&["test", "-p", name]);
        models(&mut command, args.preemptions, &target_dir().join("loom"));
        run_command(command.args(["--", "loom_"]))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes `cargo test -p CRATE` one of the crate's models, built in `folder`.
pub fn models<'a>(command: &'a mut Command, preemptions: u32, folder: &Path) -> &'a mut Command {
    command
        .args(["--release", "--lib"])
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", folder)
        .env("LOOM_MAX_PREEMPTIONS", preemptions.to_string())
}
