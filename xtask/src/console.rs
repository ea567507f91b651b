//! `cargo xtask console`: the console of `cargo xtask boot` in a real terminal. A terminal
//! multiplexer types at it and reads the screen: line editing, Ctrl-C to the guest, another size of
//! the window, leaving, and the terminal as it was before, also after a kill and after a panic.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

const PROMPT: &str = "folio$";
/// Looks at the screen, and the time between two.
const LOOKS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: &Args) -> Result<ExitCode> {
    match check()? {
        None => println!("skipped: tmux is not installed"),
        Some(passed) => println!("console: {passed} checks passed in a terminal"),
    }
    Ok(ExitCode::SUCCESS)
}

type Check = fn(&Screen) -> Result<()>;

/// Runs all checks; how many there were, or `None` without a multiplexer.
pub fn check() -> Result<Option<usize>> {
    if Command::new("tmux").arg("-V").output().is_err() {
        return Ok(None);
    }
    let checks: [(&str, Check); 5] = [
        ("typing, line editing, leaving", typing),
        ("Ctrl-C to the guest", interrupt),
        ("another size of the window", resize),
        ("the terminal after a kill", killed),
        ("the terminal after a panic", panicked),
    ];
    for (name, check) in checks {
        let screen = Screen::open()?;
        check(&screen).with_context(|| format!("{name}; the screen:\n{}", screen.text()))?;
    }
    Ok(Some(checks.len()))
}

/// A window with a shell in it, on a server of its own.
struct Screen {
    folder: tempfile::TempDir,
    program: String,
}

impl Screen {
    fn open() -> Result<Self> {
        let program = std::env::current_exe().context("where am I?")?;
        let program = program.to_str().context("a path that a shell takes")?.to_owned();
        let screen = Self { folder: tempfile::tempdir()?, program };
        screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh"])?;
        // What is printed is told from what is typed by the quotes.
        screen.line("PS1='out''side> '")?;
        screen.wait("outside>")?;
        screen.line("stty -g > before")?;
        Ok(screen)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tmux(&self, args: &[&str]) -> Result<String> {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(self.path("socket"))
            .args(args)
            .current_dir(self.folder.path())
            .env_remove("TMUX")
            .output()?;
        ensure!(
            output.status.success(),
            "tmux {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Types keys by their names, or text.
    fn keys(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(|_| ())
    }

    fn line(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", text])?;
        self.keys(&["Enter"])
    }

    fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).unwrap_or_else(|error| format!("{error:#}"))
    }

    /// Waits until the screen has `text`.
    fn wait(&self, text: &str) -> Result<()> {
        self.wait_for(text, |screen| screen.contains(text))
    }

    /// Waits until the last line that is not empty ends with `text`.
    fn wait_last(&self, text: &str) -> Result<()> {
        self.wait_for(text, |screen| {
            screen.lines().rev().find(|line| !line.is_empty()).is_some_and(|l| l.ends_with(text))
        })
    }

    fn wait_for(&self, text: &str, there: impl Fn(&str) -> bool) -> Result<()> {
        for _ in 0..LOOKS {
            if there(&self.text()) {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        bail!("`{text}` did not appear")
    }

    /// Boots the small guest, as `wrapped` has the command, and waits for its prompt.
    fn boot(&self, wrapped: impl Fn(&str) -> String) -> Result<()> {
        self.line(&wrapped(&format!("{} boot --report none", self.program)))?;
        self.wait_last(PROMPT)
    }

    /// The shell has the terminal again, with the modes from before.
    fn is_restored(&self) -> Result<()> {
        self.wait_last("outside>")?;
        self.line("stty -g > after && echo mo''des")?;
        self.wait("modes")?;
        let [before, after] = ["before", "after"].map(|name| fs::read_to_string(self.path(name)));
        ensure!(before? == after?, "the terminal's modes are others than before");
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        _ = self.tmux(&["kill-server"]);
    }
}

fn typing(screen: &Screen) -> Result<()> {
    screen.boot(str::to_owned)?;
    screen.keys(&["echo one twx", "BSpace", "o", "Enter"])?;
    screen.wait("\none two\n")?;
    screen.keys(&["C-a", "x"])?;
    screen.is_restored()
}

fn interrupt(screen: &Screen) -> Result<()> {
    screen.boot(str::to_owned)?;
    // Reads until its input ends, which it does not.
    screen.keys(&["cat", "Enter", "again", "Enter"])?;
    screen.wait("again\nagain")?;
    screen.keys(&["C-c"])?;
    screen.wait_last(PROMPT)?;
    screen.keys(&["C-a", "x"])?;
    screen.is_restored()
}

fn resize(screen: &Screen) -> Result<()> {
    screen.boot(str::to_owned)?;
    screen.tmux(&["resize-window", "-x", "132", "-y", "40"])?;
    screen.keys(&["echo still here", "Enter"])?;
    screen.wait("\nstill here\n")?;
    screen.keys(&["C-a", "x"])?;
    screen.is_restored()
}

fn killed(screen: &Screen) -> Result<()> {
    screen.boot(|command| format!("sh -c 'echo $$ > pid; exec {command}'"))?;
    let pid = fs::read_to_string(screen.path("pid"))?;
    let status = Command::new("kill").arg(pid.trim()).status()?;
    ensure!(status.success(), "kill {pid}");
    screen.is_restored()
}

/// Asked for its status, it writes to standard error; which is a pipe that nobody reads any more,
/// and that is one of the few things over which a program of ours panics.
fn panicked(screen: &Screen) -> Result<()> {
    screen.boot(|command| format!("{command} 2>&1 > /dev/tty | true"))?;
    screen.keys(&["C-a", "s"])?;
    screen.is_restored()
}
