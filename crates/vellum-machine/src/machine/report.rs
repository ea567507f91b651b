//! What happened: the counters of every part, added up where they arise, read here.

use super::{Counters, Machine};
use vellum_translate::tlb;

/// One hart's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HartReport {
    /// Instructions retired.
    pub instructions: u64,
    /// Loads and stores.
    pub accesses: u64,
    /// Traps delivered to the guest: exceptions by code, then interrupts by bit.
    pub traps: [u64; 32],
    /// Its TLB.
    pub tlb: tlb::Counters,
}

/// What a machine did so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How addresses were translated.
    pub paging: vellum::Paging,
    /// By hart.
    pub harts: Vec<HartReport>,
    /// Virtual nanoseconds.
    pub nanos: u64,
    /// The monitor.
    pub monitor: Counters,
    /// The memory subsystem.
    pub memory: vellum::Counters,
    /// The policy: what is kept of guest ∘ host between misses.
    pub shadow: vellum_translate::shadow::Counters,
    /// The frames.
    pub frames: vellum_frames::Counters,
    /// The pager, where there is one.
    pub pager: Option<vellum::vellum_pager::Counters>,
    /// The code cache.
    pub code: vellum_hart::CodeCounters,
    /// Bytes of guest memory.
    pub guest_bytes: u64,
    /// Bytes of host memory beside the guest's frames.
    pub overhead_bytes: u64,
}

impl Report {
    /// Instructions of all harts.
    pub fn instructions(&self) -> u64 {
        self.harts.iter().map(|h| h.instructions).sum()
    }

    /// Loads and stores of all harts.
    pub fn accesses(&self) -> u64 {
        self.harts.iter().map(|h| h.accesses).sum()
    }

    /// TLB misses of loads and stores of all harts.
    pub fn data_misses(&self) -> u64 {
        self.memory.misses[0] + self.memory.misses[1]
    }

    /// The cost of a policy: stores into guest tables that trapped, and hidden faults.
    pub fn shadow_exits(&self) -> u64 {
        match self.paging {
            vellum::Paging::Nested | vellum::Paging::Flat => 0,
            _ => self.shadow.table_stores + self.memory.hidden_faults,
        }
    }

    /// Traps of this kind, delivered to the guest, of all harts.
    pub fn traps(&self, kind: usize) -> u64 {
        self.harts.iter().map(|h| h.traps.get(kind).copied().unwrap_or(0)).sum()
    }
}

impl Machine {
    /// What happened so far.
    pub fn report(&self) -> Report {
        let ram = self.memory.ram();
        Report {
            paging: self.memory.paging(),
            harts: self
                .cores
                .iter()
                .map(|core| HartReport {
                    instructions: core.hart.instret,
                    accesses: core.hart.accesses,
                    traps: core.supervisor.traps,
                    tlb: core.hart.tlb.counters,
                })
                .collect(),
            nanos: self.nanos,
            monitor: self.counters,
            memory: self.memory.counters,
            shadow: self.memory.policy_counters(),
            frames: self.memory.pool().counters(),
            pager: self.memory.pager_counters(),
            code: self.code.counters,
            guest_bytes: ram.end.get() - ram.start.get(),
            overhead_bytes: (self.memory.overhead()
                + self.code.overhead()
                + self.cores.len() * (48 << 10)) as u64,
        }
    }
}

/// The name of a trap's kind, as [`HartReport::traps`] counts them.
pub const fn trap_name(kind: usize) -> &'static str {
    match kind {
        0 => "instruction address misaligned",
        1 => "instruction access fault",
        2 => "illegal instruction",
        3 => "breakpoint",
        4 => "load address misaligned",
        5 => "load access fault",
        6 => "store address misaligned",
        7 => "store access fault",
        8 => "system call",
        12 => "instruction page fault",
        13 => "load page fault",
        15 => "store page fault",
        17 => "software interrupt",
        21 => "timer interrupt",
        25 => "external interrupt",
        _ => "other",
    }
}
