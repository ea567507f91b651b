//! The state of S-mode, and how a trap enters and leaves it (privileged specification, chapter
//! "Supervisor-Level ISA").

use vellum_hart::Hart;
use vellum_state::{Error, Reader, State, Writer};
use vellum_translate::riscv::Satp;
use vellum_translate::{Environment, Fault, Privilege};

/// `sstatus.SIE`.
pub(super) const SIE: u64 = 1 << 1;
/// `sstatus.SPIE`.
const SPIE: u64 = 1 << 5;
/// `sstatus.SPP`.
const SPP: u64 = 1 << 8;
/// `sstatus.FS`, two bits.
pub(super) const FS: u64 = 3 << 13;
/// `sstatus.SUM`.
const SUM: u64 = 1 << 18;
/// `sstatus.MXR`.
const MXR: u64 = 1 << 19;
/// `sstatus.UXL`: 64 bits, read-only.
const UXL: u64 = 2 << 32;
/// `sstatus.SD`: FS is Dirty.
const SD: u64 = 1 << 63;
/// What a write to `sstatus` can change.
pub(super) const SSTATUS_WRITABLE: u64 = SIE | SPIE | SPP | FS | SUM | MXR;

/// Bits of `sip` and `sie`.
pub(crate) const SOFTWARE: u64 = 1 << 1;
/// The timer's bit.
pub(crate) const TIMER: u64 = 1 << 5;
/// The external interrupt's bit.
pub(crate) const EXTERNAL: u64 = 1 << 9;

/// Why a trap is taken (privileged specification, table "Supervisor cause register values").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An illegal instruction, with its bits.
    Illegal(u32),
    /// `ebreak`, at this address.
    Breakpoint(u64),
    /// `ecall` from U-mode.
    UserCall,
    /// A page or access fault.
    Fault(Fault),
    /// A misaligned atomic, or one to a device: an access fault.
    Refused {
        /// The address.
        va: u64,
        /// Whether it stores.
        store: bool,
    },
    /// An interrupt: its bit's number.
    Interrupt(u32),
}

impl Cause {
    /// What `scause` and `stval` get.
    pub const fn registers(self) -> (u64, u64) {
        match self {
            Cause::Illegal(bits) => (2, bits as u64),
            Cause::Breakpoint(at) => (3, at),
            Cause::UserCall => (8, 0),
            Cause::Fault(fault) => (fault.cause(), fault.va.get()),
            Cause::Refused { va, store: false } => (5, va),
            Cause::Refused { va, store: true } => (7, va),
            Cause::Interrupt(bit) => (1 << 63 | bit as u64, 0),
        }
    }
}

/// The privileged state of one hart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    /// The mode that the guest is in.
    pub privilege: Privilege,
    /// SIE, SPIE, SPP, FS, SUM and MXR.
    pub(super) sstatus: u64,
    pub(super) sie: u64,
    /// The software interrupt's bit; the others are levels.
    pub(super) sip: u64,
    /// The external interrupt's level.
    pub(super) external: bool,
    pub(super) stvec: u64,
    pub(super) sscratch: u64,
    pub(super) sepc: u64,
    pub(super) scause: u64,
    pub(super) stval: u64,
    pub(super) satp: u64,
    pub(super) scounteren: u64,
    pub(super) senvcfg: u64,
    /// In ticks of `time`; all ones is never.
    pub(super) stimecmp: u64,
    /// Whether the hart waits for an interrupt.
    pub waiting: bool,
    /// Traps delivered, by exception code, and interrupts in the last 16.
    pub traps: [u64; 32],
}

impl Default for Supervisor {
    fn default() -> Self {
        Supervisor {
            privilege: Privilege::Supervisor,
            sstatus: 0,
            sie: 0,
            sip: 0,
            external: false,
            stvec: 0,
            sscratch: 0,
            sepc: 0,
            scause: 0,
            stval: 0,
            satp: 0,
            scounteren: 0,
            senvcfg: 0,
            stimecmp: u64::MAX,
            waiting: false,
            traps: [0; 32],
        }
    }
}

impl Supervisor {
    /// What translation depends on.
    pub(super) fn environment(&self) -> Environment {
        match self.privilege {
            Privilege::User => {
                Environment { privilege: Privilege::User, sum: false, mxr: self.sstatus & MXR != 0 }
            }
            Privilege::Supervisor => Environment {
                privilege: Privilege::Supervisor,
                sum: self.sstatus & SUM != 0,
                mxr: self.sstatus & MXR != 0,
            },
        }
    }

    /// `satp`, taken apart.
    pub fn satp(&self) -> Satp {
        Satp::from_bits(self.satp).unwrap_or(Satp::BARE)
    }

    /// Makes the hart run in the current mode: what it may translate, and whether it has floats.
    pub(crate) fn apply(&self, hart: &mut Hart) {
        hart.tlb.set_environment(self.environment());
        hart.float.enabled = self.sstatus & FS != 0;
    }

    /// Takes over what the hart did to its floating-point state.
    #[inline]
    pub(super) fn gather(&mut self, hart: &mut Hart) {
        if hart.float.dirty {
            hart.float.dirty = false;
            self.sstatus |= FS;
        }
    }

    /// `sstatus` as the guest reads it.
    pub(super) fn read_sstatus(&self) -> u64 {
        let dirty = if self.sstatus & FS == FS { SD } else { 0 };
        self.sstatus | UXL | dirty
    }

