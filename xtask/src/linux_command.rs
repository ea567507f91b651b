//! `cargo xtask linux`: a kernel and an initramfs as files, for this or another emulator.

use crate::linux::{Options, ensure};
use crate::shell::target_dir;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder for `Image` and `initrd.cpio` [default: target/linux]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Run this with `sh -c` in place of a shell, then power off with its exit code
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Take this Debian suite and no other
    #[arg(long)]
    suite: Option<String>,
    /// Fetch again even where an earlier fetch is at hand
    #[arg(long)]
    refresh: bool,
    /// Print what was fetched as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let options = Options { suite: args.suite.clone(), refresh: args.refresh };
    let linux = match ensure(&options) {
        Ok(linux) => linux,
        Err(error) => {
            println!("skipped: {error:#}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let out = args.out.clone().unwrap_or_else(|| target_dir().join("linux"));
    fs::create_dir_all(&out).with_context(|| format!("could not make {}", out.display()))?;
    let (kernel, initrd) = (out.join("Image"), out.join("initrd.cpio"));
    fs::write(&kernel, linux.kernel()?)?;
    fs::write(&initrd, linux.initramfs(args.exec.as_deref())?)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&linux.manifest)?);
        return Ok(ExitCode::SUCCESS);
    }
    for reason in &linux.manifest.passed_over {
        println!("passed over {reason}");
    }
    println!("{}", linux.describe());
    println!("{}\n{}", kernel.display(), initrd.display());
    Ok(ExitCode::SUCCESS)
}
