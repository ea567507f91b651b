//! The terminal: every key goes to the guest as it is typed, and whatever ends the program, the
//! terminal is as it was before.

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::stdin;
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcsetattr,
};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;
use std::thread::JoinHandle;

/// A terminal in raw mode; dropping it restores what was there. Unwinding drops it too.
#[derive(Debug)]
pub struct Terminal {
    before: Termios,
    signals: Handle,
    watcher: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Switches standard input to raw mode; `None` where it is no terminal.
    pub fn open() -> Result<Option<Self>> {
        if !isatty(stdin()) {
            return Ok(None);
        }
        let before = tcgetattr(stdin()).context("the terminal's modes can't be read")?;
        let raw = raw(&before);
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCONT])?;
        let handle = signals.handle();
        tcsetattr(stdin(), OptionalActions::Now, &raw).context("the terminal can't be switched")?;
        let restored = before.clone();
        let watcher = std::thread::spawn(move || {
            for signal in signals.forever() {
                match signal {
                    // Stopped and started again, a shell has set its own modes in between.
                    SIGCONT => _ = tcsetattr(stdin(), OptionalActions::Now, &raw),
                    _ => {
                        _ = tcsetattr(stdin(), OptionalActions::Now, &restored);
                        _ = emulate_default_handler(signal);
                    }
                }
            }
        });
        Ok(Some(Self { before, signals: handle, watcher: Some(watcher) }))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.signals.close();
        if let Some(watcher) = self.watcher.take() {
            _ = watcher.join();
        }
        // After the output is out, so that its last bytes are not shown in the other mode.
        _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
    }
}

/// `before` with keys passed on one by one. Output is still processed: the program's own lines end
/// in `\n` alone.
fn raw(before: &Termios) -> Termios {
    let mut raw = before.clone();
    raw.make_raw();
    raw.output_modes = before.output_modes | OutputModes::OPOST;
    raw.local_modes &= !LocalModes::ISIG;
    raw
}

/// What became of a wait for input.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing within the time given, or a signal came first.
    Nothing,
    /// The input has ended.
    End,
}

/// Waits for standard input for at most `milliseconds`; 0 only looks.
pub fn read(milliseconds: u64) -> Result<Typed> {
    let mut fds = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
    let timeout = Timespec {
        tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(milliseconds % 1000 * 1_000_000).unwrap_or(0),
    };
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) | Err(Errno::INTR) => return Ok(Typed::Nothing),
        Ok(_) => {}
        Err(error) => return Err(error).context("standard input can't be watched"),
    }
    if fds[0].revents().contains(PollFlags::NVAL) {
        return Ok(Typed::End);
    }
    let mut bytes = vec![0; 4096];
    match rustix::io::read(stdin(), &mut bytes) {
        Ok(0) | Err(Errno::BADF | Errno::IO) => Ok(Typed::End),
        Ok(length) => {
            bytes.truncate(length);
            Ok(Typed::Bytes(bytes))
        }
        Err(Errno::INTR | Errno::AGAIN) => Ok(Typed::Nothing),
        Err(error) => Err(error).context("standard input can't be read"),
    }
}
