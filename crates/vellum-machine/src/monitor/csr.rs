//! The CSRs that a guest in S-mode or U-mode has.

use super::supervisor::{EXTERNAL, FS, SOFTWARE, SSTATUS_WRITABLE, Supervisor, TIMER};
use super::{After, Moment};
use vellum_hart::Hart;
use vellum_isa::{Insn, Op};
use vellum_translate::Privilege;
use vellum_translate::riscv::{Mode, Satp};

const FFLAGS: u16 = 0x001;
const FRM: u16 = 0x002;
const FCSR: u16 = 0x003;
const SSTATUS: u16 = 0x100;
const SIE: u16 = 0x104;
const STVEC: u16 = 0x105;
const SCOUNTEREN: u16 = 0x106;
const SENVCFG: u16 = 0x10a;
const SSCRATCH: u16 = 0x140;
const SEPC: u16 = 0x141;
const SCAUSE: u16 = 0x142;
const STVAL: u16 = 0x143;
const SIP: u16 = 0x144;
const STIMECMP: u16 = 0x14d;
const SATP: u16 = 0x180;
const CYCLE: u16 = 0xc00;
const TIME: u16 = 0xc01;
const INSTRET: u16 = 0xc02;

/// ASID bits kept: all 16.
const SATP_ASID: u64 = 0xffff << 44;

impl Supervisor {
    /// Whether the mode that the guest is in may name this CSR at all: the number's bits 8 and 9
    /// are the lowest privilege, bits 10 and 11 both set mean read-only (privileged specification,
    /// section "CSR Address Mapping Conventions").
    fn may_access(&self, csr: u16, write: bool) -> bool {
        let lowest = csr >> 8 & 3;
        let privilege = if self.privilege == Privilege::Supervisor { 1 } else { 0 };
        lowest <= privilege && !(write && csr >> 10 & 3 == 3)
    }

    /// Carries out a CSR instruction; `None` when it is illegal.
    pub(super) fn csr(&mut self, hart: &mut Hart, insn: Insn, moment: &Moment) -> Option<After> {
        let csr = insn.imm as u16 & 0xfff;
        let immediate = matches!(insn.op, Op::Csrrwi | Op::Csrrsi | Op::Csrrci);
        let source = if immediate { u64::from(insn.rs1) } else { hart.x(insn.rs1) };
        let write = matches!(insn.op, Op::Csrrw | Op::Csrrwi) || insn.rs1 != 0;
        if !self.may_access(csr, write) {
            return None;
        }
        let old = self.read(hart, csr, moment)?;
        let mut after = After::Go;
        if write {
            let new = match insn.op {
                Op::Csrrw | Op::Csrrwi => source,
                Op::Csrrs | Op::Csrrsi => old | source,
                _ => old & !source,
            };
            after = self.write(hart, csr, new, moment);
        }
        hart.set_x(insn.rd, old);
        hart.retire(insn);
        Some(after)
    }

    fn read(&mut self, hart: &mut Hart, csr: u16, moment: &Moment) -> Option<u64> {
        self.gather(hart);
        Some(match csr {
            FFLAGS | FRM | FCSR if self.sstatus & FS == 0 => return None,
            FFLAGS => u64::from(hart.float.fcsr & 0x1f),
            FRM => u64::from(hart.float.fcsr >> 5),
            FCSR => u64::from(hart.float.fcsr),
            SSTATUS => self.read_sstatus(),
            SIE => self.sie,
            STVEC => self.stvec,
            SCOUNTEREN => self.scounteren,
            SENVCFG => self.senvcfg,
            SSCRATCH => self.sscratch,
            SEPC => self.sepc,
            SCAUSE => self.scause,
            STVAL => self.stval,
            SIP => self.pending(moment.ticks()),
            STIMECMP => self.stimecmp,
            SATP => self.satp,
            CYCLE | TIME | INSTRET => {
                let allowed = self.scounteren >> (csr & 0x1f) & 1 != 0;
                if self.privilege == Privilege::User && !allowed {
                    return None;
                }
                // One instruction is one cycle.
                if csr == TIME { moment.ticks() } else { hart.instret }
            }
            _ => return None,
        })
    }

    fn write(&mut self, hart: &mut Hart, csr: u16, value: u64, moment: &Moment) -> After {
        match csr {
            FFLAGS => hart.float.fcsr = hart.float.fcsr & !0x1f | value as u8 & 0x1f,
            FRM => hart.float.fcsr = hart.float.fcsr & 0x1f | (value as u8 & 7) << 5,
            FCSR => hart.float.fcsr = value as u8,
            SSTATUS => {
                self.sstatus = value & SSTATUS_WRITABLE;
                self.apply(hart);
            }
            SIE => self.sie = value & (SOFTWARE | TIMER | EXTERNAL),
            STVEC => self.stvec = value & !2,
            SCOUNTEREN => self.scounteren = value & 7,
            // FIOM alone: fences order everything anyhow.
            SENVCFG => self.senvcfg = value & 1,
            SSCRATCH => self.sscratch = value,
            SEPC => self.sepc = value & !1,
            SCAUSE => self.scause = value,
            STVAL => self.stval = value,
            SIP => self.sip = value & SOFTWARE,
            STIMECMP => self.stimecmp = value,
            SATP => return self.write_satp(value, moment),
            _ => {}
        }
        if csr <= FCSR {
            self.sstatus |= FS;
        }
        match csr {
            SSTATUS | SIE | SIP | STIMECMP => After::CheckInterrupts,
            _ => After::Go,
        }
    }

    /// "If satp is written with an unsupported MODE, the entire write has no effect": which is how
    /// a kernel finds out what there is.
    fn write_satp(&mut self, value: u64, moment: &Moment) -> After {
        let known = Satp::from_bits(value);
        match known.filter(|satp| satp.mode <= moment.max_mode) {
            Some(Satp { mode: Mode::Bare, .. }) => self.satp = 0,
            Some(_) => self.satp = value & (0xf << 60 | SATP_ASID | ((1 << 44) - 1)),
            None => return After::Go,
        }
        After::LoadRoot
    }
}
