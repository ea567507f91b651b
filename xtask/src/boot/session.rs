//! One run: slices of the guest, and between them the console.

use super::door::Door;
use super::keys::{Ask, HELP, Keys};
use super::terminal::{self, Typed};
use crate::reader::Gone;
use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Write, stdout};
use vellum_machine::{Machine, Stop};
use vellum_replay::Expect;

/// Instructions between two looks at the keyboard: a few milliseconds.
const SLICE: u64 = 2_000_000;
/// The same while the guest mostly waits: its clock must not run far ahead of the person's.
const SLICE_IDLE: u64 = 1_000;
/// Longest wait for a key at once, in milliseconds.
const LONGEST_WAIT: u64 = 1000;
/// Virtual time that a guest waits for input that has ended, before it is told so.
const PATIENCE_NS: u64 = 2_000_000_000;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The guest switched the machine off.
    PowerOff(u32),
    /// The guest asked for a reset.
    Reset,
    /// It waits for input, and none will come.
    Waits,
    /// As many instructions as were asked for.
    Enough,
    /// A person left.
    Left,
}

impl End {
    /// What the program ends with: the guest's code, or 1 where the guest did not end by itself
    /// though it should have.
    pub fn code(self) -> u8 {
        match self {
            Self::PowerOff(code) => u8::try_from(code).unwrap_or(u8::MAX),
            Self::Waits | Self::Reset => 1,
            Self::Enough | Self::Left => 0,
        }
    }
}

impl core::fmt::Display for End {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::PowerOff(code) => write!(f, "powered off with {code}"),
            Self::Reset => f.write_str("asked for a reset"),
            Self::Waits => f.write_str("waits for input, of which there is no more"),
            Self::Enough => f.write_str("stopped after as many instructions as were asked for"),
            Self::Left => f.write_str("left"),
        }
    }
}

/// What a run is bound by.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub instructions: Option<u64>,
}

/// A machine and its console.
pub struct Session<'a> {
    machine: &'a mut Machine,
    door: Door,
    terminal: bool,
    keys: Keys,
    /// Standard input has not ended.
    open: bool,
    /// Times that something came from standard input.
    heard: u64,
    /// Virtual time spent waiting since something was last typed.
    waited: u64,
}

impl<'a> Session<'a> {
    /// `terminal` says whether a person types, in raw mode.
    pub fn new(machine: &'a mut Machine, door: Door, terminal: bool) -> Self {
        Self { machine, door, terminal, keys: Keys::default(), open: true, heard: 0, waited: 0 }
    }

    pub fn run(&mut self, limits: Limits) -> Result<End> {
        let start = self.machine.instructions();
        let goal = limits.instructions.map_or(u64::MAX, |count| start.saturating_add(count));
        let mut slice = SLICE;
        while self.machine.instructions() < goal {
            let idle = self.machine.report().monitor.idle_nanos;
            let left = goal - self.machine.instructions();
            let stop = self.machine.run(slice.min(left));
            self.show()?;
            let idle = self.machine.report().monitor.idle_nanos - idle;
            let wait = match stop {
                Stop::PowerOff { code } => return Ok(End::PowerOff(code)),
                Stop::Reset => return Ok(End::Reset),
                Stop::Host(why) => bail!("the host can't go on with the guest: {why}"),
                Stop::Idle(Expect::Nothing) => return Ok(End::Waits),
                Stop::Idle(_) if !self.open => return Ok(End::Waits),
                Stop::Idle(_) => LONGEST_WAIT,
                // A person's guest must not run ahead of the clock on the wall.
                _ if self.terminal => idle / 1_000_000,
                _ => 0,
            };
            slice = if self.terminal && idle > 0 { SLICE_IDLE } else { SLICE };
            self.waited += idle;
            if self.waited > PATIENCE_NS && self.door.exhausted() {
                self.door.tell_end();
            }
            if self.wait(wait)? == Some(Ask::Leave) {
                return Ok(End::Left);
            }
        }
        Ok(End::Enough)
    }

    /// Waits for `milliseconds`, or until something is typed; at least looks.
    fn wait(&mut self, milliseconds: u64) -> Result<Option<Ask>> {
        let (mut left, before) = (milliseconds, self.heard);
        loop {
            let step = left.min(LONGEST_WAIT);
            let asked = self.listen(step)?;
            left -= step;
            if asked == Some(Ask::Leave) || left == 0 || self.heard != before || !self.open {
                return Ok(asked);
            }
        }
    }

    /// Looks for keys, for at most `milliseconds`.
    fn listen(&mut self, milliseconds: u64) -> Result<Option<Ask>> {
        if !self.open {
            return Ok(None);
        }
        let typed = match terminal::read(milliseconds)? {
            Typed::Nothing => return Ok(None),
            Typed::End => {
                self.open = false;
                self.door.close();
                return Ok(None);
            }
            Typed::Bytes(typed) => typed,
        };
        self.waited = 0;
        self.heard += 1;
        if !self.terminal {
            self.door.push(&typed);
            return Ok(None);
        }
        let mut guest = Vec::new();
        let asked = self.keys.take(&typed, &mut guest);
        self.door.push(&guest);
        match asked {
            Some(Ask::Help) => eprint!("\n{HELP}"),
            Some(Ask::Status) => eprintln!("\n{}", self.status()),
            _ => {}
        }
        Ok(asked)
    }

    fn show(&mut self) -> Result<()> {
        let bytes = self.machine.take_console_output();
        if bytes.is_empty() {
            return Ok(());
        }
        let mut out = stdout().lock();
        match out.write_all(&bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Gone.into()),
            shown => shown.context("the console's output can't be written"),
        }
    }

    fn status(&self) -> String {
        super::report::short(self.machine)
    }
}
