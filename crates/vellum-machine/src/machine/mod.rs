//! The machine: harts, their privileged state, memory and devices, and the loop that runs them.

mod calls;
mod config;
mod costs;
mod devices;
mod exits;
mod report;
mod run;
mod scavenge;
mod state;

pub use config::{Config, Error};
pub use costs::{Costs, Spent, WORKS, Work};
pub use report::{HartReport, Report, trap_name};
pub use run::Stop;
pub use scavenge::Pace;

use crate::finisher::Ending;
use crate::monitor::Supervisor;
use crate::sbi::Hsm;
use devices::Devices;
use std::collections::VecDeque;
use vellum::{TlbMismatch, VmMemory};
use vellum_hart::{CodeCache, Hart, Memory};
use vellum_replay::{Outside, Stamp};
use vellum_translate::riscv::Mode;
use vellum_translate::{Access, Gva};

/// A hart with its privileged half.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) hart: Hart,
    pub(crate) supervisor: Supervisor,
}

/// A running machine.
pub struct Machine {
    pub(crate) cores: Vec<Core>,
    pub(crate) memory: VmMemory,
    pub(crate) code: CodeCache,
    pub(crate) hsm: Hsm,
    pub(crate) devices: Devices,
    outside: Box<dyn Outside>,
    /// Virtual time at the start of the round, in nanoseconds.
    nanos: u64,
    max_mode: Mode,
    ending: Option<Ending>,
    /// Input that the guest has not taken yet.
    input: VecDeque<u8>,
    /// What the guest has printed and the caller has not taken yet.
    output: Vec<u8>,
    pub(crate) counters: Counters,
    /// The split of what the memory subsystem costs, where it was asked for.
    costs: Option<Box<Costs>>,
    /// When the scavenger works, if there is one.
    pace: Option<scavenge::Due>,
}

impl core::fmt::Debug for Machine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine")
            .field("harts", &self.cores.len())
            .field("nanos", &self.nanos)
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

/// What the monitor did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// CSR instructions.
    pub csr: u64,
    /// `sret`.
    pub sret: u64,
    /// `wfi`.
    pub wfi: u64,
    /// Fences of translation.
    pub fences: u64,
    /// SBI calls.
    pub sbi: u64,
    /// Accesses to devices.
    pub mmio: u64,
    /// Rounds of all harts.
    pub rounds: u64,
    /// Nanoseconds of virtual time in which every hart waited.
    pub idle_nanos: u64,
}

impl Machine {
    /// Instructions retired by all harts.
    pub fn instructions(&self) -> u64 {
        self.cores.iter().map(|c| c.hart.instret).sum()
    }

    /// Virtual nanoseconds since power-on.
    pub fn nanos(&self) -> u64 {
        self.nanos
    }

    /// Takes what the guest has printed since the last call.
    pub fn take_console_output(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.output)
    }

    /// From here on, splits what the memory subsystem costs by cause. `clock` tells nanoseconds from
    /// any start; the guest sees nothing of it.
    pub fn watch_costs(&mut self, clock: fn() -> u64) {
        self.costs = Some(Box::new(Costs::new(clock)));
    }

    /// The split since [`Machine::watch_costs`].
    pub fn costs(&self) -> Option<&Costs> {
        self.costs.as_deref()
    }

    /// The machine's memory.
    pub fn memory(&self) -> &VmMemory {
        &self.memory
    }

    /// What is wrong in the TLBs of the harts that have carried out what others asked of them
    /// ([`VmMemory::audit_tlb`]).
    pub fn audit_tlbs(&self) -> Vec<TlbMismatch> {
        let caught_up = (0..).zip(&self.cores).filter(|(hart, _)| self.memory.is_caught_up(*hart));
        caught_up.flat_map(|(_, core)| self.memory.audit_tlb(&core.hart.tlb)).collect()
    }

    /// The machine's memory, to look at or to disturb between runs.
    pub fn memory_mut(&mut self) -> &mut VmMemory {
        &mut self.memory
    }

    /// The hart with this number.
    pub fn hart(&self, number: usize) -> Option<&Hart> {
        self.cores.get(number).map(|core| &core.hart)
    }

    /// Has a hart touch an address as it stands now, between two instructions: every step of the way
    /// there, and whether it ended well. The guest's registers and traps know nothing of it; tables,
    /// TLB and counters do. `None` where there is no such hart.
    pub fn touch(
        &mut self,
        number: usize,
        va: Gva,
        access: Access,
    ) -> Option<(vellum::Trace, bool)> {
        let hart = &mut self.cores.get_mut(number)?.hart;
        self.memory.catch_up(number, &mut hart.tlb);
        self.memory.start_trace();
        let touched = self.memory.probe(number, &mut hart.tlb, va, access);
        Some((self.memory.take_trace().unwrap_or_default(), touched.is_ok()))
    }

    /// The virtio devices, to look at.
    pub fn virtio(&self) -> &crate::virtio::Slots {
        &self.devices.virtio
    }

    /// The door to the outside.
    pub fn outside_mut(&mut self) -> &mut dyn Outside {
        &mut *self.outside
    }

    fn stamp(&self) -> Stamp {
        Stamp { hart: 0, instret: self.instructions() }
    }
}
