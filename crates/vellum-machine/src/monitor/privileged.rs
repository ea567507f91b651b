//! Privileged instructions.

use super::supervisor::Supervisor;
use vellum_hart::Hart;
use vellum_isa::{Insn, Op};
use vellum_translate::riscv::Mode;
use vellum_translate::{Gva, Privilege};

/// When an instruction is carried out, and on what machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Virtual nanoseconds.
    pub(crate) nanos: u64,
    /// The largest paging mode that the guest is let have.
    pub(crate) max_mode: Mode,
}

impl Moment {
    /// The `time` CSR.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        self.nanos / crate::memory_map::NS_PER_TICK
    }
}

/// What is left to do once the monitor has carried an instruction out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    Go,
    /// An interrupt may have become possible, or its time may have moved.
    CheckInterrupts,
    /// `satp` changed.
    LoadRoot,
    /// `sfence.vma`: the address, the ASID.
    Fence(Option<Gva>, Option<u16>),
    /// The hart waits for an interrupt.
    Wait,
    /// It is illegal here and now, and nothing has been done.
    Illegal,
}

impl Supervisor {
    /// Carries out the privileged instruction at `pc`.
    pub(crate) fn privileged(&mut self, hart: &mut Hart, insn: Insn, moment: &Moment) -> After {
        self.try_privileged(hart, insn, moment).unwrap_or(After::Illegal)
    }

    fn try_privileged(&mut self, hart: &mut Hart, insn: Insn, moment: &Moment) -> Option<After> {
        match insn.op {
            Op::Csrrw | Op::Csrrs | Op::Csrrc | Op::Csrrwi | Op::Csrrsi | Op::Csrrci => {
                return self.csr(hart, insn, moment);
            }
            _ if self.privilege == Privilege::User => return None,
            Op::Sret => {
                self.sret(hart);
                return Some(After::CheckInterrupts);
            }
            _ => {}
        }
        let after = match insn.op {
            Op::Wfi => After::Wait,
            Op::SfenceVma | Op::SinvalVma => {
                let va = (insn.rs1 != 0).then(|| Gva::new(hart.x(insn.rs1)));
                let asid = (insn.rs2 != 0).then(|| hart.x(insn.rs2) as u16);
                After::Fence(va, asid)
            }
            // What they order is in order already.
            Op::SfenceWInval | Op::SfenceInvalIr => After::Go,
            _ => return None,
        };
        hart.retire(insn);
        Some(after)
    }
}
