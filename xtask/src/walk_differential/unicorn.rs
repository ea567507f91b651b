//! Unicorn, by a script, where Python has it.

use super::{Answers, Case};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::process::{Command, Output, Stdio};

const SCRIPT: &str = include_str!("emulator.py");
const MISSING: &str = "python3 has no module unicorn (pip install unicorn)";

pub fn ask(cases: &[Case]) -> Result<Answers> {
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else { return Ok(Err(MISSING.into())) };
    let mut to = child.stdin.take().context("a pipe was asked for")?;
    let input: String = cases.iter().map(Case::line).collect();
    let writer = std::thread::spawn(move || {
        // Without the module the script ends at once and takes no input.
        let _ = to.write_all(input.as_bytes());
    });
    let Output { status, stdout, .. } = child.wait_with_output()?;
    let _ = writer.join();
    let text = String::from_utf8_lossy(&stdout).into_owned();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or("");
    if first == "no unicorn" {
        return Ok(Err(MISSING.into()));
    }
    if !status.success() {
        bail!("the emulator's script ended with {status} after {} answers", lines.count());
    }
    let numbers = |line: &str| line.split(' ').filter_map(|word| word.parse().ok()).collect();
    Ok(Ok((first.to_owned(), lines.map(numbers).collect())))
}
