//! Starting other programs: where the workspace is, and errors that name the command that failed.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// The workspace's root folder.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Where cargo builds, and where commands keep what they fetch or print.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// A `cargo` command at the workspace's root.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs `command` to its end; an error names the command and how it ended.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("could not start `{shown}`"))?;
    match status.success() {
        true => Ok(()),
        false => bail!("`{shown}` ended with {status}"),
    }
}

/// As [`run`], but what takes longer than `limit` is killed.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let status = wait_within(command, limit)?;
    match status.success() {
        true => Ok(()),
        false => bail!("`{}` ended with {status}", shown(command)),
    }
}

/// Runs `command` and returns how it ended; what takes longer than `limit` is killed.
pub fn wait_within(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    const STEP: Duration = Duration::from_millis(50);
    let shown = shown(command);
    let mut child = command.spawn().with_context(|| format!("could not start `{shown}`"))?;
    let mut waited = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if waited >= limit {
            child.kill()?;
            child.wait()?;
            bail!("`{shown}` took more than {} s and was stopped", limit.as_secs());
        }
        std::thread::sleep(STEP);
        waited += STEP;
    }
}

fn shown(command: &Command) -> String {
    format!("{command:?}").replace('"', "")
}
