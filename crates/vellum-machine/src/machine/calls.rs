//! SBI calls, carried out.

use super::Machine;
use super::exits::Flow;
use crate::finisher::Ending;
use crate::sbi::{
    Call, Console, Fence, Hart as Begin, HartMask, Reset, SbiError, Scope, Suspend, answer, decode,
};
use vellum_translate::riscv::Satp;
use vellum_translate::{Gpa, Gva, PAGE_SIZE};

/// Pages of a ranged remote fence that are fenced one by one; more, and everything is.
const FENCE_PAGES: u64 = 64;
/// Bytes of `ecall`.
const ECALL_LEN: u64 = 4;

impl Machine {
    /// Carries out the call at `pc`; the hart goes on behind it, or nowhere.
    pub(super) fn sbi_call(&mut self, number: usize) -> Flow {
        self.counters.sbi += 1;
        let hart = &mut self.cores[number].hart;
        hart.pc = hart.pc.wrapping_add(ECALL_LEN);
        hart.instret += 1;
        let a = [10, 11, 12, 13, 14, 15].map(|r| hart.x(r));
        let (a6, a7) = (hart.x(16), hart.x(17));
        let mut flow = Flow::Go;
        let result = decode(a7, a6, a).and_then(|call| self.carry_out(number, call, &mut flow));
        let [error, value] = answer(result);
        let hart = &mut self.cores[number].hart;
        hart.set_x(10, error);
        hart.set_x(11, value);
        flow
    }

    fn carry_out(&mut self, number: usize, call: Call, flow: &mut Flow) -> Result<u64, SbiError> {
        let harts = self.cores.len() as u32;
        match call {
            Call::Known(value) => return Ok(value),
            Call::SetTimer(ticks) => {
                self.cores[number].supervisor.set_timer(ticks);
                *flow = Flow::Recheck;
            }
            Call::SendIpi(mask) => {
                for target in mask.harts(harts)? {
                    self.cores[target as usize].supervisor.set_software();
                }
                *flow = Flow::Recheck;
            }
            Call::RemoteFence(mask, fence) => self.remote_fence(mask, fence)?,
            Call::HartStart { hart, entry, opaque } => {
                let ram = self.memory.ram();
                if entry < ram.start || entry >= ram.end {
                    return Err(SbiError::InvalidAddress);
                }
                self.hsm.start(hart, Begin { entry, opaque })?;
            }
            Call::HartStop => {
                self.hsm.stop(number as u32)?;
                *flow = Flow::Yield;
            }
            Call::HartStatus { hart } => return self.hsm.status(hart),
            Call::HartSuspend(how) => {
                self.hsm.suspend(number as u32, how)?;
                *flow = Flow::Yield;
            }
            Call::Reset(reset) => {
                self.ending = Some(match reset {
                    Reset::Shutdown { failure } => Ending::PowerOff { code: u16::from(failure) },
                    Reset::Reboot => Ending::Reset,
                });
                *flow = Flow::Yield;
            }
            Call::Console(call) => return self.console_call(call),
        }
        Ok(0)
    }

    /// A suspended hart goes on: behind its call, or, if it gave up its state, where it said.
    pub(super) fn resume(&mut self, number: usize, how: Suspend) {
        let core = &mut self.cores[number];
        if let Suspend::NonRetentive(begin) = how {
            core.supervisor.start(&mut core.hart, begin.entry.get(), number as u64, begin.opaque);
            self.memory.load_root(number, &mut core.hart.tlb, Satp::BARE);
        }
    }

    fn remote_fence(&mut self, mask: HartMask, fence: Fence) -> Result<(), SbiError> {
        for target in mask.harts(self.cores.len() as u32)? {
            // Code is never stale, so `fence.i` has nothing to do.
            let Fence::Translations { scope, asid } = fence else { continue };
            let tlb = &mut self.cores[target as usize].hart.tlb;
            match scope {
                Scope::Range { start, bytes } if bytes <= FENCE_PAGES * PAGE_SIZE as u64 => {
                    let first = start.get() & vellum_translate::PAGE_MASK;
                    let last = start.get().saturating_add(bytes - 1);
                    for page in (first..=last).step_by(PAGE_SIZE) {
                        self.memory.fence(target as usize, tlb, Some(Gva::new(page)), asid);
                    }
                }
                Scope::Range { .. } | Scope::All => {
                    self.memory.fence(target as usize, tlb, None, asid);
                }
            }
        }
        Ok(())
    }

    fn console_call(&mut self, call: Console) -> Result<u64, SbiError> {
        match call {
            Console::WriteByte(byte) => {
                self.print(&[byte]);
                Ok(0)
            }
            Console::Write { from, bytes } => {
                let mut text = vec![0; bytes as usize];
                self.memory.read(from, &mut text).map_err(|_| SbiError::InvalidParam)?;
                self.print(&text);
                Ok(bytes)
            }
            Console::Read { to, bytes } => {
                let count = self.input.len().min(bytes as usize);
                let text: Vec<u8> = self.input.iter().take(count).copied().collect();
                self.memory.write(Gpa::new(to.get()), &text).map_err(|_| SbiError::InvalidParam)?;
                self.input.drain(..count);
                Ok(count as u64)
            }
        }
    }

    fn print(&mut self, text: &[u8]) {
        // In order behind what the UART has printed.
        self.show_output();
        self.output.extend_from_slice(text);
        let stamp = self.stamp();
        self.outside.shown(stamp, text);
    }
}
