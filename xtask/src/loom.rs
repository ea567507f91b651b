//! `cargo xtask loom`: the lock-free pieces in every interleaving that the model checker finds.
//!
//! Built with `--cfg loom` into a folder of its own, since it changes what the crates are made of.
//! Models are tests whose names start with `loom_`.

use crate::shell::{cargo, run as run_command, target_dir};
use anyhow::{Result, bail};
use std::process::ExitCode;

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
        run_command(
            cargo(&["test", "--release", "--lib", "-p", name, "--", "loom_"])
                .env("RUSTFLAGS", "--cfg loom")
                .env("CARGO_TARGET_DIR", target_dir().join("loom"))
                .env("LOOM_MAX_PREEMPTIONS", args.preemptions.to_string()),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
