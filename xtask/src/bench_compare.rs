//! `cargo xtask bench-compare AREA`: an area's figures beside its peers', from one interleaved run.
//!
//! Each area is a binary of the `vellum-bench` package behind a feature of the same name, so that
//! only the peers of that area are built.

use crate::shell::cargo;
use anyhow::{Context, Result};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The area: a binary of the `bench` package
    area: String,
    /// Passed on to the area's program; `--help` tells what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let area = args.area.as_str();
    let status = cargo(&["run", "--quiet", "--release", "-p", "vellum-bench"])
        .args(["--features", area, "--bin", area, "--"])
        .args(&args.rest)
        .status()
        .context("could not start cargo")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
