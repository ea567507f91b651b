//! Running: rounds in which every hart that does not wait gets the same span of virtual time, one
//! after the other, in order. Deterministic: nothing here depends on how long a call of
//! [`Machine::run`] is, or on the host.

use super::Machine;
use super::costs::Watched;
use super::exits::Flow;
use crate::clock::Instant;
use crate::finisher::Ending;
use crate::memory_map::NS_PER_TICK;
use vellum_replay::Expect;

/// Virtual nanoseconds that an instruction takes.
pub(crate) const NS_PER_INSN: u64 = 1;
/// Instructions of a round, per hart. Harts see each other's stores and interrupts at its end.
const ROUND: u64 = 20_000;
const ROUND_OF_MANY: u64 = 5_000;
/// Bytes of input taken from the outside at once.
const INPUT: usize = 256;

/// Why [`Machine::run`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The instructions asked for are done.
    Slice,
    /// The guest switched the machine off, with this code.
    PowerOff {
        /// 0 is success.
        code: u32,
    },
    /// The guest asked for a reset.
    Reset,
    /// Every hart waits, no timer is set and no device is busy: only input can wake it. Whether
    /// the outside still expects some.
    Idle(Expect),
    /// The host can't go on with the guest.
    Host(String),
}

impl Machine {
    /// Runs until at least `instructions` more are retired, or something else stops it. A guest
    /// that traps without end retires nothing; it comes back after as much virtual time as that
    /// many instructions take.
    pub fn run(&mut self, instructions: u64) -> Stop {
        let goal = self.instructions().saturating_add(instructions);
        let late = self.busy_nanos().saturating_add(instructions.saturating_mul(NS_PER_INSN));
        while self.instructions() < goal && self.busy_nanos() < late {
            if let Some(stop) = self.round() {
                return stop;
            }
        }
        Stop::Slice
    }

    /// Virtual time in which some hart did not wait.
    fn busy_nanos(&self) -> u64 {
        self.nanos.saturating_sub(self.counters.idle_nanos)
    }

    /// One round.
    fn round(&mut self) -> Option<Stop> {
        self.counters.rounds += 1;
        self.take_input();
        let (now, stamp) = (Instant::from_ns(self.nanos), self.stamp());
        self.devices.advance(now, stamp, &mut self.memory, &mut *self.outside);
        self.raise_lines();
        let round = if self.cores.len() == 1 { ROUND } else { ROUND_OF_MANY };
        let mut longest = 0;
        for number in 0..self.cores.len() {
            if !self.ready(number) {
                continue;
            }
            match self.slice(number, round) {
                Ok(spent) => longest = longest.max(spent),
                Err(stop) => return Some(Stop::Host(stop)),
            }
            if self.ending.is_some() {
                break;
            }
        }
        self.nanos += longest * NS_PER_INSN;
        self.show_output();
        self.scavenge();
        match self.ending.take() {
            Some(Ending::PowerOff { code }) => return Some(Stop::PowerOff { code: code.into() }),
            Some(Ending::Reset) => return Some(Stop::Reset),
            None => {}
        }
        if longest == 0 { self.idle() } else { None }
    }

    /// Whether a hart has something to run; starts it if it is to start.
    fn ready(&mut self, number: usize) -> bool {
        let core = &mut self.cores[number];
        if let Some(begin) = self.hsm.take_start(number as u32) {
            let satp = vellum_translate::riscv::Satp::BARE;
            core.supervisor.start(&mut core.hart, begin.entry.get(), number as u64, begin.opaque);
            self.memory.load_root(number, &mut core.hart.tlb, satp);
            return true;
        }
        let wakes = core.supervisor.wakes(self.nanos / NS_PER_TICK);
        if wakes && let Some(how) = self.hsm.wake(number as u32) {
            self.resume(number, how);
            return true;
        }
        if self.hsm.state(number as u32) != crate::sbi::HartState::Started {
            return false;
        }
        let core = &mut self.cores[number];
        core.supervisor.waiting &= !wakes;
        !core.supervisor.waiting
    }

