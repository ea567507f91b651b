//! Why a hart stopped running.

use crate::Stop;
use vellum_isa::Insn;
use vellum_translate::{Fault, Gpa, Gva};

/// An access to a device: the monitor does it, then finishes the instruction with
/// [`Hart::finish_load`](crate::Hart::finish_load) or
/// [`Hart::finish_store`](crate::Hart::finish_store).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MmioAccess {
    /// Where.
    pub at: Gpa,
    /// The virtual address that the guest used.
    pub va: Gva,
    /// The instruction.
    pub insn: Insn,
    /// Bytes: 1, 2, 4 or 8.
    pub size: u64,
    /// What is stored; `None` for a load.
    pub store: Option<u64>,
}

/// Why a hart stopped. `pc` is at the instruction that stopped it, which is not retired, except
/// where it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The instructions asked for are retired; `pc` is at the next one.
    Budget,
    /// An instruction that only the monitor can do: CSRs, `sret`, `wfi`, fences of translation.
    Privileged(Insn),
    /// `ecall`.
    Ecall,
    /// `ebreak`.
    Breakpoint,
    /// No instruction, or one that is switched off; the bits.
    Illegal(u32),
    /// A guest fault.
    Fault(Fault),
    /// A device.
    Mmio(MmioAccess),
    /// An atomic or a misaligned access to a device, which is an access fault: its address, and
    /// whether it stores.
    BadDeviceAccess(Gva, bool),
    /// The host can't go on.
    Host(Stop),
}
