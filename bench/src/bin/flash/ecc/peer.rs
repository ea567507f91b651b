//! The peer process: `python3` with `bchlib`, one line a measurement.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = include_str!("../bchlib_peer.py");

/// A running peer; ends with its input.
#[derive(Debug)]
pub struct Bchlib {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Bchlib {
    /// Starts the peer, or says why it cannot run.
    pub fn start() -> Result<Self> {
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("python3 does not start")?;
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        if line.trim() != "ready" {
            child.wait()?;
            bail!("python3 has no bchlib (`pip install bchlib`)");
        }
        Ok(Self { child, input, output })
    }

    /// The answer to one request.
    pub fn ask(&mut self, request: &str) -> Result<String> {
        let input = self.input.as_mut().context("the peer has ended")?;
        writeln!(input, "{request}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    /// CPU seconds of one call.
    pub fn seconds(&mut self, request: &str) -> Result<f64> {
        let answer = self.ask(request)?;
        answer.trim().parse().with_context(|| format!("the peer failed at `{request}`"))
    }
}

impl Drop for Bchlib {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