    /// Runs one hart for at most `round` instructions; how many it took. A trap counts as one, so
    /// that a guest that does nothing but trap does not stop the clock.
    fn slice(&mut self, number: usize, round: u64) -> Result<u64, String> {
        let many = self.cores.len() > 1;
        let core = &mut self.cores[number];
        if many {
            core.hart.end_reservation();
        }
        self.memory.catch_up(number, &mut core.hart.tlb);
        let start = core.hart.instret;
        let mut traps = 0;
        loop {
            let core = &mut self.cores[number];
            let spent = core.hart.instret - start + traps;
            if spent >= round {
                return Ok(spent);
            }
            let nanos = self.nanos + spent * NS_PER_INSN;
            let ticks = nanos / NS_PER_TICK;
            if let Some(cause) = core.supervisor.interrupt(ticks) {
                core.supervisor.trap(&mut core.hart, cause);
                traps += 1;
                continue;
            }
            // The timer fires at an exact instruction.
            let mut end = round;
            if let Some(deadline) = core.supervisor.deadline().filter(|&d| d > ticks) {
                let until = deadline.saturating_mul(NS_PER_TICK).saturating_sub(self.nanos);
                end = end.min(until.div_ceil(NS_PER_INSN));
            }
            loop {
                let core = &mut self.cores[number];
                let spent = core.hart.instret - start + traps;
                if spent >= end {
                    break;
                }
                let mut memory = Watched { memory: &mut self.memory, costs: &mut self.costs };
                let exit = core.hart.run(&mut self.code, &mut memory, end - spent);
                let spent = core.hart.instret - start + traps;
                match self.exit(number, exit, self.nanos + spent * NS_PER_INSN)? {
                    Flow::Go => {}
                    Flow::Trapped => traps += 1,
                    Flow::Recheck => break,
                    Flow::Yield => {
                        return Ok((self.cores[number].hart.instret - start + traps).max(1));
                    }
                }
            }
        }
    }

    /// Every hart waits: time moves on to whatever comes first.
    fn idle(&mut self) -> Option<Stop> {
        let timers = self.cores.iter().filter_map(|core| {
            let deadline = core.supervisor.deadline()?;
            Some(deadline.saturating_mul(NS_PER_TICK))
        });
        let device = self.devices.next_event().map(Instant::as_ns);
        match timers.chain(device).min() {
            Some(next) => {
                let next = next.max(self.nanos + 1);
                self.counters.idle_nanos += next - self.nanos;
                self.nanos = next;
                None
            }
            None => match self.outside.idle(self.stamp()) {
                // A guest that takes no input is not woken by it.
                Expect::Input if self.devices.uart.wanted() > 0 => None,
                expect => Some(Stop::Idle(expect)),
            },
        }
    }

    fn take_input(&mut self) {
        let wanted = self.devices.uart.wanted();
        if wanted > self.input.len() {
            let mut bytes = [0; INPUT];
            let room = (wanted - self.input.len()).min(INPUT);
            let stamp = self.stamp();
            let count = self.outside.console(stamp, &mut bytes[..room]);
            self.input.extend(&bytes[..count]);
        }
        if wanted > 0 && !self.input.is_empty() {
            let taken = self.devices.uart.push(self.input.make_contiguous());
            self.input.drain(..taken);
        }
    }

    /// What the guest printed goes to the outside and to the caller.
    pub(super) fn show_output(&mut self) {
        let before = self.output.len();
        self.devices.uart.drain(&mut self.output);
        if self.output.len() > before {
            let stamp = self.stamp();
            self.outside.shown(stamp, &self.output[before..]);
        }
    }

    /// The devices' interrupt lines, through the PLIC, to the harts.
    pub(super) fn raise_lines(&mut self) {
        self.devices.raise_lines();
        for (number, core) in self.cores.iter_mut().enumerate() {
            core.supervisor.set_external(self.devices.plic.raised(number as u32));
        }
    }
}
