//! `cargo xtask ci`: what must hold before a change lands.

use crate::shell::{cargo, run as start};
use anyhow::Result;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_args: &Args) -> Result<ExitCode> {
    step("format");
    start(&mut cargo(&["fmt", "--all", "--check"]))?;
    step("lints");
    start(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--exclude",
        "vellum-bench",
        "--",
        "-D",
        "warnings",
    ]))?;
    step("tests");
    start(&mut cargo(&["test", "--workspace", "--exclude", "vellum-bench"]))?;
    step("docs");
    start(
        cargo(&["doc", "--workspace", "--exclude", "vellum-bench", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    println!("ci: all of it passed");
    Ok(ExitCode::SUCCESS)
}

fn step(name: &str) {
    println!("== {name}");
}
