//! What the monitor does when a hart stops.

use super::Machine;
use super::costs::{Watched, Work};
use crate::clock::Instant;
use crate::monitor::{After, Cause, Moment};
use vellum_hart::{Exit, Memory, MmioAccess};
use vellum_isa::{Insn, Op};
use vellum_translate::{Gva, Privilege};

/// How a hart goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Just on.
    Go,
    /// On, in the guest's trap handler.
    Trapped,
    /// On, but interrupts or their times may have changed.
    Recheck,
    /// Not in this round.
    Yield,
}

impl Machine {
    pub(super) fn exit(&mut self, number: usize, exit: Exit, nanos: u64) -> Result<Flow, String> {
        match exit {
            Exit::Budget => Ok(Flow::Recheck),
            Exit::Privileged(insn) => Ok(self.privileged(number, insn, nanos)),
            Exit::Ecall => {
                let core = &mut self.cores[number];
                if core.supervisor.privilege == Privilege::User {
                    core.supervisor.trap(&mut core.hart, Cause::UserCall);
                    return Ok(Flow::Trapped);
                }
                Ok(self.sbi_call(number))
            }
            Exit::Breakpoint => {
                let at = self.cores[number].hart.pc;
                Ok(self.trap(number, Cause::Breakpoint(at)))
            }
            Exit::Illegal(_) => Ok(self.illegal(number)),
            Exit::Fault(fault) => Ok(self.trap(number, Cause::Fault(fault))),
            Exit::BadDeviceAccess(va, store) => {
                Ok(self.trap(number, Cause::Refused { va: va.get(), store }))
            }
            Exit::Mmio(access) => Ok(self.mmio(number, access, nanos)),
            Exit::Host(stop) => Err(stop.to_string()),
        }
    }

    fn trap(&mut self, number: usize, cause: Cause) -> Flow {
        let core = &mut self.cores[number];
        core.supervisor.trap(&mut core.hart, cause);
        Flow::Trapped
    }

    /// The trap of an illegal instruction. `stval` gets its bits, always: the specification leaves
    /// that or zero to the implementation, and one that mixes them tells a kernel nothing.
    fn illegal(&mut self, number: usize) -> Flow {
        let core = &mut self.cores[number];
        let pc = core.hart.pc;
        let mut parcel = |at: u64| {
            let va = Gva::new(at);
            let frame = match core.hart.tlb.fetch(va) {
                Some(frame) => frame,
                None => self.memory.fetch(number, &mut core.hart.tlb, va).ok()?,
            };
            Some(u32::from(self.memory.parcel(frame, va.page_offset())))
        };
        // It has just been fetched: that it can't be any more is a guest that changed its tables
        // without a fence, and may find the bits missing.
        let low = parcel(pc).unwrap_or(0);
        let high = if low & 3 == 3 { parcel(pc.wrapping_add(2)).unwrap_or(0) } else { 0 };
        self.trap(number, Cause::Illegal(high << 16 | low))
    }

    fn privileged(&mut self, number: usize, insn: Insn, nanos: u64) -> Flow {
        let moment = Moment { nanos, max_mode: self.max_mode };
        let core = &mut self.cores[number];
        match insn.op {
            Op::Sret => self.counters.sret += 1,
            Op::Wfi => self.counters.wfi += 1,
            Op::SfenceVma | Op::SinvalVma | Op::SfenceWInval | Op::SfenceInvalIr => {
                self.counters.fences += 1;
            }
            _ => self.counters.csr += 1,
        }
        match core.supervisor.privileged(&mut core.hart, insn, &moment) {
            After::Illegal => self.illegal(number),
            After::Go => Flow::Go,
            After::CheckInterrupts => Flow::Recheck,
            After::LoadRoot => {
                let satp = core.supervisor.satp();
                let mut memory = Watched { memory: &mut self.memory, costs: &mut self.costs };
                let tlb = &mut core.hart.tlb;
                memory.watch_as(Work::Fence, |memory| memory.load_root(number, tlb, satp));
                Flow::Go
            }
            After::Fence(va, asid) => {
                let mut memory = Watched { memory: &mut self.memory, costs: &mut self.costs };
                let tlb = &mut core.hart.tlb;
                memory.watch_as(Work::Fence, |memory| memory.fence(number, tlb, va, asid));
                Flow::Go
            }
            After::Wait => {
                core.supervisor.waiting = !core.supervisor.wakes(moment.ticks());
                if core.supervisor.waiting { Flow::Yield } else { Flow::Recheck }
            }
        }
    }

    fn mmio(&mut self, number: usize, access: MmioAccess, nanos: u64) -> Flow {
        self.counters.mmio += 1;
        let now = Instant::from_ns(nanos);
        let done = match access.store {
            None => self.devices.read(now, access.at, access.size),
            Some(value) => self.devices.write(now, access.at, access.size, value).map(|()| 0),
        };
        let core = &mut self.cores[number];
        match done {
            Ok(value) if access.store.is_none() => core.hart.finish_load(access.insn, value),
            Ok(_) => core.hart.finish_store(access.insn),
            Err(_) => {
                let store = access.store.is_some();
                return self.trap(number, Cause::Refused { va: access.va.get(), store });
            }
        }
        self.ending = self.devices.finisher.ending();
        if self.ending.is_some() {
            return Flow::Yield;
        }
        self.raise_lines();
        Flow::Recheck
    }
}