    /// Interrupts that are pending, whether enabled or not.
    pub(crate) fn pending(&self, ticks: u64) -> u64 {
        let timer = if ticks >= self.stimecmp { TIMER } else { 0 };
        let external = if self.external { EXTERNAL } else { 0 };
        self.sip | timer | external
    }

    /// The interrupt to take now, by the specification's priority: external, software, timer.
    pub(crate) fn interrupt(&self, ticks: u64) -> Option<Cause> {
        let enabled = self.privilege == Privilege::User || self.sstatus & SIE != 0;
        let ready = if enabled { self.pending(ticks) & self.sie } else { 0 };
        [EXTERNAL, SOFTWARE, TIMER]
            .into_iter()
            .find(|bit| ready & bit != 0)
            .map(|bit| Cause::Interrupt(bit.trailing_zeros()))
    }

    /// Whether an interrupt ends a `wfi`: one that is enabled in `sie`, whatever `sstatus.SIE` says.
    pub(crate) fn wakes(&self, ticks: u64) -> bool {
        self.pending(ticks) & self.sie != 0
    }

    /// When the timer fires next, if it can.
    pub(crate) fn deadline(&self) -> Option<u64> {
        (self.stimecmp != u64::MAX && self.sie & TIMER != 0).then_some(self.stimecmp)
    }

    pub(crate) fn set_timer(&mut self, ticks: u64) {
        self.stimecmp = ticks;
    }

    pub(crate) fn set_software(&mut self) {
        self.sip |= SOFTWARE;
    }

    pub(crate) fn set_external(&mut self, level: bool) {
        self.external = level;
    }

    /// Delivers a trap to the guest's handler.
    pub(crate) fn trap(&mut self, hart: &mut Hart, cause: Cause) {
        self.gather(hart);
        let (scause, stval) = cause.registers();
        let slot = (scause as usize & 15) | usize::from(scause >> 63 != 0) << 4;
        self.traps[slot] += 1;
        (self.scause, self.stval, self.sepc) = (scause, stval, hart.pc);
        let enabled = self.sstatus & SIE != 0;
        self.sstatus &= !(SIE | SPIE | SPP);
        if enabled {
            self.sstatus |= SPIE;
        }
        if self.privilege == Privilege::Supervisor {
            self.sstatus |= SPP;
        }
        self.privilege = Privilege::Supervisor;
        let base = self.stvec & !3;
        let vectored = self.stvec & 1 != 0 && scause >> 63 != 0;
        hart.pc = if vectored { base.wrapping_add(4 * (scause & 63)) } else { base };
        hart.end_reservation();
        self.apply(hart);
    }

    /// `sret`.
    pub(super) fn sret(&mut self, hart: &mut Hart) {
        self.gather(hart);
        let was = self.sstatus;
        self.privilege = if was & SPP != 0 { Privilege::Supervisor } else { Privilege::User };
        self.sstatus &= !(SIE | SPP);
        if was & SPIE != 0 {
            self.sstatus |= SIE;
        }
        self.sstatus |= SPIE;
        hart.pc = self.sepc;
        hart.instret += 1;
        hart.end_reservation();
        self.apply(hart);
    }

    /// Starts the hart as SBI says: S-mode, translation off, interrupts disabled.
    pub(crate) fn start(&mut self, hart: &mut Hart, pc: u64, a0: u64, a1: u64) {
        let traps = self.traps;
        *self = Supervisor { traps, ..Supervisor::default() };
        hart.pc = pc;
        hart.set_x(10, a0);
        hart.set_x(11, a1);
        hart.float.fcsr = 0;
        hart.float.dirty = false;
        hart.end_reservation();
        self.apply(hart);
    }
}

impl State for Supervisor {
    fn save(&self, w: &mut Writer<'_>) {
        w.section(*b"SUPV", 1, |w| {
            w.bool(self.privilege == Privilege::Supervisor);
            for v in self.fields() {
                w.u64(v);
            }
            w.bool(self.external);
            w.bool(self.waiting);
            for v in self.traps {
                w.u64(v);
            }
        });
    }

    fn restore(&mut self, r: &mut Reader<'_>) -> Result<(), Error> {
        r.section(*b"SUPV", 1, |r| {
            self.privilege = if r.bool()? { Privilege::Supervisor } else { Privilege::User };
            for field in self.fields_mut() {
                *field = r.u64()?;
            }
            self.external = r.bool()?;
            self.waiting = r.bool()?;
            for v in &mut self.traps {
                *v = r.u64()?;
            }
            if Satp::from_bits(self.satp).is_none() {
                let why = "no such paging mode";
                return Err(Error::Value { field: "satp", value: self.satp, why });
            }
            Ok(())
        })
    }
}

impl Supervisor {
    fn fields(&self) -> [u64; 12] {
        [
            self.sstatus,
            self.sie,
            self.sip,
            self.stvec,
            self.sscratch,
            self.sepc,
            self.scause,
            self.stval,
            self.satp,
            self.scounteren,
            self.senvcfg,
            self.stimecmp,
        ]
    }

    fn fields_mut(&mut self) -> [&mut u64; 12] {
        [
            &mut self.sstatus,
            &mut self.sie,
            &mut self.sip,
            &mut self.stvec,
            &mut self.sscratch,
            &mut self.sepc,
            &mut self.scause,
            &mut self.stval,
            &mut self.satp,
            &mut self.scounteren,
            &mut self.senvcfg,
            &mut self.stimecmp,
        ]
    }
}
